"""Every kind of run is resumed from within an epoch, and between two, with the same bits."""

import random

import numpy as np
import optax
import pytest
from training.models import data
from training.test_resume import At, Stop, assert_same, outcome

import lamina as keras
from lamina import callbacks, optimizers
from lamina.callbacks import backup

X, Y = data(samples=75)
WEIGHTS = np.random.default_rng(1).random(75).astype("float32")


class Shuffled(keras.utils.PyDataset):
    """Batches of ten whose order of samples is its own, mixed after each epoch."""

    def __init__(self, noise=False, **kwargs):
        super().__init__(**kwargs)
        self.order, self.noise = np.arange(75), noise

    def __len__(self):
        return 8

    def __getitem__(self, index):
        rows = self.order[index * 10 : (index + 1) * 10]
        noise = np.random.normal(size=(len(rows), 4)) if self.noise else 0
        return (X[rows] + noise).astype("float32"), Y[rows]

    def on_epoch_end(self):
        np.random.shuffle(self.order)

    def get_state(self):
        return {"order": self.order}

    def set_state(self, state):
        self.order[:] = state["order"]


class Own(keras.Sequential):
    def train_step(self, state, data):
        logs, state = super().train_step(state, data)
        return {**logs, "twice": 2 * logs["loss"]}, state


def batches():
    return [(X[i : i + 10], Y[i : i + 10]) for i in range(0, 75, 10)]


def drawn():
    """Batches without end, drawn from NumPy's global generator."""
    while True:
        rows = np.random.randint(0, 75, 10)
        yield X[rows], Y[rows]


def several():
    choice = {".*first.*": optimizers.SGD(0.1, momentum=0.9)}
    return optimizers.MultiOptimizer(optimizers.OptimizerMap(optimizers.Adam(), choice))


def ema(overwrite=None):
    return optimizers.Adam(use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=overwrite)


def monitors(folder):
    return [
        callbacks.ReduceLROnPlateau("loss", patience=0, min_delta=0.5, cooldown=1),
        callbacks.EarlyStopping("val_loss", patience=2, min_delta=0.2, restore_best_weights=True),
        callbacks.ModelCheckpoint(folder / "best.weights.h5", save_best_only=True,
                                  save_weights_only=True),
    ]  # fmt: skip


KINDS = {
    "loss scale": {"optimizer": lambda: optimizers.LossScaleOptimizer(
        optimizers.Adam(), initial_scale=8.0, dynamic_growth_steps=5)},
    "half": {"policy": "mixed_float16"},
    "accumulation": {"optimizer": lambda: optimizers.SGD(
        0.1, momentum=0.9, gradient_accumulation_steps=3)},
    "groups that divide": {"compile": {"steps_per_execution": 4}},
    "groups that do not": {"compile": {"steps_per_execution": 3}},
    "several optimizers": {"optimizer": several},
    "optax": {"optimizer": lambda: optax.chain(optax.clip(0.1), optax.adam(0.01))},
    "averages": {"optimizer": lambda: ema(3), "fit": {"callbacks": lambda folder: [
        callbacks.SwapEMAWeights()]}},
    "averages swapped": {"optimizer": ema, "fit": {"callbacks": lambda folder: [
        callbacks.SwapEMAWeights(swap_on_epoch=True), *monitors(folder)[2:]]}},
    "monitors": {"fit": {"callbacks": monitors, "epochs": 5}},
    "weights": {"fit": {"sample_weight": WEIGHTS, "class_weight": {0: 1, 1: 2, 2: 3}},
                "compile": {"weighted_metrics": ["accuracy"]}},
    "later epochs": {"fit": {"initial_epoch": 1, "validation_freq": 2}},
    "parts of the data": {"fit": {"steps_per_epoch": 4, "shuffle": "batch"}},
    "split": {"fit": {"validation_split": 0.2}},
    "a step of one's own": {"model": Own},
    "dataset": {"source": Shuffled},
    "dataset with noise": {"source": lambda: Shuffled(True),
                           "fit": {"validation_data": Shuffled}},
    "dataset in parts": {"source": lambda: Shuffled(True), "fit": {"steps_per_epoch": 4}},
    "dataset in its order": {"source": lambda: Shuffled(workers=2), "fit": {"shuffle": False}},
    "list of batches": {"source": batches, "compile": {"steps_per_execution": 3}},
    "generator": {"source": drawn, "fit": {"steps_per_epoch": 8}},
}  # fmt: skip


WHOLE = {}


def run(kind, folder, extra=(), **more):
    keras.utils.set_random_seed(3)
    keras.backend.clear_session()
    layers, own = keras.layers, {"epochs": 4, "validation_data": (X[:20], Y[:20])}
    own |= {"batch_size": 10, **kind.get("fit", {})}
    dtype = kind.get("policy")
    stack = [
        layers.Dense(8, "relu", name="first", dtype=dtype),
        layers.BatchNormalization(dtype=dtype),
        layers.Dropout(0.3, dtype=dtype),
        layers.Dense(3, "softmax", dtype=dtype),
    ]
    model = kind.get("model", keras.Sequential)([keras.Input((4,)), *stack])
    optimizer = kind.get("optimizer", lambda: optimizers.Adam(0.01))()
    given = {"metrics": ["accuracy"], **kind.get("compile", {})}
    model.compile(optimizer, "sparse_categorical_crossentropy", **given)
    calls = [*own.pop("callbacks", lambda folder: [])(folder), *extra]
    if "source" in kind:
        own = {"x": kind["source"](), **{k: v for k, v in own.items() if k != "batch_size"}}
    else:
        own = {"x": X, "y": Y, **own}
    if "validation_split" in own:
        del own["validation_data"]
    elif own["validation_data"] is Shuffled:
        own["validation_data"] = Shuffled(True)
    history = model.fit(**own, verbose=0, callbacks=calls, **more)
    return outcome(model, history), np.random.random(), random.random()


BETWEEN = [name for name, kind in KINDS.items() if "source" in kind or "callbacks" in str(kind)]


@pytest.mark.parametrize(
    ("name", "at"), [(name, (1, 1)) for name in KINDS] + [(name, (1, None)) for name in BETWEEN]
)
def test_a_run_is_resumed_with_the_same_bits(name, at, tmp_path, monkeypatch):
    monkeypatch.setattr(backup, "SECONDS", 0.0)
    kind = KINDS[name]
    if name not in WHOLE:
        WHOLE[name] = run(kind, tmp_path / "whole")
    whole, *drawn = WHOLE[name]
    with pytest.raises(Stop):
        run(kind, tmp_path, [At(*at)], resume=tmp_path / "run")
    resumed, *again = run(kind, tmp_path, resume=tmp_path / "run")
    assert_same(resumed, whole)
    assert again == drawn


def test_data_that_mix_themselves_and_cannot_tell_how_are_warned_of(tmp_path, monkeypatch):
    kind = {"source": Shuffled}
    with pytest.raises(Stop):
        run(kind, tmp_path, [At(1, None)], resume=tmp_path / "run")
    monkeypatch.delattr(Shuffled, "get_state")
    with pytest.warns(UserWarning, match=r"Shuffled.*\[resume-order\].*get_state"):
        run(kind, tmp_path, resume=tmp_path / "run")
