"""Rematerialised calls: activations are computed again in the backward pass, not kept."""

import contextlib
import contextvars
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax

from lamina.core import binding, masking, nest
from lamina.core.errors import unknown
from lamina.core.fingerprint import structure
from lamina.core.types import Nest

MODES = ("full", "activations", "larger_than", "list_of_layers", None)


class RematScope(contextlib.AbstractContextManager["RematScope"]):
    """Layers made inside the block do not keep their activations for the backward pass.

    Args:
        mode: "full" for every layer; "activations" keeps the results of matrix products and
            convolutions and recomputes the rest; "larger_than" for layers whose output has more
            than ``output_size_threshold`` elements; "list_of_layers" for those in ``layer_names``;
            None switches an outer scope off.
    """

    def __init__(
        self,
        mode: str | None = "full",
        output_size_threshold: int = 1024,
        layer_names: Sequence[str] | None = None,
    ) -> None:
        if mode not in MODES:
            raise unknown("remat mode", mode, [each for each in MODES if each])
        self.mode = mode
        self.output_size_threshold = output_size_threshold
        self.layer_names = tuple(layer_names or ())
        self._tokens: list[contextvars.Token[RematScope | None]] = []

    def __enter__(self) -> "RematScope":
        self._tokens.append(_scope.set(self))
        return self

    def __exit__(self, *exc: object) -> None:
        _scope.reset(self._tokens.pop())


_scope: contextvars.ContextVar[RematScope | None] = contextvars.ContextVar("remat", default=None)


def remat(f: Callable[..., Any]) -> Callable[..., Any]:
    """``f`` with its intermediate values recomputed in the backward pass.

    >>> float(jax.grad(remat(lambda x: x * x))(3.0))
    6.0
    """
    return jax.checkpoint(f)


def wrapper_in_scope() -> Callable[[Any, tuple[Any, ...], dict[str, Any]], Nest] | None:
    """How a layer made now calls itself; None when it is simply called."""
    scope = _scope.get()
    return None if scope is None or scope.mode is None else functools.partial(_call, scope)


def _call(scope: RematScope, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Nest:
    if scope.mode == "list_of_layers" and layer.name not in scope.layer_names:
        return layer.call(*args, **kwargs)
    if scope.mode == "larger_than" and not _large(layer, args, kwargs, scope):
        return layer.call(*args, **kwargs)
    policy = jax.checkpoint_policies.dots_saveable if scope.mode == "activations" else None
    return rematerialised(layer, layer.call, args, kwargs, policy)


def _large(layer: Any, args: Any, kwargs: Any, scope: RematScope) -> bool:
    outputs = jax.eval_shape(lambda: _pure(layer, layer.call, args, kwargs, None)[0])
    sizes = [math.prod(x.shape) for x in jax.tree.leaves(outputs)]
    return sum(sizes) > scope.output_size_threshold


def rematerialised(
    layer: Any,
    function: Callable[..., Nest],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    policy: Any = None,
) -> Nest:
    """Run ``function``, part of a layer's call, under `jax.checkpoint`, and keep its effects."""
    found = structure(layer)
    values = [binding.read(variable) for variable in found.variables]
    leaves, treedef = nest.flatten_with((args, kwargs))
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, jax.Array)]

    def pure(values: list[Any], arrays: list[Any]) -> Any:
        filled = list(leaves)
        for place, array in zip(places, arrays, strict=True):
            filled[place] = array
        inner_args, inner_kwargs = nest.unflatten(treedef, filled)
        return _pure(layer, function, inner_args, inner_kwargs, values)

    arrays = [leaves[place] for place in places]
    outputs, updates, losses, masks = jax.checkpoint(pure, policy=policy)(values, arrays)
    for index, array in updates.items():
        binding.write(found.variables[index], array)
    frame = binding.current()
    assert frame is not None
    for index, many in losses.items():
        frame.trace.losses += [(found.layers[index], value) for value in many]
    masking.attach(outputs, masks)
    return outputs


def _pure(layer: Any, function: Any, args: Any, kwargs: Any, values: list[Any] | None) -> Any:
    """A part of a call as a function of arrays: outputs, updates, losses, masks."""
    found = structure(layer)
    values = [binding.read(v) for v in found.variables] if values is None else values
    with binding.bind(dict(zip(found.variables, values, strict=True))) as trace:
        outputs = function(*args, **kwargs)
        masks = [masking.get_mask(x) for x in nest.flatten(outputs)]
    return binding.collected(found, trace, outputs, masks)
