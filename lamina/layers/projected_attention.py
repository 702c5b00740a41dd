"""What attention with projections of query, key and value has in common."""

import string
from typing import Any

import jax.numpy as jnp

from lamina import ops, regularizers
from lamina.core import masking
from lamina.core import types as t
from lamina.core.dtypes import DTypePolicy
from lamina.core.errors import ArgumentError, ShapeError
from lamina.core.registry import plain
from lamina.core.settings import settings
from lamina.layers.activation_layers import Softmax
from lamina.layers.arguments import known_size
from lamina.layers.attention import agree, rate
from lamina.layers.einsum_dense import EinsumDense
from lamina.layers.regularization import Dropout
from lamina.layers.weighted import WeightedLayer


class ProjectedAttention(WeightedLayer):
    """What the two layers below share: projections, masks, and the two ways to attend.

    Without dropout and without scores asked for, sequences go through `ops.dot_product_attention`;
    otherwise the scores are computed one by one, as they are for attention over other axes.

    The methods that begin with ``_compute`` and ``_build_attention`` are what subclasses change;
    they, and the layers inside, have the names that Keras gives them.
    """

    supports_masking = True
    stored: str
    """The constructor's arguments that a config has, in Keras's order."""
    use_gate: bool
    use_bias: bool
    _query_heads: int
    _key_heads: int
    _depth: int
    _width: int
    _axes: tuple[int, ...] | None = None
    _output_shape: tuple[int, ...] | None = None

    def _set_options(
        self,
        dropout: float,
        sliding_window: int | None,
        flash_attention: bool | None,
        activity_regularizer: t.RegularizerLike,
        seed: int | None,
    ) -> None:
        """Check and keep the arguments that both layers have, rules of weights apart."""
        self._given.pop("flash_attention", None)
        for name in self.stored.split():
            if name in self._given:
                self._given[name] = self._given.pop(name)
        self.dropout = rate(self, dropout)
        self.sliding_window = sliding_window
        if sliding_window is not None:
            self.sliding_window = count(self, "sliding_window", sliding_window)
        self._flash_attention = flash_attention or settings.flash_attention
        if self._flash_attention and dropout > 0:
            raise ArgumentError(
                "Dropout is not supported when flash attention is enabled.",
                met=f"{type(self).__name__} with dropout={dropout}",
                fix="set dropout=0, or flash_attention=False",
            )
        self._activity_regularizer = regularizers.get(activity_regularizer)
        self.seed = seed

    @property
    def dtype_policy(self) -> DTypePolicy:
        """Which dtypes the layer, and the projections in it, store and compute in."""
        return self._lamina.policy

    @dtype_policy.setter
    def dtype_policy(self, value: t.DTypePolicyLike) -> None:
        WeightedLayer.dtype_policy.__set__(self, value)
        for layer in self._sublayers():
            layer.dtype_policy = value

    def get_config(self) -> t.Config:
        config = super().get_config()
        special = {
            "output_shape": self._output_shape,
            "activity_regularizer": plain(self._activity_regularizer),
        }
        config |= {name: value for name, value in special.items() if name in self._given}
        own = {name: config.pop(name) for name in self.stored.split() if name in config}
        return {**config, **own}

    # --- building -------------------------------------------------------------------------------

    def build(  # type: ignore[override]
        self, query_shape: t.Shape, value_shape: t.Shape, key_shape: t.Shape | None = None
    ) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        self._check_shapes(query_shape, value_shape, key_shape)
        self._query_dense = self._project("query", query_shape, self._query_heads, self._depth)
        self._key_dense = self._project("key", key_shape, self._key_heads, self._depth)
        if self.use_gate:
            heads = self._query_heads
            self._gate_dense = self._project("gate", query_shape, heads, self._width, "sigmoid")
        self._value_dense = self._project("value", value_shape, self._key_heads, self._width)
        self._build_attention(len(query_shape) + 1)
        self._output_dense = self._join(query_shape)

    def _project(
        self, name: str, shape: t.Shape, heads: int, size: int, activation: Any = None
    ) -> EinsumDense:
        """A dense layer from the last axis to (heads, size)."""
        free, features = len(shape) - 1, known_size(self, shape)
        letters = string.ascii_lowercase
        kept, last, outputs = letters[:free], letters[free], letters[free + 1 : free + 3]
        dense = EinsumDense(
            f"{kept}{last},{last}{outputs}->{kept}{outputs}",
            (*[None] * (free - 1), heads, size),
            activation,
            outputs if self.use_bias else None,
            name=name,
            **self._rules(),
        )
        dense.build((*shape[:-1], features))
        return dense

    def _join(self, query_shape: t.Shape) -> EinsumDense:
        """A dense layer from (heads, width) to the output's axes."""
        sizes = self._output_shape or (known_size(self, query_shape),)
        free, letters = len(query_shape) - 1, string.ascii_lowercase
        kept, joined = letters[:free], letters[free : free + 2]
        outputs = letters[free + 2 : free + 2 + len(sizes)]
        dense = EinsumDense(
            f"{kept}{joined},{joined}{outputs}->{kept}{outputs}",
            (*[None] * (free - 1), *sizes),
            bias_axes=outputs if self.use_bias else None,
            name="attention_output",
            **self._rules(),
        )
        dense.build((*query_shape[:-1], self._query_heads, self._width))
        return dense

    def _rules(self) -> dict[str, Any]:
        kinds = ("initializer", "regularizer", "constraint")
        names = [f"{weight}_{kind}" for weight in ("kernel", "bias") for kind in kinds]
        rules = {name: getattr(self, name) for name in names}
        regularizer = self._activity_regularizer
        return {**rules, "activity_regularizer": regularizer, "dtype": self.dtype_policy}

    def _build_attention(self, rank: int) -> None:
        """Fix the axes that attend; ``rank`` is that of the projected arrays."""
        axes = tuple(range(1, rank - 2)) if self._axes is None else self._axes
        self._axes = tuple(axis + rank - 1 if axis < 0 else axis for axis in axes)
        if len({*self._axes}) < len(axes) or not all(0 <= axis < rank - 2 for axis in self._axes):
            raise ShapeError(
                f"{self._who()} cannot be built.",
                met=f"attention_axes {tuple(axes)}, query of {rank - 1} axes",
                rule="attention_axes are different axes of the query, without its last",
            )
        equations = _equations(rank, self._axes)
        self._dot_product_equation, self._combine_equation = equations
        scores = len(self._dot_product_equation.partition("->")[2])
        ends = tuple(range(scores - len(self._axes), scores))
        self._softmax = Softmax(axis=ends, dtype=self.dtype_policy)
        self._dropout_layer = Dropout(self.dropout, dtype=self.dtype_policy, seed=self.seed)
        self._softmax.built = self._dropout_layer.built = True  # some calls do without them

    def _check_shapes(self, query: t.Shape, value: t.Shape, key: t.Shape) -> None:
        rule = ""
        if len(value) != len(key) or not agree(value[1:-1], key[1:-1]):
            rule = "the sizes of value and key, without batch and features, must be equal"
        elif len(query) != len(value) or len(query) < 3:
            rule = "query and value have the same number of axes, 3 or more: (batch, length, "
            rule += "features)"
        if rule:
            raise ShapeError(
                f"{self._who()} cannot be called.",
                met=f"query {tuple(query)}, value {tuple(value)}, key {tuple(key)}",
                rule=rule,
            )

    # --- calling --------------------------------------------------------------------------------

    def call(
        self,
        query: t.Array,
        value: t.Array,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        key = value if key is None else key
        self._check_shapes(query.shape, value.shape, key.shape)
        given = [(x, masking.get_mask(x)) for x in (query, value, key)]
        for x, _ in given:
            masking.set_mask(x, None)  # used up here: the projections do not know of masks
        masks = (query_mask, value_mask, key_mask, attention_mask, self.sliding_window)
        own = getattr(type(self)._compute_attention, "own", False)
        more: dict[str, Any] = {"return_attention_scores": True} if return_attention_scores else {}
        if use_causal_mask and own and all(mask is None for mask in masks):
            more["use_causal_mask"] = True
        else:
            attention_mask = self._compute_attention_mask(
                query, value, query_mask, value_mask, key_mask, attention_mask, use_causal_mask
            )
        gate = self._gate_dense(query) if self.use_gate else None
        query, key, value = self._query_dense(query), self._key_dense(key), self._value_dense(value)
        if not own:
            key, value = self._repeated(key), self._repeated(value)
        output, scores = self._compute_attention(
            query, key, value, attention_mask, training, **more
        )
        output = self._output_dense(output if gate is None else output * gate)
        self._hand_on(output, query_mask, given)
        return (output, scores) if return_attention_scores else output

    def _hand_on(self, output: t.Array, mask: Any, given: list[tuple[t.Array, Any]]) -> None:
        """Leave masks as the layers behind are to find them."""
        for x, own in given:
            masking.set_mask(x, own)

    def _compute_attention_mask(
        self,
        query: t.Array,
        value: t.Array,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """All masks as one of shape (batch, length, positions), or what broadcasts to it."""
        masks = [None if query_mask is None else jnp.asarray(query_mask, bool)[..., None]]
        for mask in (value_mask, key_mask):
            masks.append(None if mask is None else jnp.asarray(mask, bool)[..., None, :])
        masks.append(self._compute_causal_mask(query, value) if use_causal_mask else None)
        masks.append(
            None if self.sliding_window is None else _near(query, value, self.sliding_window)
        )
        found = None
        for mask in masks:
            if mask is not None:
                found = mask if found is None else found & mask
        if attention_mask is None:
            return found
        attention_mask = jnp.asarray(attention_mask, bool)
        if found is None:
            return attention_mask
        lacking = attention_mask.ndim - found.ndim  # the axes of heads, after the batch
        return jnp.expand_dims(found, tuple(range(1, 1 + lacking))) & attention_mask

    def _compute_causal_mask(self, query: t.Array, value: Any = None) -> t.Array:
        """True where the position of the value is not after the query's: (1, length, positions)."""
        positions = query.shape[1] if value is None else value.shape[1]
        return jnp.tri(query.shape[1], positions, dtype=bool)[None]

    def _compute_attention(
        self,
        query: t.Array,
        key: t.Array,
        value: t.Array,
        attention_mask: Any = None,
        training: bool | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> tuple[t.Array, Any]:
        """Outputs of the heads, and their shares of attention, or None.

        Args:
            query, key, value: Projected: (batch, ..., heads, size).
        """
        query, key, value = jnp.asarray(query), jnp.asarray(key), jnp.asarray(value)
        if self._flash_attention and return_attention_scores:
            raise ArgumentError(
                "Returning attention scores is not supported when flash attention is enabled. "
                "Please disable flash attention to access attention scores.",
                met=f"{self._who()} with return_attention_scores=True",
            )
        if self.dropout == 0 and not return_attention_scores and query.ndim == 4:
            sizes = (query.shape[0], query.shape[2], query.shape[1], key.shape[1])
            output = ops.dot_product_attention(
                query,
                key,
                value,
                mask=self._with_heads(attention_mask, sizes),
                scale=self._depth**-0.5,
                is_causal=use_causal_mask,
                flash_attention=self._flash_attention,
            )
            return output, None
        if use_causal_mask:
            causal = self._compute_causal_mask(query, value)
            known = attention_mask is None
            attention_mask = causal if known else jnp.asarray(attention_mask, bool) & causal
        key, value = self._repeated(key), self._repeated(value)
        query = query * jnp.asarray(self._depth**-0.5, query.dtype)
        scores = jnp.einsum(self._dot_product_equation, key, query)
        scores = self._masked_softmax(scores, attention_mask)
        shares = self._dropout_layer(scores, training=training) if self.dropout > 0 else scores
        return jnp.einsum(self._combine_equation, shares, value), scores

    _compute_attention.own = True  # type: ignore[attr-defined]

    def _masked_softmax(self, attention_scores: t.Array, attention_mask: Any = None) -> t.Array:
        mask = self._with_heads(attention_mask, attention_scores.shape)
        return self._softmax(attention_scores, mask=mask)

    def _with_heads(self, mask: Any, sizes: t.Shape) -> Any:
        """A mask with axes of size 1 for the heads, and for what else it lacks of the scores'."""
        if mask is None:
            return None
        mask = jnp.asarray(mask, bool)
        shape, place = mask.shape, -2 * len(self._axes or ()) - 1
        while mask.ndim < len(sizes):
            mask = jnp.expand_dims(mask, max(place, -mask.ndim - 1))
        pairs = zip(mask.shape, sizes, strict=False)
        if mask.ndim > len(sizes) or any(size not in (1, whole) for size, whole in pairs):
            raise ShapeError(
                f"{self._who()} cannot use these masks.",
                met=f"masks that give the shape {shape}, scores of shape {tuple(sizes)}",
                rule="attention_mask is (batch, length, positions), query_mask (batch, length), "
                "value_mask and key_mask (batch, positions)",
            )
        return mask

    def _repeated(self, x: t.Array) -> t.Array:
        """Keys or values with each head as often as it has heads of the query."""
        repeats = self._query_heads // x.shape[-2]
        return x if repeats == 1 else jnp.repeat(x, repeats, axis=-2)


def count(layer: Any, name: str, value: Any) -> int:
    """``value`` if it is an int of 1 or more."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise ArgumentError(
        f"{type(layer).__name__} needs a positive int for the argument `{name}`.",
        met=f"{name}={value!r}",
    )


def _near(query: t.Array, value: t.Array, window: int) -> t.Array:
    """True where two positions are less than ``window`` apart: (1, length, positions)."""
    rows, columns = jnp.arange(query.shape[1]), jnp.arange(value.shape[1])
    return (jnp.abs(rows[:, None] - columns) < window)[None]


def axes_or_sizes(layer: Any, name: str, value: Any) -> tuple[int, ...] | None:
    """An argument that is an int, several of them, or None, as a tuple."""
    if value is None:
        return None
    many = (value,) if isinstance(value, int) else value
    if isinstance(many, (list, tuple)) and all(isinstance(each, int) for each in many):
        return tuple(many)
    raise ArgumentError(
        f"Invalid `{name}` of {type(layer).__name__}: {value!r}.", rule="it is an int, or several"
    )


def _equations(rank: int, axes: tuple[int, ...]) -> tuple[str, str]:
    """Einsum equations of keys with queries to scores, and of scores with values to outputs.

    Scores have the axes that do not attend, heads among them, then the query's, then the key's.

    >>> _equations(4, (1,))
    ('aecd,abcd->acbe', 'acbe,aecd->abcd')
    """
    query = string.ascii_lowercase[:rank]
    fresh = iter(string.ascii_lowercase[rank:])
    key = "".join(next(fresh) if i in axes else query[i] for i in range(rank))
    kept = [query[i] for i in range(rank - 1) if i not in axes]
    scores = "".join(kept + [query[i] for i in axes] + [key[i] for i in axes])
    return f"{key},{query}->{scores}", f"{scores},{key}->{query}"
