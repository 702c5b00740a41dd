"""What compile understands, refuses, and gives back as a config."""

import numpy as np
import pytest
from training.models import classifier, compiled, data, two_outputs

import lamina as keras
from lamina.core.errors import ArgumentError, UnknownNameError
from lamina.training.outputs import Outputs

X, Y = data()


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ({"optimizer": "adamm"}, "'adam'"),
        ({"loss": "mean_square_error"}, "'mean_squared_error'"),
        ({"metrics": ["acuracy"]}, "'accuracy'"),
    ],
)
def test_typos_are_found_at_once(given, nearest):
    with pytest.raises(UnknownNameError, match=nearest):
        classifier().compile(**given)


def test_wrong_arguments():
    with pytest.raises(ArgumentError, match="metrics="):
        classifier().compile("sgd", "mse", ["accuracy"])
    with pytest.raises(ArgumentError, match="steps_per_execution"):
        classifier().compile("sgd", steps_per_execution=0)
    model = two_outputs()
    model.compile("sgd", {"vale": "mse"})
    with pytest.raises(UnknownNameError, match="'value'"):
        model.fit(X, [X[:, 0], Y], verbose=0)
    model.compile("sgd", ["mse"] * 3)
    with pytest.raises(ArgumentError, match="2 output"):
        model.fit(X, [X[:, 0], Y], verbose=0)


@pytest.mark.parametrize(
    ("units", "activation", "y", "loss"),
    [
        (3, "softmax", Y, "sparse_categorical_crossentropy"),
        (3, "softmax", np.eye(3)[Y], "categorical_crossentropy"),
        (1, "sigmoid", Y % 2, "binary_crossentropy"),
    ],
)
def test_accuracy_and_crossentropy_fit_themselves_to_the_shapes(units, activation, y, loss):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units, activation)])
    metric = {"sparse": "sparse_categorical_accuracy", "binary": "binary_accuracy"}
    model.compile("sgd", "crossentropy", metrics=["acc"])
    short = model.evaluate(X, y, verbose=0)
    model.compile("sgd", loss, metrics=[metric.get(loss.split("_")[0], "categorical_accuracy")])
    assert np.allclose(short, model.evaluate(X, y, verbose=0))


def test_names_in_logs():
    model = compiled(metrics=["accuracy", "accuracy"], weighted_metrics=["accuracy"])
    logs = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert list(logs) == ["accuracy", "accuracy_1", "loss", "weighted_accuracy"]
    assert model.metrics_names == ["loss", "accuracy", "accuracy_1", "weighted_accuracy"]


def test_weighted_metrics_and_ragged_batches_agree_with_numpy():
    weights = np.random.default_rng(1).random(len(X)).astype("float32")
    model = compiled(weighted_metrics=["accuracy"])
    logs = model.evaluate(X, Y, sample_weight=weights, verbose=0, return_dict=True)
    right = np.asarray(model(X)).argmax(-1) == Y
    assert logs["accuracy"] == pytest.approx(right.mean(), rel=1e-5)
    assert logs["weighted_accuracy"] == pytest.approx(np.average(right, weights=weights), rel=1e-5)


def test_config_goes_round():
    model = compiled(optimizer=keras.optimizers.Adam(0.02), weighted_metrics=["mse"])
    config = model.get_compile_config()
    other = classifier()
    other.compile_from_config(config)
    assert other.get_compile_config() == config
    assert other.optimizer.built and float(other.optimizer.learning_rate) == pytest.approx(0.02)
    assert classifier().get_compile_config() == {}


def test_an_own_compile_is_not_called_on_loading():
    class Own(keras.Model):
        def compile(self, mine):
            super().compile()

    with pytest.warns(UserWarning, match="compile-overridden"):
        Own().compile_from_config({"optimizer": "sgd"})


def test_functions_as_losses_are_averaged_over_samples():
    def cubic(y_true, y_pred):
        return abs(y_true - y_pred) ** 3

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", cubic)
    found = model.evaluate(X, X[:, 0], verbose=0)
    errors = np.abs(np.asarray(model(X))[:, 0] - X[:, 0])
    assert found == pytest.approx((errors**3).mean(), rel=1e-5)


def test_outputs_spread_nests():
    outputs = Outputs([1, {"a": 2, "b": 3}], None)
    assert outputs.spread(["x", {"a": "y", "b": "z"}], "loss") == ["x", "y", "z"]
    with pytest.raises(ArgumentError, match="3 output"):
        outputs.spread("x", "loss")


def test_targets_of_the_only_output_with_a_loss_need_no_list():
    model = two_outputs()
    model.compile("sgd", [None, "sparse_categorical_crossentropy"])
    x, y = data()
    bare = model.evaluate(x, y, verbose=0)
    assert bare == model.evaluate(x, {"kind": y}, verbose=0)
