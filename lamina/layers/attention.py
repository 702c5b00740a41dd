"""Attention without projections: by dot products, and by sums (Luong; Bahdanau)."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core import random
from lamina.core import types as t
from lamina.core.errors import ArgumentError, ShapeError, describe_value, nearest
from lamina.core.layer import Layer
from lamina.layers.arguments import known_size

_MODES = ("dot", "concat")


class Attention(Layer):
    """``softmax(scores(query, key)) value``, with dot products as scores (Luong et al., 2015).

    Args:
        use_scale: Whether scores are multiplied by a trained number.
        score_mode: "dot" for ``query keyᵀ``; "concat" for ``sum(tanh(query + key))`` times a
            trained number.
        dropout: Rate at which shares of attention are dropped in training.
        seed: For equal numbers in each run.

    Call arguments:
        inputs: ``[query, value]`` or ``[query, value, key]``, of shapes (batch, length, features),
            (batch, positions, features), (batch, positions, features).
        mask: ``[query_mask, value_mask]`` of shapes (batch, length), (batch, positions): where the
            first is false the output is 0; what the second hides gets no attention.
        return_attention_scores: Whether to return ``(output, shares)``, the second of shape
            (batch, length, positions).
        use_causal_mask: Whether a position sees no later ones.

    >>> import numpy as np
    >>> query, value = np.float32([[[0, 9]]]), np.float32([[[0, 9], [9, 0]]])
    >>> Attention()([query, value]).round(3)
    Array([[[0., 9.]]], dtype=float32)
    """

    supports_masking = True
    scale: Any = None
    concat_score_weight: Any = None

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if score_mode not in _MODES:
            raise ArgumentError(
                "Invalid value for argument score_mode. Expected one of {'dot', 'concat'}, not "
                f"{score_mode!r}. {nearest(str(score_mode), _MODES)}".rstrip()
            )
        self.use_scale = use_scale
        self.score_mode = score_mode
        self.dropout = rate(self, dropout)
        self.seed = seed
        if dropout > 0:
            self.seed_generator = random.SeedGenerator(seed)

    def build(self, input_shape: Sequence[t.Shape]) -> None:
        self._check(input_shape)
        if self.use_scale:
            self.scale = self.add_weight((), "ones", name="scale")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight((), "ones", name="concat_score_weight")

    def call(
        self,
        inputs: list[t.Array],
        mask: Any = None,
        training: bool = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        self._check(inputs, mask)
        query, value, key = inputs[0], inputs[1], inputs[-1]
        query_mask, value_mask = (None, None) if mask is None else mask[:2]
        scores = self._calculate_scores(query, key)
        seen = self._calculate_score_mask(scores, value_mask, use_causal_mask)
        output, shares = self._apply_scores(scores, value, seen, training)
        if query_mask is not None:
            output = jnp.where(jnp.asarray(query_mask, bool)[..., None], output, 0)
        return (output, shares) if return_attention_scores else output

    def compute_mask(  # type: ignore[override]
        self, inputs: list[t.Array], mask: Any = None
    ) -> Any:
        self._check(inputs, mask)
        first = None if mask is None else mask[0]
        return None if first is None else jnp.asarray(first)

    # The three steps below are what subclasses change; they have the names that Keras gives them.

    def _calculate_scores(self, query: t.Array, key: t.Array) -> t.Array:
        """Scores of shape (..., length, positions)."""
        factor = 1 if self.scale is None else self.scale.value
        if self.score_mode == "dot":
            return jnp.matmul(query, jnp.swapaxes(key, -2, -1)) * factor
        sums = jnp.tanh(factor * (query[..., :, None, :] + key[..., None, :, :]))
        return self.concat_score_weight.value * jnp.sum(sums, -1)

    def _calculate_score_mask(self, scores: t.Array, v_mask: Any, use_causal_mask: bool) -> Any:
        """What a position may look at, in a shape that broadcasts to the scores'; None for all."""
        if not use_causal_mask:
            return v_mask
        causal = jnp.tri(*scores.shape[-2:], dtype=bool)[None]
        return causal if v_mask is None else jnp.asarray(v_mask, bool)[..., None, :] & causal

    def _apply_scores(
        self, scores: t.Array, value: t.Array, scores_mask: Any = None, training: bool = False
    ) -> tuple[t.Array, t.Array]:
        """The output, and each position's shares."""
        if scores_mask is not None:
            seen = jnp.asarray(scores_mask, bool)
            seen = seen[..., None, :] if seen.ndim < scores.ndim else seen
            hidden = scores - (65504.0 if scores.dtype == jnp.float16 else 1e9)
            scores = jnp.where(seen, scores, hidden)
        shares = jax.nn.softmax(scores, -1)
        if training and self.dropout > 0:
            shares = random.dropout(shares, self.dropout, seed=self.seed_generator)
        return jnp.matmul(shares, value), shares

    def _check(self, inputs: Any, mask: Any = None) -> None:
        """Raise where inputs, or their shapes, are not those of query, value and key."""
        if not isinstance(inputs, list) or (inputs and isinstance(inputs[0], int)):
            raise ArgumentError(
                f"{self._who()} must be called on a list: [query, value] or [query, value, key].",
                met=describe_value(inputs),
            )
        if mask is not None and not isinstance(mask, list):
            raise ArgumentError(
                f"{self._who()}: this layer mask must be a list, [query_mask, value_mask].",
                met=describe_value(mask),
            )
        for name, given in (("list", inputs), ("mask", mask)):
            if given is not None and len(given) not in (2, 3):
                raise ArgumentError(
                    f"{self._who()} takes a {name} of length 2 or 3, not {len(given)}.",
                    rule="it is for query and value, or for query, value and key",
                )
        self._check_shapes([tuple(getattr(x, "shape", x)) for x in inputs])

    def _check_shapes(self, shapes: list[t.Shape]) -> None:
        query, value, key = shapes[0], shapes[1], shapes[-1]
        ranks = {len(shape) for shape in shapes}
        if ranks == {len(query)} and len(query) >= 2:
            if agree(query[-1:], key[-1:]) and agree(value[-2:-1], key[-2:-1]):
                return
        raise ShapeError(
            f"{self._who()} cannot be called.",
            met=f"query {query}, value {value}" + (f", key {key}" if len(shapes) > 2 else ""),
            rule="query is (..., length, features), value (..., positions, any), key (which is "
            "value when left out) (..., positions, features)",
        )


class AdditiveAttention(Attention):
    """Attention by ``sum(scale * tanh(query + key))`` (Bahdanau et al., 2015).

    Args:
        use_scale: Whether to have a trained ``scale`` of shape (features,).
        dropout: As that of `Attention`, and so are the arguments of a call.

    >>> import numpy as np
    >>> AdditiveAttention()([np.ones((1, 2, 4)), np.ones((1, 3, 4))]).shape
    (1, 2, 4)
    """

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(use_scale=use_scale, dropout=dropout, **kwargs)
        self._given.setdefault("seed", None)

    def build(self, input_shape: Sequence[t.Shape]) -> None:
        self._check(input_shape)
        if self.use_scale:
            size = known_size(self, input_shape[0])
            self.scale = self.add_weight((size,), "glorot_uniform", name="scale")

    def _calculate_scores(self, query: t.Array, key: t.Array) -> t.Array:
        factor = 1 if self.scale is None else self.scale.value
        return jnp.sum(factor * jnp.tanh(query[..., :, None, :] + key[..., None, :, :]), -1)


def rate(layer: Layer, dropout: float) -> float:
    """A rate of dropout, if it is one."""
    if not 0 <= dropout <= 1:
        raise ArgumentError(
            f"{type(layer).__name__} needs a number from 0 to 1 as `dropout`.",
            met=f"dropout={dropout!r}",
        )
    return dropout


def agree(one: t.Shape, other: t.Shape) -> bool:
    """Whether two shapes may be the same, unknown sizes being any.

    >>> agree((None, 3), (2, 3)), agree((2,), (2, 2))
    (True, False)
    """
    if len(one) != len(other):
        return False
    return all(a is None or b is None or a == b for a, b in zip(one, other, strict=True))
