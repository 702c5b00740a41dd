"""Optimizers against Keras: 20 steps in both forms; state, configs, schedules."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

keras = pytest.importorskip("keras")

from lamina import optimizers  # noqa: E402
from lamina.core.variable import Variable  # noqa: E402

# A habit of Keras variables that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")

RNG = np.random.default_rng(2)
SHAPES = [(4, 3), (3,), (2, 3, 4)]
START = [RNG.normal(size=shape).astype("float32") for shape in SHAPES]
GRADS = [[RNG.normal(size=shape).astype("float32") for shape in SHAPES] for _ in range(20)]

CASES = [
    *((name, {}) for name in (
        "SGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lamb",
        "Lion", "Muon", "Nadam", "RMSprop", "ScheduleFreeAdamW",
    )),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("Adam", {"amsgrad": True}),
    ("Adafactor", {"relative_step": False, "clip_threshold": 0.5}),
    ("Ftrl", {"l1_regularization_strength": 0.01, "l2_regularization_strength": 0.1,
              "l2_shrinkage_regularization_strength": 0.1, "beta": 0.1}),
    ("Muon", {"nesterov": False, "rms_rate": None}),
    ("RMSprop", {"momentum": 0.5, "centered": True}),
    ("ScheduleFreeAdamW", {"warmup_steps": 5}),
    *((name, options) for name in ("SGD", "Adam", "Nadam") for options in (
        {"weight_decay": 0.1},
        {"clipnorm": 0.5},
        {"clipvalue": 0.3},
        {"global_clipnorm": 0.7},
        {"use_ema": True, "ema_momentum": 0.7},
        {"use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 3},
        {"gradient_accumulation_steps": 3},
        {"gradient_accumulation_steps": 2, "use_ema": True, "weight_decay": 0.1, "clipnorm": 0.5},
        {"loss_scale_factor": 4.0},
    )),
    *((name, {"weight_decay": 0.1, "global_clipnorm": 0.7, "use_ema": True, "ema_momentum": 0.7,
              "ema_overwrite_frequency": 2, "gradient_accumulation_steps": 3})
      for name in ("SGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl",
                   "Lamb", "Lion", "Muon", "Nadam", "RMSprop", "ScheduleFreeAdamW")),
]  # fmt: skip
IDS = [f"{name}-{index}" for index, (name, _) in enumerate(CASES)]


def built(module, variable, name, options):
    """An optimizer of ours or of Keras, and the variables that it is built on."""
    optimizer = getattr(module, name)(0.01, **options)
    variables = [variable(x, name=f"v{index}") for index, x in enumerate(START)]
    optimizer.build(variables)
    return optimizer, variables


def pair(name, options):
    own, foreign = (optimizers, Variable), (keras.optimizers, keras.Variable)
    return *built(*own, name, options), *built(*foreign, name, options)


CASES_OF_KERAS = {}


def keras_case(name, options):
    """An optimizer of Keras as it starts, and its compiled step: one for all tests of a case."""
    key = f"{name} {options}"
    if key not in CASES_OF_KERAS:
        theirs, other = built(keras.optimizers, keras.Variable, name, options)
        start = [v.numpy() for v in (*other, *theirs.variables)]
        CASES_OF_KERAS[key] = theirs, other, jax.jit(theirs.stateless_apply), start
    theirs, other, step, start = CASES_OF_KERAS[key]
    for variable, value in zip([*other, *theirs.variables], start, strict=True):
        variable.assign(value)
    return theirs, other, step


def keras_steps(optimizer, variables, batches, step=None):
    """Steps of Keras in its compiled form: eagerly, some compile anew in each step."""
    step = step or jax.jit(optimizer.stateless_apply)
    state, params = ([v.value for v in each] for each in (optimizer.variables, variables))
    for grads in batches:
        params, state = step(state, [jnp.asarray(g) for g in grads], params)
    for variable, value in zip([*variables, *optimizer.variables], [*params, *state], strict=True):
        variable.assign(value)


def close(ours, theirs, **tolerance):
    for a, b in zip(ours, theirs, strict=True):
        b = b.value if hasattr(b, "value") else b
        np.testing.assert_allclose(a, b, **{"rtol": 1e-5, "atol": 1e-5, **tolerance})


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_twenty_steps(name, options):
    ours, mine = built(optimizers, Variable, name, options)
    theirs, other, step = keras_case(name, options)
    state, params = ours.init(START), START

    def body(carry, grads):
        params, state = ours.update(grads, *carry[::-1])
        return (params, state), None

    stacked = [jnp.stack(each) for each in zip(*GRADS, strict=True)]
    (params, state), _ = jax.lax.scan(body, ([jnp.asarray(p) for p in params], state), stacked)
    for grads in GRADS:
        ours.apply_gradients(zip(grads, mine, strict=True))
    keras_steps(theirs, other, GRADS, step)
    close(mine, other)
    close(params, other)
    stored = ours.stored_variables
    assert [v.shape for v in stored] == [v.shape for v in theirs.variables]
    assert [v.dtype for v in stored] == [v.dtype for v in theirs.variables]
    close(stored, theirs.variables, atol=1e-4)
    close(ours.unpack(state)[: len(stored)], theirs.variables, atol=1e-4)
    ours.finalize_variable_values(mine)
    theirs.finalize_variable_values(other)
    close(mine, other)


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_state_both_ways(name, options):
    ours, _ = built(optimizers, Variable, name, options)
    theirs, other, step = keras_case(name, options)
    store, back = {}, {}
    keras_steps(theirs, other, GRADS[:3], step)
    theirs.save_own_variables(store)
    ours.load_own_variables(store)
    ours.save_own_variables(back)
    assert all((store[key] == back[key]).all() for key in store)
    params, _ = ours.stateless_apply(
        [v.value for v in ours.variables], GRADS[3], [v.value for v in other]
    )
    theirs.load_own_variables(back)
    keras_steps(theirs, other, GRADS[3:4], step)
    close(params, other)


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_config_both_ways(name, options):
    ours, _, theirs, _ = pair(name, {**options, "name": "opt"})
    stored, foreign = optimizers.serialize(ours), keras.optimizers.serialize(theirs)
    assert json.loads(json.dumps(stored)) == json.loads(json.dumps(foreign))
    assert optimizers.serialize(optimizers.deserialize(foreign)) == stored
    assert keras.saving.deserialize_keras_object(stored).get_config() == theirs.get_config()


SCHEDULES = [
    ("ExponentialDecay", {"decay_steps": 7, "decay_rate": 0.5}),
    ("ExponentialDecay", {"decay_steps": 7, "decay_rate": 0.5, "staircase": True}),
    ("InverseTimeDecay", {"decay_steps": 7, "decay_rate": 0.5, "staircase": True}),
    ("InverseTimeDecay", {"decay_steps": 7, "decay_rate": 0.5}),
    ("PolynomialDecay", {"decay_steps": 20, "power": 2.0}),
    ("PolynomialDecay", {"decay_steps": 9, "cycle": True}),
    ("CosineDecay", {"decay_steps": 20, "alpha": 0.1}),
    ("CosineDecay", {"decay_steps": 20, "warmup_target": 0.5, "warmup_steps": 6}),
    ("CosineDecayRestarts", {"first_decay_steps": 5, "m_mul": 0.8, "alpha": 0.05}),
    ("CosineDecayRestarts", {"first_decay_steps": 6, "t_mul": 1.0}),
    ("PiecewiseConstantDecay", {"boundaries": [5, 15], "values": [0.3, 0.2, 0.1]}),
]


@pytest.mark.parametrize(("name", "options"), SCHEDULES)
def test_schedules(name, options):
    options = options if "values" in options else {"initial_learning_rate": 0.1, **options}
    ours = getattr(optimizers.schedules, name)(**options)
    theirs = getattr(keras.optimizers.schedules, name)(**options)
    steps = jnp.arange(30)
    close(jax.jit(jax.vmap(ours))(steps), jax.jit(jax.vmap(theirs))(steps), rtol=1e-4, atol=1e-6)
    stored = optimizers.schedules.serialize(ours)
    assert stored == keras.optimizers.schedules.serialize(theirs)
    assert optimizers.schedules.deserialize(stored).get_config() == theirs.get_config()


def test_scheduled_steps():
    rates = {"initial_learning_rate": 0.1, "decay_steps": 3, "decay_rate": 0.5}
    ours, mine, theirs, other = pair("Adam", {"gradient_accumulation_steps": 2})
    ours.learning_rate = optimizers.schedules.ExponentialDecay(**rates)
    theirs.learning_rate = keras.optimizers.schedules.ExponentialDecay(**rates)
    for grads in GRADS:
        ours.apply(grads, mine)
    keras_steps(theirs, other, GRADS)
    close(mine, other)
    assert len(ours.stored_variables) == len(theirs.variables)
    close([ours.learning_rate], [theirs.learning_rate])


def test_loss_scale():
    kinds = []
    for module, variable in ((optimizers, Variable), (keras.optimizers, keras.Variable)):
        optimizer = module.LossScaleOptimizer(
            module.SGD(0.1, momentum=0.9), initial_scale=8.0, dynamic_growth_steps=3
        )
        variables = [variable(x, name=f"v{i}") for i, x in enumerate(START)]
        optimizer.build(variables)
        batches = [[g * (np.inf if i % 5 == 4 else 1) for g in b] for i, b in enumerate(GRADS)]
        if module is optimizers:
            for grads in batches:
                optimizer.apply(grads, variables)
        else:
            keras_steps(optimizer, variables, batches)
        assert float(optimizer.scale_loss(jnp.float32(1))) == float(optimizer.variables[3])
        kinds.append((optimizer, variables))
    (ours, mine), (theirs, other) = kinds
    close(mine, other)
    close(ours.variables, theirs.variables)
    stored = optimizers.serialize(ours)
    assert optimizers.deserialize(stored).get_config() == ours.get_config()
    assert keras.optimizers.deserialize(stored).inner_optimizer.momentum == 0.9


def several(module, variable, **options):
    """A MultiOptimizer with three optimizers, one of them for no variable."""
    choice = module.OptimizerMap(
        module.SGD(0.1, momentum=0.9, name="sgd"),
        {"v0": module.Adam(0.01, name="adam", use_ema=True, ema_overwrite_frequency=3)},
    )
    choice["v1|w.*"] = module.RMSprop(0.01, name="rms", weight_decay=0.1, clipnorm=0.5)
    optimizer = module.MultiOptimizer(choice, name="all", **options)
    variables = [variable(x, name=f"v{index}") for index, x in enumerate(START)]
    optimizer.build(variables)
    return optimizer, variables


@pytest.mark.parametrize("options", [{}, {"loss_scale_factor": 4.0}])
def test_several_optimizers(options):
    ours, mine = several(optimizers, Variable, **options)
    theirs, other = several(keras.optimizers, keras.Variable, **options)
    paths = [[v.path for v in each.variables] for each in (ours, theirs)]
    assert paths[0] == paths[1] and len(ours.optimizers) == len(theirs.optimizers) == 3
    state, params = ours.init(START), [jnp.asarray(x) for x in START]
    for grads in GRADS:
        ours.apply(grads, mine)
        params, state = jax.jit(ours.update)(grads, state, params)
    keras_steps(theirs, other, GRADS)
    close(mine, other)
    close(params, other)
    close(ours.variables, theirs.variables, atol=1e-4)
    close(ours.unpack(state), theirs.variables, atol=1e-4)
    assert float(ours.scale_loss(2.0)) == float(theirs.scale_loss(2.0))
    store, back = {}, {}
    theirs.save_own_variables(store)
    ours.load_own_variables(store)
    ours.save_own_variables(back)
    assert list(store) == list(back)
    close(store.values(), back.values())
    ours.finalize_variable_values(mine)
    theirs.finalize_variable_values(other)
    close(mine, other)
    stored, foreign = optimizers.serialize(ours), keras.optimizers.serialize(theirs)
    assert json.loads(json.dumps(stored)) == json.loads(json.dumps(foreign))
    again = optimizers.deserialize(foreign)
    assert optimizers.serialize(again) == stored
    assert keras.optimizers.deserialize(stored).get_config() == theirs.get_config()


def test_weight_decay_left_out():
    kinds = []
    for module, variable in ((optimizers, Variable), (keras.optimizers, keras.Variable)):
        optimizer = module.AdamW(0.1, weight_decay=0.5)
        variables = [variable(x, name=f"v{index}") for index, x in enumerate(START)]
        optimizer.exclude_from_weight_decay([variables[0]], ["2$"])
        optimizer.build(variables)
        kinds.append((optimizer, variables))
    (ours, mine), (theirs, other) = kinds
    for grads in GRADS:
        ours.apply(grads, mine)
    keras_steps(theirs, other, GRADS)
    close(mine, other)


def test_of_ones_own_as_in_keras():
    def make(module):
        class Pull(module.Optimizer):
            def __init__(self, learning_rate=0.1, pull=0.5, name="pull", **kwargs):
                super().__init__(learning_rate, name=name, **kwargs)
                self.pull = pull

            def build(self, variables):
                if not self.built:
                    super().build(variables)
                    self.held = self.add_optimizer_variables(variables, "held")

            def update_step(self, gradient, variable, learning_rate):
                held = self.held[self._trainable_variables.index(variable)]
                self.assign(held, self.pull * held + gradient)
                self.assign_sub(variable, learning_rate * held / (self.iterations + 1))

        return Pull

    ours, theirs = make(optimizers)(use_ema=True), make(keras.optimizers)(use_ema=True)
    mine = [Variable(x, name="a") for x in START[:1]]
    other = [keras.Variable(x, name="a") for x in START[:1]]
    ours.build(mine)
    theirs.build(other)
    state = ours.state()
    params, state = jax.jit(ours.update)(GRADS[0][:1], state, [mine[0].value])
    for grads in GRADS:
        ours.apply(grads[:1], mine)
        theirs.apply([jnp.asarray(grads[0])], other)
        if grads is GRADS[0]:
            close(params, mine)
    close(mine, other)
    close(ours.variables, theirs.variables)
