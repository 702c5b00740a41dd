"""A function applied step by step, or to all steps at once, with what layers inside it write."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core import binding
from lamina.core.layer import Layer


def scan(
    step: Callable[[Any, Any], tuple[Any, Any]],
    layer: Any,
    carry: Any,
    xs: Any,
    reverse: bool = False,
    unroll: bool = False,
) -> tuple[Any, Any]:
    """`jax.lax.scan`, in which ``layer`` may write its variables and add losses.

    What it writes in one step the next one reads; losses are summed over the steps.

    Args:
        step: ``(carry, x) -> (carry, y)``.
        layer: Whose non-trainable variables may be written; not a layer if nothing is.
        unroll: Whether to compile the steps one by one.

    >>> total, partial = scan(lambda c, x: (c + x, c + x), None, jnp.zeros(()), jnp.arange(3.0))
    >>> total, partial
    (Array(3., dtype=float32), Array([0., 1., 3.], dtype=float32))
    """
    variables = layer.non_trainable_variables if isinstance(layer, Layer) else []
    owners: list[Any] = []

    def pure(both: Any, x: Any) -> Any:
        values, carry = both
        with binding.bind(dict(zip(variables, values, strict=True))) as trace:
            trace.captures = None
            carry, y = step(carry, x)
        owners[:] = [owner for owner, _ in trace.losses]
        losses = [value for _, value in trace.losses]
        return ([trace.values[v] for v in variables], carry), (y, losses)

    start = ([binding.read(v) for v in variables], carry)
    (values, carry), (ys, losses) = jax.lax.scan(
        pure, start, xs, reverse=reverse, unroll=True if unroll else 1
    )
    for variable, value in zip(variables, values, strict=True):
        binding.write(variable, value)
    _add_losses(owners, losses)
    return carry, ys


def _add_losses(owners: list[Any], losses: list[Any]) -> None:
    """Add losses of all steps, summed, to those of the computation around."""
    frame = binding.current()
    if frame is not None:
        frame.trace.losses += [(o, jnp.sum(each)) for o, each in zip(owners, losses, strict=True)]


def at_all_steps(step: Callable[..., Any], layer: Layer, inputs: tuple[Any, ...]) -> Any:
    """``step(*inputs)`` of each index of the inputs' axis 1, stacked there.

    One computation for all steps when ``layer`` has nothing that a step could write; else one step
    after the other.
    """
    if layer.non_trainable_variables:
        xs = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), inputs)
        _, ys = scan(lambda carry, x: (carry, step(*x)), layer, None, xs)
        return jax.tree.map(lambda y: jnp.swapaxes(y, 0, 1), ys)
    owners: list[Any] = []

    def pure(*inputs: Any) -> Any:
        with binding.bind() as trace:
            trace.captures = None
            outputs = step(*inputs)
        owners[:] = [owner for owner, _ in trace.losses]
        return outputs, [value for _, value in trace.losses]

    outputs, losses = jax.vmap(pure, in_axes=1, out_axes=(1, 0))(*inputs)
    _add_losses(owners, losses)
    return outputs
