"""What steps cost, against formulas from the layers' definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalogue import each_layer
from gallery import MODELS

import lamina as keras
from lamina.core import nest
from lamina.core.errors import ArgumentError, DTypeError, ShapeError
from lamina.view.cost import Cost, cost, count, size_of, step_costs
from lamina.view.flow import flow_of

layers = keras.layers


def of(layer, *shapes, batch_size=1):
    tensors = [keras.Input(shape) for shape in shapes]
    outputs = layer(*tensors)
    found = cost(keras.Model(tensors, outputs), batch_size)
    assert not any(variable.made for variable in layer.weights)
    return found


def attention(query, value, width, heads, size):
    """Projections of query, key, value and output, scores, and the weighted sum."""
    inner = heads * size
    return 2 * query * width * inner + 2 * value * width * inner + 2 * query * value * inner


@pytest.mark.parametrize(
    ("layer", "shapes", "macs"),
    [
        (layers.Dense(7), [(5,)], 35),
        (layers.Dense(7), [(3, 5)], 105),
        (layers.EinsumDense("abc,cde->abde", (3, 2, 5)), [(3, 4)], 3 * 4 * 10),
        (layers.Conv2D(8, 3), [(10, 12, 4)], 8 * 10 * 8 * 9 * 4),
        (layers.Conv2D(8, (3, 5), strides=2), [(11, 13, 4)], 5 * 5 * 8 * 15 * 4),
        (layers.Conv2D(8, 3, padding="same"), [(10, 12, 4)], 10 * 12 * 8 * 9 * 4),
        (layers.Conv2D(8, 3, groups=2), [(10, 12, 4)], 8 * 10 * 8 * 9 * 2),
        (layers.Conv2D(8, 3, dilation_rate=3), [(10, 12, 4)], 4 * 6 * 8 * 9 * 4),
        (layers.Conv2D(8, 3, data_format="channels_first"), [(4, 10, 12)], 8 * 10 * 8 * 9 * 4),
        (layers.Conv1D(8, 3, padding="causal"), [(10, 4)], 10 * 8 * 3 * 4),
        (layers.Conv3D(2, 2), [(4, 5, 6, 3)], 3 * 4 * 5 * 2 * 8 * 3),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), [(10, 12, 4)], 8 * 10 * 4 * 2 * 9),
        (layers.SeparableConv2D(6, 3), [(10, 12, 4)], 8 * 10 * (4 * 9 + 4 * 6)),
        (layers.Conv2DTranspose(8, 3, strides=2), [(10, 12, 4)], 10 * 12 * 4 * 9 * 8),
        (layers.Conv2DTranspose(8, 3), [(10, 12, 4)], 12 * 14 * 4 * 9 * 8),
        (layers.SimpleRNN(6), [(5, 4)], 5 * 6 * (4 + 6)),
        (layers.LSTM(6), [(5, 4)], 5 * 4 * 6 * (4 + 6)),
        (layers.LSTM(6, unroll=True), [(5, 4)], 5 * 4 * 6 * (4 + 6)),
        (layers.GRU(6), [(5, 4)], 5 * 3 * 6 * (4 + 6)),
        (layers.Bidirectional(layers.LSTM(6)), [(5, 4)], 2 * 5 * 4 * 6 * (4 + 6)),
        (layers.MultiHeadAttention(2, 3), [(7, 6), (9, 6)], attention(7, 9, 6, 2, 3)),
        (layers.TimeDistributed(layers.Dense(7)), [(3, 5)], 105),
        (layers.BatchNormalization(), [(5,)], 0),
        (layers.Embedding(9, 4), [(5,)], 0),
    ],
    ids=lambda each: each.name if isinstance(each, keras.layers.Layer) else "",
)
def test_multiply_adds(layer, shapes, macs):
    assert of(layer, *shapes).macs == macs
    assert of(layer, *shapes, batch_size=3).macs == 3 * macs


@pytest.mark.parametrize(
    ("layer", "shape", "flops"),
    [
        (layers.Dense(7), (5,), 2 * 35 + 7),
        (layers.Dense(7, use_bias=False, activation="relu"), (5,), 2 * 35 + 7),
        (layers.ReLU(), (6,), 6),
        (layers.Flatten(), (3, 4), 0),
        (layers.MaxPooling2D(2), (8, 6, 5), 4 * 3 * 5 * 4),
        (layers.GlobalAveragePooling2D(), (8, 6, 5), 8 * 6 * 5 + 5),
        (layers.Dropout(0.5), (6,), 0),
    ],
    ids=lambda each: each.name if isinstance(each, keras.layers.Layer) else "",
)
def test_flops(layer, shape, flops):
    assert of(layer, shape).flops == flops


def test_primitives():
    def counted(function, *args):
        return count(jax.make_jaxpr(function)(*args).jaxpr)

    a, b = jnp.ones((2, 3, 4)), jnp.ones((2, 4, 5))
    assert counted(jnp.matmul, a, b) == (120, 240)
    assert (
        counted(lambda x: jax.lax.cond(x[0] > 0, jnp.tanh, lambda x: x + x * x, x), jnp.ones(5))[1]
        == 10
    )
    assert counted(lambda x: jax.lax.fori_loop(0, 6, lambda i, y: y + x, x), jnp.ones(5))[1] == 30
    assert counted(lambda x: x.at[:2].add(1.0), jnp.ones(5))[1] == 2
    assert counted(lambda x: x * 3 + 1, jnp.arange(5)) == (0, 0)
    x = jnp.ones((1, 8, 8, 4))
    gradient = jax.grad(lambda k: keras.ops.conv(x, k).sum())
    forward, backward = (counted(f, jnp.ones((3, 3, 4, 5)))[0] for f in (
        lambda k: keras.ops.conv(x, k), gradient))  # fmt: skip
    assert backward == 2 * forward == 2 * 36 * 5 * 36


def test_known_networks():
    """3.8e9 multiply-adds (He et al. 2015, table 1), 4.1e9 where the norms' are counted."""
    model = MODELS["resnet50"]()
    found = cost(model)
    assert 3.8e9 < found.macs < 4.1e9 and 2 * found.macs < found.flops < 2.02 * found.macs
    assert found.parameters == 4 * model.count_params()
    assert not any(variable.made for variable in model.weights)
    by_name = {step.name: step_costs(flow_of(model)).steps[id(step)] for step in model.layers}
    assert by_name["stem_conv"].macs == 112 * 112 * 64 * 7 * 7 * 3
    assert by_name["stem_conv"].activations == 112 * 112 * 64 * 4


def test_steps_add_up():
    tower = keras.Sequential([keras.Input((6,)), layers.Dense(4), layers.Dense(3)])
    a, b = keras.Input((6,)), keras.Input((6,))
    model = keras.Model([a, b], keras.ops.abs(tower(a) - tower(b)))
    found = step_costs(flow_of(model)).steps[id(tower)]
    assert found == Cost(2 * 36, 2 * (72 + 7), 2 * 4 * 7, 4 * (28 + 15))
    assert cost(model) == found + Cost(0, 6, 24, 0)
    assert cost(tower).macs == 36


def test_sizes_that_are_free():
    model = MODELS["transformer"](blocks=1, width=8, heads=2, words=50)
    assert cost(model) is None
    small, large = (cost(model, input_shapes=[(1, n), (1, 2 * n)]).macs for n in (4, 8))
    assert 2 * small < large < 4 * small
    with pytest.raises(ShapeError, match="its inputs are"):
        cost(model, input_shapes=[(1, 4)])
    merged = keras.Input((5, 4))
    rows = keras.ops.reshape(merged, (-1, 4))
    assert cost(keras.Model(merged, layers.Dense(3)(rows)), 2).macs == 2 * 5 * 12


def test_what_is_not_known():
    class Opaque(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, x):
            return jnp.tanh(self.dense(x))

    model = Opaque()
    assert cost(model) is None
    model(np.ones((2, 4), np.float32))
    assert cost(model, 5) == Cost(60, 5 * (2 * 12 + 6), 60, 60)
    assert cost(layers.Dense(3)) is None
    with pytest.raises(ArgumentError, match="positive"):
        cost(model, 0)
    with pytest.raises(DTypeError, match="list"):
        cost([1])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "mixed_float16"])
def test_bytes(dtype):
    found = of(layers.Dense(7, dtype=dtype), (5,))
    half = dtype != "float32"
    assert found.activations == (14 if half else 28)
    assert found.parameters == 42 * (2 if dtype == "bfloat16" else 4)
    assert size_of((3,), "int4") == 2


@each_layer
def test_every_layer_has_a_cost(row):
    tensors = row.map(lambda x: keras.Input(batch_shape=x.shape, dtype=str(x.dtype)))
    outputs = nest.flatten(row.make()(*row.args(tensors)))
    found = cost(keras.Model(tensors, outputs))
    assert found.activations == sum(size_of(x.shape, x.dtype) for x in outputs)
