"""`TensorBoard`: logs, weights, the model and profiles of a run, for TensorBoard to show."""

import contextlib
import os
import time
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np

from lamina.callbacks.rates import rated
from lamina.core.errors import ArgumentError, FileError, StateError
from lamina.core.registry import late
from lamina.layers import Embedding
from lamina.training.callback import Callback, Kind, Logs


class TensorBoard(Callback):
    """Writes event files below a folder: ``tensorboard --logdir logs`` shows them.

    Args:
        log_dir: The folder; ``train`` and ``validation`` are made in it.
        histogram_freq: Every how many epochs histograms of the weights are written; 0 is never.
        write_graph: Whether the graph of the layers is written.
        write_images: Whether weights are also drawn, from black for the least to white.
        write_steps_per_second: Whether to write how fast steps are.
        update_freq: ``"epoch"``, ``"batch"``, or every how many batches logs are written too.
        profile_batch: The batch, from 1, or the first and the last one, to profile; 0 is none.
        embeddings_freq: Every how many epochs the projector gets the weights of `Embedding`s.
        embeddings_metadata: The file that names the rows of embeddings; or files by layer.

    Tags are those of Keras: ``epoch_loss`` and ``epoch_learning_rate`` by epoch, ``batch_loss`` by
    batch, ``evaluation_loss_vs_iterations`` by training step.

    Raises:
        StateError: if the `tensorboard` package is not installed.
    """

    runs_user_code = False

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: int | Literal["epoch", "batch"] = "epoch",
        profile_batch: int | str | tuple[int, int] = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: str | dict[str, str] | None = None,
    ) -> None:
        try:
            self._events = late("callbacks.events.Events")
        except ImportError as error:
            raise StateError("TensorBoard needs the package tensorboard.",
                             fix="pip install tensorboard") from error  # fmt: skip
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = histogram_freq
        self.write_graph = write_graph
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq: Any = 1 if update_freq == "batch" else update_freq
        self.embeddings_freq = embeddings_freq
        self.embeddings_metadata = embeddings_metadata
        self._first, self._last = _batches(profile_batch)
        self._batch = 0
        self._in_fit = self._tracing = False

    def uses_batches(self, kind: Kind) -> bool:
        return kind == "train" and (self.update_freq != "epoch" or self._last > 0)

    @property
    def summary(self) -> Any:
        """The writer of ``train``: ``scalar(name, value, step)``, ``histogram`` and ``image``."""
        return self._train

    def set_model(self, model: Any) -> None:
        self._model = model
        self._train = self._events(os.path.join(self.log_dir, "train"))
        self._test = self._events(os.path.join(self.log_dir, "validation"))
        if self.write_graph and type(model).__name__ in ("Functional", "Sequential"):
            with contextlib.suppress(FileError):  # a part of it has no config
                self._train.model("keras", model.to_json())
        if self.embeddings_freq:
            self._describe_embeddings()

    # --- events ---------------------------------------------------------------------------------

    def on_train_begin(self, logs: Logs = None) -> None:
        self._batch, self._in_fit = 0, True

    def on_train_end(self, logs: Logs = None) -> None:
        if self._tracing:
            self._stop_trace()
        self._in_fit = False
        self._close()

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._batch += 1
        self._began = time.perf_counter()
        if self._batch == self._first:
            self._tracing = True
            jax.profiler.start_trace(self._train.folder)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        if self.update_freq != "epoch" and self._batch % self.update_freq == 0:
            found = dict(logs or {})
            if self.write_steps_per_second:
                found["steps_per_second"] = 1 / (time.perf_counter() - self._began)
            self._scalars(self._train, "batch_{}", found, self._batch)
        if self._tracing and self._batch >= self._last:
            self._stop_trace()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._steps, self._epoch_began = self._iterations(), time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        found = dict(logs or {})
        own = {name: value for name, value in found.items() if not name.startswith("val_")}
        self._collect_learning_rate(own)
        if self.write_steps_per_second:
            took = time.perf_counter() - self._epoch_began
            own["steps_per_second"] = (self._iterations() - self._steps) / took
        self._scalars(self._train, "epoch_{}", own, epoch)
        tested = {name[4:]: value for name, value in found.items() if name.startswith("val_")}
        self._scalars(self._test, "epoch_{}", tested, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._show_weights(epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            self._write_embeddings()

    def on_test_end(self, logs: Logs = None) -> None:
        if self.model.optimizer is not None:
            found = dict(logs or {})
            self._scalars(self._test, "evaluation_{}_vs_iterations", found, self._iterations())
        if not self._in_fit:
            self._close()

    def on_predict_end(self, logs: Logs = None) -> None:
        self._close()

    # --- what they write ------------------------------------------------------------------------

    def _iterations(self) -> int:
        return int(self.model.optimizer.iterations)

    def _scalars(self, events: Any, tag: str, logs: dict[str, Any], step: int) -> None:
        for name, value in logs.items():
            if np.size(value) == 1:
                events.scalar(tag.format(name), np.asarray(value).item(), step)
        events.flush()

    def _collect_learning_rate(self, logs: dict[str, Any]) -> dict[str, Any]:
        for name, each in rated(self.model.optimizer).items():
            try:
                logs[name] = float(each.learning_rate)
            except StateError:  # inside an optax transformation
                continue
        return logs

    def _show_weights(self, epoch: int) -> None:
        for weight in (w for layer in self.model.layers for w in layer.weights):
            self._train.histogram(f"{weight.path}/histogram", weight.numpy(), epoch)
            pictures = _as_pictures(weight.numpy().squeeze()) if self.write_images else None
            if pictures is not None:
                self._train.image(f"{weight.path}/image", pictures, epoch)

    def _embeddings(self) -> list[Any]:
        return [layer for layer in self.model.layers if isinstance(layer, Embedding)]

    def _describe_embeddings(self) -> None:
        from google.protobuf import text_format
        from tensorboard.plugins.projector import projector_config_pb2 as projector

        config: Any = projector.ProjectorConfig()  # type: ignore[attr-defined]
        metadata = self.embeddings_metadata or {}
        layers = self._embeddings()
        unknown = set() if isinstance(metadata, str) else {*metadata} - {x.name for x in layers}
        if unknown:
            raise ArgumentError(
                f"embeddings_metadata names {sorted(unknown)}, which are no Embedding layers.",
                met=f"there are {[layer.name for layer in layers]}",
            )
        for layer in layers:
            path = metadata if isinstance(metadata, str) else metadata.get(layer.name)
            config.embeddings.add(
                tensor_name=layer.name, tensor_path=f"{layer.name}.tsv", metadata_path=path
            )
        os.makedirs(self.log_dir, exist_ok=True)
        text = text_format.MessageToString(config)
        Path(self.log_dir, "projector_config.pbtxt").write_text(text)

    def _write_embeddings(self) -> None:
        for layer in self._embeddings():
            table = layer.embeddings.numpy()
            np.savetxt(Path(self.log_dir, f"{layer.name}.tsv"), table, "%.6g", delimiter="\t")

    def _stop_trace(self) -> None:
        self._tracing = False
        jax.profiler.stop_trace()

    def _close(self) -> None:
        self._train.close()
        self._test.close()


def _batches(given: Any) -> tuple[int, int]:
    """First and last batch to profile.

    >>> _batches(3), _batches("2,5")
    ((3, 3), (2, 5))
    """
    parts = given.split(",") if isinstance(given, str) else given
    parts = [parts] if isinstance(parts, int) else parts
    try:
        first, last = int(parts[0]), int(parts[-1])
        if 0 <= first <= last and len(parts) <= 2:
            return first, last
    except (TypeError, ValueError, LookupError):
        pass
    raise ArgumentError(f"profile_batch={given!r} is neither a batch nor a first and a last one.")


def _as_pictures(weight: np.ndarray) -> np.ndarray | None:
    """A weight as pictures: kernels of the last axis side by side; None where there is no way."""
    if weight.ndim == 1:
        return weight[None, :, None, None]
    if weight.ndim == 2:
        return (weight.T if weight.shape[0] > weight.shape[1] else weight)[None, :, :, None]
    if weight.ndim == 3:
        return np.moveaxis(weight, -1, 0)[..., None]
    return weight if weight.ndim == 4 and weight.shape[-1] in (1, 3, 4) else None
