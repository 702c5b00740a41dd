"""Optimizers: names, errors, and how their state behaves."""

import copy
import gc
import inspect
import pickle
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import optimizers
from lamina.core.variable import Variable


def variables(*values):
    return [Variable(np.float32(value), name=f"v{i}") for i, value in enumerate(values)]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: optimizers.get("adamm"), "Did you mean 'adam'"),
        (lambda: optimizers.get(3), "no optimizer"),
        (lambda: optimizers.Adam(lr=0.1), "'learning_rate'"),
        (lambda: optimizers.SGD(decay=0.1), "InverseTimeDecay"),
        (lambda: optimizers.Adam(beta1=0.1), "'beta_1'"),
        (lambda: optimizers.SGD(clipnorm=1.0, clipvalue=1.0), "one way of clipping"),
        (lambda: optimizers.SGD(gradient_accumulation_steps=1), "2 or more"),
        (lambda: optimizers.SGD(momentum=2), "between 0 and 1"),
        (lambda: optimizers.AdamW(weight_decay=None), "use Adam"),
        (lambda: optimizers.SGD().apply_gradients([(None, *variables(1))]), "no parameter"),
        (lambda: optimizers.SGD().apply([1.0, 2.0], variables(1)), "2 gradients, 1 variables"),
        (lambda: optimizers.SGD().apply([np.ones(2)], variables(1)), r"gradient \(2,\)"),
        (lambda: optimizers.SGD().set_weights([]), "build"),
        (lambda: optimizers.schedules.CosineDecay(0.1, 0), "decay_steps=0"),
        (lambda: optimizers.schedules.PiecewiseConstantDecay([1], [1.0]), "1 values"),
    ],
)
def test_errors(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_errors_of_kind_and_order():
    with pytest.raises(TypeError, match="is a number"):
        optimizers.SGD("fast")
    scheduled = optimizers.SGD(optimizers.schedules.CosineDecay(0.1, 10))
    with pytest.raises(TypeError, match="schedule"):
        scheduled.learning_rate = 0.1
    with pytest.raises(RuntimeError, match="build"):
        optimizers.SGD().apply([1.0])
    sgd = optimizers.SGD()
    sgd.build(variables(1))
    with pytest.raises(ValueError, match="does not know"):
        sgd.apply([1.0], variables(2))
    with pytest.raises(RuntimeError, match="before build"):
        sgd.exclude_from_weight_decay(var_names=["bias"])


def test_signatures_show_the_shared_options():
    names = list(inspect.signature(optimizers.Adam).parameters)
    assert names[:5] == ["learning_rate", "beta_1", "beta_2", "epsilon", "amsgrad"]
    assert {"clipnorm", "use_ema", "name", "gradient_accumulation_steps"} <= {*names}


def test_a_missing_gradient_leaves_all_of_its_variable():
    first, second = pair = variables([1.0], [1.0])
    adam = optimizers.Adam(0.1, weight_decay=0.1)
    with pytest.warns(UserWarning, match="v1"):
        adam.apply([np.ones(1), None], pair)
    assert first.numpy() != 1 and second.numpy() == 1
    assert adam.variables[-1].numpy() == 0 and int(adam.iterations) == 1


def test_gradients_for_some_variables():
    pair = variables([1.0], [1.0])
    sgd = optimizers.SGD(0.5)
    sgd.build(pair)
    sgd.apply_gradients([(np.ones(1), pair[1])])
    assert [float(v[0]) for v in pair] == [1.0, 0.5]


def test_constraint_and_exclusion_from_decay():
    kept, bias, _ = trio = variables([1.0], [1.0], [1.0])
    bias.name, kept.constraint = "bias", lambda x: jnp.clip(x, 0.9, 1.0)
    sgd = optimizers.SGD(1.0, weight_decay=0.5)
    sgd.exclude_from_weight_decay(var_names=["bia"])
    sgd.apply([np.zeros(1)] * 3, trio)
    np.testing.assert_allclose([v.numpy()[0] for v in trio], [0.9, 1.0, 0.5])
    params, _ = sgd.update([jnp.zeros(1)] * 3, sgd.state(), [v.value for v in trio])
    np.testing.assert_allclose(np.ravel(params), [0.9, 1.0, 0.25])


def test_changed_settings_are_seen():
    (v,) = variables([0.0])
    sgd = optimizers.SGD(1.0)
    sgd.apply([np.ones(1)], [v])
    sgd.learning_rate = 0.5
    sgd.apply([np.ones(1)], [v])
    assert float(v[0]) == -1.5
    sgd.learning_rate.assign(0.25)
    sgd.clipvalue = 0.5
    sgd.apply([np.ones(1)], [v])
    assert float(v[0]) == -1.625
    rates = iter([1.0, 2.0])
    called = optimizers.SGD(lambda: next(rates))
    called.apply([np.ones(1)], [v])
    called.apply([np.ones(1)], [v])
    assert float(v[0]) == -4.625
    assert len(called.variables) == 1


def test_apply_under_jit_needs_the_pure_form():
    (v,) = variables([0.0])
    sgd = optimizers.SGD(1.0)
    sgd.build([v])

    def leak(grad):
        sgd.apply([grad])

    with pytest.raises(RuntimeError, match="inside a JAX transformation"):
        jax.jit(leak)(jnp.ones(1))
    arrays = [x.value for x in sgd.variables]
    params, state = jax.jit(sgd.stateless_apply)(arrays, [jnp.ones(1)], [v.value])
    assert float(params[0][0]) == -1 and int(state[0]) == 1 and float(v[0]) == 0
    with pytest.raises(ValueError, match="optimizer_variables"):
        sgd.stateless_apply([], [jnp.ones(1)], [v.value])


def test_half_precision_parameters_keep_their_dtype():
    params = [jnp.ones(3, "bfloat16")]
    for name in ("SGD", "Adam", "Nadam", "Adafactor", "Lamb", "ScheduleFreeAdamW"):
        optimizer = optimizers.get(name)
        new, state = optimizer.update([jnp.ones(3)], optimizer.init(params), params)
        kinds = {x.dtype for x in jax.tree.leaves(state.slots) if x.ndim}
        assert new[0].dtype == "bfloat16" and kinds <= {jnp.dtype("bfloat16")}


def test_building_makes_no_arrays():
    big = Variable(lambda shape, dtype: jnp.zeros(shape, dtype), (10**6, 10**6), name="big")
    adam = optimizers.Adam()
    adam.build([big])
    assert [v.shape for v in adam.variables[2:]] == [(10**6, 10**6)] * 2
    assert not any(v.made for v in adam.variables[2:])


def test_loading_the_state_of_others_changes_nothing():
    (v,) = variables([1.0, 2.0])
    adam = optimizers.Adam()
    adam.build([v])
    with pytest.warns(UserWarning, match="was not loaded"):
        adam.load_own_variables({"0": np.int32(3)})
    with pytest.raises(ValueError, match="not for"):
        adam.load_own_variables({str(i): np.zeros(3) for i in range(4)})
    assert int(adam.iterations) == 0


def test_copies_pickles_and_garbage():
    (v,) = variables([1.0])
    adam = optimizers.Adam(0.1)
    adam.apply([np.ones(1)], [v])
    twin = copy.deepcopy(adam)
    adam.apply([np.ones(1)], [v])
    assert (int(adam.iterations), int(twin.iterations)) == (2, 1)
    assert pickle.loads(pickle.dumps(adam.get_config())) == adam.get_config()
    gone = weakref.ref(adam)
    del adam
    gc.collect()
    assert gone() is None


def test_optax():
    optax = pytest.importorskip("optax")
    pair = variables([1.0, 2.0], [3.0])
    wrapped = optimizers.get(optax.adam(0.1))
    ours = optimizers.Adam(0.1, epsilon=1e-8)
    params = [v.value for v in pair]
    state, other = wrapped.init(params), ours.init(params)
    expected = params
    for step in range(5):
        grads = [jnp.array([1.0, -step]), jnp.array([0.5])]
        wrapped.apply(grads, pair)
        params, state = jax.jit(wrapped.update)(grads, state, params)
        expected, other = ours.update(grads, other, expected)
    for found in (params, pair):
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5)
    weights = wrapped.get_weights()
    again = optimizers.get(optax.adam(0.1))
    again.build(pair)
    again.set_weights(weights)
    assert int(again.iterations) == 5
    with pytest.raises(ValueError, match="cannot be written"):
        wrapped.get_config()
    with pytest.raises(RuntimeError, match="inject_hyperparams"):
        wrapped.learning_rate
