"""The explorer: a model as one HTML file to look around in."""

from lamina.view.explorer.page import explore, page

__all__ = ["explore", "page"]
