"""Every optimizer, at least once, and each option that they share."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from catalogue import label

from lamina import optimizers
from lamina.core.variable import Variable

RNG = np.random.default_rng(2)
SHAPES = [(4, 3), (3,)]
START = [RNG.normal(size=shape).astype("float32") for shape in SHAPES]
GRADS = [[RNG.normal(size=shape).astype("float32") for shape in SHAPES] for _ in range(3)]


@dataclass(frozen=True, eq=False)
class OptimizerRow:
    """An optimizer and its constructor's arguments."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    def make(self) -> optimizers.Optimizer:
        """The optimizer, new, and not yet built."""
        if self.name == "LossScaleOptimizer":
            return optimizers.LossScaleOptimizer(optimizers.SGD(0.1, momentum=0.9), **self.options)
        return getattr(optimizers, self.name)(0.01, **self.options)

    def built(self) -> tuple[optimizers.Optimizer, list[Variable]]:
        """The optimizer, and the variables that it is built on."""
        variables = [Variable(x, name=f"v{index}") for index, x in enumerate(START)]
        optimizer = self.make()
        optimizer.build(variables)
        return optimizer, variables

    def __str__(self) -> str:
        return label(self.name, self.options)


ALONE = (
    "SGD Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lamb Lion Muon Nadam RMSprop "
    "ScheduleFreeAdamW"
).split()
OPTIMIZERS = [
    *map(OptimizerRow, ALONE),
    OptimizerRow("LossScaleOptimizer", {"initial_scale": 8.0, "dynamic_growth_steps": 2}),
    OptimizerRow("SGD", {"momentum": 0.9, "nesterov": True}),
    OptimizerRow("Adam", {"amsgrad": True, "clipnorm": 0.5}),
    OptimizerRow("RMSprop", {"momentum": 0.5, "centered": True, "clipvalue": 0.3}),
    OptimizerRow("Nadam", {"weight_decay": 0.1, "global_clipnorm": 0.7, "loss_scale_factor": 4.0}),
    OptimizerRow("Adam", {"use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 2}),
    OptimizerRow("SGD", {"gradient_accumulation_steps": 2, "momentum": 0.9, "use_ema": True}),
    OptimizerRow("SGD", {"momentum": 0.9, "name": "mine"}),
]
each_optimizer = pytest.mark.parametrize("row", OPTIMIZERS, ids=str)
