"""Ops: what they take, shapes with unknown sizes, errors, and what has no counterpart in Keras."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina as keras
import lamina.ops as ops
from lamina.core.operation import OPS
from lamina.core.symbolic import SymbolicTensor
from lamina.core.variable import Variable
from lamina.ops import names


def tensor(*shape, dtype="float32"):
    return SymbolicTensor(shape, dtype)


@pytest.mark.parametrize("name", ops.__all__)
def test_documented_and_typed(name):
    function = getattr(ops, name)
    parameters = inspect.signature(function).parameters.values()
    assert function.__doc__
    assert inspect.signature(function).return_annotation is not inspect.Signature.empty
    assert all(each.annotation is not each.empty for each in parameters)


@pytest.mark.parametrize(
    "make",
    [list, np.array, jnp.array, Variable, lambda x: x],
    ids=["list", "NumPy", "jax", "Variable", "same"],
)
def test_whatever_holds_numbers(make):
    x = make([1.0, 4.0])
    np.testing.assert_array_equal(ops.sqrt(x), [1, 2])
    np.testing.assert_array_equal(ops.add(x, x), [2, 8])
    np.testing.assert_array_equal(ops.add(x1=1, x2=x), [2, 5])
    np.testing.assert_array_equal(ops.concatenate([x, x]), [1, 4, 1, 4])
    np.testing.assert_array_equal(ops.where(x, x, 0.0), [1, 4])
    np.testing.assert_array_equal(ops.mean(x=x), 2.5)
    np.testing.assert_array_equal(jax.jit(ops.square)(jnp.asarray(x)), [1, 16])


SHAPES = [
    (lambda: tensor(None, 1) + tensor(3), (None, 3)),
    (lambda: tensor(None, 3) * tensor(None, None), (None, 3)),
    (lambda: tensor(None, 3) - tensor(4, 1), (4, 3)),
    (lambda: 1 - tensor(None), (None,)),
    (lambda: ops.where(tensor(None, 1, dtype="bool"), tensor(3), 0.0), (None, 3)),
    (lambda: ops.matmul(tensor(None, 4, 5), tensor(2, 5, 6)), (2, 4, 6)),
    (lambda: tensor(None, 5) @ tensor(5), (None,)),
    (lambda: tensor(5) @ tensor(None, 5, 2), (None, 2)),
    (lambda: ops.concatenate([tensor(None, 3), tensor(4, None)], axis=1), (4, None)),
    (lambda: ops.concatenate([tensor(None, 3), tensor(2, 3)], axis=0), (None, 3)),
    (lambda: ops.stack([tensor(None, 3), tensor(2, None)], axis=-1), (2, 3, 2)),
    (lambda: ops.squeeze(tensor(None, 1, 3, 1)), (None, 3)),
    (lambda: ops.squeeze(tensor(None, 3, 1), -1), (None, 3)),
    (lambda: ops.reshape(tensor(None, 3, 4), (-1, 12)), (None, 12)),
    (lambda: ops.diagonal(tensor(None, 3, 4), axis1=1, axis2=2), (None, 3)),
    (lambda: ops.diagonal(tensor(None, 3)), (None,)),
    (lambda: ops.diag(tensor(3), k=-1), (4, 4)),
    (lambda: ops.broadcast_to(tensor(1, 3), (None, 3)), (None, 3)),
    (lambda: tensor(None, 5, 3)[:, 1:, ..., None], (None, 4, 3, 1)),
    (lambda: ops.softmax(tensor(None, 2, 3), axis=[1, 2]), (None, 2, 3)),
    (lambda: ops.sum(tensor(None, None, 3), axis=1, keepdims=True), (None, 1, 3)),
    (lambda: ops.unstack(tensor(None, 3), axis=1)[2], (None,)),
    (lambda: ops.einsum("ab,bc->ac", tensor(None, 3), tensor(3, 4)), (None, 4)),
    (lambda: ops.conv(tensor(None, None, 8, 3), tensor(3, 3, 3, 7), 2, "same"), (None, None, 4, 7)),
]  # fmt: skip


@pytest.mark.parametrize(("make", "shape"), SHAPES)
def test_shapes_with_unknown_sizes(make, shape):
    assert make().shape == shape


@pytest.mark.parametrize(("make", "message"), [
    (lambda: tensor(None, 3) + tensor(4), "cannot broadcast"),
    (lambda: ops.matmul(tensor(None, 3), tensor(4, 5)), r"\(None, 3\) and \(4, 5\)"),
    (lambda: ops.concatenate([tensor(2, 3), tensor(3, 3)], axis=1), "along axis 1"),
    (lambda: ops.stack([tensor(2, 3), tensor(2, 3, 1)]), "cannot join"),
    (lambda: ops.squeeze(tensor(None, 3), 1), "size 1"),
    (lambda: ops.reshape(tensor(4, 5), (-1, 13)), "reshape"),
    (lambda: ops.gcd(np.ones(2), 3), "gcd"),
    (lambda: ops.conv(np.ones((1, 5, 5, 3)), np.ones((2, 2, 2, 4))), "3 channels"),
    (lambda: ops.conv(np.ones((1, 2, 2, 3)), np.ones((3, 3, 3, 4))), "no output"),
    (lambda: ops.conv(np.ones((1, 5, 5, 3)), np.ones((2, 2, 3, 4)), 1, "sam"), "Did you mean"),
    (lambda: ops.one_hot([1], 2, sparse=True), "sparse"),
    (lambda: ops.multi_hot([1]), "num_classes"),
    (lambda: ops.cholesky([[0.0, 1.0], [1.0, 0.0]]), "positive definite"),
    (lambda: ops.categorical_crossentropy(np.ones(2), np.ones(3)), r"\(2,\), output shape \(3,\)"),
    (lambda: ops.sparse_categorical_crossentropy(np.ones((2, 3)), np.ones((2, 3))), "one-hot"),
    (lambda: ops.scatter_update([1.0], [[0]], [2.0], "ad"), "Did you mean 'add'"),
    (lambda: jax.jit(ops.bincount)(np.array([1, 2])), "minlength"),
    (lambda: ops.pad([1.0], 1, "edge", 2.0), "constant"),
])  # fmt: skip
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_control_flow():
    total, partial = ops.scan(lambda carry, x: (carry + x, carry), 0.0, jnp.arange(4.0))
    assert float(total) == 6
    assert partial.tolist() == [0, 0, 1, 3]
    assert int(ops.fori_loop(0, 5, lambda i, x: x + i, 0)) == 10
    assert int(ops.cond(True, lambda: 1, lambda: 2)) == 1
    assert int(ops.switch(5, [lambda x: x, lambda x: -x], 3)) == -3
    end = ops.while_loop(lambda i, x: x < 100, lambda i, x: (i + 1, x * 2), (0, 1), 3)
    assert [int(each) for each in end] == [3, 8]
    assert ops.map(lambda x: x * 2, jnp.arange(3)).tolist() == [0, 2, 4]
    assert ops.vectorized_map(jnp.sum, jnp.ones((2, 3))).tolist() == [3, 3]
    assert ops.associative_scan(jnp.add, jnp.arange(4)).tolist() == [0, 1, 3, 6]
    assert ops.vectorize(lambda x, y: x + y)(jnp.arange(2), 1).tolist() == [1, 2]
    value, slope = ops.jvp(jnp.square, [3.0], [1.0])
    assert (float(value), float(slope)) == (9, 6)


def test_gradients_where_formulas_break():
    slope = jax.grad(lambda x: ops.divide_no_nan(1.0, x))(0.0)
    assert float(slope) == 0
    assert float(jax.grad(ops.relu)(0.0)) == 0
    assert float(jax.grad(lambda x: ops.stop_gradient(x) * x)(3.0)) == 3


def test_saturate_cast_holds_at_the_ends():
    x = np.array([-1e10, -1.0, 3.7, 1e10], "float32")
    assert ops.saturate_cast(x, "int32").tolist() == [-(2**31), -1, 3, 2147483520]
    assert ops.saturate_cast(np.array([-5, 300]), "uint8").tolist() == [0, 255]


def test_capped_attention_is_plain_attention_of_small_logits():
    q, k, v = np.random.default_rng(0).normal(size=(3, 2, 4, 2, 8)).astype("float32")
    mask = np.random.default_rng(1).random((2, 1, 4, 4)) < 0.7
    plain = ops.dot_product_attention(q, k, v, mask=mask | np.eye(4, dtype=bool), is_causal=True)
    capped = ops.dot_product_attention(
        q, k, v, mask=mask | np.eye(4, dtype=bool), is_causal=True, attn_logits_soft_cap=1e6
    )
    np.testing.assert_allclose(capped, plain, rtol=1e-4, atol=1e-5)


def test_pooling_of_integers():
    image = np.arange(16, dtype="int32").reshape(1, 4, 4, 1)
    assert ops.max_pool(image, 2).reshape(-1).tolist() == [5, 7, 13, 15]


def test_names_of_steps_are_unique():
    ours = [name for name, op in OPS.items() if op.__module__.startswith("lamina.ops")]
    classes = [names.keras_name(name)[1] for name in ours]
    assert len(set(classes)) == len(classes)
    assert all(names.function_of(names.keras_name(name)[1]) == name for name in ours)


def test_arange_up_to_an_unknown_size():
    class Places(keras.layers.Layer):
        def call(self, x):
            return ops.arange(0, ops.shape(x)[1], 1) + ops.arange(ops.shape(x)[1])

    x = keras.Input((None,))
    places = Places()(x)
    assert (places.shape, places.dtype) == ((None,), "int32")
    assert keras.Model(x, places)(np.zeros((1, 3))).tolist() == [0, 2, 4]
