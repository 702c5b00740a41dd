"""Masks: which positions of an array count. Who makes, passes and consumes them.

Inside a call a mask belongs to the trace in force, found by the identity of the array, which the
trace keeps alive. Between eager calls it belongs to the array, and dies with it.
"""

import weakref
from typing import Any

from lamina.core import binding, nest

_eager: dict[int, tuple[Any, Any]] = {}


def get_mask(x: Any) -> Any:
    """The mask of an array or symbolic tensor: booleans of its leading axes, or None.

    >>> import jax.numpy as jnp
    >>> x = jnp.zeros((2, 3, 4))
    >>> set_mask(x, jnp.ones((2, 3), bool)); get_mask(x).shape
    (2, 3)
    """
    if hasattr(x, "symbolic_mask"):
        return x.symbolic_mask
    frame, seen = binding.current(), None
    while frame is not None:
        if frame.trace is not seen:
            seen = frame.trace
            if id(x) in seen.masks:
                return seen.masks[id(x)][1]
        frame = frame.parent
    found = _eager.get(id(x)) if _eager else None
    return found[1] if found is not None and found[0]() is x else None


def set_mask(x: Any, mask: Any) -> None:
    """Attach a mask to an array or symbolic tensor; None takes it away."""
    if hasattr(x, "symbolic_mask"):
        x.symbolic_mask = mask
        return
    frame = binding.current()
    if frame is not None:
        frame.trace.masks[id(x)] = (x, mask)
    elif mask is None:
        _eager.pop(id(x), None)
    else:
        key = id(x)  # and `pop` by itself: when Python ends, `_eager` is None before the arrays go
        _eager[key] = (weakref.ref(x, lambda _, pop=_eager.pop: pop(key, None)), mask)


def active() -> bool:
    """Whether some array of an earlier eager call has a mask."""
    return bool(_eager)


def masks_of(inputs: Any) -> Any:
    """The masks of a nest of arrays, in its structure; None where there is none at all."""
    if not nest.is_nested(inputs):
        return get_mask(inputs)
    masks = nest.map_structure(get_mask, inputs)
    return masks if any(mask is not None for mask in nest.flatten(masks)) else None


def attach(outputs: Any, masks: Any) -> None:
    """Attach masks, computed for a nest of outputs, to its arrays."""
    leaves = nest.flatten(outputs)
    flat = nest.flatten(masks) if masks is not None else [None] * len(leaves)
    if len(flat) == 1 and len(leaves) > 1:
        flat = flat * len(leaves)
    for x, mask in zip(leaves, flat, strict=False):
        if mask is not None and x is not None:
            set_mask(x, mask)
