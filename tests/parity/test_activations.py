"""Activations against Keras on JAX: values, gradients, signatures, and serialised forms."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import activations
from lamina.core.symbolic import SymbolicTensor
from lamina.ops import names

keras = pytest.importorskip("keras")

X = np.random.default_rng(0).normal(0, 3, (4, 6)).astype("float32")
PUBLIC = [name for name in dir(keras.activations) if not name.startswith("_")]
FUNCTIONS = [name for name in PUBLIC if name not in ("get", "serialize", "deserialize")]
CASES = [
    (name, {"threshold": 0.1, "default_value": 2.0} if name == "threshold" else {})
    for name in FUNCTIONS
    if name != "sparsemax"
] + [
    ("relu", {"negative_slope": 0.1}),
    ("relu", {"max_value": 6}),
    ("relu", {"threshold": 1.0}),
    ("relu", {"negative_slope": 0.1, "max_value": 2.0, "threshold": 1.0}),
    ("elu", {"alpha": 0.5}),
    ("celu", {"alpha": 2.0}),
    ("gelu", {"approximate": True}),
    ("leaky_relu", {"negative_slope": 0.3}),
    ("softmax", {"axis": 0}),
    ("squareplus", {"b": 1}),
    ("hard_shrink", {"threshold": 1.0}),
    ("soft_shrink", {"threshold": 1.0}),
    ("glu", {"axis": 0}),
]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_value_and_gradient(name, options):
    theirs, ours = getattr(keras.activations, name), getattr(activations, name)
    np.testing.assert_allclose(ours(X, **options), theirs(X, **options), rtol=1e-5, atol=1e-6)
    weights = jnp.cos(jnp.arange(1, 1 + np.size(ours(X, **options)))).reshape(
        ours(X, **options).shape
    )
    gradients = [
        jax.grad(lambda x, f=f: jnp.sum(weights * f(x, **options)))(X) for f in (ours, theirs)
    ]
    np.testing.assert_allclose(*gradients, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", PUBLIC)
def test_signature(name):
    theirs, ours = (
        inspect.signature(getattr(room, name)) for room in (keras.activations, activations)
    )
    shown = [[(p.name, p.default) for p in each.parameters.values()] for each in (ours, theirs)]
    assert shown[0] == shown[1]
    assert name in activations.__all__


@pytest.mark.parametrize("name", FUNCTIONS)
def test_serialised_form(name):
    theirs, ours = getattr(keras.activations, name), getattr(activations, name)
    stored = activations.serialize(ours)
    assert stored == keras.activations.serialize(theirs)
    assert activations.deserialize(stored) is ours
    assert activations.get(name) is ours


@pytest.mark.parametrize(("name", "options"), CASES)
def test_step_in_a_graph(name, options):
    if name in ("linear", "hard_silu", "hard_swish", "mish"):  # Keras records none of these
        return
    tensor = getattr(keras.activations, name)(keras.KerasTensor((None, 6)), **options)
    stored = keras.saving.serialize_keras_object(tensor._keras_history.operation)
    ours = getattr(activations, name)(SymbolicTensor((None, 6)), **options)
    step = ours.record[0]
    node = step._nodes[0]
    config = names.split_arguments(step.function, node.args, node.kwargs)[1]
    assert names.keras_name(step.function) == (stored["module"], stored["class_name"])
    assert set(config) >= set(stored["config"]) - {"name"}
    assert ours.shape == tensor.shape
