"""Whole runs of `fit`: Lamina beside Keras on JAX, ratios in one run.

    python bench/train.py [workload ...]

Each side runs in a process of its own, the two taking turns. A process fits a model for one batch
(time from the call of fit to its end, compilation included), then for one epoch to warm up, then
for several; the fastest epoch of all processes counts, since a shared machine only adds time. Peak
memory is that of the process.
"""

import importlib.util
import json
import os
import subprocess
import sys

HEAD = """
import os, resource, time, json, sys
os.environ["KERAS_BACKEND"] = "jax"
import numpy as np
import jax; jax.devices()
import {name} as k
layers = k.layers
rng = np.random.default_rng(0)
"""
WORKLOADS = {
    "MLP 784-128-64-10, batch 32": (
        """
x, y = rng.normal(size=(19200, 784)).astype("float32"), rng.integers(0, 10, 19200)
batch = 32
model = k.Sequential([k.Input((784,)), layers.Dense(128, activation="relu"),
                      layers.Dense(64, activation="relu"), layers.Dense(10, activation="softmax")])
""",
        1.5,
    ),
    "CNN 28x28, batch 64": (
        """
x, y = rng.normal(size=(1920, 28, 28, 1)).astype("float32"), rng.integers(0, 10, 1920)
batch = 64
model = k.Sequential([k.Input((28, 28, 1)), layers.Conv2D(32, 3, activation="relu"),
                      layers.MaxPooling2D(), layers.Conv2D(64, 3, activation="relu"),
                      layers.MaxPooling2D(), layers.Flatten(), layers.Dropout(0.5),
                      layers.Dense(10, activation="softmax")])
""",
        2.5,
    ),
    "LSTM 64 units, T=80, batch 32": (
        """
x, y = rng.integers(0, 2000, (1600, 80)).astype("int32"), rng.integers(0, 2, 1600)
batch = 32
model = k.Sequential([k.Input((80,), dtype="int32"), layers.Embedding(2000, 64), layers.LSTM(64),
                      layers.Dense(2, activation="softmax")])
""",
        1.1,
    ),
    "transformer 2 x d128, T=64, batch 32": (
        """
x, y = rng.integers(0, 2000, (640, 64)).astype("int32"), rng.integers(0, 2, 640)
batch = 32
tokens = k.Input((64,), dtype="int32")
h = layers.Embedding(2000, 128)(tokens)
for _ in range(2):
    a = layers.MultiHeadAttention(4, 32)(h, h)
    h = layers.LayerNormalization()(layers.Add()([h, a]))
    f = layers.Dense(512, activation="gelu")(h)
    f = layers.Dense(128)(f)
    h = layers.LayerNormalization()(layers.Add()([h, f]))
model = k.Model(tokens, layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling1D()(h)))
""",
        1.5,
    ),
}
TAIL = """
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
start = time.perf_counter()
model.fit(x[:batch], y[:batch], batch_size=batch, verbose=0)
first = time.perf_counter() - start
model.fit(x, y, batch_size=batch, verbose=0)
class Clock(k.callbacks.Callback):
    runs_user_code = False
    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()
    def on_epoch_end(self, epoch, logs=None):
        times.append(time.perf_counter() - self.start)
times = []
model.fit(x, y, batch_size=batch, epochs=4, verbose=0, callbacks=[Clock()])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([len(x) / batch / min(times), first, peak / 1024]))
"""
RUNS = 3


def measure(name: str, program: str) -> list[float]:
    """Steps a second, seconds of the first fit, and MB, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", HEAD.format(name=name) + program + TAIL],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "KERAS_BACKEND": "jax"},
    )
    return json.loads(done.stdout.splitlines()[-1])


def main(wanted: list[str]) -> None:
    """Print a row for each workload."""
    sides = ["lamina", *(["keras"] if importlib.util.find_spec("keras") else [])]
    print(f"{'':38}{'steps/s':>22}{'':8}{'goal':>6}{'first batch, s':>22}{'peak, MB':>18}")
    for label, (program, goal) in WORKLOADS.items():
        if wanted and not any(each.lower() in label.lower() for each in wanted):
            continue
        found: dict[str, list[list[float]]] = {side: [] for side in sides}
        for _ in range(RUNS):
            for side in sides:
                found[side].append(measure(side, program))
        best = {s: (max(r[0] for r in rs), min(r[1] for r in rs), min(r[2] for r in rs))
                for s, rs in found.items()}  # fmt: skip
        ours, theirs = best["lamina"], best.get("keras", (float("nan"),) * 3)
        speed = f"{ours[0]:11.1f}{theirs[0]:11.1f}{ours[0] / theirs[0]:7.2f}x{goal:5.1f}x"
        rest = f"{ours[1]:11.2f}{theirs[1]:11.2f}{ours[2]:9.0f}{theirs[2]:9.0f}"
        print(f"{label:38}{speed}{rest}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
