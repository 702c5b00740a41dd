"""Runs cells as a notebook does, and writes down what each one shows.

Called in a process of its own: ``python driver.py prelude cells.json shown.json``. After each cell
its probes, expressions by name, are evaluated in the cell's names.
"""

import ast
import contextlib
import io
import json
import sys
import traceback
from pathlib import Path
from typing import Any


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Run a cell; what its last line is worth, if that is an expression."""
    lines = [
        f"help({line[:-1]})" if line.endswith("?") and line[0] != "#" else line
        for line in source.splitlines()
    ]
    tree = ast.parse("\n".join(lines))
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), names)
    return eval(compile(ast.Expression(last.value), "<cell>", "eval"), names) if last else None


def main() -> None:
    prelude, cells, target = sys.argv[1:]
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(prelude, names)
    shown = {}
    for number, source, probes in json.loads(Path(cells).read_text()):
        printed, found = io.StringIO(), {}
        with contextlib.redirect_stdout(printed):
            try:
                found["value"] = repr(run_cell(source, names))
            except Exception:
                found["error"] = traceback.format_exc()
        for name, expression in probes.items() if "error" not in found else ():
            found[name] = eval(expression, names)
        shown[number] = {"printed": printed.getvalue(), **found}
    Path(target).write_text(json.dumps(shown))


if __name__ == "__main__":
    main()
