"""Optimizers whose step follows the gradient, or a momentum of it, without a scale of its own."""

import re
from collections.abc import Sequence
from typing import Any, Unpack

import jax.numpy as jnp

from lamina.core.errors import ArgumentError
from lamina.core.types import Array, ShapeLike
from lamina.optimizers.adaptive import adam_step
from lamina.optimizers.optimizer import Optimizer
from lamina.optimizers.options import OptimizerOptions, SharedOptions
from lamina.optimizers.state import Own, Step


class SGD(Optimizer):
    """Gradient descent, with momentum if it is not 0.

    ``m = momentum * m - rate * grad`` and ``param += m``; with ``nesterov`` the step looks ahead:
    ``param += momentum * m - rate * grad``.

    >>> import jax.numpy as jnp
    >>> sgd = SGD(0.5)
    >>> params, state = sgd.update([jnp.ones(2)], sgd.init([jnp.zeros(2)]), [jnp.zeros(2)])
    >>> params, int(state.iterations)
    ([Array([-0.5, -0.5], dtype=float32)], 1)
    """

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        if not 0 <= momentum <= 1:
            raise ArgumentError(f"SGD: momentum must lie between 0 and 1; it is {momentum}.")
        self.momentum = momentum
        self.nesterov = nesterov

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        """The momentum, if there is one."""
        return (("momentum",),) if self.momentum else ()

    def rule(self, grad: Array, param: Array, slots: Own, rate: Array, step: Array) -> Step:
        """One parameter's step."""
        if not self.momentum:
            return param - rate * grad, {}
        moved = self.momentum * slots["momentum"] - rate * grad
        ahead = self.momentum * moved - rate * grad if self.nesterov else moved
        return param + ahead, {"momentum": moved}


class Lion(Optimizer):
    """Steps of the size of the rate, in the direction of the sign of a momentum.

    Chen et al., "Symbolic Discovery of Optimization Algorithms" (2023).
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        if not 0 < beta_1 <= 1:
            raise ArgumentError(f"Lion: beta_1 must lie above 0, at most 1; it is {beta_1}.")
        self.beta_1 = beta_1
        self.beta_2 = beta_2

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        """The momentum."""
        return (("momentum",),)

    def rule(self, grad: Array, param: Array, slots: Own, rate: Array, step: Array) -> Step:
        """One parameter's step."""
        momentum = slots["momentum"]
        direction = jnp.sign(self.beta_1 * momentum + (1 - self.beta_1) * grad)
        new = self.beta_2 * momentum + (1 - self.beta_2) * grad
        return param - rate * direction, {"momentum": new}


class Muon(Optimizer):
    """Steps along the nearest orthogonal matrix to the momentum; Adam for what is no matrix.

    Args:
        learning_rate: The rate.
        adam_beta_1: Decay of Adam's first moment.
        adam_beta_2: Decay of Adam's second moment.
        adam_weight_decay: Weight decay of the parameters that Adam moves.
        epsilon: Added to Adam's denominator.
        weight_decay: Weight decay of the parameters that Muon moves.
        exclude_layers: Patterns of variable paths left to Adam.
        exclude_embeddings: Whether paths with ``embedding`` in them are left to Adam.
        muon_a: Coefficient of X in the Newton-Schulz iteration.
        muon_b: Coefficient of (XX')X.
        muon_c: Coefficient of (XX')(XX')X.
        adam_lr_ratio: Adam's rate as a share of the rate.
        momentum: Decay of the momentum.
        ns_steps: Newton-Schulz iterations.
        nesterov: Whether the momentum looks one gradient ahead.
        rms_rate: If not None, steps are scaled by this and the root of the longer side.

    Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024).
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float = 1e-7,
        weight_decay: float | None = 0.004,
        exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.775,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        **options: Unpack[SharedOptions],
    ) -> None:
        super().__init__(learning_rate, weight_decay, **options)
        self.adam_beta_1 = adam_beta_1
        self.adam_beta_2 = adam_beta_2
        self.adam_weight_decay = adam_weight_decay
        self.epsilon = epsilon
        self.exclude_layers = list(exclude_layers or [])
        self.exclude_embeddings = exclude_embeddings
        self.muon_a = muon_a
        self.muon_b = muon_b
        self.muon_c = muon_c
        self.adam_lr_ratio = adam_lr_ratio
        self.momentum = momentum
        self.ns_steps = ns_steps
        self.nesterov = nesterov
        self.rms_rate = rms_rate

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        """The momentum, and for what is left to Adam the second moment."""
        return (("momentum", "velocity"),)

    def slot_spec(self, name: str, index: int, param: Any) -> tuple[ShapeLike, Any] | None:
        """Shape and dtype of a state: that of its parameter."""
        if name == "velocity" and not self._left_to_adam(param):
            return None
        return param.shape, param.dtype

    def _left_to_adam(self, param: Any) -> bool:
        path = getattr(param, "path", "")
        embedding = self.exclude_embeddings and "embedding" in path.lower()
        named = any(re.search(pattern, path) for pattern in self.exclude_layers)
        return len(param.shape) != 2 or embedding or named

    def _decay(self, index: int, param: Any) -> float | None:
        known = self._trainable_variables
        adam = self._left_to_adam(known[index] if known else param)
        return self.adam_weight_decay if adam else self.weight_decay

    def rule(self, grad: Array, param: Array, slots: Own, rate: Array, step: Array) -> Step:
        """One parameter's step."""
        if slots["velocity"] is not None:
            betas, rate = (self.adam_beta_1, self.adam_beta_2), rate * self.adam_lr_ratio
            moved, changed = adam_step(grad, slots, rate, step, betas, self.epsilon)
            return param - moved, changed
        momentum = self.momentum * slots["momentum"] + grad
        ahead = grad + self.momentum * momentum if self.nesterov else momentum
        moved = rate * self._orthogonal(ahead)
        if self.rms_rate is not None:
            moved = moved * max(param.shape) ** 0.5 * self.rms_rate
        return param - moved, {"momentum": momentum}

    def _orthogonal(self, x: Array) -> Array:
        """The matrix with its singular values near 1, by a Newton-Schulz iteration."""
        if x.ndim != 2:
            raise ArgumentError("Muon moves matrices only.", met=f"shape {x.shape}")
        tall = x.shape[0] > x.shape[1]
        x = x.T if tall else x
        x = x / (jnp.linalg.norm(x) + 1e-7)
        for _ in range(self.ns_steps):
            square = x @ x.T
            x = self.muon_a * x + (self.muon_b * square + self.muon_c * square @ square) @ x
        return x.T if tall else x
