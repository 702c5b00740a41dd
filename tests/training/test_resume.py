"""A run that is killed or interrupted, and started again, ends as one that never was."""

import contextlib
import importlib
import multiprocessing
import os
import signal
import time
from pathlib import Path
from random import Random
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from training.models import data

import lamina as keras
from lamina.callbacks import (
    BackupAndRestore,
    Callback,
    EarlyStopping,
    LambdaCallback,
    ReduceLROnPlateau,
    backup,
)
from lamina.core.errors import ArgumentError, FileError

X, Y = data(samples=203)
LIFE = 150


class Stop(Exception):
    pass


class At(Callback):
    """Raises at a moment, and notes the numbers of batches when asked to."""

    def __init__(self, epoch=None, batch=None):
        self.epoch, self.batch, self.now = epoch, batch, None
        if batch is not None:
            self.on_train_batch_end = self._batch_end

    def uses_batches(self, kind):
        return kind == "train" and self.batch is not None

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch
        if self.batch is None and epoch == self.epoch + 1:
            time.sleep(0.05)  # the save at the end of the epoch is written
            raise Stop

    def _batch_end(self, batch, logs=None):
        if self.now == self.epoch and batch >= self.batch:
            raise Stop


def model_of(schedule=True):
    keras.utils.set_random_seed(3)
    keras.backend.clear_session()
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(8, "relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(3, "softmax"),
        ]
    )
    rate = keras.optimizers.schedules.ExponentialDecay(0.01, 20, 0.9) if schedule else 0.01
    optimizer = keras.optimizers.Adam(rate, use_ema=True, ema_momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(extra=(), epochs=6, stream=False, schedule=True, width=8, **kwargs):
    model = model_of(schedule)
    calls = [EarlyStopping(patience=1000, restore_best_weights=True), *extra]
    if not schedule:
        calls.append(ReduceLROnPlateau(monitor="loss", patience=0, min_delta=0.2))
    given = {"x": X, "y": Y, "batch_size": width}
    if stream:
        given = {"x": [(X[i : i + 8], Y[i : i + 8]) for i in range(0, 80, 8)]}
        given = {"x": iter(given["x"] * 50), "steps_per_epoch": 13}
    history = model.fit(
        **given, epochs=epochs, verbose=0, callbacks=calls, validation_data=(X[:50], Y[:50]),
        **kwargs,
    )  # fmt: skip
    return model, history


def outcome(model, history):
    state = [np.asarray(v) for part in model.state() for v in part]
    logs = [np.array(history.history[name]) for name in sorted(history.history)]
    return [*state, *logs, np.array(history.epoch)]


def assert_same(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert a.dtype == b.dtype and a.tobytes() == b.tobytes()


@pytest.mark.parametrize(
    ("at", "stream", "schedule"),
    [
        ((2, None), False, True), ((3, 7), False, False), ((0, 0), False, True),
        ((2, None), True, False), ((3, 12), True, True),
    ],
)  # fmt: skip
def test_interrupted_and_resumed_ends_bit_identical(tmp_path, at, stream, schedule, monkeypatch):
    monkeypatch.setattr(backup, "SECONDS", 0.0)
    given = {"stream": stream, "schedule": schedule}
    whole = outcome(*train(**given))
    with pytest.raises(Stop):
        train([At(*at)], resume=tmp_path, **given)
    assert_same(outcome(*train(resume=tmp_path, **given)), whole)


@pytest.mark.parametrize("freq", ["epoch", 1, 26])
def test_the_callback_resumes_and_cleans_up(tmp_path, freq):
    whole = outcome(*train())
    folder = tmp_path / "run"
    with pytest.raises(Stop):
        train([BackupAndRestore(folder, freq), At(3, 9)])
    assert folder.exists()
    assert_same(outcome(*train([BackupAndRestore(folder, freq)])), whole)
    assert not folder.exists()


def test_grouping_of_steps_leaves_no_trace():
    many = outcome(*train())
    assert_same(outcome(*train([At(99, 99)])), many)


def test_a_finished_run_returns_and_more_epochs_go_on(tmp_path):
    first = outcome(*train(resume=tmp_path, epochs=4))
    seen = []
    spy = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(epoch))
    assert_same(outcome(*train([spy], resume=tmp_path, epochs=4)), first)
    assert not seen
    assert_same(outcome(*train([spy], resume=tmp_path)), outcome(*train()))
    assert seen == [4, 5]


def test_another_run_is_refused_and_nothing_changes(tmp_path):
    train(resume=tmp_path, epochs=1)
    with pytest.raises(FileError, match="batch_size of data: 8 there, 4 here"):
        train(resume=tmp_path, width=4)
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    other.compile("sgd", "mse")
    before = other.get_weights()
    with pytest.raises(FileError, match="Nothing was changed") as error:
        other.fit(X, np.zeros((203, 3)), resume=tmp_path, verbose=0)
    assert "trainable 0" in str(error.value) and "[4, 3]" in str(error.value)
    assert_same(other.get_weights(), before)


def test_a_damaged_file_is_refused_or_the_one_before_read(tmp_path):
    whole = outcome(*train())
    both = BackupAndRestore(tmp_path, double_checkpoint=True)
    with pytest.raises(Stop):
        train([both, At(3)])
    both._join()
    (tmp_path / "run.zip").write_bytes(b"0")
    with pytest.raises(FileError):
        (tmp_path / "previous.zip").rename(tmp_path / "kept")
        train([both])
    (tmp_path / "kept").rename(tmp_path / "previous.zip")
    assert_same(outcome(*train([both])), whole)


def test_an_error_of_writing_arrives(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        train(resume=tmp_path / "file" / "run", epochs=2)


def test_a_callback_of_the_user_keeps_its_state(tmp_path):
    class Count(Callback):
        total = 0

        def on_epoch_end(self, epoch, logs=None):
            self.total += 1

        def get_state(self):
            return {"total": self.total}

        def set_state(self, state):
            self.total = state["total"]

    with pytest.raises(Stop):
        train([Count(), At(2)], resume=tmp_path)
    count = Count()
    train([count], resume=tmp_path)
    assert count.total == 6


@pytest.mark.parametrize("given", [("", "epoch"), (None, "epoch"), ("a", "batch"), ("a", 0.15)])
def test_arguments_are_checked(given):
    with pytest.raises(ArgumentError):
        BackupAndRestore(*given)


STAGES = "mkdir 1,open 1,write 1,write 12,fsync 1,replace 1,replace 2,fsync 2".split(",")
"""Calls before which a save is killed; the file before it is kept, so there are two to replace."""


def dies(stage, saves):
    """Send this process SIGKILL at a stage of a save; a file keeps half of what is written then."""
    name, number = stage.split()
    left = [int(number)]

    def counted(call, own=lambda *given: True):
        def run(*given, **options):
            if saves[0] >= 3 and own(*given):
                left[0] -= 1
                if left[0] == 0:
                    if name == "write":
                        call(given[0][: len(given[0]) // 2])
                        call.__self__.flush()
                    os.kill(os.getpid(), signal.SIGKILL)
            return call(*given, **options)

        return run

    def opened(*given, call=os.fdopen):
        file = call(*given)
        proxy = SimpleNamespace(**{n: getattr(file, n) for n in dir(file) if n[:2] != "__"})
        proxy.write = counted(file.write)
        return contextlib.nullcontext(proxy)

    if name == "write":
        os.fdopen = opened
    elif name == "mkdir":
        Path.mkdir = counted(Path.mkdir)
    else:
        temporary = (lambda path, *_: str(path).endswith(".tmp")) if name == "open" else None
        setattr(os, name, counted(getattr(os, name), *filter(None, [temporary])))


def life(folder, said, stage=""):
    """The run in a process of its own, until it ends or is killed.

    It keeps no programs for others: JAX would leave half of one behind.
    """
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 1e9)
    saves, write = [0], BackupAndRestore._write

    def written(self, *given):
        saves[0] += 1
        write(self, *given)

    BackupAndRestore._write = written
    if stage:
        dies(stage, saves)
    slow = LambdaCallback(on_epoch_begin=lambda *_: (said.send("on"), time.sleep(0.03)))
    keep = BackupAndRestore(folder, double_checkpoint=bool(stage), delete_checkpoint=False)
    keep.seconds = 0.0
    np.savez(folder.parent / "killed.npz", *outcome(*train([slow, keep], epochs=LIFE)))


@pytest.mark.slow
def test_killed_at_every_stage_of_a_save_and_at_twenty_moments_ends_bit_identical(tmp_path):
    whole, moments = outcome(*train([BackupAndRestore(tmp_path / "w")], epochs=LIFE)), Random(11)
    context = multiprocessing.get_context("forkserver")
    here = "training.test_resume"  # by the name that a new process finds it under
    context.set_forkserver_preload([here])
    target = importlib.import_module(here).life

    def begun(stage=""):
        heard, said = context.Pipe(duplex=False)
        process = context.Process(target=target, args=(tmp_path / "run", said, stage))
        process.start()
        said.close()
        return process, heard

    for stage in STAGES:
        process, _ = begun(stage)
        process.join(60)
        assert process.exitcode == -signal.SIGKILL, stage
    for number in range(20):
        process, heard = begun()
        if number % 4:
            heard.recv()  # the first epoch begins
        time.sleep(moments.uniform(0, 0.3))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    process, _ = begun()
    process.join(120)
    assert process.exitcode == 0
    killed = np.load(tmp_path / "killed.npz")
    assert_same([killed[key] for key in killed.files], whole)
