"""LoRA: fine-tuning a large weight by a sum of low rank (Hu et al. 2021, arXiv:2106.09685).

`enable_lora` puts a `LowRankSum` in the place of a layer's weight; the layer computes as before,
with what stands there.
"""

from typing import Any

import jax.numpy as jnp

from lamina.core import types as t
from lamina.core.errors import ArgumentError
from lamina.core.variable import Variable
from lamina.layers.arguments import positive
from lamina.layers.weighted import WeightedLayer


class LowRankSum(Variable):
    """``base + lora_alpha / lora_rank * a @ b``, in the place of the variable ``base`` of a layer.

    Files see one array, the sum. Reading a file sets ``base`` and makes ``b`` zero, so that
    training can go on from there.
    """

    is_variable = False
    owned_variables = ()

    def __init__(self, layer: Any, base: Variable, a: Variable, b: Variable) -> None:
        self.layer, self.base, self.a, self.b = layer, base, a, b
        self.__dict__.update({key: each for key, each in vars(base).items() if key != "_array"})

    @property
    def value(self) -> t.Array:
        """The sum, in the dtype in which ``base`` is read here."""
        base = self.base.value
        scale = self.layer.lora_alpha / self.layer.lora_rank
        return (base + scale * jnp.matmul(self.a.value, self.b.value)).astype(base.dtype)

    def assign(self, value: t.ArrayLike) -> "LowRankSum":
        """Make the sum ``value``: the base, with nothing added."""
        self.base.assign(value)
        self.b.assign(jnp.zeros(self.b.shape))
        return self

    @property
    def _array(self) -> Any:
        return self.base._array, self.b._array

    @_array.setter
    def _array(self, arrays: Any) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self.base._array, self.b._array = arrays


class AdaptableLayer(WeightedLayer):
    """A layer whose weight `adapted` can be fine-tuned by a sum of low rank.

    >>> from lamina.layers import Dense
    >>> layer = Dense(8)
    >>> layer.build((None, 16))
    >>> layer.enable_lora(rank=2)
    >>> [(v.name, v.shape) for v in layer.trainable_variables]
    [('bias', (8,)), ('lora_kernel_a', (16, 2)), ('lora_kernel_b', (2, 8))]
    """

    adapted = "kernel"
    lora_rank: int | None = None
    lora_alpha: float | None = None

    def set_abilities(
        self, rank: int | None, alpha: float | None, quantization_config: Any = None
    ) -> None:
        """Keep the constructor's arguments; `build` enables LoRA when there is a rank."""
        self.quantization_config = quantization_config
        self.lora_rank = None if rank is None else positive(self, "lora_rank", rank)
        self.lora_alpha = rank if alpha is None else alpha

    @property
    def lora_enabled(self) -> bool:
        """Whether the weight is a sum of low rank."""
        return isinstance(self.__dict__.get(self.adapted), LowRankSum)

    def enable_lora(
        self,
        rank: int,
        lora_alpha: float | None = None,
        a_initializer: t.InitializerLike = "he_uniform",
        b_initializer: t.InitializerLike = "zeros",
    ) -> None:
        """Freeze the weight, and train ``lora_alpha / rank * a @ b``, which is added to it.

        Args:
            rank: Columns of ``a``, rows of ``b``; both are float32, whatever the policy.
            lora_alpha: How strongly the sum counts; ``rank`` when left out, for a factor of 1.

        Raises:
            ArgumentError: before the layer is built, the second time, or when the weight has a
                constraint, which would not hold for the sum.
        """
        name, who = self.adapted, self._who()
        if getattr(self, f"{name}_constraint", None):
            raise ArgumentError(
                f"{who} has a {name}_constraint, which LoRA would break.",
                fix=f"make the layer without {name}_constraint",
            )
        if not self.built:
            raise ArgumentError(
                f"{who} has no weight to adapt yet.",
                fix="build or call it first, or give lora_rank to its constructor",
            )
        if self.lora_enabled:
            raise ArgumentError(f"{who} has LoRA already, of rank {self.lora_rank}.")
        rank = positive(self, "rank", rank)
        base, rules = getattr(self, name), getattr(self, f"{name}_regularizer", None)
        (*rows, columns), factors = base.shape, []
        for part, shape, initializer in (
            ("a", (*rows, rank), a_initializer),
            ("b", (rank, columns), b_initializer),
        ):
            factors.append(
                self.add_weight(
                    shape, initializer, "float32", regularizer=rules, name=f"lora_{name}_{part}"
                )
            )
            setattr(self, f"lora_{name}_{part}", factors[-1])
        base.trainable = base.made_trainable = False
        self.lora_rank, self.lora_alpha = rank, rank if lora_alpha is None else lora_alpha
        setattr(self, f"_{name}", base)
        setattr(self, name, LowRankSum(self, base, *factors))

    def get_config(self) -> t.Config:
        lora = {"lora_rank": self.lora_rank, "lora_alpha": self.lora_alpha}
        config = {key: each for key, each in super().get_config().items() if key not in lora}
        return {**config, **lora} if self.lora_rank else config

    def _finish_build(self) -> None:
        if self.lora_rank and not self.lora_enabled:
            self.enable_lora(self.lora_rank, self.lora_alpha)

    def _own_weights(self) -> list[Variable]:
        base = self.__dict__.get(f"_{self.adapted}")
        return sorted(self._lamina.variables, key=lambda v: not (v.made_trainable or v is base))

    def _stored_weights(self) -> list[Variable]:
        if not self.lora_enabled:
            return self._own_weights()
        whole = getattr(self, self.adapted)
        kept = [v for v in self._own_weights() if v is not whole.a and v is not whole.b]
        return [whole if v is whole.base else v for v in kept]
