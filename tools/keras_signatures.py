"""Compare the signatures of Lamina with those of Keras, and write docs/compatibility.md.

    python tools/keras_signatures.py                    # writes docs/compatibility.md
    python tools/keras_signatures.py --facts FILE       # takes the facts anew from such a list

The facts are in tests/keras_signatures.json: for each public name its parameters, and for classes
their public members. A parameter is written as in Python, `axis=-1`; None: it has no signature.
"""

import argparse
import importlib
import inspect
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FACTS = ROOT / "tests" / "keras_signatures.json"
PAGE = ROOT / "docs" / "compatibility.md"
ROOMS = (
    "layers ops ops.image ops.linalg ops.nn ops.numpy random tree activations initializers "
    "regularizers constraints dtype_policies"
).split()
MARKS = {"positional_or_keyword": "", "keyword_only": "", "var_positional": "*",
         "var_keyword": "**"}  # fmt: skip
ABSENT = ("lora_rank", "lora_alpha")
"""Parameters that are none on purpose: adapters are transformations of a layer, in Lamina."""


def written(parameters: list[list[str]]) -> list[str]:
    """Parameters as text: ``["x", "axis=-1", "**kwargs"]``."""
    return [MARKS[kind] + "=".join([name, *default]) for name, kind, *default in parameters]


def take_facts(listing: Path) -> None:
    """Write the facts about the rooms compared from a listing of Keras's whole interface."""
    modules = json.loads(listing.read_text(encoding="utf-8"))["modules"]
    facts: dict[str, dict[str, Any]] = {}
    for room in ROOMS:
        facts[room] = {}
        for name, thing in modules[f"keras.{room}"].items():
            entry: dict[str, Any] = {"takes": written(thing.get("params", thing.get("init", [])))}
            if thing.get("members"):
                entry["members"] = sorted(thing["members"])
            facts[room][name] = entry
    lines = []
    for room, names in facts.items():
        rows = ",\n".join(f"  {json.dumps(n)}: {json.dumps(e)}" for n, e in names.items())
        lines.append(f" {json.dumps(room)}: {{\n{rows}\n }}")
    FACTS.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def ours(thing: Any) -> list[str]:
    """The parameters of a class or function of Lamina, as text."""
    parameters = inspect.signature(thing.__init__ if inspect.isclass(thing) else thing).parameters
    given = [p for p in parameters.values() if p.name != "self"]
    return written(
        [
            [p.name, p.kind.name.lower(), *([] if p.default is p.empty else [repr(p.default)])]
            for p in given
            if p.kind is not p.POSITIONAL_ONLY
        ]
    )


def differences(theirs: list[str], mine: list[str]) -> list[str]:
    """Parameters of Keras that are missing here, stand elsewhere, or have another default.

    >>> differences(["x", "axis=-1"], ["x", "axis=0"])
    ['axis=-1 is axis=0']
    """
    wanted = [p for p in theirs if p.split("=")[0] not in ABSENT and not p.startswith("*")]
    rest = any(p.startswith("**") for p in mine)
    named = {p.split("=")[0]: p for p in mine}
    found = []
    for parameter in wanted:
        here = named.get(parameter.split("=")[0])
        if here is None and not rest:
            found.append(f"{parameter} is missing")
        elif here not in (None, parameter):
            found.append(f"{parameter} is {here}")
    order = [p.split("=")[0] for p in wanted if p.split("=")[0] in named]
    if order != [name for name in named if name in order]:
        found.append(f"the order is {', '.join(named)}")
    return found


def compared() -> dict[str, dict[str, list[str] | None]]:
    """For each room and name of Keras what differs; None where the name is missing."""
    facts = json.loads(FACTS.read_text(encoding="utf-8"))
    result: dict[str, dict[str, list[str] | None]] = {}
    for room, names in facts.items():
        module = importlib.import_module(f"lamina.{room}")
        result[room] = {}
        for name, entry in names.items():
            thing = getattr(module, name, None)
            result[room][name] = None if thing is None else differences(entry["takes"], ours(thing))
    return result


def page() -> str:
    """The table of rooms and names, as markdown."""
    found = compared()
    lines = [
        "# Compatibility with Keras",
        "",
        "Public names of Keras 3.15.1, and whether their parameters, order and defaults are the",
        "same here. The page is written by `python tools/keras_signatures.py`.",
        "",
        "| room | names | same signature | other signature | missing |",
        "|---|---:|---:|---:|---:|",
    ]
    for room, names in found.items():
        missing = sum(value is None for value in names.values())
        other = sum(bool(value) for value in names.values())
        same = len(names) - missing - other
        lines.append(f"| `{room}` | {len(names)} | {same} | {other} | {missing} |")
    for room, names in found.items():
        odd = {name: value for name, value in names.items() if value is None or value}
        if odd:
            lines += ["", f"## {room}", "", "| name | |", "|---|---|"]
        for name, value in odd.items():
            said = "missing" if value is None else "; ".join(f"`{each}`" for each in value)
            lines.append(f"| `{name}` | {said} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page, after taking the facts anew where a listing is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facts", type=Path)
    listing = parser.parse_args().facts
    if listing:
        take_facts(listing)
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
