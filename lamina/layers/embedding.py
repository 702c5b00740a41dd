"""`Embedding`: rows of a table, by their numbers."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from lamina.core import masking
from lamina.core import types as t
from lamina.core.errors import ArgumentError
from lamina.layers.arguments import positive, with_activity_regularizer
from lamina.layers.lora import AdaptableLayer
from lamina.layers.weighted import WeightedLayer


class Embedding(AdaptableLayer):
    """The rows of a table of shape (input_dim, output_dim) that the input numbers.

    A number outside 0 ... input_dim - 1 is an error when the layer is called on a NumPy array or
    list. In a compiled program, where values cannot be looked at, its row is NaN, so that the
    mistake shows in the loss.

    Args:
        input_dim: How many rows: the largest number plus 1.
        output_dim: Size of a row.
        mask_zero: Whether 0 is padding, to be masked in the layers that follow.
        weights: An array to start from, instead of the initializer.

    Input of shape (...) gives output of shape (..., output_dim).

    >>> Embedding(10, 3)([[1, 2], [0, 9]]).shape
    (2, 2, 3)
    """

    adapted = "embeddings"
    embeddings_initializer: Any

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: t.InitializerLike = "uniform",
        embeddings_regularizer: t.RegularizerLike = None,
        embeddings_constraint: t.ConstraintLike = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._given.pop("weights", None)  # arrays belong to the weights, not to the config
        self.autocast = False  # numbers must not be rounded to half precision
        self.input_dim = positive(self, "input_dim", input_dim)
        self.output_dim = positive(self, "output_dim", output_dim)
        self.set_rules(
            "embeddings", embeddings_initializer, embeddings_regularizer, embeddings_constraint
        )
        self.mask_zero = mask_zero
        self.set_abilities(lora_rank, lora_alpha, quantization_config)
        if weights is not None:
            self.build()
            self.set_weights(weights if isinstance(weights, list) else [weights])

    @property
    def supports_masking(self) -> bool:  # type: ignore[override]
        return self.mask_zero

    def build(self, input_shape: t.Shape | None = None) -> None:
        self.embeddings = self.weight("embeddings", (self.input_dim, self.output_dim))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if args and isinstance(args[0], (np.ndarray, list)):
            self._check(np.asarray(args[0]))
        return super().__call__(*args, **kwargs)

    def call(self, inputs: t.Array) -> t.Array:
        ids = inputs if inputs.dtype in ("int32", "int64") else inputs.astype("int32")
        ids = jnp.where(ids < 0, self.input_dim, ids)  # else -1 would be the last row
        return jnp.take(self.embeddings.value, ids, axis=0, mode="fill").astype(self.compute_dtype)

    def compute_mask(  # type: ignore[override]
        self, inputs: t.Array, mask: Any = None
    ) -> Any:
        return inputs != 0 if self.mask_zero else None

    def get_config(self) -> t.Config:
        return with_activity_regularizer(super().get_config())

    def _check(self, ids: np.ndarray) -> None:
        if ids.dtype.kind not in "iuf" or not ids.size:
            return
        low, high = ids.min(), ids.max()
        if low < 0 or high >= self.input_dim:
            raise ArgumentError(
                f"{self._who()} has no row {low if low < 0 else high}.",
                met=f"numbers from {low} to {high}",
                rule=f"a number is 0 or more, and less than input_dim={self.input_dim}",
                fix="input_dim is the largest number plus 1 (the size of the vocabulary, with "
                "padding)",
            )


class ReversibleEmbedding(Embedding):
    """An embedding that also goes back: from vectors to scores of rows (Press and Wolf, 2016).

    Args:
        input_dim: This, and the arguments not named here, are those of `Embedding`.
        tie_weights: Whether the way back uses the table itself, transposed, rather than a matrix
            of its own.
        reverse_dtype: The dtype that the way back is computed in.
        logit_soft_cap: Keep scores between minus this and this, by ``cap * tanh(x / cap)``.

    Call arguments:
        inputs: Numbers of rows; with ``reverse`` vectors, of shape (..., output_dim).
        reverse: Whether to go back, to shape (..., input_dim).

    >>> import numpy as np
    >>> layer = ReversibleEmbedding(10, 3)
    >>> layer(layer(np.array([[1, 2]])), reverse=True).shape
    (1, 2, 10)
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        embeddings_initializer: t.InitializerLike = "uniform",
        embeddings_regularizer: t.RegularizerLike = None,
        embeddings_constraint: t.ConstraintLike = None,
        mask_zero: bool = False,
        reverse_dtype: t.DTypeLike = None,
        logit_soft_cap: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer,
            embeddings_regularizer,
            embeddings_constraint,
            mask_zero,
            **kwargs,
        )
        self._given.setdefault("quantization_config", None)
        self.tie_weights = tie_weights
        self.reverse_dtype = reverse_dtype
        self.logit_soft_cap = logit_soft_cap

    def build(self, input_shape: t.Shape | None = None) -> None:
        super().build(input_shape)
        if not self.tie_weights:
            shape = (self.output_dim, self.input_dim)
            self.reverse_embeddings = self.weight(
                "reverse_embeddings", shape, self.embeddings_initializer
            )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        back = kwargs.get("reverse", len(args) > 1 and args[1])
        return (
            WeightedLayer.__call__(self, *args, **kwargs)
            if back
            else super().__call__(*args, **kwargs)
        )

    def call(self, inputs: t.Array, reverse: bool = False) -> t.Array:
        if not reverse:
            outputs = super().call(inputs)
            masking.set_mask(outputs, super().compute_mask(inputs))
            return outputs
        table = self.embeddings.value.T if self.tie_weights else self.reverse_embeddings.value
        if self.reverse_dtype is not None:
            inputs, table = inputs.astype(self.reverse_dtype), table.astype(self.reverse_dtype)
        scores = jnp.matmul(inputs, table)
        cap = self.logit_soft_cap
        return scores if cap is None else jnp.tanh(scores / cap) * cap

    def compute_mask(  # type: ignore[override]
        self, inputs: t.Array, mask: Any = None
    ) -> Any:
        return None  # the call sets it, on the way there only
