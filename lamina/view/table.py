"""A table as text of any width, and as HTML for a notebook. No cell is ever cut, only folded."""

import itertools
import math
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any
from unicodedata import east_asian_width

import numpy as np

from lamina.core.errors import ArgumentError
from lamina.core.notebook import in_notebook

WORDS = (24, 12, 1)
"""Longest word that a column of text has room for; smaller ones are tried when there is no room."""
SPACE, MARK = re.compile(r" "), re.compile(r"(?<=[_,/.])")
"""Where a line is broken rather than within a word; spaces are better."""
HALF = "\0"
"""Stands after a character that is two columns wide, so that a length is a width; never printed."""


@dataclass(frozen=True)
class Table:
    """Head, body and lines below; a cell may have several lines.

    Attributes:
        right: Heads of columns of numbers: flush right, and not folded if it can be helped.
        stacks: Pairs of heads: where there is no room, the first column goes below the second, in
            the same cells.

    >>> print(Table("Ages", ["who", "age"], [["Ada", "36"]], ["1 row"], right={"age"}))
    Ages
    ┌─────┬─────┐
    │ who │ age │
    ├─────┼─────┤
    │ Ada │  36 │
    └─────┴─────┘
     1 row
    """

    title: str
    head: list[str]
    body: list[list[str]]
    notes: list[str] = field(default_factory=list)
    right: frozenset[str] | set[str] = frozenset()
    stacks: tuple[tuple[str, str], ...] = ()

    def text(self, width: int | None = None, positions: Sequence[float] | None = None) -> str:
        """Lines of at most ``width`` characters, or as wide as they need.

        Args:
            width: Characters of a line; at least about 4 for each column.
            positions: Where the columns end, as parts of the width (below or equal 1) or
                characters.
        """
        table = replace(self, head=_wide(self.head), body=[_wide(cells) for cells in self.body])
        if positions is not None:
            widths = _given(len(self.head), positions, width or 100)
        else:
            table, widths = table._fitted(10**6 if width is None else width)
        right = [name.split("\n")[0] in self.right for name in table.head]

        def rule(left: str, middle: str, end: str) -> str:
            return left + middle.join("─" * (width + 2) for width in widths) + end

        printed = []
        for cells in (table.head, *table.body):
            for parts in itertools.zip_longest(*map(fold, cells, widths), fillvalue=""):
                placed = zip(right, parts, widths, strict=True)
                aligned = (p.rjust(wide) if flush else p.ljust(wide) for flush, p, wide in placed)
                printed.append(f"│ {' │ '.join(aligned)} │".replace(HALF, ""))
            if cells is table.head:
                printed.append(rule("├", "┼", "┤"))
        notes = [f" {line}" for note in self.notes for line in fold(note, (width or 10_000) - 1)]
        title = fold(self.title, width or 10_000)
        return "\n".join([*title, rule("┌", "┬", "┐"), *printed, rule("└", "┴", "┘"), *notes])

    def _fitted(self, width: int) -> tuple["Table", list[int]]:
        """The table with as many columns as have room side by side, and their widths."""
        table, stacks, least = self, list(self.stacks), list[int]()
        for longest in WORDS:
            while True:
                least, room = table._least(longest), width - 3 * len(table.head) - 1
                if sum(least) <= room:
                    return table, table._widths(least, room)
                if not stacks:
                    break
                table = table._stacked(*stacks.pop(0))
        return table, least

    def _stacked(self, column: str, onto: str) -> "Table":
        """The table with one column below another; itself if it has not both."""
        heads = [name.split("\n")[0] for name in self.head]
        if column not in heads or onto not in heads:
            return self
        at, to = heads.index(column), heads.index(onto)

        def joined(cells: list[str]) -> list[str]:
            both = [*cells[:to], f"{cells[to]}\n{cells[at]}", *cells[to + 1 :]]
            return both[:at] + both[at + 1 :]

        return replace(self, head=joined(self.head), body=[joined(cells) for cells in self.body])

    def _least(self, longest: int) -> list[int]:
        """What each column needs, so that no number and no word up to ``longest`` is broken."""
        least = []
        for name, *cells in zip(self.head, *self.body, strict=True):
            text = " ".join((name, *cells))
            words = [part for word in text.split() for part in MARK.split(word)]
            need = min(max(map(len, words)), longest)
            if name.split("\n")[0] in self.right and longest > 1:
                need = max([need, *(len(line) for cell in cells for line in cell.split("\n"))])
            least.append(max(need, 1))
        return least

    def _widths(self, least: list[int], room: int) -> list[int]:
        """Widths of the columns, narrowed one by one where that costs the fewest lines."""
        columns = list(zip(self.head, *self.body, strict=True))
        lengths = [[[len(line) for line in cell.split("\n")] for cell in each] for each in columns]
        widths = [max(itertools.chain(*column)) for column in lengths]

        def lines(column: int, width: int) -> Any:
            return np.array([sum(-(-max(n, 1) // width) for n in cell) for cell in lengths[column]])

        tall = [lines(column, width) for column, width in enumerate(widths)]
        while sum(widths) > room:
            free = [i for i, width in enumerate(widths) if width > least[i]]
            narrower = {i: lines(i, widths[i] - 1) for i in free}
            rows = {i: np.maximum.reduce([*tall[:i], each, *tall[i + 1 :]]).sum()
                    for i, each in narrower.items()}  # fmt: skip
            chosen = min(free, key=lambda i: (rows[i], -widths[i]))
            widths[chosen], tall[chosen] = widths[chosen] - 1, narrower[chosen]
        return widths

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The same content; the notebook's own style."""
        sides = ["right" if name in self.right else "left" for name in self.head]

        def row(cells: list[str], tag: str) -> str:
            style = "white-space:pre-wrap;text-align"
            marked = (f'<{tag} style="{style}:{side}">{escape(cell)}</{tag}>'
                      for side, cell in zip(sides, cells, strict=True))  # fmt: skip
            return f"<tr>{''.join(marked)}</tr>"

        body = "\n".join(row(cells, "td") for cells in self.body)
        notes = "<br>".join(map(escape, self.notes))
        return (f"<p><b>{escape(self.title)}</b></p>\n<table><thead>{row(self.head, 'th')}</thead>"
                f"<tbody>\n{body}\n</tbody></table>\n<p>{notes}</p>")  # fmt: skip

    def show(
        self, width: int | None = None, positions: Sequence[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
    ) -> None:  # fmt: skip
        """Print: as wide as the terminal, in a notebook as HTML, and elsewhere as it needs."""
        if width is None and positions is None and print_fn is None:
            if sys.stdout.isatty():
                width = shutil.get_terminal_size().columns
            elif in_notebook():
                from IPython.display import display

                display(self)
                return
        (print_fn or _print)(self.text(width, positions))


def _wide(cells: list[str]) -> list[str]:
    return ["".join(c + HALF * (east_asian_width(c) in "WF") for c in cell) for cell in cells]


def fold(text: str, width: int) -> list[str]:
    """Lines of at most ``width`` characters: broken at spaces, else after punctuation, else within.

    >>> fold("(None, 112, 64)", 11), fold("stage2_block1", 10)
    (['(None, 112,', '64)'], ['stage2_', 'block1'])
    """
    lines = []
    for line in text.split("\n"):
        start = len(line) - len(line.lstrip(" └"))
        start = start if 2 * start < width else 0
        while len(line) > width:
            cut = _last(SPACE, line, start, width) or _last(MARK, line, width // 3, width) or width
            cut -= cut > 1 and line[cut] == HALF
            lines.append(line[:cut].rstrip())
            line = " " * start + line[cut:].lstrip(f" {HALF}")
        lines.append(line)
    return lines


def _last(pattern: re.Pattern[str], line: str, after: int, end: int) -> int:
    places = (found.start() for found in pattern.finditer(line))
    return max((place for place in places if after < place <= end), default=0)


def _given(count: int, positions: Sequence[float], total: int) -> list[int]:
    if len(positions) < count:
        raise ArgumentError(f"positions has {len(positions)} numbers for {count} columns.")
    ends = [round(p * total) if max(positions) <= 1 else int(p) for p in positions[:count]]
    return [max(1, end - start - 3) for start, end in itertools.pairwise([0, *ends])]


def _print(text: str) -> None:
    """Print in characters that standard output can write."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(str.maketrans("┌┬┐├┼┤└┴┘─│█▉▊▋▌▍▎▏×", "+++++++++-|####    x"))
        text = text.encode(encoding, "replace").decode(encoding)
    print(text)


# --- numbers in cells ---------------------------------------------------------------------------


def bytes_text(size: float) -> str:
    """Bytes in units of 1024.

    >>> bytes_text(1740), bytes_text(400)
    ('1.70 KB', '400.00 B')
    """
    power = min(int(math.log(size, 1024)), 5) if size >= 1 else 0
    return f"{size / 1024**power:.2f} {('B', 'KB', 'MB', 'GB', 'TB', 'PB')[power]}"


def bar(share: float, width: int = 5) -> str:
    """A share between 0 and 1 as a bar in eighths of a character, and in percent.

    >>> bar(0.32), bar(0.0), bar(1.0)
    ('█▋     32.0 %', '        0.0 %', '█████ 100.0 %')
    """
    full, rest = divmod(round(share * width * 8), 8)
    drawn = "█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")
    return f"{drawn:{width}} {100 * share:5.1f} %"
