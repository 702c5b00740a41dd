"""Describing, seeing and calling models: Lamina beside Keras on JAX, ratios in one run.

    python bench/foundation.py

Keras is used when it is installed (the `parity` extra). Each side runs in a process of its own, the
two alternating; the minimum of several runs is shown, since a shared machine only adds time.
"""

import json
import os
import subprocess
import sys

MLP = """
from {name} import Sequential, Input, layers
def mlp():
    return Sequential([Input((784,)), layers.Dense(128, activation="relu"),
                       layers.Dense(64, activation="relu"), layers.Dense(10, activation="softmax")])
"""
PROGRAMS = {
    "import": "import time; t = time.perf_counter(); import {name}; result = time.perf_counter() - t",
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
IMPORT_JAX = "import time; t = time.perf_counter(); import jax; result = time.perf_counter() - t"


def run(program: str, *arguments: str) -> object:
    """The `result` of a program, run in a process of its own."""
    env = {**os.environ, "KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3"}
    code = program + "\nimport json; print(json.dumps(result))"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=env, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def best(program: str, names: list[str], rounds: int = 3, **values: int) -> dict[str, float]:
    """The shortest time of a program for each library, the libraries taking turns."""
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            calls = values.get(name, 1)
            text = program.replace("{name}", name).replace("{calls}", str(calls))
            times[name].append(float(run(text)))  # type: ignore[arg-type]
    return {name: min(each) for name, each in times.items()}


def main() -> None:
    """Print the table."""
    try:
        import importlib.util

        names = ["lamina", "keras"] if importlib.util.find_spec("keras") else ["lamina"]
    except ImportError:
        names = ["lamina"]
    print(f"{'':32}{'lamina':>12}{'keras':>12}{'ratio':>10}")
    for title, program in PROGRAMS.items():
        found = best(program, names, lamina=2000, keras=20)
        keras = found.get("keras")
        shown = f"{keras * 1e3:10.2f}ms{keras / found['lamina']:9.1f}x" if keras else ""
        print(f"{title:32}{found['lamina'] * 1e3:10.3f}ms{shown}", flush=True)
    jax_times = [float(run(IMPORT_JAX)) for _ in range(5)]  # type: ignore[arg-type]
    lamina_times = [float(run(PROGRAMS["import"].replace("{name}", "lamina"))) for _ in range(5)]  # type: ignore[arg-type]
    print(f"import lamina / import jax: {min(lamina_times) / min(jax_times):.2f}")
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        print(f"a model of 100 billion parameters: {run(HUNDRED_BILLION, folder + '/m.svg')}")


if __name__ == "__main__":
    main()
