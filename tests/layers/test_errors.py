"""Mistakes with layers: each error says which layer, what was met, and what to do."""

from typing import Any

import numpy as np
import pytest

from lamina import layers
from lamina.core.errors import ArgumentError, ShapeError

X = np.ones((2, 3), "float32")

ARGUMENTS: list[tuple[Any, str]] = [
    (lambda: layers.Dense(0), "Dense needs a positive int as `units`"),
    (lambda: layers.Dense((3,)), "units"),
    (lambda: layers.Dense(2, activaton="relu"), "Did you mean 'activation'"),
    (lambda: layers.Dense(2, activation="rellu"), "Did you mean 'relu'"),
    (lambda: layers.Embedding(10.0, 2), "input_dim"),
    (lambda: layers.ReLU(negative_slope=-1), "negative_slope"),
    (lambda: layers.LeakyReLU(None), "negative_slope"),
    (lambda: layers.Flatten(data_format="channel_last"), "Did you mean 'channels_last'"),
    (lambda: layers.Reshape((-1, -1)), "target_shape"),
    (lambda: layers.Permute((0, 1)), "counted from 1"),
    (lambda: layers.RepeatVector(0), "positive int as `n`"),
    (lambda: layers.Dropout(1.5), "from 0 to 1"),
    (lambda: layers.Dropout("half"), "from 0 to 1"),
    (lambda: layers.Dropout(0.5, noise_shape=(0, 1)), "noise_shape"),
    (lambda: layers.GaussianNoise(-1), "stddev"),
    (lambda: layers.Dot((1, 2, 3)), "axes"),
    (lambda: layers.BatchNormalization(renorm=True, renorm_clipping={"rmx": 1}), "rmax"),
    (lambda: layers.Input(), "needs its shape"),
    (lambda: layers.Input((3,), batch_shape=(None, 3)), "said once"),
    (lambda: layers.Input((3,), ragged=True), "Pad the rows"),
]


@pytest.mark.parametrize(("make", "says"), ARGUMENTS, ids=[says for _, says in ARGUMENTS])
def test_arguments(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


SHAPES: list[tuple[Any, Any, str]] = [
    (lambda: layers.Dense(2), np.ones(3), "Dense"),
    (lambda: layers.Dense(2), layers.Input((None,)), "not known"),
    (lambda: layers.Add(), X, r"layer\(\[a, b\]\)"),
    (lambda: layers.Add(), [X, np.ones((2, 4))], r"\(None, 3\), \(None, 4\)"),
    (lambda: layers.Subtract(), [X, X, X], "exactly two"),
    (lambda: layers.Concatenate(), [X, np.ones((2, 3, 1))], "as many axes"),
    (lambda: layers.Concatenate(axis=1), [X[..., None], np.ones((2, 3, 2))], "on axis 1"),
    (lambda: layers.Concatenate(axis=5), [X, X], "an axis 5"),
    (lambda: layers.Dot(axes=1), [X, np.ones((2, 4))], "one size"),
    (lambda: layers.Dot(axes=0), [X, X], "not the batch's"),
    (lambda: layers.Reshape((2, 2)), X, "3 elements"),
    (lambda: layers.Permute((1, 2)), X, "3 axes"),
    (lambda: layers.SpatialDropout1D(0.5), X, "3 axes"),
    (lambda: layers.BatchNormalization(axis=4), X, "axis 4"),
    (lambda: layers.EinsumDense("ab,bc->ad", 4), X, "comes from nowhere"),
    (lambda: layers.EinsumDense("ab,bc", 4), X, "cannot be read"),
    (lambda: layers.EinsumDense("abc,cd->abd", 4), X, "has 3 axes"),
    (lambda: layers.EinsumDense("ab,bc->ac", (4, 5)), X, "output_shape"),
]


@pytest.mark.parametrize(("make", "inputs", "says"), SHAPES, ids=[says for *_, says in SHAPES])
def test_shapes(make: Any, inputs: Any, says: str) -> None:
    layer = make()
    with pytest.raises(ShapeError, match=says) as caught:
        layer(inputs)
    assert layer.name in str(caught.value)


def test_another_shape_after_the_first_call() -> None:
    dense = layers.Dense(2)
    dense(X)
    with pytest.raises(ShapeError, match="axis -1 of the input has size 3"):
        dense(np.ones((2, 4)))
    add = layers.Add()
    add([X, X])
    with pytest.raises(ShapeError, match="sizes of an axis"):
        add([X, np.ones((5, 3))])


def test_no_row_of_an_embedding() -> None:
    embedding = layers.Embedding(5, 2)
    for bad in ([[5]], [[-1]]):
        with pytest.raises(ArgumentError, match=f"has no row {bad[0][0]}"):
            embedding(np.array(bad))
    assert embedding(np.array([[4]])).shape == (1, 1, 2)


def test_no_row_of_an_embedding_in_a_program_is_nan() -> None:
    import jax

    embedding = layers.Embedding(5, 2)
    found = jax.jit(lambda ids: embedding(ids))(np.array([0, 4, 5, -1]))
    assert np.isnan(found).any(-1).tolist() == [False, False, True, True]
