"""Each layer of the catalogue against real Keras: values, gradients, configs, shapes, masks."""

import json
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalogue import LAYERS, LayerRow, each_layer, each_layer_once
from numpy.testing import assert_allclose, assert_array_equal

from lamina.core import registry
from lamina.core.masking import get_mask
from lamina.layers import Input

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.filterwarnings("ignore:.*rms_scaling:UserWarning")

RECURRENT = ("SimpleRNN", "LSTM", "GRU", "ConvLSTM2D")
"""Keras moves the generator of these layers at inference, too, for masks that it does not use. Ours
stays: a layer can be called inside jax.jit, which could not write it back."""


def pair(row: LayerRow, **more: Any) -> tuple[Any, Any]:
    """The layer in both libraries, built, with the same weights that are not all 0 or 1."""
    ours = row.make(name="layer", **more)
    theirs = row.make(keras.layers, name="layer", **more)
    ours(*row.args())
    theirs(*row.args())
    weights = [_weight(i, v) for i, v in enumerate(theirs.weights)]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    for a, b in zip(ours.variables, theirs.variables, strict=True):
        if a.name == "seed_generator_state":
            a.assign(np.asarray(b.value))  # see RECURRENT
    return ours, theirs


def _weight(index: int, variable: Any) -> np.ndarray:
    low = 0.5 if any(part in variable.name for part in ("variance", "stddev", "gamma")) else -1
    shape = tuple(variable.shape)
    return np.random.default_rng(index).uniform(low, 1.5, shape).astype("float32")


def split(layer: Any) -> tuple[list[Any], list[Any]]:
    trainable = [v.value for v in layer.trainable_variables]
    return trainable, [v.value for v in layer.non_trainable_variables]


def modes(row: LayerRow) -> list[dict[str, bool]]:
    """The call's keyword arguments: training or not, for the layers where it matters."""
    differs = row.random or row.name == "BatchNormalization"
    return [{}, {"training": True}] if differs else [{}]


CASES = [(row, mode) for row in LAYERS for mode in modes(row)]
each_mode = pytest.mark.parametrize(("row", "mode"), CASES, ids=str)


@each_mode
def test_values_losses_and_state(row: LayerRow, mode: dict[str, bool]) -> None:
    ours, theirs = pair(row)
    inputs = row.args(row.map(jnp.asarray))
    mine, keras_own = (
        layer.stateless_call(*split(layer), *inputs, **mode) for layer in (ours, theirs)
    )
    assert_allclose(mine[0], keras_own[0], atol=1e-5)
    assert mine[0].dtype == keras_own[0].dtype
    if row.name not in RECURRENT or mode or not row.random:
        for a, b in zip(mine[1], keras_own[1], strict=True):
            assert_allclose(a, b, atol=1e-5)
    ours(*inputs), theirs(*inputs)
    assert_allclose(ours.losses, theirs.losses, rtol=1e-5)


@each_mode
def test_gradients(row: LayerRow, mode: dict[str, bool]) -> None:
    ours, theirs = pair(row)

    def gradients(layer: Any) -> Any:
        trainable, rest = split(layer)

        def loss(trainable: Any, inputs: Any) -> Any:
            outputs, _ = layer.stateless_call(trainable, rest, *row.args(inputs), **mode)
            return jnp.sum(jnp.sin(outputs))

        if row.floats or row.several:
            return jax.jit(jax.grad(loss, argnums=(0, 1)))(trainable, row.map(jnp.asarray))
        return jax.jit(jax.grad(loss))(trainable, row.inputs)

    for a, b in zip(*map(jax.tree.leaves, map(gradients, (ours, theirs))), strict=True):
        assert_allclose(a, b, atol=2e-5, rtol=1e-4)


@each_layer
def test_weights_have_the_same_order_names_and_paths(row: LayerRow) -> None:
    ours, theirs = pair(row)
    for kind in ("weights", "trainable_weights", "non_trainable_weights"):
        mine, keras_own = getattr(ours, kind), getattr(theirs, kind)
        assert [v.name for v in mine] == [v.name for v in keras_own]
        assert [v.path for v in mine] == [v.path for v in keras_own]
        assert [v.shape for v in mine] == [tuple(v.shape) for v in keras_own]
    assert len(ours.variables) == len(theirs.variables)


@each_layer
def test_configs_are_equal(row: LayerRow) -> None:
    ours = row.make(name="layer")
    theirs = row.make(keras.layers, name="layer")
    config = registry.serialize(ours)
    if row.name == "SimpleRNN":
        assert config["config"].pop("seed") == 3  # which Keras forgets
    mine = json.dumps(config)
    keras_own = json.dumps(keras.saving.serialize_keras_object(theirs))
    assert rounded(mine) == rounded(keras_own)


def rounded(text: str) -> Any:
    """Keras writes the 0.01 of a regularizer as the float32 beside it, 0.009999999776."""
    return json.loads(text, parse_float=lambda digits: round(float(digits), 6))


@each_layer
def test_configs_travel_both_ways(row: LayerRow) -> None:
    ours, theirs = pair(row)
    there = keras.saving.deserialize_keras_object(json.loads(json.dumps(registry.serialize(ours))))
    back = registry.deserialize(json.loads(json.dumps(keras.saving.serialize_keras_object(theirs))))
    weights = ours.get_weights()
    expected = np.asarray(ours(*row.args()))
    for layer in (there, back):
        if weights:
            layer.set_weights(weights)
        assert_allclose(layer(*row.args()), expected, atol=1e-5)


@each_layer
def test_output_shapes(row: LayerRow) -> None:
    for shapes in (
        row.map(lambda x: (None, *x.shape[1:])),
        row.map(lambda x: (None,) * (x.ndim - 1) + x.shape[max(x.ndim - 1, 1) :]),
    ):
        ours, theirs = row.make(), row.make(keras.layers)
        tensor = [keras.KerasTensor(s, x.dtype.name) for s, x in _pairs(shapes, row)]
        inputs = [Input(batch_shape=s, dtype=x.dtype) for s, x in _pairs(shapes, row)]
        try:
            wanted = theirs(*row.args(tensor if row.several else tensor[0])).shape
        except (ValueError, TypeError):
            continue  # a weight's size depends on what is unknown here
        found = ours(*row.args(inputs if row.several else inputs[0])).shape
        # Ours may know more: None meets 5 gives 5, where Keras says None.
        assert all(a == b or b is None for a, b in zip(found, wanted, strict=True))
        assert len(found) == len(wanted)


def _pairs(shapes: Any, row: LayerRow) -> list[tuple[Any, np.ndarray]]:
    if not row.several:
        return [(shapes, row.inputs)]
    return list(zip(shapes, row.inputs, strict=True))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16"])
@each_layer_once
def test_policies(row: LayerRow, policy: str) -> None:
    ours, theirs = pair(row, dtype=policy)
    mine, keras_own = ours(*row.args()), theirs(*row.args())
    assert mine.dtype == keras_own.dtype
    assert [v.dtype for v in ours.weights] == [v.dtype for v in theirs.weights]
    a, b = (np.asarray(each).astype("float32") for each in (mine, keras_own))
    assert_allclose(a, b, atol=0.05, rtol=0.05)


RANDOM = [row for row in LAYERS if row.random]


@pytest.mark.parametrize("row", RANDOM, ids=str)
def test_random_layers_draw_the_same_numbers(row: LayerRow) -> None:
    ours, theirs = pair(row)
    for _ in range(3):
        mine, keras_own = ours(*row.args(), training=True), theirs(*row.args(), training=True)
        assert_array_equal(np.asarray(mine) == 0, np.asarray(keras_own) == 0)
        assert_allclose(mine, keras_own, rtol=1e-6, atol=1e-6)
    assert not np.allclose(mine, ours(*row.args()))


def _mask(x: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(x.shape[:-1]) > 0.4


@each_layer
def test_computed_masks(row: LayerRow) -> None:
    ours, theirs = pair(row)
    if not theirs.supports_masking:
        assert not ours.supports_masking
        return
    inputs = row.map(jnp.asarray)
    leaves = inputs if row.several else [inputs]
    masks = [jnp.asarray(_mask(x, seed)) for seed, x in enumerate(leaves)]
    if row.apart:
        assert_array_equal(*(each.compute_mask(leaves[0], masks[0]) for each in (ours, theirs)))
        return
    if len({x.ndim for x in leaves}) > 1:
        masks = [None] * len(masks)
    for given in (masks, [None, *masks[1:]]) if row.several else masks:
        mine, keras_own = ours.compute_mask(inputs, given), theirs.compute_mask(inputs, given)
        assert (mine is None) == (keras_own is None)
        if mine is not None:
            assert_array_equal(mine, keras_own)


@pytest.mark.parametrize("first", ["Masking", "Embedding"])
def test_masks_reach_the_layers_behind(first: str) -> None:
    rows = {"Masking": np.float32([[[1, 2], [0, 0], [3, 4]]]), "Embedding": np.int32([[1, 0, 2]])}
    arguments = {"Masking": {}, "Embedding": {"input_dim": 3, "output_dim": 2, "mask_zero": True}}
    masks = []
    for layers in (__import__("lamina.layers").layers, keras.layers):
        maker, second = getattr(layers, first)(**arguments[first]), layers.Dropout(0.5)
        inputs = layers.Input(rows[first].shape[1:], dtype=rows[first].dtype.name)
        assert second(maker(inputs)).shape == (None, 3, 2)
        outputs = second(maker(rows[first]))
        mask = getattr(outputs, "_keras_mask", None)
        masks.append(get_mask(outputs) if mask is None else mask)
    assert_array_equal(*masks)
    assert_array_equal(masks[0], [[True, False, True]])


def test_softmax_and_batch_normalization_use_masks() -> None:
    x, mask = LAYERS[0].inputs, np.array([[True, False, True, True], [False] * 4])
    softmax = [layers.Softmax()(x, mask=mask) for layers in (_ours(), keras.layers)]
    assert_allclose(*softmax, atol=1e-6)
    x = np.random.default_rng(0).normal(size=(4, 3, 2)).astype("float32")
    mask = _mask(x, 0)
    norms = [layers.BatchNormalization(momentum=0.5) for layers in (_ours(), keras.layers)]
    outputs = [norm(x, training=True, mask=mask) for norm in norms]
    assert_allclose(*outputs, atol=1e-5)
    for a, b in zip(*(norm.get_weights() for norm in norms), strict=True):
        assert_allclose(a, b, atol=1e-5)


def _ours() -> Any:
    import lamina.layers

    return lamina.layers


def test_batch_normalization_far_from_0() -> None:
    x = (np.random.default_rng(0).normal(size=(256, 3)) + [0, 100, 10000]).astype("float32")
    expected = (x.astype("float64") - x.mean(0, "float64")) / np.sqrt(x.var(0, "float64") + 1e-3)
    ours = _ours().BatchNormalization()(x, training=True)
    assert_allclose(ours, expected, atol=1e-2)


def test_inputs() -> None:
    for arguments in (
        {"shape": (3,)}, {"shape": (3, None), "batch_size": 2, "dtype": "int32", "name": "in"},
        {"batch_shape": (None, 4), "name": "x", "optional": True},
    ):  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = keras.layers.InputLayer(**arguments)
        ours = _ours().InputLayer(**arguments)
        mine, keras_own = ours.get_config(), theirs.get_config()
        if "name" not in arguments:
            mine.pop("name"), keras_own.pop("name")
        assert mine == keras_own
        again = _ours().InputLayer.from_config(ours.get_config())
        assert again.get_config() == ours.get_config()
        assert again.output.shape == tuple(theirs.output.shape)
