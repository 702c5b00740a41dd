"""What layers and ops say about shapes and dtypes agrees with what they do."""

from typing import Any

import jax
import pytest
from catalogue import LayerRow, each_layer, each_layer_once
from catalogue_ops import OpRow, each_op_once

from lamina.core.errors import LaminaError, ShapeError
from lamina.core.symbolic import SymbolicTensor
from lamina.layers import Input


def described(row: LayerRow, known: Any) -> Any:
    layer = row.make()
    inputs = row.map(
        lambda x: Input(batch_shape=[n if known(i, x) else None for i, n in enumerate(x.shape)],
                        dtype=x.dtype)
    )  # fmt: skip
    return layer(*row.args(inputs))


def agrees(symbolic: Any, real: Any) -> bool:
    sizes = zip(symbolic.shape, real.shape, strict=True)
    return symbolic.dtype == real.dtype and all(a in (None, b) for a, b in sizes)


@each_layer
def test_unknown_batch(row: LayerRow) -> None:
    symbolic, real = described(row, lambda i, x: i > 0), row.make()(*row.args())
    assert agrees(symbolic, real)
    assert symbolic.shape == (None, *real.shape[1:])


@each_layer_once
def test_all_known(row: LayerRow) -> None:
    symbolic, real = described(row, lambda i, x: True), row.make()(*row.args())
    assert agrees(symbolic, real)
    assert symbolic.shape == real.shape


@each_layer_once
def test_only_the_last_axis_known(row: LayerRow) -> None:
    try:
        symbolic = described(row, lambda i, x: i == x.ndim - 1 > 0)
    except ShapeError as error:  # a weight's size depends on an axis that is unknown here
        assert "not known" in str(error) or "unknown" in str(error)
    else:
        assert agrees(symbolic, row.make()(*row.args()))


@each_layer
def test_compute_output_shape(row: LayerRow) -> None:
    layer = row.make()
    shapes = row.map(lambda x: (None, *x.shape[1:]))
    expected = (None, *row.make()(*row.args()).shape[1:])
    assert layer.compute_output_shape(*row.args(shapes)) == expected


@pytest.mark.parametrize("known", [True, False], ids=["known", "first axis unknown"])
@each_op_once
def test_op(row: OpRow, known: bool) -> None:
    if row.by_value or not row.arrays or row.name in ("shape", "size", "ndim"):
        pytest.skip("of no arrays, or it gives no symbolic tensors")
    if not known and row.name in ("squeeze", "conv_transpose"):
        pytest.skip("the first axis has to be known: of size 1 or not; the kernel's height")
    shapes = row.map(lambda x: x.shape if known else (None,) * min(x.ndim, 1) + x.shape[1:])
    dtypes = row.map(lambda x: x.dtype.name)
    try:
        symbolic = row([*map(SymbolicTensor, shapes, dtypes)])
    except LaminaError:  # the axis has to be known here: a matrix's rows, say
        assert not known
        return
    real = jax.eval_shape(row, row.arrays)
    leaves = (jax.tree.leaves(each) for each in (symbolic, real))
    for a, b in zip(*leaves, strict=True):
        assert agrees(a, b)
        assert not known or a.shape == b.shape
