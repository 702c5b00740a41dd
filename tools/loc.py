"""Count the code lines of each room of Lamina, and hold them under a ceiling.

A code line is one that is not blank, not a comment alone and not part of a docstring. Tokens per
line are printed beside it, because a room does not get smaller by packing its lines.

    python tools/loc.py            # exits 1 when a ceiling is passed
    python tools/loc.py --table    # a markdown table, for docs/design.md
"""

import argparse
import ast
import io
import sys
import tokenize
from dataclasses import dataclass, field
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "lamina"

CEILINGS = {
    "core": 4150,
    "distribution": 250,
    "datasets": 150,
    "preprocessing": 250,
    "ops": 3550,
    "ops/fast": 800,
    "initializers, regularizers, constraints, activations": 700,
    "losses, metrics, optimizers": 2750,
    "layers": 4050,
    "layers/preprocessing": 1300,
    "training, callbacks": 4750,
    "saving": 1075,
    "view": 4750,
    "export, quantizers": 600,
    "models": 1080,
    "applications, wrappers, distillation": 900,
    "compat": 1250,
    "face": 520,
}
"""Code lines a room may have. Raising one is a decision: docs/design.md says why."""

TOTAL = 28_250
CANARY = ("layers/dense.py", 45)
LONGEST = 500
LONG_FILES: frozenset[str] = frozenset()
"""Files that may pass 500 lines, docstrings included, because their one subject is that long."""

ROOM_OF = {name: room for room in CEILINGS for name in room.split(", ")}
NOT_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENCODING, tokenize.ENDMARKER,
}  # fmt: skip


@dataclass(frozen=True)
class File:
    path: str
    lines: int
    code: int
    tokens: int


@dataclass
class Room:
    files: list[File] = field(default_factory=list)

    @property
    def code(self) -> int:
        return sum(file.code for file in self.files)

    @property
    def tokens_per_line(self) -> float:
        return sum(file.tokens for file in self.files) / max(self.code, 1)

    @property
    def longest(self) -> File:
        return max(self.files, key=lambda file: file.lines)


def docstring_lines(tree: ast.Module) -> set[int]:
    """The numbers of the lines that hold strings standing alone as statements."""
    return {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


def measure(path: Path, root: Path) -> File:
    """Count the lines, the code lines and the tokens of one file."""
    text = path.read_text(encoding="utf-8")
    prose = docstring_lines(ast.parse(text))
    code: set[int] = set()
    tokens = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in NOT_CODE or token.start[0] in prose:
            continue
        tokens += 1
        code.update(range(token.start[0], token.end[0] + 1))
    return File(path.relative_to(root).as_posix(), len(text.splitlines()), len(code), tokens)


def room_of(path: str) -> str:
    """The room that a file belongs to: the longest folder or module name with a ceiling.

    A module at the top that is no room of its own is part of the face.
    """
    parts = path.removesuffix(".py").split("/")
    for depth in (2, 1):
        if room := ROOM_OF.get("/".join(parts[:depth])):
            return room
    if len(parts) == 1:
        return "face"
    raise SystemExit(f"lamina/{parts[0]}/ has no ceiling in tools/loc.py: give it one.")


def measure_rooms(root: Path) -> dict[str, Room]:
    """Every room that has files, in the order of the table of ceilings."""
    rooms = {name: Room() for name in CEILINGS}
    for path in sorted(root.rglob("*.py")):
        file = measure(path, root)
        rooms[room_of(file.path)].files.append(file)
    return {name: room for name, room in rooms.items() if room.files}


def complaints(rooms: dict[str, Room]) -> list[str]:
    """What is larger than it may be, one sentence each."""
    found = [
        f"{name}: {room.code} code lines, and the ceiling is {CEILINGS[name]}."
        for name, room in rooms.items()
        if room.code > CEILINGS[name]
    ]
    total = sum(room.code for room in rooms.values())
    if total > TOTAL:
        found.append(f"In all: {total} code lines, and the ceiling is {TOTAL}.")
    for file in (file for room in rooms.values() for file in room.files):
        if file.path == CANARY[0] and file.code > CANARY[1]:
            found.append(f"{file.path}: {file.code} code lines; it may have {CANARY[1]}.")
        if file.lines > LONGEST and file.path not in LONG_FILES:
            found.append(f"{file.path}: {file.lines} lines; has it one subject?")
    return found


def table(rooms: dict[str, Room]) -> str:
    """The sizes as a markdown table."""
    rows = [
        "| room | files | code lines | ceiling | tokens a line | longest file (lines) |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for name, room in rooms.items():
        longest = f"`{room.longest.path}` ({room.longest.lines})"
        rows.append(
            f"| {name} | {len(room.files)} | {room.code:,} | {CEILINGS[name]:,} "
            f"| {room.tokens_per_line:.1f} | {longest} |"
        )
    whole = Room([file for room in rooms.values() for file in room.files])
    longest = f"`{whole.longest.path}` ({whole.longest.lines})"
    rows.append(
        f"| **in all** | {len(whole.files)} | {whole.code:,} | {TOTAL:,} "
        f"| {whole.tokens_per_line:.1f} | {longest} |"
    )
    return "\n".join(rows)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Count the code lines of each room.")
    parser.add_argument("--table", action="store_true", help="print a markdown table")
    options = parser.parse_args(arguments)
    rooms = measure_rooms(PACKAGE)
    whole = Room([file for room in rooms.values() for file in room.files])
    if options.table:
        print(table(rooms))
    else:
        print(f"{whole.code:,} code lines, {whole.tokens_per_line:.1f} tokens a line")
    found = complaints(rooms)
    print("\n".join(found), end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
