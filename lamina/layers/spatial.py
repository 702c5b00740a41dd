"""`SpatialLayer`: base of the layers that work on the spatial axes of their input."""

from typing import Any

from lamina.core.input_spec import InputSpec
from lamina.core.layer import Layer
from lamina.layers.arguments import data_format as standard_data_format


class SpatialLayer(Layer):
    """A layer over ``rank`` spatial dimensions, which stand where ``data_format`` says.

    Inputs are (batch, spatial..., channels), or (batch, channels, spatial...) for "channels_first".
    """

    rank = 0

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = standard_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def spatial_axes(self) -> tuple[int, ...]:
        """Which axes of the input are the spatial ones."""
        start = 1 if self.data_format == "channels_last" else 2
        return tuple(range(start, start + self.rank))
