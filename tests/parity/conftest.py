"""Real Keras, on JAX, as the oracle. Where it is not installed, this folder is left out."""

import importlib.util
import os

os.environ["KERAS_BACKEND"] = "jax"

collect_ignore_glob = [] if importlib.util.find_spec("keras") else ["test_*.py"]
