"""Attention of several heads, each with its own projections of query, key and value."""

from collections.abc import Sequence
from typing import Any

from lamina.core import masking
from lamina.core import types as t
from lamina.core.errors import ArgumentError
from lamina.layers.einsum_dense import EinsumDense
from lamina.layers.projected_attention import ProjectedAttention, axes_or_sizes, count


class MultiHeadAttention(ProjectedAttention):
    """Several heads of attention side by side (Vaswani et al., 2017, section 3.2.2).

    Query, key and value are projected for each head; ``softmax(query keyᵀ / sqrt(key_dim)) value``
    of all heads is projected to the output.

    Args:
        num_heads: How many heads.
        key_dim: A head's size of query and key.
        value_dim: A head's size of value; ``key_dim`` when left out.
        dropout: Rate at which shares of attention are dropped in training.
        use_bias: Whether projections have biases.
        output_shape: Sizes of the output's axes after the length; the query's features when left
            out.
        attention_axes: The axes that attend; all but batch and features when left out.
        sliding_window: How near positions must be to see each other: less than this apart.
        flash_attention: Whether to ask for cuDNN's fused kernel.
        kernel_initializer: This and the rules after it are those of each projection.
        use_gate: Whether the heads' outputs are multiplied by a sigmoid of a projected query.
        seed: For equal numbers of dropout in each run.

    Call arguments:
        query, value, key: Shapes (batch, length, features), (batch, positions, features),
            (batch, positions, features); the key is the value when left out.
        query_mask, value_mask, key_mask: Shapes (batch, length), (batch, positions), (batch,
            positions): what is padding. They are taken from the arrays where not given.
        attention_mask: Shape (batch, length, positions), or with heads after the batch: who may
            look at whom.
        return_attention_scores: Whether to return ``(output, shares)``, the second of shape
            (batch, heads, length, positions).
        use_causal_mask: Whether a position sees no later ones.

    >>> import numpy as np
    >>> layer = MultiHeadAttention(num_heads=2, key_dim=3)
    >>> layer(np.ones((1, 4, 5)), np.ones((1, 6, 7))).shape
    (1, 4, 5)
    """

    stored = """num_heads key_dim value_dim dropout use_bias use_gate output_shape attention_axes
        sliding_window kernel_initializer bias_initializer kernel_regularizer bias_regularizer
        activity_regularizer kernel_constraint bias_constraint seed"""

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: int | Sequence[int] | None = None,
        attention_axes: int | Sequence[int] | None = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: t.InitializerLike = "glorot_uniform",
        bias_initializer: t.InitializerLike = "zeros",
        kernel_regularizer: t.RegularizerLike = None,
        bias_regularizer: t.RegularizerLike = None,
        activity_regularizer: t.RegularizerLike = None,
        kernel_constraint: t.ConstraintLike = None,
        bias_constraint: t.ConstraintLike = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = count(self, "num_heads", num_heads)
        self.key_dim = count(self, "key_dim", key_dim)
        self.value_dim = self.key_dim if value_dim is None else count(self, "value_dim", value_dim)
        self.use_bias = use_bias
        self.use_gate = use_gate
        self._output_shape = axes_or_sizes(self, "output_shape", output_shape) or None
        self._axes = axes_or_sizes(self, "attention_axes", attention_axes)
        self._query_heads = self._key_heads = self.num_heads
        self._depth, self._width = self.key_dim, self.value_dim
        self._set_options(dropout, sliding_window, flash_attention, activity_regularizer, seed)
        self.set_rules("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self.set_rules("bias", bias_initializer, bias_regularizer, bias_constraint)

    @property
    def attention_axes(self) -> tuple[int, ...] | None:
        """The axes that attend: as given, and from the start once the layer is built."""
        return self._axes

    @property
    def query_dense(self) -> EinsumDense:
        """The projection of the query."""
        return self._query_dense

    @property
    def key_dense(self) -> EinsumDense:
        """The projection of the key."""
        return self._key_dense

    @property
    def value_dense(self) -> EinsumDense:
        """The projection of the value."""
        return self._value_dense

    @property
    def output_dense(self) -> EinsumDense:
        """The projection to the output."""
        return self._output_dense

    def _hand_on(self, output: t.Array, mask: Any, given: list[tuple[t.Array, Any]]) -> None:
        # As in Keras the inputs stay without masks, so that Add()([x, attention(x, x)]) has none.
        if mask is not None:
            masking.set_mask(output, mask)


class GroupedQueryAttention(ProjectedAttention):
    """Attention in which several heads of the query share one of key and value.

    Ainslie et al., 2023. With as many heads of both it is `MultiHeadAttention`, with one of key
    and value it is multi-query attention. Keys and values are not copied for their heads.

    Args:
        head_dim: Size of a head.
        num_query_heads: How many heads of the query.
        num_key_value_heads: How many of key and value; divides ``num_query_heads``.
        dropout: This and the other arguments, and those of a call, are as in `MultiHeadAttention`.

    >>> import numpy as np
    >>> layer = GroupedQueryAttention(head_dim=3, num_query_heads=4, num_key_value_heads=2)
    >>> layer(np.ones((1, 4, 5)), np.ones((1, 6, 5))).shape
    (1, 4, 5)
    """

    keras_class_name = "GroupQueryAttention"
    stored = """head_dim num_query_heads num_key_value_heads use_bias use_gate sliding_window
        dropout
        kernel_initializer bias_initializer kernel_regularizer bias_regularizer
        activity_regularizer kernel_constraint bias_constraint seed"""

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: t.InitializerLike = "glorot_uniform",
        bias_initializer: t.InitializerLike = "zeros",
        kernel_regularizer: t.RegularizerLike = None,
        bias_regularizer: t.RegularizerLike = None,
        activity_regularizer: t.RegularizerLike = None,
        kernel_constraint: t.ConstraintLike = None,
        bias_constraint: t.ConstraintLike = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.head_dim = count(self, "head_dim", head_dim)
        self.num_query_heads = count(self, "num_query_heads", num_query_heads)
        self.num_key_value_heads = count(self, "num_key_value_heads", num_key_value_heads)
        if num_query_heads % num_key_value_heads:
            raise ArgumentError(
                "`num_query_heads` must be divisible by `num_key_value_heads`.",
                met=f"{num_query_heads} and {num_key_value_heads}",
            )
        self._query_heads, self._key_heads = num_query_heads, num_key_value_heads
        self._depth = self._width = self.head_dim
        self.use_bias = use_bias
        self.use_gate = use_gate
        self._set_options(dropout, sliding_window, flash_attention, activity_regularizer, seed)
        self.set_rules("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self.set_rules("bias", bias_initializer, bias_regularizer, bias_constraint)


GroupQueryAttention = GroupedQueryAttention  # the public name in Keras
