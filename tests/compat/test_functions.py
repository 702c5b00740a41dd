"""TensorFlow's functions, against NumPy."""

import jax
import numpy as np
import pytest

A = np.array([[1.0, 2.0], [3.0, 5.0]], "float32")
CASES = [
    ("reduce_sum(A, axis=0)", A.sum(0)),
    ("reduce_mean(A, 1, True)", A.mean(1, keepdims=True)),
    ("reduce_max(input_tensor=A, name='top')", 5.0),
    ("math.reduce_std(A)", A.std()),
    ("math.reduce_variance(A, axis=0)", A.var(0)),
    ("math.log(A)", np.log(A)),
    ("math.squared_difference(A, 1.0)", (A - 1) ** 2),
    ("math.is_nan(A)", np.isnan(A)),
    ("argmax(A)", [1, 1]),
    ("argmax(A, axis=1)", [1, 1]),
    ("cumsum(A)", A.cumsum(0)),
    ("matmul(A, A, transpose_b=True)", A @ A.T),
    ("tensordot(A, A, axes=1)", A @ A),
    ("einsum('ij,jk->ik', A, A)", A @ A),
    ("linalg.inv(A)", np.linalg.inv(A)),
    ("linalg.det(A)", np.linalg.det(A)),
    ("linalg.norm(A, axis=1)", np.linalg.norm(A, axis=1)),
    ("transpose(A, perm=[1, 0])", A.T),
    ("reshape(A, [-1])", A.ravel()),
    ("reshape(A, tf.shape(A)[::-1])", A),
    ("reshape(A, (tf.shape(A)[0], -1))", A),
    ("concat([A, A], axis=0)", np.concatenate([A, A])),
    ("concat(values=[A, A], axis=-1)", np.concatenate([A, A], -1)),
    ("stack([A, A], axis=1)", np.stack([A, A], 1)),
    ("expand_dims(A, -1)", A[..., None]),
    ("squeeze(A[None])", A),
    ("split(A, 2, axis=1)[1]", A[:, 1:]),
    ("split(tf.range(5), [2, 3])[1]", [2, 3, 4]),
    ("gather(A, [1, 0])", A[[1, 0]]),
    ("gather(A, [1], axis=1)", A[:, [1]]),
    ("boolean_mask(A, A > 2)", [3, 5]),
    ("where(A > 2, A, 0.0)", np.where(A > 2, A, 0)),
    ("clip_by_value(A, 2, 3)", A.clip(2, 3)),
    ("one_hot([0, 2], 3)", np.eye(3)[[0, 2]]),
    ("one_hot(indices=[1], depth=2, dtype=tf.int32)", [[0, 1]]),
    ("zeros_like(A)", np.zeros((2, 2))),
    ("fill([2, 1], 7)", [[7], [7]]),
    ("eye(2)", np.eye(2)),
    ("range(1, 7, 2)", [1, 3, 5]),
    ("linspace(0.0, 1.0, 3)", [0, 0.5, 1]),
    ("pad(A, [[1, 0], [0, 1]])", np.pad(A, [(1, 0), (0, 1)])),
    ("tile(A, [1, 2])", np.tile(A, [1, 2])),
    ("repeat(A, 2, axis=0)", A.repeat(2, 0)),
    ("reverse(A, axis=[1])", A[:, ::-1]),
    ("sort([3, 1, 2])", [1, 2, 3]),
    ("cast(1.7, tf.int32)", 1),
    ("rank(A)", 2),
    ("size(A)", 4),
    ("shape(A)", [2, 2]),
    ("pow(A, 2)", A**2),
    ("add_n([A, A])", 2 * A),
    ("constant(2, shape=(2, 2), dtype=tf.float32)", np.full((2, 2), 2)),
    ("convert_to_tensor([tf.constant(1.0), 2.0])", [1, 2]),
    ("nn.relu([-1.0, 1.0])", [0, 1]),
    ("nn.leaky_relu([-1.0, 1.0])", [-0.2, 1]),
    ("nn.leaky_relu(tf.constant([-1.0]), alpha=0.5)", [-0.5]),
    ("nn.softmax(A)", np.exp(A) / np.exp(A).sum(1, keepdims=True)),
    ("nn.l2_loss(A)", (A**2).sum() / 2),
    ("nn.l2_normalize([3.0, 4.0])", [0.6, 0.8]),
    ("nn.moments(A, axes=[0])[1]", A.var(0)),
    ("nn.bias_add(A, [1.0, 2.0])", A + [1, 2]),
    ("nn.embedding_lookup(A, [[1]])", [[[3, 5]]]),
    ("nn.sigmoid_cross_entropy_with_logits(labels=[1.0], logits=[0.0])", [np.log(2)]),
    ("nn.softmax_cross_entropy_with_logits(labels=[[1.0, 0.0]], logits=[[2.0, 2.0]])", [np.log(2)]),
    ("nn.sparse_softmax_cross_entropy_with_logits([1], [[2.0, 2.0]])", [np.log(2)]),
    ("keras.backend.mean(A)", A.mean()),
    ("keras.backend.square(A)", A**2),
    ("keras.ops.add(A, 1)", A + 1),
    ("keras.activations.relu(-A)", 0 * A),
    ("keras.losses.mse(A, A + 1)", [1, 1]),
]  # fmt: skip


@pytest.mark.parametrize(("code", "expected"), CASES, ids=[code for code, _ in CASES])
def test_values(tf, code, expected):
    found = eval(f"tf.{code}", {"tf": tf, "A": tf.constant(A)})
    assert isinstance(found, tf.Tensor)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)
    assert found.numpy().shape == np.shape(expected)


def test_every_name_is_something(tf):
    from lamina.compat.tf_names import HINTS, namespaces

    for place, table in namespaces().items():
        module = tf
        for part in filter(None, place.split(".")):
            module = getattr(module, part)
        assert not {name for name in table if not hasattr(module, name)}
    assert not HINTS.keys() & namespaces()[""].keys()


def test_random(tf):
    tf.random.set_seed(1)
    first = [tf.random.normal((2, 3)), tf.random.uniform([2], 1, 3), tf.random.normal((2,), seed=7)]
    assert not np.array_equal(first[2], tf.random.normal((2,), seed=7))
    tf.random.set_seed(1)
    again = [tf.random.normal((2, 3)), tf.random.uniform([2], 1, 3), tf.random.normal((2,), seed=7)]
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert sorted(tf.random.shuffle(tf.range(5)).numpy()) == [0, 1, 2, 3, 4]
    assert tf.random.uniform((3,), maxval=9, dtype=tf.int32).dtype == tf.int32
    assert abs(tf.random.truncated_normal((100,)).numpy()).max() <= 2
    assert tf.random.categorical([[0.0, 50.0]], 4).numpy().tolist() == [[1, 1, 1, 1]]
    a, b = (tf.random.Generator.from_seed(3) for _ in range(2))
    np.testing.assert_array_equal(a.normal((2,)), b.normal((2,)))
    assert not np.array_equal(a.uniform((2,)), a.uniform((2,)))


def test_the_process(tf, capsys):
    assert tf.executing_eagerly() is True
    assert len(tf.config.list_physical_devices()) >= 1
    assert tf.config.list_physical_devices("CPU")[0].name == "/physical_device:CPU:0"
    tf.print("x:", tf.constant([1, 2]), sep=" ")
    assert capsys.readouterr().out == "x: [1 2]\n"
    assert tf.function(len) is len and tf.function(jit_compile=True)(len) is len
    jax.jit(lambda x: tf.print("x", x))(1.0)
    jax.effects_barrier()
    assert capsys.readouterr().out.startswith("x 1.0")


def test_datasets(tf):
    Dataset = tf.data.Dataset
    source = Dataset.range(10)
    assert [int(x) for x in source.map(lambda x: x * 2).take(3)] == [0, 2, 4]
    batches = source.batch(4)
    assert [x.shape[0] for x in batches] == [4, 4, 2] and len(batches) == 3
    assert len(source.batch(4, drop_remainder=True)) == len(list(source.batch(4, True))) == 2
    assert len(source.repeat(2)) == len(list(source.repeat(2))) == 20
    assert [int(x) for x in source.repeat().take(12)][-2:] == [0, 1]
    shuffled = source.shuffle(4, seed=1)
    first, second = ([int(x) for x in shuffled] for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(10)) and first != second
    pairs = Dataset.zip((source, source.map(lambda x: x + 1)))
    assert [(int(a), int(b)) for a, b in pairs.take(2)] == [(0, 1), (1, 2)]
    named = Dataset.from_tensor_slices({"a": [1.0, 2.0], "b": [3, 4]})
    assert [float(each["a"]) for each in named] == [1.0, 2.0]
    assert next(named.batch(2).as_numpy_iterator())["b"].tolist() == [3, 4]
    with pytest.raises(ValueError, match="different numbers"):
        Dataset.from_tensor_slices(([1, 2], [1]))
    with pytest.raises(RuntimeError, match="not known"):
        len(source.repeat())
