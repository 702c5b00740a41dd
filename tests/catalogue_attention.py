"""Rows of the catalogue: attention."""

from rows import LayerRow

ATTENTION: list[LayerRow] = []
