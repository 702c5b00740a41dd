"""The settings of the process: one object, and no other globals."""

import os
import secrets
import threading
from dataclasses import dataclass, field
from typing import Any, Literal

from lamina.core.errors import unknown

ImageDataFormat = Literal["channels_last", "channels_first"]
FLOATX = ("bfloat16", "float16", "float32", "float64")
DATA_FORMATS = ("channels_last", "channels_first")


@dataclass
class Settings:
    """What a user may set for the whole process.

    >>> settings.epsilon
    1e-07
    """

    floatx: str = "float32"
    epsilon: float = 1e-7
    image_data_format: ImageDataFormat = "channels_last"
    seed: int = field(default_factory=lambda: secrets.randbits(31))
    draws: int = 0
    """How many keys were taken from ``seed`` since it was set."""
    dtype_policy: Any = None
    interactive: bool = True
    """Whether progress is drawn for a person (else one plain line an epoch)."""
    full_traceback: bool = os.environ.get("LAMINA_TRACEBACK") == "full"
    max_epochs: int | None = None
    max_steps_per_epoch: int | None = None
    flash_attention: bool | None = None

    def set_floatx(self, value: str) -> None:
        """Set the default float dtype: bfloat16, float16, float32 or float64."""
        if value not in FLOATX:
            raise unknown("float dtype", value, FLOATX)
        self.floatx = value

    def set_image_data_format(self, value: ImageDataFormat) -> None:
        """Set where images carry their channels: channels_last or channels_first."""
        if value not in DATA_FORMATS:
            raise unknown("image data format", value, DATA_FORMATS)
        self.image_data_format = value


settings = Settings()
lock = threading.RLock()
"""Held while shared state of the process changes: draws of keys, arrays made at first use."""


def backend() -> str:
    """The name of the engine: always 'jax'."""
    return "jax"


def floatx() -> str:
    """The default float dtype."""
    return settings.floatx


def epsilon() -> float:
    """The small number that keeps divisions and logarithms finite."""
    return settings.epsilon


def set_epsilon(value: float) -> None:
    """Set `epsilon`."""
    settings.epsilon = float(value)


def image_data_format() -> ImageDataFormat:
    """Where images carry their channels."""
    return settings.image_data_format


set_floatx = settings.set_floatx
set_image_data_format = settings.set_image_data_format


def max_epochs() -> int | None:
    """The cap on epochs of any fit, if one is set."""
    return settings.max_epochs


def set_max_epochs(max_epochs: int | None) -> None:
    """Cap the epochs of any fit; None lifts the cap."""
    settings.max_epochs = max_epochs


def max_steps_per_epoch() -> int | None:
    """The cap on steps in an epoch, if one is set."""
    return settings.max_steps_per_epoch


def set_max_steps_per_epoch(max_steps_per_epoch: int | None) -> None:
    """Cap the steps in an epoch; None lifts the cap."""
    settings.max_steps_per_epoch = max_steps_per_epoch


def enable_interactive_logging() -> None:
    """Show progress as it happens."""
    settings.interactive = True


def disable_interactive_logging() -> None:
    """Show progress as plain lines."""
    settings.interactive = False


def is_interactive_logging_enabled() -> bool:
    """Whether progress is shown as it happens."""
    return settings.interactive


def enable_traceback_filtering() -> None:
    """Fold the frames of Lamina and JAX away in tracebacks."""
    settings.full_traceback = False


def disable_traceback_filtering() -> None:
    """Show every frame in tracebacks."""
    settings.full_traceback = True


def is_traceback_filtering_enabled() -> bool:
    """Whether frames of Lamina and JAX are folded away."""
    return not settings.full_traceback


def enable_flash_attention() -> None:
    """Use fused attention where the platform has it."""
    settings.flash_attention = True


def disable_flash_attention() -> None:
    """Do not use fused attention."""
    settings.flash_attention = False


def is_flash_attention_enabled() -> bool | None:
    """Whether fused attention is used; None leaves it to the platform."""
    return settings.flash_attention
