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


@pytest.mark.parametrize("kind", ["mean", "sum"])
def test_accumulating_under_masks(kind):
    """Two batches, of 6 and of 1 time steps that count: each gradient is worth the same.

    So it is a mean of means; with sums it is, up to the division, the gradient of all of them.
    """
    x = RNG.random((4, 3, 1)).astype("float32") + 0.5
    x[2:, 1:] = 0.0
    x[3] = 0.0
    y = np.zeros_like(x)
    reduction = "sum" if kind == "sum" else "sum_over_batch_size"
    made = masked(
        optimizers.SGD(1e-3, gradient_accumulation_steps=2),
        keras.losses.MeanSquaredError(reduction=reduction),
    )
    made.fit(x, y, batch_size=2, shuffle=False, verbose=0)
    moved = 1.0 - made.get_weights()[0].item()
    gradients = 2 * np.square(x, dtype="float64")  # of the squared error, where the kernel is 1
    first, second = gradients[:2].sum(), gradients[2:].sum()
    expected = (first + second) / 2 if kind == "sum" else (first / 6 + second / 1) / 2
    np.testing.assert_allclose(moved, 1e-3 * expected, rtol=1e-3)


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
