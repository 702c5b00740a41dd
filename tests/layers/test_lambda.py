"""Lambda: any function as a layer, by name in files, never by code."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from lamina.core import registry
from lamina.core.errors import FileError
from lamina.layers import Input, Lambda, deserialize, serialize

X = np.float32([[1, -2]])


@registry.register("tests")
def doubled(x: Any, factor: float = 2.0) -> Any:
    return x * factor


def test_runs_python_each_time() -> None:
    seen = []
    layer = Lambda(lambda x: seen.append(x.shape) or x + 1)
    assert np.array_equal(layer(X), X + 1)
    layer(X)
    assert len(seen) >= 2


def test_symbolic() -> None:
    assert Lambda(lambda x: jnp.sum(x, -1))(Input((3,))).shape == (None,)
    assert Lambda(lambda x: np.asarray(x), output_shape=(3,))(Input((4,))).shape == (None, 3)
    assert Lambda(abs, output_shape=lambda shape: shape[:1])(Input((4,))).shape == (None,)


def test_passes_what_the_function_takes() -> None:
    layer = Lambda(lambda x, training: x if training else -x)
    assert np.array_equal(layer(X, training=True), X)
    assert np.array_equal(layer(X), -X)
    assert np.array_equal(Lambda(doubled, arguments={"factor": 3.0})(X), 3 * X)


def test_a_registered_function_travels_by_name() -> None:
    layer = Lambda(doubled, arguments={"factor": 4.0}, name="twice")
    again = deserialize(serialize(layer))
    assert again.function is doubled
    assert np.array_equal(again(X), 4 * X)


def test_a_lambda_has_no_config() -> None:
    with pytest.raises(FileError, match="Lambda 'mine' has no config") as caught:
        Lambda(lambda x: x, name="mine").get_config()
    assert "never code" in str(caught.value)


def code_config() -> dict[str, Any]:
    """What Keras writes for ``lambda x: x + 1``."""
    import base64
    import marshal

    code = base64.b64encode(marshal.dumps((lambda x: x + 1).__code__)).decode()
    function = {"code": code, "defaults": None, "closure": None}
    config = {"name": "l", "function": {"class_name": "__lambda__", "config": function}}
    return {"module": "keras.layers", "class_name": "Lambda", "config": config}


def test_code_in_a_file_is_not_run() -> None:
    for attempt in (deserialize, registry.deserialize):
        with pytest.raises(FileError, match="holds Python code"):
            attempt(code_config())
    with pytest.raises(FileError, match="holds Python code"):
        Lambda.from_config(code_config()["config"])


def test_code_in_a_file_is_run_on_the_callers_word() -> None:
    layer = registry.deserialize(code_config(), safe_mode=False)
    assert np.array_equal(layer(X), X + 1)
    with pytest.raises(FileError):
        deserialize(code_config())


def test_a_file_cannot_name_a_function_of_a_module() -> None:
    stored = code_config()
    for function in (
        {"module": "os", "class_name": "function", "config": "system"},
        {"module": "builtins", "class_name": "function", "config": "eval"},
        {"module": "keras.utils", "class_name": "function", "config": "get_file"},
    ):
        stored["config"]["function"] = function
        with pytest.raises(FileError):
            deserialize(stored)
