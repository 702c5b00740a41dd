"""Steps, losses and metrics of a user's own, in the stateless form of Keras on JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from training.models import data

import lamina as keras
from lamina.core.errors import ArgumentError

X, Y = data()
T = X[:, :1] * 2


class Base(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1, kernel_initializer="ones")

    def call(self, x):
        return self.dense(x)


class OwnStep(Base):
    def train_step(self, state, data):
        trainable, non_trainable, optimizer, metrics = state
        x, y = data
        grad = jax.value_and_grad(self.compute_loss_and_updates, has_aux=True)
        (_, (loss, y_pred, non_trainable, metrics)), grads = grad(
            trainable, non_trainable, metrics, x, y, None, training=True,
            optimizer_variables=optimizer,
        )  # fmt: skip
        trainable, optimizer = self.optimizer.stateless_apply(optimizer, grads, trainable)
        new, logs, at = [], {}, 0
        for metric in self.metrics:
            own = metrics[at : at + len(metric.variables)]
            at += len(metric.variables)
            given = (loss,) if metric.name == "loss" else (y, y_pred)
            own = metric.stateless_update_state(own, *given)
            logs[metric.name] = metric.stateless_result(own)
            new += own
        return logs, (trainable, non_trainable, optimizer, new)


class OwnLoss(Base):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        return jnp.mean(jnp.square(y - y_pred)) + sum(self.losses)


class OwnMetric(Base):
    def __init__(self):
        super().__init__()
        self.largest = keras.metrics.Mean(name="largest")

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        self.largest.update_state(jnp.max(y_pred))
        return {**super().compute_metrics(x, y, y_pred, sample_weight), "two": jnp.float32(2)}


def run(cls, **kwargs):
    model = cls()
    model.compile("sgd", metrics=["mae"], **{"loss": "mse", **kwargs})
    return model, model.fit(X, T, batch_size=20, shuffle=False, epochs=2, verbose=0).history


def test_own_train_step_gives_the_same_run():
    (plain, expected), (own, found) = run(Base), run(OwnStep)
    assert set(expected) == set(found) == {"loss", "mae"}
    for a, b in zip(plain.get_weights(), own.get_weights(), strict=True):
        assert np.allclose(a, b, atol=1e-6)
    assert np.allclose(expected["mae"], found["mae"], atol=1e-5)


def test_own_loss_and_own_metrics():
    (_, expected), (_, found) = run(Base), run(OwnLoss, loss=None)
    assert np.allclose(expected["loss"], found["loss"], atol=1e-6)
    model, logs = run(OwnMetric)
    assert set(logs) == {"loss", "mae", "largest", "two"} and logs["two"] == [2.0, 2.0]
    assert [metric.name for metric in model.metrics] == ["loss", "mae", "largest"]


def test_own_steps_for_test_and_predict():
    class Own(Base):
        def test_step(self, state, data):
            logs, state = super().test_step(state, data)
            return {**logs, "seen": jnp.float32(1)}, state

        def predict_step(self, state, data):
            outputs, rest = super().predict_step(state, data)
            return {"twice": 2 * outputs}, rest

    model, _ = run(Own)
    assert model.evaluate(X, T, verbose=0, return_dict=True)["seen"] == 1
    outputs = model.predict(X, batch_size=20, verbose=0)["twice"]
    assert np.allclose(outputs, 2 * np.asarray(model(X)), atol=1e-6)


def test_a_step_of_another_form_is_explained():
    class OneValue(Base):
        def train_step(self, state, data):
            return {"loss": jnp.float32(0)}

    class Older(Base):
        def train_step(self, data):
            return {"loss": 0.0}

    for cls in (OneValue, Older):
        with pytest.raises(ArgumentError, match=r"\(state, data\)"):
            run(cls)


def test_metrics_and_seeds_of_layers_are_carried():
    class Counts(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.size = keras.metrics.Mean(name="size")

        def call(self, x):
            self.size.update_state(jnp.mean(jnp.abs(x)))
            return x

    model = keras.Sequential([keras.Input((4,)), Counts(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    logs = model.fit(X, T, batch_size=25, verbose=0).history
    assert logs["size"][0] == pytest.approx(np.abs(X).mean(), rel=1e-5)


def test_metrics_written_by_a_user():
    class Largest(keras.metrics.Metric):
        def __init__(self):
            super().__init__(name="largest")
            self.value = self.add_weight(name="value")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.value.assign(jnp.maximum(self.value.value, jnp.max(y_true)))

        def result(self):
            return self.value.value

    def doubled(y_true, y_pred):
        return 2 * jnp.abs(y_true - y_pred)

    model = Base()
    model.compile("sgd", "mse", metrics=[Largest(), doubled, keras.metrics.MeanAbsoluteError()])
    logs = model.evaluate(X, T, verbose=0, return_dict=True)
    assert logs["largest"] == pytest.approx(T.max())
    assert logs["doubled"] == pytest.approx(2 * logs["mean_absolute_error"], rel=1e-5)
