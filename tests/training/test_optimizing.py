"""Optimizers inside fit: optax, several at once, gradients that are accumulated under masks."""

import numpy as np
import pytest

import lamina as keras
from lamina import optimizers
from lamina.core.errors import LaminaWarning

RNG = np.random.default_rng(0)
X = RNG.random((64, 4), dtype="float32")
Y = X.sum(1, keepdims=True)


def mlp(optimizer):
    start = keras.initializers.GlorotUniform(1)
    made = keras.Sequential([
        keras.Input((4,)), keras.layers.Dense(8, "tanh", kernel_initializer=start, name="body"),
        keras.layers.Dense(1, kernel_initializer=start, name="head"),
    ], name="net")  # fmt: skip
    made.compile(optimizer, "mse")
    return made


def with_optax():
    optax = pytest.importorskip("optax")
    rate = optax.cosine_decay_schedule(0.05, 40)
    return mlp(optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(rate)))


def with_several():
    choice = optimizers.OptimizerMap(optimizers.SGD(0.1), {".*head/.*": optimizers.Adam(0.01)})
    return mlp(optimizers.MultiOptimizer(choice))


@pytest.mark.parametrize("make", [with_optax, with_several])
def test_training_goes_on_where_it_was_saved(tmp_path, make):
    whole, first, second = make(), make(), make()
    expected = whole.fit(X, Y, epochs=6, shuffle=False, verbose=0).history["loss"]
    assert expected[-1] < expected[0]
    first.fit(X, Y, epochs=3, shuffle=False, verbose=0)
    first.save_weights(tmp_path / "state.weights.h5")
    second.load_weights(tmp_path / "state.weights.h5")
    rest = second.fit(X, Y, epochs=3, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(rest, expected[3:], rtol=1e-6)


def test_each_path_has_its_rate(tmp_path):
    made = with_several()
    made.fit(X, Y, verbose=0)
    sgd, adam = sorted(made.optimizer.optimizers, key=lambda each: each.name, reverse=True)
    assert int(sgd.iterations) == int(adam.iterations) == int(made.optimizer.iterations) == 2
    before = made.get_layer("head").get_weights(), made.get_layer("body").get_weights()
    adam.learning_rate = 0.0
    made.fit(X, Y, verbose=0)
    for old, new in zip(before[0], made.get_layer("head").get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert np.any(before[1][0] != made.get_layer("body").get_weights()[0])
    made.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    assert [type(each).__name__ for each in again.optimizer.optimizers] == ["Adam", "SGD"]
    assert not hasattr(made.optimizer, "learning_rate")


def test_a_pattern_that_is_for_nothing():
    choice = optimizers.OptimizerMap(optimizers.SGD(), {"head/.*": optimizers.Adam()})
    with pytest.warns(UserWarning, match=r"\['head/.*'\].*pattern-unused.*'net/body/kernel'"):
        mlp(optimizers.MultiOptimizer(choice)).fit(X, Y, verbose=0)


def test_settings_of_inner_optimizers_are_not_stale():
    inner = optimizers.SGD(0.1)
    made = mlp(optimizers.LossScaleOptimizer(inner))
    made.fit(X, Y, verbose=0)
    inner.clipvalue = 1e-12
    before = made.get_weights()[0]
    made.fit(X, Y, verbose=0)
    np.testing.assert_allclose(before, made.get_weights()[0], atol=1e-9)


def masked(optimizer, loss):
    inputs = keras.Input((3, 1))
    hidden = keras.layers.Masking()(inputs)
    outputs = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")(hidden)
    made = keras.Model(inputs, outputs)
    made.compile(optimizer, loss)
    return made


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean_with_sample_weight", "sum"])
@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("inside", [False, True], ids=["plain", "scaled"])
def test_batches_that_are_accumulated_move_weights_as_one_batch(reduction, weights, inside):
    """Batches of 6, of 1 and of no time steps that count, and a last one of one sample."""
    x = RNG.random((7, 3, 1)).astype("float32") + 0.5
    x[2:, 1:] = 0.0
    x[3:6] = 0.0
    y, w = np.zeros_like(x), np.array([1, 2, 3, 4, 5, 6, 7], "float32") if weights else None
    moved = []
    for size, steps in ((2, 4), (7, None)):
        rate = 1e-3 * (steps or 1 if reduction == "sum" else 1)  # a mean of sums
        optimizer = optimizers.SGD(rate, gradient_accumulation_steps=steps)
        if inside:
            optimizer = optimizers.LossScaleOptimizer(optimizer)
        made = masked(optimizer, keras.losses.MeanSquaredError(reduction=reduction))
        made.fit(x, y, sample_weight=w, batch_size=size, shuffle=False, epochs=2, verbose=0)
        moved.append(1.0 - made.get_weights()[0].item())
    np.testing.assert_allclose(*moved, rtol=1e-4)


def test_batches_of_unequal_size_that_are_mixed_are_accumulated_by_their_size():
    moved = []
    for size, steps in ((24, 3), (64, None)):
        made = mlp(optimizers.SGD(0.01, gradient_accumulation_steps=steps))
        made.add(keras.layers.Lambda(lambda x: x))  # so a short batch is not filled up
        made.compile(made.optimizer, "mse")
        made.fit(X, Y, batch_size=size, shuffle=False, verbose=0)
        moved.append(made.get_weights())
    for one, other in zip(*moved, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_weights_of_gradients_that_a_file_does_not_hold_are_taken_to_be_equal():
    """As in a file of Keras, which keeps the sum of gradients alone."""
    optimizer = optimizers.SGD(1.0, gradient_accumulation_steps=3)
    state = optimizer.init([np.float32(0)])
    for grad in (1.0, 2.0):
        param, state = optimizer.update([np.float32(grad)], state, [np.float32(0)])
    assert state.slots["gradient_accumulator"][0] == 3.0
    state.slots["accumulated_weight"][0] = np.float32(-1)
    param, state = optimizer.update([np.float32(6.0)], state, [np.float32(0)])
    np.testing.assert_allclose(param, [-3.0], rtol=1e-6)


def test_a_file_of_a_model_that_optax_trains_is_one_to_compile(tmp_path):
    made = with_optax()
    made.fit(X, Y, verbose=0)
    with pytest.warns(LaminaWarning, match="Compile again.*optimizer-not-saved") as caught:
        made.save(tmp_path / "m.keras")
    assert len(caught) == 1 and caught[0].filename == __file__
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert not loaded.compiled
    assert np.array_equal(loaded.predict(X, verbose=0), made.predict(X, verbose=0))


@pytest.mark.parametrize("given", [{}, {"global_clipnorm": 0.1}, {"use_ema": True}])
def test_variables_whose_gradient_is_their_next_value(given):
    scale, weight = keras.Variable([1.0, 1.0]), keras.Variable([1.0])
    scale.overwrite_with_gradient = True
    alone, other = optimizers.Adam(0.1, **given), optimizers.Adam(0.1, **given)
    alone.build([copy := keras.Variable([1.0])])
    other.build([scale, weight])
    for _ in range(2):
        alone.apply([np.ones(1, "float32")])
        other.apply([np.full(2, 5.0, "float32"), np.ones(1, "float32")])
    assert np.array_equal(scale, [5, 5]) and np.allclose(weight, copy)
