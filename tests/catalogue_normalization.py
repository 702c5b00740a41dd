"""Rows of the catalogue: normalization."""

from rows import LayerRow

NORMALIZATION: list[LayerRow] = []
