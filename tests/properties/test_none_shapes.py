"""What a layer says about shapes and dtypes agrees with what it does."""

from typing import Any

from catalogue import LayerRow, each_layer

from lamina.core.errors import ShapeError
from lamina.layers import Input


def described(row: LayerRow, known: Any) -> Any:
    layer = row.make()
    inputs = row.map(
        lambda x: Input(batch_shape=[n if known(i, x) else None for i, n in enumerate(x.shape)],
                        dtype=x.dtype)
    )  # fmt: skip
    return layer(inputs)


def agrees(symbolic: Any, real: Any) -> bool:
    sizes = zip(symbolic.shape, real.shape, strict=True)
    return symbolic.dtype == real.dtype and all(a in (None, b) for a, b in sizes)


@each_layer
def test_unknown_batch(row: LayerRow) -> None:
    symbolic, real = described(row, lambda i, x: i > 0), row.make()(row.inputs)
    assert agrees(symbolic, real)
    assert symbolic.shape == (None, *real.shape[1:])


@each_layer
def test_all_known(row: LayerRow) -> None:
    symbolic, real = described(row, lambda i, x: True), row.make()(row.inputs)
    assert agrees(symbolic, real)
    assert symbolic.shape == real.shape


@each_layer
def test_only_the_last_axis_known(row: LayerRow) -> None:
    try:
        symbolic = described(row, lambda i, x: i == x.ndim - 1 > 0)
    except ShapeError as error:  # a weight's size depends on an axis that is unknown here
        assert "not known" in str(error) or "unknown" in str(error)
    else:
        assert agrees(symbolic, row.make()(row.inputs))


@each_layer
def test_compute_output_shape(row: LayerRow) -> None:
    layer = row.make()
    shapes = row.map(lambda x: (None, *x.shape[1:]))
    assert layer.compute_output_shape(shapes) == (None, *row.make()(row.inputs).shape[1:])
