"""Times of recurrent layers beside those of Keras on JAX: run it as a script, on a quiet machine.

    python bench/recurrent.py

Each line gives milliseconds of Lamina and of Keras (the smallest of several rounds, taken in turn)
and how many times Keras's is longer.
"""

import os
import time
from collections.abc import Callable
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras
import numpy as np

import lamina

BATCH, STEPS, FEATURES, UNITS = 32, 80, 64, 64
X = np.random.default_rng(0).normal(size=(BATCH, STEPS, FEATURES)).astype("float32")


def programs(layer: Any) -> dict[str, Callable[[], Any]]:
    """A forward pass, and a step of gradients, as compiled functions without arguments."""
    layer.build(X.shape)
    trainable = [jnp.asarray(v.value) for v in layer.trainable_variables]
    rest = [jnp.asarray(v.value) for v in layer.non_trainable_variables]

    def forward(trainable: Any, x: Any) -> Any:
        outputs, _ = layer.stateless_call(trainable, rest, x, training=True)
        return outputs

    def loss(trainable: Any, x: Any) -> Any:
        return jnp.mean(jnp.square(forward(trainable, x)))

    run, step = jax.jit(forward), jax.jit(jax.value_and_grad(loss))
    x = jnp.asarray(X)
    return {"forward": lambda: run(trainable, x), "gradients": lambda: step(trainable, x)}


def fastest(functions: list[Callable[[], Any]], rounds: int = 20, calls: int = 10) -> list[float]:
    """Milliseconds a call of each function, the smallest over rounds taken in turn."""
    best = [float("inf")] * len(functions)
    for function in functions:
        jax.block_until_ready(function())
    for _ in range(rounds):
        for i, function in enumerate(functions):
            start = time.perf_counter()
            for _ in range(calls):
                result = function()
            jax.block_until_ready(result)
            best[i] = min(best[i], (time.perf_counter() - start) / calls * 1000)
    return best


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "LSTM": ("LSTM", {}),
    "LSTM, sequences": ("LSTM", {"return_sequences": True}),
    "LSTM, both dropouts": ("LSTM", {"dropout": 0.2, "recurrent_dropout": 0.2}),
    "GRU": ("GRU", {}),
    "SimpleRNN": ("SimpleRNN", {}),
}


def main() -> None:
    print(f"batch {BATCH}, {STEPS} steps, {FEATURES} features, {UNITS} units, {jax.devices()[0]}")
    for label, (name, options) in CASES.items():
        ours, theirs = (
            programs(getattr(library.layers, name)(UNITS, **options)) for library in (lamina, keras)
        )
        for kind in ours:
            mine, other = fastest([ours[kind], theirs[kind]])
            print(f"{label:22} {kind:10} {mine:8.2f} {other:8.2f} {other / mine:6.2f}x")


if __name__ == "__main__":
    main()
