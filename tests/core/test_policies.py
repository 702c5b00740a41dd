"""Dtype policies: names, equality, configs, maps of paths, and what a layer does with each."""

import copy
import io
import pickle
from typing import Any

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose
from rows import x

import lamina as keras
from lamina import dtype_policies
from lamina.core.settings import settings
from lamina.dtype_policies import DTypePolicy, DTypePolicyMap

FLOATS = {
    "float32": ("float32", "float32"),
    "mixed_bfloat16": ("float32", "bfloat16"),
    "mixed_float16": ("float32", "float16"),
    "bfloat16": ("bfloat16", "bfloat16"),
    "float16": ("float16", "float16"),
}
QUANTIZED = [
    ("QuantizedDTypePolicy", "int8_from_float32", {"mode": "int8"}),
    ("QuantizedDTypePolicy", "int4_from_mixed_bfloat16", {"mode": "int4"}),
    ("QuantizedFloat8DTypePolicy", "float8_from_float32",
     {"mode": "float8", "amax_history_length": 1024}),
    ("Int4DTypePolicy", "int4/128_from_float32", {"mode": "int4/128"}),
    ("GPTQDTypePolicy", "gptq/4/-1_from_bfloat16", {"mode": "gptq/4/-1"}),
    ("AWQDTypePolicy", "awq/4/32_from_float32", {"mode": "awq/4/32"}),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _default_policy_again() -> Any:
    before = settings.dtype_policy
    yield
    settings.dtype_policy = before


@pytest.mark.parametrize(("kind", "name", "config"), QUANTIZED)
def test_quantized_policies_are_values(kind: str, name: str, config: dict[str, Any]) -> None:
    policy = dtype_policies.get(name)
    assert type(policy).__name__ == kind and policy.name == name
    assert repr(policy) == f'<{kind} "{name}">'
    assert policy.get_config() == {"source_name": name.split("_from_")[1], **config}
    stored = dtype_policies.serialize(policy)
    assert stored["module"] == "keras.dtype_policies" and stored["class_name"] == kind
    for same in (
        dtype_policies.deserialize(stored), dtype_policies.get(stored), copy.deepcopy(policy),
        pickle.loads(pickle.dumps(policy)), getattr(dtype_policies, kind)(**policy.get_config()),
    ):  # fmt: skip
        assert same == policy and same.quantization_mode == config["mode"].split("/")[0]
    assert policy != DTypePolicy("float32")


@pytest.mark.parametrize(("kind", "name", "config"), QUANTIZED)
def test_a_layer_refuses_to_compute_in_a_quantized_policy(
    kind: str, name: str, config: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="cannot compute in the quantized policy"):
        keras.layers.Dense(2, dtype=name)
    layer = keras.layers.Dense(2)
    with pytest.raises(ValueError, match=f"'{name}'"):
        layer.dtype_policy = name
    assert layer.dtype_policy.name == "float32"
    by_path = keras.layers.Dense(2, dtype=DTypePolicyMap("float32", {"dense": name}), name="dense2")
    by_path.build((None, 2))
    with pytest.raises(ValueError, match="cannot compute in the quantized policy"):
        keras.layers.Dense(2, dtype=DTypePolicyMap("float32", {".*": name}))


@pytest.mark.parametrize("name", ["mixed_float64", "int7_from_float32", "floaty", "", "int8_from_",
                                  "gptq/5/1_from_float32", "awq/3/1_from_float32",
                                  "int4/0_from_float32", "int4/a_from_float32",
                                  "int8_from_float16"])  # fmt: skip
def test_bad_names(name: str) -> None:
    with pytest.raises(ValueError, match=r"dtype|mode|float16"):
        dtype_policies.get(name)


def test_maps_of_paths() -> None:
    policies = DTypePolicyMap("float32", {"a/b": "bfloat16"})
    policies["a/.*"] = "mixed_bfloat16"
    assert [policies[key].name for key in ("a/b", "a/c", "b")] == [
        "bfloat16", "mixed_bfloat16", "float32"]  # fmt: skip
    assert len(policies) == 2 and list(policies) == ["a/b", "a/.*"] and "a/c" not in policies
    policies["a/d.*"] = "float16"
    with pytest.raises(ValueError, match="matches multiple"):
        policies["a/dd"]
    with pytest.raises(ValueError, match="already exist"):
        policies["a/b"] = "float32"
    with pytest.raises(ValueError, match="Cannot interpret"):
        policies["x"] = "floaty"
    del policies["a/d.*"]
    stored = dtype_policies.serialize(policies)
    again = dtype_policies.deserialize(stored)
    assert again == policies and again["a/c"].name == "mixed_bfloat16"
    with pytest.raises(ValueError, match="`default_policy`"):
        DTypePolicyMap(policies)
    with pytest.raises(TypeError, match="dict of policies"):
        DTypePolicyMap(policy_map=["a"])  # type: ignore[arg-type]


def test_a_map_gives_each_layer_the_policy_of_its_path() -> None:
    policies = DTypePolicyMap("float32", {"m/first": "mixed_bfloat16", "m/second/.*": "bfloat16"})

    @keras.saving.register_keras_serializable("tests")
    class Two(keras.Model):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.first = keras.layers.Dense(2, name="first", dtype=policies)
            self.second = keras.Sequential(
                [keras.layers.Dense(2, dtype=policies), keras.layers.ReLU(dtype=policies)],
                name="second",
            )

        def call(self, inputs: Any) -> Any:
            return self.second(self.first(inputs))

    model = Two(name="m")
    assert model(x(2, 3)).dtype == "bfloat16"
    dense, relu = model.second.layers
    assert (model.first.compute_dtype, model.first.kernel.dtype) == ("bfloat16", "float32")
    assert dense.kernel.dtype == relu.compute_dtype == "bfloat16"
    assert model.first.dtype_policy == policies
    model.first.dtype_policy = "float16"
    assert model.first.compute_dtype == "float16" and policies["m/first"].name == "mixed_bfloat16"


def test_files_keep_policies() -> None:
    policies = DTypePolicyMap("float32", {"m/a": "mixed_bfloat16"})
    model = keras.Sequential([
        keras.Input((3,)), keras.layers.Dense(2, name="a", dtype=policies),
        keras.layers.Dense(2, name="b", dtype=policies), keras.layers.ReLU(dtype="float16"),
    ], name="m")  # fmt: skip
    model.save(file := io.BytesIO())
    loaded = keras.saving.load_model(file)
    assert [layer.dtype_policy for layer in loaded.layers] == [
        layer.dtype_policy for layer in model.layers
    ]
    assert loaded.get_layer("a").compute_dtype == "bfloat16"
    assert loaded.get_layer("b").compute_dtype == "float32"


@pytest.mark.parametrize("setter", ["config", "mixed_precision"])
def test_the_default_policy(setter: str) -> None:
    getattr(keras, setter).set_dtype_policy("mixed_bfloat16")
    assert keras.config.dtype_policy().name == keras.mixed_precision.global_policy().name
    assert keras.layers.Dense(2)(x(2, 3)).dtype == "bfloat16"
    assert keras.layers.Dense(2, dtype="float32")(x(2, 3)).dtype == "float32"
    assert DTypePolicy().name == "mixed_bfloat16"
    assert DTypePolicyMap()["any"].name == "mixed_bfloat16"
    for bad in (None, 5, keras.layers.Dense):
        with pytest.raises(ValueError, match="Invalid `policy` argument"):
            keras.config.set_dtype_policy(bad)


def net(**more: Any) -> Any:
    return keras.Sequential([
        keras.Input((4,)), keras.layers.Dense(16, activation="relu", **more),
        keras.layers.BatchNormalization(**more), keras.layers.Dense(1, **more),
    ], **more)  # fmt: skip


@pytest.mark.parametrize("everywhere", [True, False])
@pytest.mark.parametrize("name", FLOATS)
def test_training_learns(name: str, everywhere: bool) -> None:
    if everywhere:
        keras.config.set_dtype_policy(name)
    keras.utils.set_random_seed(1)
    model = net() if everywhere else net(dtype=name)
    stored, computed = FLOATS[name]
    assert {v.dtype for v in model.weights} <= {stored, "float32"}
    assert {v.dtype for v in model.layers[0].weights} == {stored}
    assert all(layer.compute_dtype == computed for layer in model.layers)
    model.compile(keras.optimizers.Adam(0.02), "mse")
    scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (name == "mixed_float16")
    inputs = x(64, 4)
    losses = model.fit(inputs, inputs[:, :1], epochs=15, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0] and np.isfinite(losses).all()
    assert model.predict(inputs, verbose=0).dtype == computed
    model.save(file := io.BytesIO())
    loaded = keras.saving.load_model(file)
    assert loaded.layers[0].dtype_policy.name == name
    a, b = (m.predict(inputs, verbose=0).astype("float32") for m in (model, loaded))
    assert_allclose(a, b, rtol=1e-3, atol=1e-3)
    loaded.fit(inputs, inputs[:, :1], verbose=0)


def test_loss_scaling_recovers_from_overflow() -> None:
    model = net(dtype="mixed_float16")
    model.compile(
        keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.01), initial_scale=2.0**40),
        "mse",
    )
    inputs, targets = x(32, 4), x(32, 1)
    before = model.trainable_variables[0].numpy()
    model.train_on_batch(inputs, targets)
    assert_allclose(model.trainable_variables[0].numpy(), before)
    model.fit(inputs, targets, epochs=40, batch_size=32, verbose=0)
    scale = float(model.optimizer.dynamic_scale)
    assert 1 <= scale < 2.0**40
    assert not np.allclose(model.trainable_variables[0].numpy(), before)
    assert all(np.isfinite(v.numpy()).all() for v in model.variables)


def test_float64_without_x64_is_float32_in_fact() -> None:
    with pytest.warns(UserWarning, match="no-x64"):
        layer = keras.layers.Dense(2, dtype="float64")
    assert layer.compute_dtype == layer.dtype == "float64"
    assert layer(x(2, 3)).dtype == layer.kernel.dtype == "float32"
    assert layer.get_config()["dtype"]["config"] == {"name": "float64"}


def test_float64_with_x64() -> None:
    with jax.enable_x64(True):
        layer = keras.layers.Dense(2, dtype="float64")
        assert layer(x(2, 3)).dtype == layer.kernel.dtype == "float64"


def test_against_keras() -> None:
    theirs = pytest.importorskip("keras")
    for name in FLOATS:
        results = []
        for library in (keras, theirs):
            model = library.Sequential([
                library.Input((4,)), library.layers.Dense(3, activation="relu", dtype=name),
                library.layers.Dense(1, dtype=name)])  # fmt: skip
            model.set_weights([x(4, 3), x(3), x(3, 1), x(1)])
            model.compile(library.optimizers.SGD(0.01), "mse")
            model.fit(x(8, 4), x(8, 1), epochs=2, verbose=0, shuffle=False)
            results.append((model.output.dtype if library is keras else model.outputs[0].dtype,
                            model.get_weights()))  # fmt: skip
        assert results[0][0] == results[1][0]
        for a, b in zip(results[0][1], results[1][1], strict=True):
            assert a.dtype == b.dtype
            wide = 1e-5 if name == "float32" else 0.05
            assert_allclose(a.astype("float32"), b.astype("float32"), rtol=wide, atol=wide)
    for kind, name, _ in QUANTIZED:
        keras_own = theirs.dtype_policies.get(name)
        mine = dtype_policies.get(name)
        assert type(keras_own).__name__ == kind and keras_own.get_config() == mine.get_config()
        assert theirs.dtype_policies.serialize(keras_own) == dtype_policies.serialize(mine)
        assert (keras_own.compute_dtype, keras_own.variable_dtype) == (
            mine.compute_dtype, mine.variable_dtype)  # fmt: skip
