"""Event files, as TensorBoard reads them, by the writer of the `tensorboard` package."""

import time
from typing import Any

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[attr-defined]
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata  # type: ignore[attr-defined]
from tensorboard.plugins.graph import metadata as graph
from tensorboard.plugins.histogram import metadata as histogram
from tensorboard.plugins.image import metadata as image
from tensorboard.plugins.scalar import metadata as scalar
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util.tensor_util import make_tensor_proto

from lamina.core.types import ArrayLike
from lamina.view.axes import png

BUCKETS, PICTURES = 30, 3
"""Buckets of a histogram; pictures shown of one array, at most."""


class Events:
    """Writes scalars, histograms and pictures into an event file of a folder.

    The file is made with the first event.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._writer: Any = None

    def _add(self, tag: str, value: Any, step: Any, metadata: Any) -> None:
        if self._writer is None:
            self._writer = EventFileWriter(self.folder, filename_suffix=".v2")
        summary = Summary()
        summary.value.add(tag=tag, metadata=metadata, tensor=make_tensor_proto(value))
        event = Event(wall_time=time.time(), step=int(step), summary=summary)
        self._writer.add_event(event)

    def scalar(self, name: str, value: float, step: int) -> None:
        """A number of a curve."""
        self._add(name, np.float32(value), step, scalar.create_summary_metadata("", ""))

    def histogram(self, name: str, values: ArrayLike, step: int) -> None:
        """How the finite values of an array are distributed: (left, right, count) of buckets."""
        flat = np.asarray(values, np.float64).ravel()
        counts, edges = np.histogram(flat[np.isfinite(flat)], BUCKETS)
        buckets = np.stack([edges[:-1], edges[1:], counts], axis=1)
        self._add(name, buckets, step, histogram.create_summary_metadata("", ""))

    def image(self, name: str, pictures: np.ndarray, step: int) -> None:
        """Pictures of shape (number, height, width, 1, 3 or 4), from black, least, to white."""
        low, high = np.min(pictures), np.max(pictures)
        pixels = np.rint(255 * (pictures - low) / (high - low or 1)).astype(np.uint8)
        height, width = pictures.shape[1:3]
        texts = [str(width).encode(), str(height).encode(), *map(png, pixels[:PICTURES])]
        self._add(name, texts, step, image.create_summary_metadata("", ""))

    def model(self, name: str, json: str) -> None:
        """A model's config, which is shown as a conceptual graph."""
        plugin = SummaryMetadata.PluginData(plugin_name=graph.PLUGIN_NAME_KERAS_MODEL, content=b"1")
        self._add(name, json.encode(), 0, SummaryMetadata(plugin_data=plugin))

    def flush(self) -> None:
        """Bring all events to the file."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """End the file; another event begins a new one."""
        if self._writer is not None:
            self._writer.close()
        self._writer = None
