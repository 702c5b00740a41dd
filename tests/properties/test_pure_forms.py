"""Metrics and optimizers as pure functions of arrays, under `jit`, equal their forms with state."""

import jax
import jax.numpy as jnp
import numpy as np
from catalogue_metrics import MetricRow, each_metric
from catalogue_optimizers import GRADS, START, OptimizerRow, each_optimizer
from numpy.testing import assert_allclose


@each_metric
def test_metric(row: MetricRow) -> None:
    stateful, pure = row.make(), row.make()
    state = pure.stateless_reset_state()
    update = jax.jit(pure.stateless_update_state)
    for batch in row.batches:
        state = update(state, *batch)
        stateful.update_state(*batch)
    result = jax.jit(pure.stateless_result)(state)
    assert_allclose(result, stateful.result(), rtol=1e-5, atol=1e-5)
    assert all((v.numpy() == 0).all() for v in pure.variables)


@each_metric
def test_metric_forgets(row: MetricRow) -> None:
    metric, batch = row.make(), row.batches[0]
    before = [v.numpy() for v in metric.variables]
    first = np.asarray(metric(*batch))
    metric.reset_state()
    for variable, value in zip(metric.variables, before, strict=True):
        assert (variable.numpy() == value).all()
    assert_allclose(metric(*batch), first)


@each_optimizer
def test_optimizer_in_a_scan(row: OptimizerRow) -> None:
    optimizer, variables = row.built()
    pure, params = row.make(), [jnp.asarray(x) for x in START]

    def body(carry, grads):
        params, state = carry
        return pure.update(grads, state, params), None

    stacked = [jnp.stack(each) for each in zip(*GRADS, strict=True)]
    (params, state), _ = jax.lax.scan(body, (params, pure.init(params)), stacked)
    for grads in GRADS:
        optimizer.apply_gradients(zip(grads, variables, strict=True))
    close = {"rtol": 1e-5, "atol": 1e-6}
    for a, b in zip(params, variables, strict=True):
        assert_allclose(a, b, **close)
        assert a.dtype == b.dtype
    for a, b in zip(optimizer.unpack(state), optimizer.variables, strict=True):
        assert_allclose(a, b, **close)


@each_optimizer
def test_optimizer_under_jit(row: OptimizerRow) -> None:
    optimizer, variables = row.built()
    arrays = [v.value for v in variables], [v.value for v in optimizer.variables]
    step = jax.jit(lambda p, s, g: optimizer.stateless_apply(s, g, p))
    for grads in GRADS:
        arrays = step(*arrays, [jnp.asarray(g) for g in grads])
    assert all((v.numpy() == x).all() for v, x in zip(variables, START, strict=True))
    optimizer.apply(GRADS[0], variables)
    for grads in GRADS[1:]:
        optimizer.apply(grads)
    for found, wanted in zip(arrays, (variables, optimizer.variables), strict=True):
        for a, b in zip(found, wanted, strict=True):
            assert_allclose(a, b, rtol=1e-5, atol=1e-6)
