"""No traced value survives a call, in inference and in training."""

import jax
import pytest
from catalogue import LayerRow, each_layer_once
from catalogue_ops import OpRow, each_op_once


@pytest.mark.parametrize("training", [False, True])
@each_layer_once
def test_no_leaks(row: LayerRow, training: bool) -> None:
    layer = row.make()
    layer(*row.args())
    arrays = [[v.value for v in layer.trainable_variables],
              [v.value for v in layer.non_trainable_variables]]  # fmt: skip
    with jax.checking_leaks():
        jax.jit(lambda a, b, *x: layer.stateless_call(a, b, *x, training=training))(
            *arrays, *row.args()
        )
    for variable in layer.variables:
        assert not isinstance(variable.value, jax.core.Tracer)


@each_layer_once
def test_a_first_call_inside_jit_leaves_no_tracers(row: LayerRow) -> None:
    layer = row.make()
    jax.jit(lambda *x: layer(*x))(*row.args())
    for variable in layer.variables:
        assert not isinstance(variable.value, jax.core.Tracer)
    layer(*row.args())


@each_op_once
def test_op_leaks_nothing(row: OpRow) -> None:
    if not row.by_value:
        with jax.checking_leaks():
            jax.eval_shape(row, row.arrays)
