"""Copies and pickles of models in training; tracebacks of mistakes."""

import copy
import pickle
import traceback
from pathlib import Path

import numpy as np
import pytest
from training.models import compiled, data, two_outputs

import lamina as keras
from lamina.core.errors import StateError

X, Y = data()
WAYS = {"deepcopy": copy.deepcopy, "pickle": lambda model: pickle.loads(pickle.dumps(model))}


def closeness(y_true, y_pred):
    return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1)


def functional():
    model = two_outputs()
    losses = {"value": closeness, "kind": keras.losses.SparseCategoricalCrossentropy()}
    rate = keras.optimizers.schedules.ExponentialDecay(0.01, 10, 0.9)
    model.compile(keras.optimizers.Adam(rate), losses, [1.0, 0.5], {"kind": ["accuracy"]})
    return model, {"value": X[:, :1], "kind": Y}


def sequential():
    return compiled(keras.layers.Dropout(0.3), optimizer="adam"), Y


@pytest.mark.parametrize("make", [sequential, functional])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_copies_go_on_as_the_model_would(way, make):
    model, y = make()
    keras.utils.set_random_seed(3)
    model.fit(X, y, verbose=0)
    twin = way(model)
    assert twin.compiled and twin.optimizer is not model.optimizer
    assert twin.metrics_names == model.metrics_names
    assert twin.get_compile_config() == model.get_compile_config()
    assert {k: float(v) for k, v in twin.get_metrics_result().items()} == pytest.approx(
        {k: float(v) for k, v in model.get_metrics_result().items()}
    )
    assert [v.path for v in twin.optimizer.variables] == [v.path for v in model.optimizer.variables]
    own = {id(v) for v in twin.optimizer.variables}
    assert not own & {id(v) for v in model.optimizer.variables}
    before = model.get_weights()
    twin.fit(X, y, shuffle=False, verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        assert np.array_equal(a, b)
    model.fit(X, y, shuffle=False, verbose=0)
    for a, b in zip(twin.get_weights(), model.get_weights(), strict=True):
        assert np.allclose(a, b, atol=1e-6)
    assert int(twin.optimizer.iterations) == int(model.optimizer.iterations) == 6


def test_clones_are_not_compiled():
    assert not keras.models.clone_model(compiled()).compiled


def test_inner_models_stay_compiled_in_deep_copies():
    inner = compiled()
    outer = keras.Sequential([keras.Input((4,)), inner])
    twin = copy.deepcopy(outer)
    assert twin.layers[0].compiled and twin.layers[0].optimizer is not inner.optimizer


def test_functions_that_pickle_cannot_keep_are_refused_by_pickle():
    model = compiled(loss=lambda y_true, y_pred: keras.ops.mean(y_pred, axis=-1), metrics=None)
    assert copy.deepcopy(model).loss is model.loss
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(model)


@pytest.mark.parametrize(
    "mistake",
    [
        lambda model: model.compile(loss="sparse_crossentropy"),
        lambda model: model.fit(X, Y[:3], verbose=0),
        lambda model: model.evaluate(X, verbose=0, steps=0),
        lambda model: model.predict(X[:, :2], verbose=0),
        lambda model: model.predict_on_batch(X[:, :2]),
        lambda model: model.train_on_batch(X, Y[:3]),
        lambda model: model.test_on_batch(X, Y[:3]),
    ],
)
def test_errors_end_at_the_users_own_line(mistake):
    with pytest.raises(ValueError) as caught:
        mistake(compiled())
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert {Path(frame.filename) for frame in frames} == {Path(__file__)}


def test_steps_of_ones_own_stay_in_the_traceback():
    class Wrong(keras.Sequential):
        def compute_loss(self, *args, **kwargs):
            raise StateError("not today")

    model = Wrong([keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    with pytest.raises(StateError, match="not today") as caught:
        model.fit(X, X[:, :2], verbose=0)
    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "compute_loss"
