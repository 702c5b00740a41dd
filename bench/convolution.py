"""Convolutions as Lamina computes them beside XLA's own, in turns: milliseconds and ratios.

    python bench/convolution.py [--loop]

Forward, forward and backward by both arguments, and with `--loop` four of the latter in a
`lax.scan` (XLA's own takes seconds there). The minimum of several runs is shown, since a shared
machine only adds time.
"""

import functools
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.ops.fast.convolution import convolve

Case = tuple[tuple[int, ...], tuple[int, ...], int, int]
CASES: dict[str, Case] = {  # shapes of input and kernel, stride, groups; padded unless said
    "depthwise 3x3": ((32, 48, 48, 32), (3, 3, 1, 32), 1, 32),
    "depthwise 3x3, stride 2": ((16, 56, 56, 64), (3, 3, 1, 64), 2, 64),
    "1x1, 128": ((32, 28, 28, 128), (1, 1, 128, 128), 1, 1),
    "1x1, 256 to 512": ((32, 14, 14, 256), (1, 1, 256, 512), 1, 1),
    "3x3, 1 to 32": ((64, 28, 28, 1), (3, 3, 1, 32), 1, 1),
    "3x3, 32 to 64": ((64, 13, 13, 32), (3, 3, 32, 64), 1, 1),
    "3x3, 64": ((64, 16, 16, 64), (3, 3, 64, 64), 1, 1),
    "3x3, 32 to 64, unpadded": ((64, 28, 28, 32), (3, 3, 32, 64), 1, 1),
    "5x5, 32, unpadded": ((32, 32, 32, 32), (5, 5, 32, 32), 1, 1),
    "3x3, 64 to 128, stride 2": ((32, 28, 28, 64), (3, 3, 64, 128), 2, 1),
}


def plain(x: Any, kernel: Any, strides: Any, padding: str, dilation: Any, groups: int) -> Any:
    """XLA's own, as it is written by hand."""
    return jax.lax.conv_general_dilated(
        x, kernel, strides, padding, rhs_dilation=dilation, feature_group_count=groups,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )  # fmt: skip


def forward(conv: Callable[..., Any], stride: int, groups: int, padding: str) -> Callable[..., Any]:
    """The convolution alone."""
    return lambda x, kernel: conv(x, kernel, (stride,) * 2, padding, (1, 1), groups)


def backward(
    conv: Callable[..., Any], stride: int, groups: int, padding: str
) -> Callable[..., Any]:
    """The gradients by input and kernel of half the sum of squares."""
    one = forward(conv, stride, groups, padding)
    return jax.grad(lambda x, kernel: 0.5 * jnp.sum(jnp.square(one(x, kernel))), (0, 1))


def looped(conv: Callable[..., Any], stride: int, groups: int, padding: str) -> Callable[..., Any]:
    """Four steps down the gradient by the kernel."""
    one = backward(conv, stride, groups, padding)

    def run(x: Any, kernel: Any) -> Any:
        return jax.lax.scan(lambda k, _: (k - 1e-6 * one(x, k)[1], None), kernel, length=4)[0]

    return run


def seconds(functions: list[Callable[..., Any]], *arrays: Any, rounds: int = 5) -> list[float]:
    """The shortest time of each function, taking turns."""
    compiled = [jax.jit(function) for function in functions]
    for function in compiled:
        jax.block_until_ready(function(*arrays))
    best = [float("inf")] * len(compiled)
    for _ in range(rounds):
        for i, function in enumerate(compiled):
            start = time.perf_counter()
            jax.block_until_ready(function(*arrays))
            best[i] = min(best[i], time.perf_counter() - start)
    return best


def main() -> None:
    """Print the table."""
    kinds = [forward, backward, *([looped] if "--loop" in sys.argv else [])]
    print(f"{'':26}" + "".join(f"{kind.__name__:>12}: native, here, ratio" for kind in kinds))
    for title, (shape, kernel, stride, groups) in CASES.items():
        generator = np.random.default_rng(0)
        arrays = [jnp.asarray(generator.normal(size=s), "float32") for s in (shape, kernel)]
        shown = ""
        for kind in kinds:
            padding = "VALID" if "unpadded" in title else "SAME"
            make = functools.partial(kind, stride=stride, groups=groups, padding=padding)
            rounds = 1 if kind is looped else 5
            native, ours = seconds([make(plain), make(convolve)], *arrays, rounds=rounds)
            shown += f"{native * 1e3:14.1f}{ours * 1e3:10.1f}{native / ours:8.1f}x"
        print(f"{title:26}{shown}", flush=True)


if __name__ == "__main__":
    main()
