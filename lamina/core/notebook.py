"""Whether a notebook shows what is printed."""

import sys


def in_notebook() -> bool:
    """Whether this runs in a notebook's kernel; IPython is not imported to find out."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"
