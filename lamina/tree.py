"""Nests of lists, tuples and dicts, under Keras's names."""

from lamina.core.nest import flatten, is_nested, map_structure
from lamina.core.nest import pack_like as pack_sequence_as

__all__ = ["flatten", "is_nested", "map_structure", "pack_sequence_as"]
