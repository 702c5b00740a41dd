"""Compare the signatures of Lamina with those of Keras, and write docs/compatibility.md.

    python tools/keras_signatures.py                    # writes docs/compatibility.md
    python tools/keras_signatures.py --facts FILE       # with facts from a new listing of Keras

The facts are in tests/keras_signatures.json: for each public name its parameters, and for classes
their public members. A parameter is written as in Python: `axis=-1`.
"""

import argparse
import functools
import importlib
import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FACTS = ROOT / "tests" / "keras_signatures.json"
PAGE = ROOT / "docs" / "compatibility.md"
ROOMS = [
    "keras",
    *(
        f"keras.{room}"
        for room in (
            "layers ops random tree activations initializers regularizers constraints "
            "dtype_policies"
        ).split()
    ),
]
MARKS = {"positional_or_keyword": "", "keyword_only": "", "var_positional": "*",
         "var_keyword": "**"}  # fmt: skip
ABSENT = frozenset(
    """
    lora_rank lora_alpha enable_lora lora_enabled quantize quantized_build quantized_call
    quantization_mode variable_serialization_spec gptq_unpacked_column_size
    get_quantization_layer_structure add_metric record_history rematerialized_call inner_loop
    get_dropout_mask get_recurrent_dropout_mask reset_dropout_mask reset_recurrent_dropout_mask
    """.split()
)
"""Left out on purpose: adapters and quantization are transformations of a layer, in Lamina; a
method that only raises; and what Keras's own machinery calls."""
OF_EACH_LAYER = frozenset(["name", "dtype", "trainable", "autocast", "activity_regularizer"])
"""Parameters that every layer takes, whether its own constructor names them or not."""


def written(parameters: list[list[str]]) -> list[str]:
    """Parameters as text: ``["x", "axis=-1", "**kwargs"]``."""
    return [MARKS[kind] + "=".join([name, *default]) for name, kind, *default in parameters]


def take_facts(listing: Path) -> None:
    """Write the facts about the rooms compared from a listing of Keras's whole interface."""
    modules = json.loads(listing.read_text(encoding="utf-8"))["modules"]
    facts: dict[str, dict[str, Any]] = {}
    for room in ROOMS:
        facts[room] = {}
        for name, thing in modules[room].items():
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
        name, here = parameter.split("=")[0], named.get(parameter.split("=")[0])
        if here is None:
            found += [] if rest and name in OF_EACH_LAYER else [f"{parameter} is missing"]
        elif "=" in parameter and not alike(parameter, here):
            found.append(f"{parameter} is {here}")
    order = [p.split("=")[0] for p in wanted if p.split("=")[0] in named]
    if order != [name for name in named if name in order]:
        found.append(f"the order is {', '.join(named)}")
    return found


def alike(theirs: str, mine: str) -> bool:
    """Whether two defaults are the same; a number stands for itself along each axis.

    >>> alike("strides=(1, 1)", "strides=1")
    True
    """
    numbers = set(re.findall(r"\d+", theirs.partition("=")[2]))
    along = "=(" in theirs and numbers == {mine.partition("=")[2]}
    return theirs == mine or along


def members_missing(theirs: list[str], thing: Any) -> list[str]:
    """Public members of Keras's class that ours has neither itself nor in its instances."""
    source = "".join(_source(base.__module__) for base in thing.__mro__)
    lacking = [n for n in theirs if n not in ABSENT and not hasattr(thing, n)]
    return [f".{n} is missing" for n in lacking if f"self.{n}" not in source]


@functools.cache
def _source(module: str) -> str:
    return inspect.getsource(sys.modules[module]) if module.startswith("lamina") else ""


def compared(rooms: list[str] = ROOMS) -> dict[str, dict[str, list[str] | None]]:
    """For each room and name of Keras what differs; None where the name is missing."""
    facts = json.loads(FACTS.read_text(encoding="utf-8"))
    result: dict[str, dict[str, list[str] | None]] = {}
    for room in rooms:
        names = facts[room]
        module = importlib.import_module(room.replace("keras", "lamina", 1))
        result[room] = {}
        for name, entry in names.items():
            thing = getattr(module, name, None)
            found = None if thing is None else differences(entry["takes"], ours(thing))
            if found is not None and inspect.isclass(thing):
                found += members_missing(entry.get("members", []), thing)
            result[room][name] = found
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
