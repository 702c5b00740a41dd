"""`rearrange`: axes by name."""

import math
import re
from itertools import chain

import jax.numpy as jnp

from lamina.core.errors import ArgumentError, ShapeError
from lamina.core.symbolic import SymbolicTensor
from lamina.core.types import Array, ArrayLike, Shape
from lamina.ops._rules import array_op

Groups = list[list[str]]


def _sides(pattern: str) -> tuple[Groups, Groups]:
    """The names of both sides of a pattern, those in one axis together.

    >>> _sides("b (h w) -> b h w")
    ([['b'], ['h', 'w']], [['b'], ['h'], ['w']])
    """
    sides = pattern.split("->")
    read = [[part.strip("()").split() for part in re.findall(r"\([^()]*\)|\w+", side)]
            for side in sides]  # fmt: skip
    names = [sorted(chain(*groups)) for groups in read]
    clean = not re.search(r"[^\w\s()]", "".join(sides))
    if len(sides) != 2 or not clean or names[0] != names[1] or len(set(names[0])) < len(names[0]):
        raise ArgumentError(
            f"ops.rearrange cannot read the pattern {pattern!r}.",
            rule="names of axes, '->', and the same names again, each once on each side; "
            "parentheses put several into one axis",
        )
    return read[0], read[1]


def _sizes(pattern: str, groups: Groups, shape: Shape, known: dict[str, int]) -> dict[str, int]:
    """The size of each name; -1 for those that come from an unknown size."""
    if len(groups) != len(shape):
        raise ShapeError(
            f"ops.rearrange: the pattern {pattern!r} does not fit the array.",
            met=f"shape {shape}",
            rule="one name, or one group of names, for each axis",
        )
    sizes = dict(known)
    for names, size in zip(groups, shape, strict=True):
        free = [name for name in names if name not in known]
        product = math.prod(known.get(name, 1) for name in names)
        if len(free) > 1 or size is not None and (size % product or not free and size != product):
            raise ShapeError(
                f"ops.rearrange: the axis ({' '.join(names)}) of {pattern!r} cannot be divided.",
                met=f"size {size}, {known}",
                rule="the sizes of all names in a group but one are given, and divide the axis",
            )
        sizes.update({name: -1 if size is None else size // product for name in free})
    return sizes


def _rearranged(tensor: SymbolicTensor, pattern: str, **axes_lengths: int) -> SymbolicTensor:
    before, after = _sides(pattern)
    sizes = _sizes(pattern, before, tensor.shape, axes_lengths)
    products = [math.prod(sizes[name] for name in names) for names in after]
    known = [-1 not in (sizes[name] for name in names) for names in after]
    shape = [n if sure else None for n, sure in zip(products, known, strict=True)]
    return SymbolicTensor(shape, tensor.dtype)


@array_op(shape=_rearranged)
def rearrange(tensor: ArrayLike, pattern: str, **axes_lengths: int) -> Array:
    """The elements along other axes, which a pattern names (Rogozhnikov, "Einops", 2022).

    Args:
        pattern: Names of the axes before and after; names in parentheses share an axis, the last
            of them running fastest.
        axes_lengths: Sizes of names in parentheses; one of each group follows.

    >>> rearrange(jnp.zeros((2, 6, 4)), "b (h k) w -> b k (h w)", k=3).shape
    (2, 3, 8)
    """
    x = jnp.asarray(tensor)
    before, after = _sides(pattern)
    sizes = _sizes(pattern, before, x.shape, axes_lengths)
    names = list(chain(*before))
    x = x.reshape([sizes[name] for name in names])
    x = x.transpose([names.index(name) for name in chain(*after)])
    return x.reshape([math.prod(sizes[name] for name in group) for group in after])
