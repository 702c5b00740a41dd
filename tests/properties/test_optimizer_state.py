"""An optimizer's state, stored and loaded: the twin goes on as the optimizer does."""

import copy

import numpy as np
from catalogue_optimizers import GRADS, OptimizerRow, each_optimizer
from numpy.testing import assert_array_equal


@each_optimizer
def test_round_trip(row: OptimizerRow) -> None:
    optimizer, variables = row.built()
    twin, copies = row.built()
    optimizer.apply(GRADS[0], variables)
    store: dict[str, np.ndarray] = {}
    optimizer.save_own_variables(store)
    twin.load_own_variables(copy.deepcopy(store))
    again: dict[str, np.ndarray] = {}
    twin.save_own_variables(again)
    assert list(again) == list(store)
    for variable, other in zip(copies, variables, strict=True):
        variable.assign(other.numpy())
    for each, own in ((optimizer, variables), (twin, copies)):
        each.apply(GRADS[1], own)
    for a, b in zip([*copies, *twin.variables], [*variables, *optimizer.variables], strict=True):
        assert_array_equal(a.numpy(), b.numpy())
