"""What tensors and variables look like, and that they behave as arrays."""

import copy
import pickle

import jax
import numpy as np
import pytest


def test_printing(tf):
    matrix = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    assert str(matrix) == "tf.Tensor(\n[[1. 2.]\n [3. 4.]], shape=(2, 2), dtype=float32)"
    assert f"{matrix}" == "[[1. 2.]\n [3. 4.]]"
    assert repr(matrix) == (
        "<tf.Tensor: shape=(2, 2), dtype=float32, numpy=\n"
        "array([[1., 2.],\n       [3., 4.]], dtype=float32)>"
    )
    assert str(tf.constant(3)) == "tf.Tensor(3, shape=(), dtype=int32)"
    assert repr(tf.constant(3.0)) == "<tf.Tensor: shape=(), dtype=float32, numpy=3.0>"
    assert f"{tf.constant(0.123456):.2f}" == "0.12"
    assert repr(tf.Variable(3.0)).endswith("shape=() dtype=float32, numpy=3.0>")


def test_dtypes_and_shapes(tf):
    x = tf.zeros((2, 3), dtype=tf.int32)
    assert x.dtype == tf.int32 == "int32" and repr(x.dtype) == "tf.int32"
    assert str(x.dtype) == "<dtype: 'int32'>" and x.dtype.is_integer
    assert x.shape == (2, 3) and x.shape.as_list() == [2, 3] and x.shape.rank == 2
    assert repr(x.shape) == "TensorShape([2, 3])" and repr(x.shape[:1]) == "TensorShape([2])"
    assert x.get_shape().num_elements() == 6
    assert np.zeros(2, tf.float32.as_numpy_dtype).dtype == np.float32


def test_kinds(tf, keras):
    assert isinstance(tf.ones(2), tf.Tensor) and isinstance(keras.Input((2,)), tf.Tensor)
    assert not isinstance(np.ones(2), tf.Tensor)
    layer = keras.layers.Dense(2)
    layer(tf.ones((1, 2)))
    assert isinstance(tf.Variable(1), tf.Variable) and isinstance(layer.kernel, tf.Variable)
    assert tf.is_tensor(layer.kernel) and not tf.is_tensor(1.0)


@pytest.mark.parametrize("make", ["constant", "Variable"])
def test_operators(tf, make):
    x = getattr(tf, make)([1.0, -2.0])
    for value, expected in (
        (x + 1, [2, -1]), (1 - x, [0, 3]), (x * x, [1, 4]), (2 / x, [2, -1]), (x**2, [1, 4]),
        (-x, [-1, 2]), (abs(x), [1, 2]), (x // 2, [0, -1]), (x % 2, [1, 0]), (x[1], -2),
        (np.array([1.0, 1.0], "float32") + x, [2, -1]), ([1.0, 1.0] + x, [2, -1]),
        (x > 0, [True, False]), (x == 1.0, [True, False]), (x[tf.newaxis], [[1, -2]]),
        (x[None] @ tf.constant([[1.0], [1.0]]), [[-1]]),
    ):  # fmt: skip
        assert isinstance(value, tf.Tensor)
        np.testing.assert_allclose(value.numpy(), expected)


def test_as_numbers_and_copies(tf):
    x = tf.constant([1, 2, 3])
    assert [int(each) for each in x] == [1, 2, 3] and len(x) == 3
    assert float(x[0]) == 1.0 and bool(x[0]) and "abc"[tf.constant(1)] == "b"
    assert np.sum(x) == 6 and type(x.numpy()) is np.ndarray
    assert isinstance(tf.constant(1.0).numpy(), np.float32)
    for other in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert np.array_equal(other, x)


def test_variables(tf):
    v = tf.Variable([1.0, 2.0], trainable=False, name="v", dtype=tf.float32)
    v.assign(tf.constant([3.0, 4.0]))
    v.assign_add([1.0, 1.0])
    assert v.numpy().tolist() == [4.0, 5.0] and not v.trainable and v.name == "v"
    assert v.assign_sub(tf.ones(2)).numpy().tolist() == [3.0, 4.0]


def test_inside_a_transformation_there_are_arrays(tf):
    @jax.jit
    def f(x):
        y = tf.square(x)
        assert isinstance(y, jax.Array)
        return y

    assert float(f(3.0)) == 9.0
