"""Adam and its relatives: steps scaled by running moments of the gradient."""

from typing import Any, Unpack

import jax.numpy as jnp

from lamina.core.errors import ArgumentError
from lamina.core.types import Array, ShapeLike
from lamina.core.variable import Variable
from lamina.optimizers.optimizer import Optimizer
from lamina.optimizers.options import OptimizerOptions, SharedOptions
from lamina.optimizers.state import Grads, OptimizerState, Own, Slots, Step


def moments(grad: Array, slots: Own, betas: tuple[float, float]) -> tuple[Array, Array]:
    """The running first and second moments with a gradient taken in."""
    m, v = slots["momentum"], slots["velocity"]
    return m + (grad - m) * (1 - betas[0]), v + (grad * grad - v) * (1 - betas[1])


def adam_step(
    grad: Array, slots: Own, rate: Array, step: Array, betas: tuple[float, float], epsilon: float
) -> Step:
    """What Adam takes off a parameter, and its new moments.

    Where there is a ``velocity_hat``, the largest second moment so far replaces a smaller one.
    """
    m, v = moments(grad, slots, betas)
    changed = {"momentum": m, "velocity": v}
    if "velocity_hat" in slots:
        changed["velocity_hat"] = v = jnp.maximum(slots["velocity_hat"], v)
    alpha = rate * jnp.sqrt(1 - betas[1] ** step) / (1 - betas[0] ** step)
    return alpha * m / (jnp.sqrt(v) + epsilon), changed


class _Moments(Optimizer):
    """What the family shares: two decays and an epsilon."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        """Running first and second moments of the gradient."""
        return (("momentum", "velocity"),)

    def _moments(self, grad: Array, slots: Own) -> tuple[Array, Array]:
        return moments(grad, slots, (self.beta_1, self.beta_2))


class Adam(_Moments):
    """Steps along the mean gradient, divided by the root of its mean square.

    Args:
        learning_rate: The rate.
        beta_1: Decay of the mean.
        beta_2: Decay of the mean square.
        epsilon: Added to the root ("epsilon hat" of the paper, before its section 2.1).
        amsgrad: Whether the largest mean square so far is divided by, instead of the present one.

    Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2014).

    >>> adam = Adam(0.1)
    >>> params, state = adam.update([jnp.ones(1)], adam.init([jnp.zeros(1)]), [jnp.zeros(1)])
    >>> round(float(params[0][0]), 3), sorted(state.slots)
    (-0.1, ['momentum', 'velocity'])
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **options)
        self.amsgrad = amsgrad

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        """Running first and second moments, and the largest second moments if asked for."""
        return (("momentum", "velocity"), *((("velocity_hat",),) if self.amsgrad else ()))

    def rule(self, grad: Array, param: Array, slots: Own, rate: Array, step: Array) -> Step:
        """One parameter's step."""
        betas = self.beta_1, self.beta_2
        moved, changed = adam_step(grad, slots, rate, step, betas, self.epsilon)
        return param - moved, changed


class AdamW(Adam):
    """Adam with weight decay apart from the gradient.

    Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019).
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Unpack[SharedOptions],
    ) -> None:
        if weight_decay is None:
            raise ArgumentError("AdamW needs a weight_decay; without one, use Adam.")
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **options
        )


class Adamax(_Moments):
    """Adam with the largest recent gradient in place of the root mean square.

    Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2014), section 7.1.
    """

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        """The running mean, and the decaying maximum."""
        return (("momentum", "norm"),)

    def rule(self, grad: Array, param: Array, slots: Own, rate: Array, step: Array) -> Step:
        """One parameter's step."""
        m = slots["momentum"] + (grad - slots["momentum"]) * (1 - self.beta_1)
        norm = jnp.maximum(self.beta_2 * slots["norm"], jnp.abs(grad))
        moved = rate * m / ((1 - self.beta_1**step) * (norm + self.epsilon))
        return param - moved, {"momentum": m, "norm": norm}


class Nadam(_Moments):
    """Adam whose momentum looks one step ahead, with a momentum that grows in time.

    Dozat, "Incorporating Nesterov Momentum into Adam" (2016).
    """

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        """Running moments, and the product of all momentums so far: one number, kept first."""
        return (("momentum", "velocity"), ("u_product",))

    def slot_spec(self, name: str, index: int, param: Any) -> tuple[ShapeLike, Any] | None:
        """Shape and dtype of a state."""
        if name == "u_product":
            return ((), param.dtype) if index == 0 else None
        return param.shape, param.dtype

    def slot_value(self, name: str) -> float:
        """The product starts from 1."""
        return 1.0 if name == "u_product" else 0.0

    def _follow(
        self, grads: Grads, params: list[Array], slots: Slots, rate: Array, done: Array
    ) -> tuple[list[Array], Slots]:
        product = slots["u_product"][0] * self._momentum_at(done + 1)
        slots["u_product"] = [product] * len(params)  # each parameter's rule reads it
        params, slots = super()._follow(grads, params, slots, rate, done)
        slots["u_product"] = [product, *[None] * (len(params) - 1)]
        return params, slots

    def _momentum_at(self, step: Array) -> Array:
        return self.beta_1 * (1 - 0.5 * 0.96**step)

    def rule(self, grad: Array, param: Array, slots: Own, rate: Array, step: Array) -> Step:
        """One parameter's step."""
        m, v = self._moments(grad, slots)
        now, following = self._momentum_at(step), self._momentum_at(step + 1)
        product = slots["u_product"]
        mean = following * m / (1 - product * following) + (1 - now) * grad / (1 - product)
        moved = rate * mean / (jnp.sqrt(v / (1 - self.beta_2**step)) + self.epsilon)
        return param - moved, {"momentum": m, "velocity": v}


class Lamb(_Moments):
    """Adam whose step for each parameter has the parameter's own norm, times the rate.

    You et al., "Large Batch Optimization for Deep Learning" (2019).
    """

    def rule(self, grad: Array, param: Array, slots: Own, rate: Array, step: Array) -> Step:
        """One parameter's step."""
        m, v = self._moments(grad, slots)
        root = jnp.sqrt(v / (1 - self.beta_2**step)) + self.epsilon
        moved = m / (1 - self.beta_1**step) / root
        own, other = jnp.sqrt(jnp.sum(param**2)), jnp.sqrt(jnp.sum(moved**2))
        ratio = jnp.where((own > 0) & (other > 0), own / jnp.where(other > 0, other, 1), 1)
        return param - ratio * rate * moved, {"momentum": m, "velocity": v}


class ScheduleFreeAdamW(_Moments):
    """AdamW on a base point, with the parameters between it and its running mean.

    Needs no schedule but ``warmup_steps`` of a rising rate.
    Defazio et al., "The Road Less Scheduled" (2024).
    """

    def __init__(
        self,
        learning_rate: Any = 0.0025,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        warmup_steps: int = 0,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **options)
        self.warmup_steps = warmup_steps

    def init(self, params: Any) -> OptimizerState:
        """The state before the first step; the base points are the parameters."""
        state = super().init(params)
        return state._replace(slots={**state.slots, "momentum": [jnp.array(p) for p in params]})

    def build(self, variables: Any) -> None:
        """Make the state of these variables; the base points are their values now."""
        if self.built:
            return
        super().build(variables)
        for (name, index), slot in zip(self._places, self._added, strict=True):
            if name == "momentum":
                source: Variable = self._trainable_variables[index]
                slot.assign(source.value)

    def rule(self, grad: Array, param: Array, slots: Own, rate: Array, step: Array) -> Step:
        """One parameter's step."""
        base, keep = slots["momentum"], self.beta_1
        if self.warmup_steps:
            rate = rate * jnp.minimum(step / self.warmup_steps, 1)
        v = slots["velocity"] + (grad * grad - slots["velocity"]) * (1 - self.beta_2)
        moved = rate * grad / (jnp.sqrt(v / (1 - self.beta_2**step)) + self.epsilon)
        mean = (param - (1 - keep) * base) / keep
        base = base - moved
        mean = mean + (base - mean) / step
        return (1 - keep) * base + keep * mean, {"momentum": base, "velocity": v}
