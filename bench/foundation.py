"""Describing, seeing and calling models: Lamina beside Keras on JAX, ratios in one run.

    python bench/foundation.py

Keras is used when it is installed (the `parity` extra). Each side runs in a process of its own, the
two alternating; the minimum of several runs is shown, since a shared machine only adds time.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from typing import Any

MLP = """
from {name} import Sequential, Input, layers
def mlp():
    return Sequential([Input((784,)), layers.Dense(128, activation="relu"),
                       layers.Dense(64, activation="relu"), layers.Dense(10, activation="softmax")])
"""
IMPORT = """
import time
start = time.perf_counter()
import {name}
result = time.perf_counter() - start
"""
JITTED = (
    MLP
    + """
import time, numpy as np, jax
model = mlp()
x = np.ones((1, 784), "float32")
params, rest = model.split()
function = jax.jit(lambda params, x: model.merge(params, rest)(x))
for _ in range(3): jax.block_until_ready(function(params, x))
runs = []
for _ in range(5):
    start = time.perf_counter()
    for _ in range(2000): out = function(params, x)
    jax.block_until_ready(out)
    runs.append((time.perf_counter() - start) / 2000)
result = min(runs)
"""
)
PROGRAMS = {
    "build and summarise an MLP": MLP
    + """
import time, io, numpy as np
import jax; jax.devices()
start = time.perf_counter()
model = mlp()
lines = []
model.summary(print_fn=lines.append)
result = time.perf_counter() - start
""",
    "model(x) on one row": MLP
    + """
import time, numpy as np, jax
model = mlp()
x = np.ones((1, 784), "float32")
for _ in range(3): jax.block_until_ready(model(x))
runs = []
for _ in range(5):
    start = time.perf_counter()
    for _ in range({calls}): out = model(x)
    jax.block_until_ready(out)
    runs.append((time.perf_counter() - start) / {calls})
result = min(runs)
""",
    "describe 1,000 Dense layers": """
import time
from {name} import Input, Model, layers
start = time.perf_counter()
x = inputs = Input((64,))
for _ in range(1000): x = layers.Dense(64)(x)
model = Model(inputs, x)
result = time.perf_counter() - start
""",
}
HUNDRED_BILLION = """
import resource, sys, time
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
import lamina as keras
start = time.perf_counter()
x = inputs = keras.Input((16384,))
for _ in range(47):
    h = keras.layers.Dense(65536, activation="gelu")(x)
    x = x + keras.layers.Dense(16384)(h)
model = keras.Model(inputs, x)
lines = []
model.summary(print_fn=lines.append)
keras.utils.plot_model(model, sys.argv[1], show_shapes=True)
result = {"seconds": time.perf_counter() - start, "parameters": model.count_params(),
          "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
"""


def run(program: str, *arguments: str) -> object:
    """The `result` of a program, run in a process of its own."""
    env = {**os.environ, "KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3"}
    code = program + "\nimport json; print(json.dumps(result))"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=env, capture_output=True, text=True
    )
    if done.returncode:
        return done.stderr.strip().splitlines()[-1].split(":")[0]
    return json.loads(done.stdout.splitlines()[-1])


def best(program: str, names: list[str], rounds: int = 3, **values: int) -> dict[str, Any]:
    """The shortest time of a program for each library, taking turns; or what it failed with."""
    found: dict[str, list[Any]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            calls = values.get(name, 1)
            text = program.replace("{name}", name).replace("{calls}", str(calls))
            found[name].append(run(text))
    return {name: min(each, key=str) if isinstance(each[0], str) else min(each)
            for name, each in found.items()}  # fmt: skip


def main() -> None:
    """Print the table."""
    names = ["lamina", "keras"] if importlib.util.find_spec("keras") else ["lamina"]
    print(f"{'':32}{'lamina':>12}{'keras':>16}{'ratio':>10}")
    for title, program in PROGRAMS.items():
        found = best(program, names, lamina=2000, keras=50)
        ours, theirs = found["lamina"], found.get("keras", "")
        if isinstance(theirs, float):
            shown = f"{theirs * 1e3:14.3f}ms{theirs / ours:9.1f}x"
        else:
            shown = f"{theirs:>16}"
        print(f"{title:32}{ours * 1e3:10.3f}ms{shown}", flush=True)
    imports = best(IMPORT, ["jax", "lamina"], rounds=5)
    print(f"import lamina / import jax: {imports['lamina'] / imports['jax']:.2f}")
    print(f"the jitted function under model(x): {best(JITTED, ['lamina'])['lamina'] * 1e3:.3f}ms")
    with tempfile.TemporaryDirectory() as folder:
        print(f"a model of 100 billion parameters: {run(HUNDRED_BILLION, folder + '/m.svg')}")


if __name__ == "__main__":
    main()
