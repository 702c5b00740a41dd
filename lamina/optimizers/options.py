"""The keyword arguments that all optimizers take, for type checkers and `help`."""

from typing import TypedDict


class SharedOptions(TypedDict, total=False):
    """Keyword arguments that all optimizers take; see `Optimizer`."""

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None
    name: str | None


class OptimizerOptions(SharedOptions, total=False):
    """Those of the optimizers that do not list ``weight_decay`` among their own."""

    weight_decay: float | None


OPTIONS = tuple(sorted(OptimizerOptions.__annotations__))
