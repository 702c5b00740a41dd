"""Rows of the catalogue: recurrent."""

from rows import LayerRow

RECURRENT: list[LayerRow] = []
