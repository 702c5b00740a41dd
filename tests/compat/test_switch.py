"""Installing and uninstalling, each in a process of its own."""

import subprocess
import sys

import pytest


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c",
         f"import sys; sys.path[:] = {sys.path}\n{code}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_ways_to_import():
    code = """
import lamina, lamina.compat
lamina.compat.install()
lamina.compat.install()
import tensorflow as tf
import keras
import keras.layers
import tensorflow.keras.layers as layers
from tensorflow import keras as tf_keras
from tensorflow.keras.layers import Dense
from keras.models import Sequential
from keras.layers.core import Flatten
from tensorflow.python.keras.layers import Dropout
from tensorflow.keras.optimizers.schedules import ExponentialDecay
from keras.utils import np_utils
from keras.utils.np_utils import to_categorical
assert Dense is lamina.layers.Dense is tf.keras.layers.Dense is keras.layers.Dense
assert Sequential is lamina.Sequential and tf_keras.Model is lamina.Model
assert tf.__version__.startswith("2.") and keras.__version__.startswith("3.")
assert not [n for n in sys.modules if n.startswith(("keras.src", "tensorflow.core"))]
print("relu" in dir(tf.nn), "Dense" in dir(keras.layers))
"""
    assert run_python(code) == "True True"


def test_without_the_call_nothing_is_changed():
    code = """
import lamina, lamina.compat, lamina.losses, lamina.training.trainer
from lamina.core.symbolic import SymbolicTensor
classes = (lamina.Layer, lamina.Variable, lamina.Loss, lamina.Metric, lamina.Optimizer,
           lamina.metrics.Mean, lamina.training.trainer.Trainer, SymbolicTensor,
           lamina.regularizers.L2)
before, finders = [dict(vars(cls)) for cls in classes], list(sys.meta_path)
lamina.compat.install()
import tensorflow as tf, keras
assert [dict(vars(cls)) for cls in classes] != before
lamina.compat.uninstall()
lamina.compat.uninstall()
for cls, old in zip(classes, before):
    assert {k: v for k, v in vars(cls).items() if v is not old.get(k)} == {}, cls
    assert old.keys() == vars(cls).keys()
assert sys.meta_path == finders and "tensorflow" not in sys.modules
import jax
assert isinstance(lamina.layers.Dense(2)([[1.0, 2.0]]), jax.Array)
try:
    import tensorflow
except ModuleNotFoundError:
    pass
else:
    assert not hasattr(tensorflow, "keras") or "lamina" not in tensorflow.__version__
"""
    run_python(code)


def test_a_real_one_that_is_imported_already():
    code = """
import types
sys.modules["keras"] = types.ModuleType("keras")
import lamina, lamina.compat
call = lamina.Layer.__call__
try:
    lamina.compat.install()
except RuntimeError as error:
    print(error)
assert not lamina.compat.installed() and lamina.Layer.__call__ is call
"""
    assert run_python(code).startswith("The real keras is already imported in this process.")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("tf.estimator", "tf.estimator is not part of Lamina's facade of TensorFlow"),
        ("tf.reduce_meen", "Did you mean 'reduce_mean'?"),
        ("tf.keras.layers.Dens", "Did you mean 'Dense'?"),
        ("tf.compat.v1.Session()", "write for TensorFlow 2"),
        ("tf.keras.datasets.mnist", "lamina.datasets.digits"),
        ("tf.nn.conv9d", "tf.nn.conv9d is not part"),
        ("from tensorflow import estimator", "use a model and model.fit"),
        ("from tensorflow.keras.datasets import mnist", "Lamina downloads nothing"),
        ("import tensorflow.strings", "tf.strings is not part"),
        ("from keras.src.layers import Dense", "keras.src is not part"),
        ("import keras.src", "take the name from its public module"),
        ("tf.constant('text')", "hold numbers"),
        ("tf.gather([1], [0], batch_dims=1)", "does not take 'batch_dims'"),
        ("tf.reduce_sum([1], axes=0)", "Did you mean 'axis'?"),
        ("tf.function(lambda: 1, speed=2)", "speed"),
    ],
)
def test_what_is_missing_names_itself(tf, code, message):
    with pytest.raises((AttributeError, ImportError, TypeError, ValueError)) as caught:
        exec(code, {"tf": tf})
    assert message in str(caught.value)
