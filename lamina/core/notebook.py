"""Whether a notebook shows what is printed."""

import sys


def in_notebook() -> bool:
    """Whether this runs in a notebook's kernel; IPython is not imported to find out.

    Hosts of notebooks extend the shell of IPython's kernel.
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return any(cls.__name__ == "ZMQInteractiveShell" for cls in type(shell).__mro__)
