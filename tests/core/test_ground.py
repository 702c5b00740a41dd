"""Names, configs, the registry's tables, symbols, tracebacks."""

import subprocess
import sys
import traceback

import jax.numpy as jnp
import numpy as np
import pytest

import lamina as keras
from lamina.core import naming, nest, registry, symbolic
from lamina.core.configurable import Configurable
from lamina.core.errors import FileError, LaminaError
from lamina.core.operation import OPS, op


def test_every_room_of_the_table_exists_and_lists_its_names():
    for keras_module, room in registry.ROOMS.items():
        loaded = __import__(room, fromlist=["x"])
        assert loaded.__name__ == room, keras_module
        for name in getattr(loaded, "__all__", []):
            assert hasattr(loaded, name), (room, name)
    for room in registry.TOP:
        __import__(room)


def test_late_names_in_the_core_exist():
    import pathlib
    import re

    core = pathlib.Path(registry.__file__).parent.parent
    for path in core.rglob("*.py"):
        for name in re.findall(r'\blate\(\s*"([\w.]+)"\s*\)', path.read_text()):
            if not name.startswith("ops.{"):
                assert registry.late(name) is not None, (path, name)
    operators = [*symbolic._OPERATORS.values(), *symbolic._COMPARISONS.values()]
    for name in [*operators, *symbolic._UNARY.values(), *symbolic._UFUNCS]:
        assert name in OPS or registry.late(f"ops.{name}")


@pytest.mark.parametrize(
    ("name", "want"),
    [("Dense", "dense"), ("LeakyReLU", "leaky_re_lu"), ("Conv2DTranspose", "conv2d_transpose"),
     ("GlobalAveragePooling1D", "global_average_pooling1d"), ("ReLU", "re_lu"), ("LSTM", "lstm")],
)  # fmt: skip
def test_snake_case(name, want):
    assert naming.to_snake_case(name) == want


def test_a_users_class_keeps_what_its_constructor_was_given():
    class Thing(Configurable):
        def __init__(self, a, b=(1, 2), *, c=None):
            self.a = a
            self.b = [str(x) for x in b]
            self.other = c

    thing = Thing(3, c={"k": np.float32(2)})
    assert thing.get_config() == {"a": 3, "b": ["1", "2"], "c": {"k": 2.0}}
    thing.a = 5
    assert Thing.from_config(thing.get_config()).a == 5


def test_the_gate_makes_only_what_may_be_made():
    good = registry.serialize(keras.layers.Dense(3))
    assert registry.deserialize(good).units == 3
    for module, name in [("os", "system"), ("builtins", "eval"), ("keras.utils", "get_file"),
                         ("keras.layers", "deserialize"), ("lamina.core.registry", "late"),
                         ("keras.src.saving", "load_model"), ("subprocess", "Popen")]:  # fmt: skip
        with pytest.raises(FileError, match="not a class that this file may use"):
            registry.deserialize({**good, "module": module, "class_name": name})
    with pytest.raises(FileError, match="may use"):
        function = {"module": "os", "class_name": "function", "config": "system"}
        registry.deserialize(function)


def test_custom_objects_by_registration_scope_and_argument():
    class Mine(keras.layers.Layer):
        pass

    stored = registry.serialize(Mine(name="m"))
    with pytest.raises(FileError, match="custom_objects"):
        registry.deserialize(stored)
    assert registry.deserialize(stored, {"Mine": Mine}).name == "m"
    with keras.utils.custom_object_scope({"Mine": Mine}):
        assert type(registry.deserialize(stored)) is Mine
    registered = keras.utils.register_keras_serializable("pack")(Mine)
    assert registry.serialize(registered(name="m"))["registered_name"] == "pack>Mine"
    assert type(registry.deserialize(registry.serialize(registered()))) is Mine
    del keras.utils.get_custom_objects()["pack>Mine"]


def test_marked_values_survive():
    for value in [(1, (2, None)), slice(1, None, 2), Ellipsis, {"a": [1.5, "x"]}, b"raw"]:
        assert registry.deserialize(registry.serialize(value)) == value
    array = np.arange(4, dtype=np.int8)
    back = registry.deserialize(registry.serialize(array))
    assert back.dtype == np.int8
    assert np.array_equal(back, array)


def test_ops_infer_shapes_with_unknown_sizes():
    @op
    def halves(x):
        return jnp.reshape(x, (-1, 2)), x.shape[0] * jnp.ones(3)

    a, b = halves(symbolic.SymbolicTensor((None, 4)))
    assert (a.shape, b.shape) == ((None, 2), (3,))
    with pytest.raises(LaminaError, match=r"halves.*\(None, None, 3\)|halves"):
        halves(symbolic.SymbolicTensor((5, 3)))


def test_shapes_are_checked():
    for wrong in [(-1, 2), ("a",), (1.5, "x")]:
        with pytest.raises(LaminaError):
            symbolic.standardize_shape(wrong)
    assert symbolic.standardize_shape([np.int64(3), None]) == (3, None)


def test_nests():
    nested = {"b": [1, (2, None)], "a": 3}
    assert nest.flatten(nested) == [3, 1, 2, None]
    assert nest.is_nested([]) is True
    assert nest.is_nested(None) is False


def test_a_traceback_ends_at_the_users_line():
    class Wrong(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(2)

        def call(self, x):
            return self.dense(x) + nothing_of_that_name  # noqa: F821

    with pytest.raises(NameError) as caught:
        Wrong()(np.ones((1, 2)))
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert {frame.filename for frame in frames} == {__file__}
    assert "nothing_of_that_name" in (frames[-1].line or "")


def test_importing_lamina_is_quiet_and_light():
    heavy = ("jax", "h5py", "rich")
    code = f"import sys, lamina; print(sorted(m for m in {heavy} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
    with pytest.raises(AttributeError, match="Did you mean 'layers'"):
        _ = keras.layerz
