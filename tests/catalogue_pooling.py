"""Rows of the catalogue: pooling."""

from rows import LayerRow

POOLING: list[LayerRow] = []
