"""What compile may be given, against Keras: the same logs, in the same order, the same numbers."""

import warnings

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import lamina  # noqa: E402

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6)).astype("float32")
REAL = RNG.normal(size=(40, 1)).astype("float32")
IDS = RNG.integers(0, 3, 40)
HOT = np.eye(3, dtype="float32")[IDS]
W, V = RNG.random(40).astype("float32"), RNG.random(40).astype("float32")
SPARSE = "sparse_categorical_crossentropy"


def one(k, units=3, activation="softmax"):
    return k.Sequential([k.Input((6,)), k.layers.Dense(units, activation, name="out")])


def real(k):
    return one(k, 1, None)


def two(k, form):
    x = k.Input((6,))
    a, b = k.layers.Dense(1, name="value")(x), k.layers.Dense(3, "softmax", name="kind")(x)
    outputs = {"list": [a, b], "dict": {"value": a, "kind": b}, "deep": {"p": a, "q": {"r": b}}}
    return k.Model(x, outputs[form])


def own(k, form):
    class Own(k.Model):
        def __init__(self):
            super().__init__()
            self.a, self.b = k.layers.Dense(1), k.layers.Dense(3, "softmax")

        def call(self, x):
            return (self.a(x), self.b(x)) if form == "tuple" else {"u": self.a(x), "v": self.b(x)}

    made = Own()
    made(X[:2])
    return made


def in_layers(k):
    class Adds(k.layers.Layer):
        def call(self, x):
            self.add_loss(0.1 * k.ops.mean(x * x))
            return x

    dense = k.layers.Dense(1, kernel_regularizer="l2")
    return k.Sequential([k.Input((6,)), Adds(), dense])


def cubic(y_true, y_pred):
    return abs(y_true - y_pred) ** 3


BOTH = {"loss": ["mse", SPARSE]}
NAMED = {"value": "mse", "kind": SPARSE}
SHORT = ["acc", "accuracy"]
CASES = {
    "sparse": (one, {"loss": SPARSE, "metrics": SHORT}, IDS),
    "sparse column": (one, {"loss": "ce", "metrics": SHORT}, IDS[:, None]),
    "one-hot": (one, {"loss": "crossentropy", "metrics": SHORT}, HOT),
    "binary": (
        lambda k: one(k, 1, "sigmoid"),
        {"loss": "binary_crossentropy", "metrics": SHORT}, IDS % 2,
    ),
    "names met twice": (
        one, {"loss": SPARSE, "metrics": ["acc", "acc", SPARSE],
              "weighted_metrics": ["acc", "accuracy"]}, IDS, W,
    ),
    "functions": (
        real, {"loss": cubic, "metrics": [cubic, "mae", lambda a, b: abs(a - b)]}, REAL[:, 0]),
    "nested metrics": (real, {"loss": ["mse"], "metrics": [["mae", "mse"]]}, REAL),
    "a weight": (real, {"loss": "mse", "loss_weights": 0.5}, REAL),
    "eager": (real, {"loss": "mse", "metrics": ["mae"], "run_eagerly": True}, REAL),
    "not compiled": (real, {"loss": "mse", "metrics": ["mae"], "jit_compile": False}, REAL),
    "groups of steps": (real, {"loss": "mse", "metrics": ["mae"], "steps_per_execution": 3}, REAL),
    "in layers": (in_layers, {"loss": "mse", "metrics": ["mae"]}, REAL),
    "list": (lambda k: two(k, "list"), {**BOTH, "metrics": [["mae"], ["acc"]]}, [REAL, IDS]),
    "list, some": (lambda k: two(k, "list"), {**BOTH, "metrics": [None, "acc"]}, (REAL, IDS)),
    "list, one loss": (lambda k: two(k, "list"), {"loss": ["mse", None]}, [REAL, IDS]),
    "list, one weight": (
        lambda k: two(k, "list"), {"loss": "mse", "loss_weights": 0.5}, [REAL, HOT]),
    "list by name": (
        lambda k: two(k, "list"),
        {"loss": NAMED, "loss_weights": {"value": 0.3, "kind": 2.0}, "metrics": {"kind": "acc"}},
        {"value": REAL, "kind": IDS},
    ),
    "list by name, another order": (
        lambda k: two(k, "list"), {"loss": dict(reversed(NAMED.items()))}, [REAL, IDS]),
    "list, weighted": (
        lambda k: two(k, "list"), {**BOTH, "weighted_metrics": [["mae"], ["acc"]]},
        [REAL, IDS], [W, V],
    ),
    "dict": (
        lambda k: two(k, "dict"), {"loss": NAMED, "metrics": {"value": ["mae"], "kind": ["acc"]}},
        {"value": REAL, "kind": IDS},
    ),
    "deep": (
        lambda k: two(k, "deep"), {"loss": {"p": "mse", "q": {"r": SPARSE}}},
        {"p": REAL, "q": {"r": IDS}},
    ),
    "own tuple": (lambda k: own(k, "tuple"), {**BOTH, "metrics": [["mae"], ["acc"]]}, [REAL, IDS]),
    "own dict": (
        lambda k: own(k, "dict"),
        {"loss": {"u": "mse", "v": SPARSE}, "metrics": {"v": ["acc"]}}, {"u": REAL, "v": IDS},
    ),
}  # fmt: skip


def pair(build):
    made = [build(keras), build(lamina)]
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=w.shape) * 0.3 for w in made[0].get_weights()]
    for model in made:
        model.set_weights(weights)
    return made


def same(a, b):
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        a, b = list(a.values()), list(b.values())
    assert np.shape(a) == np.shape(b) and np.allclose(a, b, atol=2e-4)


@pytest.mark.parametrize("case", CASES)
def test_logs(case):
    build, given, y, *weight = CASES[case]
    found = []
    for model in pair(build):
        model.compile("sgd", **given)
        how = {"sample_weight": weight[0] if weight else None, "batch_size": 20, "verbose": 0}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logs = model.evaluate(X, y, return_dict=True, **how)
        found.append((logs, model.evaluate(X, y, **how)))
    for part, (a, b) in enumerate(zip(*found, strict=True)):
        if (case, part) not in (("deep", 0), ("names met twice", 1)):
            same(a, b)  # Keras has paths as names in deep nests, and lists a name twice


@pytest.mark.parametrize(("group", "given"), [(2, {"steps": 5}), (4, {}), (20, {})])
def test_events_of_groups_of_steps(group, given):
    seen = []
    for k, model in zip((keras, lamina), pair(real), strict=True):
        log = []

        def noting(name, log=log):
            return lambda self, batch, logs=None: log.append((name, batch))

        names = [f"on_{kind}_batch_{end}" for kind in ("train", "test", "predict")
                 for end in ("begin", "end")]  # fmt: skip
        spy = type("Spy", (k.callbacks.Callback,), {name: noting(name) for name in names})()
        model.compile("sgd", "mse", steps_per_execution=group)
        how = {"batch_size": 4, "verbose": 0, "callbacks": [spy]}
        model.fit(X, REAL, steps_per_epoch=given.get("steps"), **how)
        model.evaluate(X, REAL, **how, **given)
        model.predict(X, **how, **given)
        batches = ((X[i : i + 4], REAL[i : i + 4]) for i in range(0, 40, 4))
        steps = min(group, 10)
        model.evaluate(batches, verbose=0, callbacks=[spy], steps=steps)
        model.predict(((X[:4],) for _ in range(steps)), verbose=0, callbacks=[spy], steps=steps)
        seen.append(log)
    assert seen[0] == seen[1]


def test_metrics_before_they_are_known():
    for model in pair(one):
        model.compile("sgd", SPARSE, metrics=["acc"])
        for metric in model.metrics:
            metric.reset_state()
        assert model.metrics[0].name == "loss"
        model.fit(X, IDS, verbose=0)
        for metric in model.metrics:
            metric.reset_state()
        assert all(float(value) == 0 for value in model.get_metrics_result().values())
