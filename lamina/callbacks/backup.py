"""A run kept on the way, so that it can be killed at any moment and go on as if it never was.

The file is a zip of two members: ``run.json``, and ``arrays`` with the bytes of all arrays, which
the JSON describes. Nothing in it can run code.

Why a resumed run has the same bits: a step of arrays always runs in the same program (`several`),
whose loop has a number of rounds that is an argument. XLA compiles the body once, so 1 + 3 rounds
and 4 rounds do the same arithmetic; how steps were grouped, which the clock decides, leaves no
trace. A step that is not looped is a program of its own in either case.
"""

import contextlib
import dataclasses
import json
import math
import os
import re
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np

from lamina.callbacks.averaging import SwapEMAWeights
from lamina.callbacks.monitoring import MonitorCallback
from lamina.core.errors import ArgumentError, FileError
from lamina.core.files import replacing
from lamina.core.settings import settings
from lamina.saving.archive import opened, text
from lamina.training.callback import Callback, History, Kind, Logs
from lamina.training.data import ArrayData
from lamina.training.datasets import PyDataset
from lamina.training.state import TrainState, read, write
from lamina.training.streams import StreamData, host_random, set_host_random

SECONDS = 30.0
"""With ``fit(resume=...)``, an epoch that takes longer is kept on the way this often at most."""


class BackupAndRestore(Callback):
    """Keeps a run in a folder, and goes on from there when the run is started again.

    What is kept: all variables of model, optimizer and metrics, the place in the data and its
    order, the global seed, the history, and what the other callbacks remember: those of ours, and
    those that have ``get_state()`` (plain values and arrays) and ``set_state(state)``.

    Args:
        backup_dir: The folder.
        save_freq: ``"epoch"``, or after how many batches to save.
        double_checkpoint: Whether the file before the last one is kept too, and read when the
            last one is damaged.
        delete_checkpoint: Whether a run that ends well leaves nothing in the folder.

    Raises:
        ArgumentError: for no folder, or another ``save_freq``.
        FileError: from `fit`, when what is kept belongs to another model or other data, with all
            that differs; nothing is changed then.
    """

    runs_user_code = False
    comes_last = True
    seconds = math.inf

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: int | Literal["epoch"] = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        if not backup_dir:
            raise ArgumentError("BackupAndRestore has no folder: backup_dir is empty.")
        if save_freq != "epoch" and (not isinstance(save_freq, int) or save_freq < 1):
            raise ArgumentError(f"save_freq={save_freq!r} is neither 'epoch' nor a number.")
        self.backup_dir, self.save_freq = os.fspath(backup_dir), save_freq
        self.double_checkpoint, self.delete_checkpoint = double_checkpoint, delete_checkpoint
        self._path = Path(self.backup_dir) / "run.zip"
        self._previous = self._path.with_name("previous.zip")
        self._writing: Future[None] | None = None
        self._kept: dict[str, Any] | None = None
        self._runner: Any = None
        self._current_epoch = 0

    def uses_batches(self, kind: Kind) -> bool:
        return kind == "train" and self.save_freq != "epoch"

    def on_train_begin(self, logs: Logs = None) -> None:
        self._join()
        self._runner = runner = self.model._training.runner
        self._saved, self._seen = time.monotonic(), 0
        for leftover in self._path.parent.glob(f".{self._path.name}.*.tmp"):  # of killed runs
            leftover.unlink(missing_ok=True)
        self._traits = _traits(self.model, runner)
        self._kept = kept = self._found()
        if kept is None:
            return
        self._restore(kept)
        data: Any = getattr(runner.data, "source", None)
        mixes = getattr(type(data), "on_epoch_end", None) not in (None, PyDataset.on_epoch_end)
        if kept["epoch"] and mixes and not hasattr(data, "get_state"):
            warnings.warn(
                f"{type(data).__name__}.on_epoch_end is not called again for the {kept['epoch']} "
                "epochs before [resume-order]. If it changes the order of samples, give the class "
                "get_state() and set_state(state).",
                stacklevel=2,
            )
        runner.epochs = range(kept["epoch"], 0 if kept["stop"] else runner.epochs.stop)
        self._current_epoch = kept["epoch"]

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        runner, kept, self._kept = self._runner, self._kept, None
        self._current_epoch = epoch
        if kept is not None and kept["step"]:  # what began this epoch was done before
            self._restore(kept)
            runner.start, runner.logs = kept["step"], kept["logs"]
        self._place()

    def _place(self) -> None:
        """Note where the data are, from where batches of a stream that were used are read again."""
        runner = self._runner
        self._source = runner.data.state()
        self._check = runner.check and runner.check.state()
        self._random = host_random()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._seen += 1
        if self.save_freq != "epoch" and self._seen >= int(self.save_freq):
            self._save(self._current_epoch, batch + 1)

    def observe(self, kind: Kind, batch: int, logs: Any) -> None:
        if kind == "train" and time.monotonic() - self._saved >= self.seconds:
            self._save(self._current_epoch, batch + 1)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._current_epoch = epoch + 1
        if self.save_freq == "epoch":
            self._place()
            self._save(epoch + 1, 0)

    def on_train_end(self, logs: Logs = None) -> None:
        self._join()
        self._runner = self._kept = None
        if self.delete_checkpoint:
            for path in (self._path, self._previous):
                path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # it holds other things, or is gone
                self._path.parent.rmdir()

    def _save(self, epoch: int, step: int) -> None:
        """Copy all that the run needs to host memory, and let a thread write it."""
        self._join()
        runner = self._runner
        arrays: list[np.ndarray] = []
        run = {
            "traits": self._traits,
            "state": [list(part) for part in read(runner.variables)],
            "epoch": epoch,
            "step": step,
            "logs": dict(runner.logs),
            "data": self._source,
            "check": self._check,
            "seed": [settings.seed, settings.draws],
            "random": self._random if isinstance(runner.data, StreamData) else host_random(),
            "stop": self.model.stop_training,
            "callbacks": {key: _state(each) for key, each in _numbered(runner.callbacks)},
        }
        packed = json.dumps(_pack(run, arrays))
        pool = ThreadPoolExecutor(1)
        self._writing = pool.submit(self._write, packed, arrays)
        pool.shutdown(wait=False)
        self._saved, self._seen = time.monotonic(), 0

    def _write(self, packed: str, arrays: list[np.ndarray]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self._path) as file:
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr("run.json", packed)
                with archive.open("arrays", "w", force_zip64=True) as member:
                    for array in arrays:
                        member.write(array.reshape(-1).view(np.uint8).data)
            if self.double_checkpoint and self._path.exists():
                os.replace(self._path, self._previous)

    def _join(self) -> None:
        """Wait for the thread that writes; its error is raised here."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _found(self) -> dict[str, Any] | None:
        """What was kept of this very run; None when there is nothing."""
        paths = [path for path in (self._path, self._previous) if path.exists()]
        for path in paths:
            try:
                kept = _read(path)
            except FileError:
                if path == paths[-1]:
                    raise
                continue
            differ = [
                f"{name}: {was} there, {self._traits.get(name)} here"
                for name, was in kept["traits"].items()
                if was != self._traits.get(name)
            ]
            differ += [f"{name}: only here" for name in self._traits.keys() - kept["traits"].keys()]
            if differ:
                raise FileError(
                    f"'{path}' is of another run. Nothing was changed.",
                    met="; ".join(differ[:8]),
                    rule="a run goes on with the same model, compiled alike, and the same data",
                    fix="give another folder, or delete this one to begin anew",
                )
            return kept
        return None

    def _restore(self, kept: dict[str, Any]) -> None:
        runner = self._runner
        write(runner.variables, TrainState(*kept["state"]))
        runner.exposed = True
        runner.data.restore(kept["data"])
        if runner.check is not None:
            runner.check.restore(kept["check"])
        settings.seed, settings.draws = kept["seed"]
        set_host_random(kept["random"])
        self.model.stop_training = kept["stop"]
        for key, callback in _numbered(runner.callbacks):
            state = kept["callbacks"].get(key)
            if hasattr(callback, "set_state"):
                callback.set_state(state)
            elif state:
                vars(callback).update(state)


def keeper(folder: str | os.PathLike[str]) -> BackupAndRestore:
    """The callback behind ``fit(resume=folder)``: it keeps what is there when the run ends."""
    callback = BackupAndRestore(folder, delete_checkpoint=False)
    callback.seconds = SECONDS
    return callback


def _numbered(callbacks: Any) -> Iterator[tuple[str, Any]]:
    """Callbacks by class, and by number among those of one class."""
    seen: Counter[str] = Counter()
    for callback in callbacks.callbacks:
        name = type(callback).__name__
        seen[name] += 1
        yield f"{name} {seen[name]}", callback


def _state(callback: Any) -> Any:
    """What a callback remembers: its own account, or, of ours, what was not given to it."""
    if hasattr(callback, "get_state"):
        return callback.get_state()
    if not isinstance(callback, (History, MonitorCallback, SwapEMAWeights)):
        return None
    given = {"params", "_model"}
    if dataclasses.is_dataclass(callback):
        given |= {each.name for each in dataclasses.fields(callback)}
    return {name: value for name, value in vars(callback).items() if name not in given}


def _traits(model: Any, runner: Any) -> dict[str, Any]:
    """What has to be the same when a run goes on; numbers in automatic names need not be."""
    found: dict[str, Any] = {}
    for part, own in zip(TrainState._fields, runner.variables, strict=True):
        for number, v in enumerate(own):
            path = re.sub(r"_\d+", "", v.path)
            found[f"{part} {number}"] = f"{path} {list(v.shape)} {v.dtype}"
    optimizer, config = model.optimizer, {}
    with contextlib.suppress(FileError):  # functions of optax are not compared
        config = {name: value for name, value in optimizer.get_config().items()
                  if name not in ("name", "learning_rate")}  # fmt: skip
    shown = json.dumps(config, sort_keys=True, default=lambda x: type(x).__name__)
    found["optimizer"] = f"{type(optimizer).__name__} {shown}"
    loss = model.loss
    if not isinstance(loss, str):
        loss = getattr(loss, "name", None) or getattr(loss, "__name__", type(loss).__name__)
    found["check_numerics"] = bool(runner.guard)
    found["loss"] = re.sub(r"_\d+", "", loss)
    for name, data in (("data", runner.data), ("validation data", runner.check)):
        found[f"kind of {name}"] = type(data).__name__
        if isinstance(data, ArrayData):
            found[f"samples of {name}"] = data.size
            found[f"batch_size of {name}"] = data.batch_size
            found[f"shuffle of {name}"] = data.shuffle
        if data is not None:
            found[f"steps of {name}"] = data.steps
    return found


# --- the file -----------------------------------------------------------------------------------


def _pack(value: Any, arrays: list[np.ndarray]) -> Any:
    """A value as JSON; arrays in it are copied to the end of ``arrays``."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value if not isinstance(value, np.generic) else value.item()
    if isinstance(value, dict):
        return {"dict": [[_pack(k, arrays), _pack(v, arrays)] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_pack(each, arrays) for each in value]}
    if isinstance(value, (np.ndarray, np.generic, jax.Array)):
        array = np.array(value, order="C")
        arrays.append(array)
        return {"array": [array.dtype.name, list(array.shape)]}
    raise ArgumentError(
        f"A run cannot keep a {type(value).__name__}.",
        rule="get_state() of a callback gives numbers, strings, arrays, and nests of them",
    )


def _unpack(value: Any, file: Any) -> Any:
    if not isinstance(value, dict):
        return value
    [(kind, inner)] = value.items()
    if kind == "dict":
        return {_unpack(k, file): _unpack(v, file) for k, v in inner}
    if kind in ("list", "tuple"):
        items = [_unpack(each, file) for each in inner]
        return tuple(items) if kind == "tuple" else items
    dtype = jax.numpy.dtype(inner[0])
    data = file.read(math.prod(inner[1]) * dtype.itemsize)
    array = np.frombuffer(bytearray(data), dtype).reshape(inner[1])
    return array if inner[1] else array[()]


def _read(path: Path) -> dict[str, Any]:
    """The run in a file.

    Raises:
        FileError: when it is damaged.
    """
    with opened(path) as archive, archive.binary("arrays") as file:
        try:
            return _unpack(json.loads(text(archive, "run.json")), file)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise FileError(f"'{path}' is damaged: {error}") from error
