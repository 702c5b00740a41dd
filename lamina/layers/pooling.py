"""Pooling in 1, 2 and 3 spatial dimensions: of windows, of parts, and of everything.

Inputs are (batch, spatial..., channels), or (batch, channels, spatial...) for "channels_first".
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from lamina import ops
from lamina.core import types as t
from lamina.core.errors import ArgumentError, DTypeError, ShapeError, unknown
from lamina.core.symbolic import declared_shape
from lamina.layers.arguments import sizes
from lamina.layers.spatial import SpatialLayer

Sizes = int | Sequence[int]


class Pooling(SpatialLayer):
    """The input reduced window by window; base of `MaxPooling1D`, `AveragePooling2D`, ...

    Args:
        pool_size: Sizes of a window: an int for all dimensions, or one for each.
        strides: Distances of neighbouring windows; ``pool_size`` when left out.
        padding: "valid" for whole windows alone: a size of (n - pool_size) // strides + 1;
            "same" for n / strides, rounded up, where windows may reach past the input.
        data_format: "channels_last", "channels_first", or None for the setting of the process.
    """

    pool_mode = "max"

    def __init__(
        self,
        pool_size: Sizes = 2,
        strides: Sizes | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format, name=name, **kwargs)
        self.built = not self._builds_itself()  # there are no weights to wait for
        self.pool_size = sizes(self, "pool_size", pool_size, self.rank)
        strides = self.pool_size if strides is None else strides
        self.strides = sizes(self, "strides", strides, self.rank)
        self.padding = padding.lower() if isinstance(padding, str) else padding
        if self.padding not in ("valid", "same"):
            raise unknown(f"padding of {type(self).__name__}", padding, ("valid", "same"))

    def call(self, inputs: t.Array) -> t.Array:
        shape = declared_shape(inputs)
        pairs = zip(self.spatial_axes, self.pool_size, strict=True)
        if self.padding == "valid" and any((shape[axis] or size) < size for axis, size in pairs):
            raise ShapeError(
                f"{self._who()} has a window that does not fit into its input: nothing is left.",
                met=f"input shape {shape}, pool_size {self.pool_size}, data_format "
                f"'{self.data_format}'",
                rule=f"with padding='valid' the spatial sizes are at least {self.pool_size}",
                fix="padding='same', a smaller pool_size, less pooling before, or larger inputs",
            )
        pool = ops.max_pool if self.pool_mode == "max" else ops.average_pool
        return pool(inputs, self.pool_size, self.strides, self.padding, self.data_format)


class MaxPooling1D(Pooling):
    """The largest element of each window of (batch, steps, channels), channel by channel.

    Arguments as of `Pooling`.

    >>> import numpy as np
    >>> MaxPooling1D(2)(np.float32([[[1], [5], [3], [2]]]))[0, :, 0]
    Array([5., 3.], dtype=float32)
    """

    rank = 1


class MaxPooling2D(Pooling):
    """The largest element of each window of (batch, rows, columns, channels).

    Arguments as of `Pooling`.

    >>> import numpy as np
    >>> MaxPooling2D((2, 3), strides=1)(np.ones((1, 4, 5, 7))).shape
    (1, 3, 3, 7)
    """

    rank = 2


class MaxPooling3D(Pooling):
    """The largest element of each window of (batch, 3 axes, channels).

    Arguments as of `Pooling`.
    """

    rank = 3


class AveragePooling1D(Pooling):
    """The mean of each window of (batch, steps, channels), channel by channel.

    Arguments as of `Pooling`; what lies outside the input does not count.

    >>> import numpy as np
    >>> AveragePooling1D(2, padding="same")(np.float32([[[1], [5], [3]]]))[0, :, 0]
    Array([3., 3.], dtype=float32)
    """

    rank = 1
    pool_mode = "average"


class AveragePooling2D(Pooling):
    """The mean of each window of (batch, rows, columns, channels); see `AveragePooling1D`."""

    rank = 2
    pool_mode = "average"


class AveragePooling3D(Pooling):
    """The mean of each window of (batch, 3 axes, channels); see `AveragePooling1D`."""

    rank = 3
    pool_mode = "average"


class AdaptivePooling(SpatialLayer):
    """Each spatial dimension divided into parts, and each part reduced.

    Args:
        output_size: The number of parts: an int for all dimensions, or one for each. Part i of n
            reaches from floor(i size / n) to ceil((i + 1) size / n).
        data_format: "channels_last", "channels_first", or None for the setting of the process.
    """

    pool_mode = "average"

    def __init__(self, output_size: Sizes, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        several = isinstance(output_size, (list, tuple))
        if not isinstance(output_size, int) and not (several and len(output_size) == self.rank):
            kind = ArgumentError if several and self.rank == 1 else DTypeError
            raise kind(
                f"{type(self).__name__} needs an int, or {self.rank} of them, as `output_size`.",
                met=f"output_size={output_size!r}",
            )
        self.output_size = sizes(self, "output_size", output_size, self.rank)

    def call(self, inputs: t.Array) -> t.Array:
        maxima = self.pool_mode == "max"
        pool = ops.adaptive_max_pool if maxima else ops.adaptive_average_pool
        return pool(inputs, self.output_size, self.data_format)


class AdaptiveAveragePooling1D(AdaptivePooling):
    """The means of ``output_size`` parts of (batch, steps, channels); see `AdaptivePooling`.

    >>> import numpy as np
    >>> AdaptiveAveragePooling1D(2)(np.float32([[[1], [5], [3]]]))[0, :, 0]
    Array([3., 4.], dtype=float32)
    """

    rank = 1


class AdaptiveAveragePooling2D(AdaptivePooling):
    """The means of parts of (batch, rows, columns, channels); see `AdaptivePooling`."""

    rank = 2


class AdaptiveAveragePooling3D(AdaptivePooling):
    """The means of parts of (batch, 3 axes, channels); see `AdaptivePooling`."""

    rank = 3


class AdaptiveMaxPooling1D(AdaptivePooling):
    """The maxima of ``output_size`` parts of (batch, steps, channels); see `AdaptivePooling`."""

    rank = 1
    pool_mode = "max"


class AdaptiveMaxPooling2D(AdaptivePooling):
    """The maxima of parts of (batch, rows, columns, channels); see `AdaptivePooling`."""

    rank = 2
    pool_mode = "max"


class AdaptiveMaxPooling3D(AdaptivePooling):
    """The maxima of parts of (batch, 3 axes, channels); see `AdaptivePooling`."""

    rank = 3
    pool_mode = "max"


class GlobalPooling(SpatialLayer):
    """All spatial dimensions reduced to one value for each channel: (batch, channels).

    Args:
        data_format: "channels_last", "channels_first", or None for the setting of the process.
        keepdims: Whether the spatial dimensions stay, with size 1.
    """

    pool_mode = "average"

    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(data_format, **kwargs)
        self.keepdims = keepdims
        self.built = not self._builds_itself()  # there are no weights to wait for

    def call(self, inputs: t.Array) -> t.Array:
        reduce = jnp.max if self.pool_mode == "max" else jnp.mean
        return reduce(inputs, self.spatial_axes, keepdims=self.keepdims)


class GlobalAveragePooling1D(GlobalPooling):
    """The mean of all steps of (batch, steps, channels), or of those that a mask keeps.

    Arguments as of `GlobalPooling`.

    Call arguments:
        mask: Which steps count: booleans of shape (batch, steps).

    >>> import numpy as np
    >>> GlobalAveragePooling1D()(np.float32([[[1], [5], [9]]]), mask=np.array([[1, 1, 0]]))
    Array([[3.]], dtype=float32)
    """

    rank = 1
    supports_masking = True

    def call(self, inputs: t.Array, mask: Any = None) -> t.Array:
        if mask is None:
            return super().call(inputs)
        keep = jnp.expand_dims(jnp.asarray(mask, bool), 3 - self.spatial_axes[0])
        total, count = (
            jnp.sum(each, self.spatial_axes, keepdims=self.keepdims)
            for each in (jnp.where(keep, inputs, 0), keep.astype(inputs.dtype))
        )
        return total / count

    def compute_mask(self, inputs: t.Array, previous_mask: Any = None) -> None:
        return None


class GlobalAveragePooling2D(GlobalPooling):
    """The mean of each channel of (batch, rows, columns, channels); see `GlobalPooling`."""

    rank = 2


class GlobalAveragePooling3D(GlobalPooling):
    """The mean of each channel of (batch, 3 axes, channels); see `GlobalPooling`."""

    rank = 3


class GlobalMaxPooling1D(GlobalPooling):
    """The largest element of each channel of (batch, steps, channels); see `GlobalPooling`."""

    rank = 1
    pool_mode = "max"


class GlobalMaxPooling2D(GlobalPooling):
    """The largest element of each channel of (batch, rows, columns, channels)."""

    rank = 2
    pool_mode = "max"


class GlobalMaxPooling3D(GlobalPooling):
    """The largest element of each channel of (batch, 3 axes, channels); see `GlobalPooling`."""

    rank = 3
    pool_mode = "max"


MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
GlobalMaxPool1D, GlobalAvgPool1D = GlobalMaxPooling1D, GlobalAveragePooling1D
GlobalMaxPool2D, GlobalAvgPool2D = GlobalMaxPooling2D, GlobalAveragePooling2D
GlobalMaxPool3D, GlobalAvgPool3D = GlobalMaxPooling3D, GlobalAveragePooling3D
