"""Layers that add zeros around the spatial axes, cut their ends off, or enlarge them.

Inputs are (batch, spatial..., channels), or (batch, channels, spatial...) for "channels_first".
"""

from typing import Any

import jax
import jax.numpy as jnp

from lamina.core import types as t
from lamina.core.errors import ArgumentError, DTypeError, ShapeError, unknown
from lamina.layers.arguments import sizes
from lamina.layers.spatial import SpatialLayer

_METHODS = {"nearest": "nearest", "bilinear": "bilinear", "bicubic": "cubic",
            "lanczos3": "lanczos3", "lanczos5": "lanczos5"}  # fmt: skip


class PairedLayer(SpatialLayer):
    """A layer with two numbers for each spatial axis: for before and after."""

    def pairs(self, name: str, value: Any) -> Any:
        """Two numbers, for before and after, of each axis; for a single axis, just the two."""
        if self.rank == 1:
            return sizes(self, name, value, 2, least=0)
        each = value if isinstance(value, (list, tuple)) else (value,) * self.rank
        if len(each) != self.rank:
            raise ArgumentError(
                f"{type(self).__name__} needs an int, {self.rank} ints, or {self.rank} pairs of "
                f"ints as `{name}`.",
                met=f"{name}={value!r}",
            )
        return tuple(sizes(self, name, pair, 2, least=0) for pair in each)

    def along(self, pairs: Any) -> list[tuple[int, int]]:
        """The pairs for all axes of the input."""
        found = [(0, 0)] * (self.rank + 2)
        for axis, pair in zip(self.spatial_axes, [pairs] if self.rank == 1 else pairs, strict=True):
            found[axis] = pair
        return found


class ZeroPadding(PairedLayer):
    """Zeros before and after each spatial axis; base of `ZeroPadding1D`, `2D` and `3D`.

    Args:
        padding: How many: one int for all, one for each axis, or a pair (before, after) for each;
            in 1 dimension an int or a pair.
    """

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.padding = self.pairs("padding", padding)

    def call(self, inputs: t.Array) -> t.Array:
        return jnp.pad(inputs, self.along(self.padding))


class ZeroPadding1D(ZeroPadding):
    """Zeros before and after the steps of (batch, steps, channels).

    >>> import numpy as np
    >>> ZeroPadding1D((1, 2))(np.ones((1, 2, 1)))[..., 0]
    Array([[0., 1., 1., 0., 0.]], dtype=float32)
    """

    rank = 1


class ZeroPadding2D(ZeroPadding):
    """Zeros around images: (batch, rows, columns, channels).

    >>> import numpy as np
    >>> ZeroPadding2D(((0, 1), (2, 3)))(np.ones((1, 2, 2, 1))).shape
    (1, 3, 7, 1)
    """

    rank = 2


class ZeroPadding3D(ZeroPadding):
    """Zeros around volumes: (batch, 3 spatial axes, channels)."""

    rank = 3


class Cropping(PairedLayer):
    """The ends of each spatial axis cut off; base of `Cropping1D`, `Cropping2D`, `Cropping3D`.

    Args:
        cropping: How much: one int for all, one for each axis, or a pair (before, after) for
            each; in 1 dimension an int or a pair.
    """

    def __init__(self, cropping: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.cropping = self.pairs("cropping", cropping)

    def call(self, inputs: t.Array) -> t.Array:
        pairs = self.along(self.cropping)
        if any(sum(pair) >= inputs.shape[axis] for axis, pair in enumerate(pairs) if any(pair)):
            raise ShapeError(
                f"{self._who()} would leave nothing of its input.",
                met=f"input shape {inputs.shape}, cropping {self.cropping}, data_format "
                f"'{self.data_format}'",
                rule="what is cut off an axis is less than its size",
            )
        ends = zip(pairs, inputs.shape, strict=True)
        return inputs[tuple(slice(start, size - end) for (start, end), size in ends)]


class Cropping1D(Cropping):
    """The first and last steps of (batch, steps, channels) cut off.

    >>> import numpy as np
    >>> Cropping1D((1, 2))(np.ones((1, 5, 3))).shape
    (1, 2, 3)
    """

    rank = 1

    def __init__(self, cropping: Any = 1, **kwargs: Any) -> None:
        super().__init__(cropping, "channels_last", **kwargs)


class Cropping2D(Cropping):
    """The borders of images cut off: (batch, rows, columns, channels)."""

    rank = 2

    def __init__(self, cropping: Any = 0, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(cropping, data_format, **kwargs)


class Cropping3D(Cropping):
    """The borders of volumes cut off: (batch, 3 spatial axes, channels)."""

    rank = 3


class UpSampling(SpatialLayer):
    """Each spatial axis enlarged; base of `UpSampling1D`, `UpSampling2D` and `UpSampling3D`.

    Args:
        size: By which factor: one int for all axes, or one for each.
    """

    interpolation = "nearest"

    def __init__(self, size: Any = 2, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.size = sizes(self, "size", size, self.rank)

    def call(self, inputs: t.Array) -> t.Array:
        factors = [self.size] if isinstance(self.size, int) else self.size
        if self.interpolation == "nearest":
            for axis, factor in zip(self.spatial_axes, factors, strict=True):
                inputs = jnp.repeat(inputs, factor, axis)
            return inputs
        shape = list(inputs.shape)
        for axis, factor in zip(self.spatial_axes, factors, strict=True):
            shape[axis] *= factor
        return jax.image.resize(inputs, shape, _METHODS[self.interpolation], antialias=False)


class UpSampling1D(UpSampling):
    """Each step ``size`` times: (batch, steps, channels) gives (batch, steps * size, channels).

    >>> import numpy as np
    >>> UpSampling1D(2)(np.float32([[[1], [3]]]))[..., 0]
    Array([[1., 1., 3., 3.]], dtype=float32)
    """

    rank = 1

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        if not isinstance(size, int) or isinstance(size, bool):
            raise DTypeError(f"UpSampling1D needs an int as `size`, not {size!r}.")
        super().__init__(size, "channels_last", **kwargs)
        self.size = size


class UpSampling2D(UpSampling):
    """Images enlarged: (batch, rows, columns, channels).

    Args:
        size: The factor of rows and columns: an int, or one for each.
        interpolation: "nearest" for repeated pixels, or "bilinear", "bicubic", "lanczos3",
            "lanczos5".

    >>> import numpy as np
    >>> UpSampling2D((1, 2), interpolation="bilinear")(np.float32([[[[0], [4]]]]))[0, 0, :, 0]
    Array([0., 1., 3., 4.], dtype=float32)
    """

    rank = 2

    def __init__(
        self,
        size: Any = 2,
        data_format: str | None = None,
        interpolation: str = "nearest",
        **kwargs: Any,
    ) -> None:
        super().__init__(size, data_format, **kwargs)
        self.interpolation = str(interpolation).lower()
        if self.interpolation not in _METHODS:
            raise unknown("interpolation of UpSampling2D", interpolation, _METHODS)


class UpSampling3D(UpSampling):
    """Volumes enlarged by repeating: (batch, 3 spatial axes, channels)."""

    rank = 3
