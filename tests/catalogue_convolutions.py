"""Rows of the catalogue: convolutions."""

from rows import LayerRow

CONVOLUTIONS: list[LayerRow] = []
