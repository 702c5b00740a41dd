"""Times of pooling by slices beside XLA's own windows: run it as a script, on a quiet machine.

    python bench/pooling.py

Each line gives milliseconds of a forward pass, and of one with its gradient: those of XLA's
`reduce_window`, those of `lamina.ops.fast.pooling`, and how many times XLA's are longer.
"""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamina.ops.fast.pooling import window_max, window_sum

CASES: list[tuple[str, tuple[int, ...], Any, Any, str]] = [
    ("max", (32, 56, 56, 64), (2, 2), (2, 2), "VALID"),
    ("max", (32, 56, 56, 64), (3, 3), (2, 2), "SAME"),
    ("max", (32, 28, 28, 32), (3, 3), (1, 1), "SAME"),
    ("max", (64, 28, 28, 32), (2, 2), (2, 2), "VALID"),
    ("max", (64, 256, 32), (3,), (1,), "VALID"),
    ("max", (8, 16, 16, 16, 16), (2, 2, 2), (2, 2, 2), "VALID"),
    ("max", (16, 28, 28, 32), (7, 7), (7, 7), "VALID"),
    ("sum", (32, 56, 56, 64), (2, 2), (2, 2), "VALID"),
    ("sum", (32, 56, 56, 64), (3, 3), (2, 2), "VALID"),
    ("sum", (32, 28, 28, 32), (3, 3), (1, 1), "SAME"),
    ("sum", (16, 28, 28, 32), (7, 7), (7, 7), "VALID"),
]


def native(kind: str, window: Any, strides: Any, padding: str) -> Callable[[Any], Any]:
    start, join = (-jnp.inf, lax.max) if kind == "max" else (0.0, lax.add)
    return lambda x: lax.reduce_window(x, start, join, window, strides, padding)


def by_slices(kind: str, window: Any, strides: Any, padding: str) -> Callable[[Any], Any]:
    pool = window_max if kind == "max" else window_sum
    return lambda x: pool(x, window, strides, padding)


def fastest(function: Callable[..., Any], *arrays: Any, seconds: float = 0.5) -> float:
    """Milliseconds of a call, the smallest of those that fit into some time."""
    compiled = jax.jit(function)
    jax.block_until_ready(compiled(*arrays))
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        jax.block_until_ready(compiled(*arrays))
        best = min(best, time.perf_counter() - start)
    return best * 1000


def both_ways(pool: Callable[[Any], Any], x: Any) -> tuple[float, float]:
    def backward(x: Any, cotangent: Any) -> Any:
        y, pull = jax.vjp(pool, x)
        return y, pull(cotangent)

    y = pool(x)
    return fastest(pool, x), fastest(backward, x, jnp.cos(jnp.arange(y.size)).reshape(y.shape))


def main() -> None:
    print(f"{jax.devices()[0]}; milliseconds forward / forward and backward")
    for kind, shape, *sizes, padding in CASES:
        # Half of the elements are equal, as they are behind a relu.
        x = jnp.asarray(np.random.default_rng(0).normal(size=shape).clip(0), "float32")
        window, strides = ((1, *each, 1) for each in sizes)
        pools = (make(kind, window, strides, padding) for make in (native, by_slices))
        (a, b), (c, d) = (both_ways(pool, x) for pool in pools)
        what = f"{kind} {sizes[0]} by {sizes[1]} {padding.lower()} of {shape}"
        print(f"{what:58} {a:6.2f} / {b:6.2f}   {c:6.2f} / {d:6.2f}   x {a / c:.1f} / {b / d:.1f}")


if __name__ == "__main__":
    main()
