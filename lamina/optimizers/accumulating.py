"""Optimizers that divide by sums or running means of squared gradients."""

from typing import Any, Unpack

import jax.numpy as jnp

from lamina.core.errors import ArgumentError
from lamina.core.types import Array, ShapeLike
from lamina.optimizers.optimizer import Optimizer
from lamina.optimizers.options import OptimizerOptions
from lamina.optimizers.state import Own, Step


class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients so far.

    Duchi et al., "Adaptive Subgradient Methods" (2011).
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        """The sum of squares."""
        return (("accumulator",),)

    def slot_value(self, name: str) -> float:
        """What the sum starts from."""
        return self.initial_accumulator_value if name == "accumulator" else 0.0

    def rule(self, grad: Array, param: Array, slots: Own, rate: Array, step: Array) -> Step:
        """One parameter's step."""
        total = slots["accumulator"] + grad * grad
        return param - rate * grad / jnp.sqrt(total + self.epsilon), {"accumulator": total}


class Adadelta(Optimizer):
    """Steps of the size of recent steps, divided by the size of recent gradients.

    Zeiler, "ADADELTA: An Adaptive Learning Rate Method" (2012); the paper's rate is 1.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.rho = rho
        self.epsilon = epsilon

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        """Running mean squares of gradients and of steps."""
        return (("accumulated_grad", "accumulated_delta_var"),)

    def rule(self, grad: Array, param: Array, slots: Own, rate: Array, step: Array) -> Step:
        """One parameter's step."""
        rho, epsilon = self.rho, self.epsilon
        grads = rho * slots["accumulated_grad"] + (1 - rho) * grad * grad
        steps = slots["accumulated_delta_var"]
        moved = grad * jnp.sqrt(steps + epsilon) / jnp.sqrt(grads + epsilon)
        steps = rho * steps + (1 - rho) * moved * moved
        changed = {"accumulated_grad": grads, "accumulated_delta_var": steps}
        return param - rate * moved, changed


class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of squared gradients.

    Args:
        learning_rate: The rate.
        rho: Decay of the mean.
        momentum: Decay of a momentum of the steps; none if 0.
        epsilon: Added to the mean square.
        centered: Whether the square of the mean gradient is taken off the mean square.

    Hinton, "Neural Networks for Machine Learning", lecture 6e (2012).
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        """The mean square, the momentum and the mean, as far as they are used."""
        momentum = (("momentum",),) if self.momentum > 0 else ()
        return (("velocity",), *momentum, *((("average_gradient",),) if self.centered else ()))

    def rule(self, grad: Array, param: Array, slots: Own, rate: Array, step: Array) -> Step:
        """One parameter's step."""
        square = self.rho * slots["velocity"] + (1 - self.rho) * grad * grad
        changed, scale = {"velocity": square}, square + self.epsilon
        if self.centered:
            mean = self.rho * slots["average_gradient"] + (1 - self.rho) * grad
            changed["average_gradient"], scale = mean, square - mean * mean + self.epsilon
        moved = rate * grad / jnp.sqrt(scale)
        if self.momentum > 0:
            changed["momentum"] = moved = self.momentum * slots["momentum"] + moved
        return param - moved, changed


class Ftrl(Optimizer):
    """Follow the regularized leader: sparse weights by an L1 penalty inside the step.

    McMahan et al., "Ad Click Prediction: a View from the Trenches" (2013).
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self.beta = beta
        if learning_rate_power > 0:
            raise ArgumentError(f"Ftrl: learning_rate_power={learning_rate_power} is above 0.")
        for name, value in vars(self).items():
            if name.endswith(("accumulator_value", "regularization_strength")) and value < 0:
                raise ArgumentError(f"Ftrl: {name}={value} is below 0.")

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        """The sum of squared gradients, and the linear term."""
        return (("accumulator", "linear"),)

    def slot_value(self, name: str) -> float:
        """What a state starts from."""
        return self.initial_accumulator_value if name == "accumulator" else 0.0

    def rule(self, grad: Array, param: Array, slots: Own, rate: Array, step: Array) -> Step:
        """One parameter's step."""
        power, l1 = -self.learning_rate_power, self.l1_regularization_strength
        l2 = self.l2_regularization_strength + self.beta / (2 * rate)
        shrunk = grad + 2 * self.l2_shrinkage_regularization_strength * param
        total = slots["accumulator"] + grad * grad
        growth = (total**power - slots["accumulator"] ** power) / rate
        linear = slots["linear"] + shrunk - growth * param
        new = (jnp.clip(linear, -l1, l1) - linear) / (total**power / rate + 2 * l2)
        return new, {"accumulator": total, "linear": linear}


class Adafactor(Optimizer):
    """Adam with little memory: the mean squares of a matrix are kept by row and by column.

    Args:
        learning_rate: The rate; with ``relative_step`` at most one over the root of the step.
        beta_2_decay: Power of the step by which the decay of mean squares approaches 1.
        epsilon_1: Added to squared gradients.
        epsilon_2: The smallest size of a parameter that its step is relative to.
        clip_threshold: The largest root mean square of a step before the rate.
        relative_step: Whether the rate is bounded by the step.

    Shazeer and Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost" (2018).
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_2_decay = beta_2_decay
        self.epsilon_1 = epsilon_1
        self.epsilon_2 = epsilon_2
        self.clip_threshold = clip_threshold
        self.relative_step = relative_step

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        """Mean squares by row, by column, and as last used."""
        return (("row", "column", "velocity"),)

    def slot_spec(self, name: str, index: int, param: Any) -> tuple[ShapeLike, Any] | None:
        """Shape and dtype of a state; what is no matrix has an unused number for row and column."""
        shape = tuple(param.shape)
        if name == "velocity":
            return shape, param.dtype
        if len(shape) < 2:
            return (), "int32"
        return shape[:-1] if name == "row" else (*shape[:-2], shape[-1]), param.dtype

    def rule(self, grad: Array, param: Array, slots: Own, rate: Array, step: Array) -> Step:
        """One parameter's step."""

        def size(x: Array) -> Array:
            return jnp.sqrt(jnp.mean(x * x))

        bounded = jnp.minimum(rate, 1 / jnp.sqrt(step))
        square, keep = grad * grad + self.epsilon_1, 1 - step**self.beta_2_decay
        changed: Own = {}
        if param.ndim < 2:
            scale = keep * slots["velocity"] + (1 - keep) * square
        else:
            row = keep * slots["row"] + (1 - keep) * square.mean(-1)
            column = keep * slots["column"] + (1 - keep) * square.mean(-2)
            changed = {"row": row, "column": column}
            scale = (row / row.mean(-1, keepdims=True))[..., None] * column[..., None, :]
        changed["velocity"] = scale
        moved = grad / jnp.sqrt(scale)
        moved = moved / jnp.maximum(1, size(moved) / self.clip_threshold)
        return param - bounded * jnp.maximum(self.epsilon_2, size(param)) * moved, changed
