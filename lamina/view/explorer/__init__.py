"""The explorer: a model as one HTML file to look around in."""

from lamina.view.explorer.page import explore, page
from lamina.view.explorer.stored import stored_graph

__all__ = ["explore", "page", "stored_graph"]
