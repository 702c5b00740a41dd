"""`diff`: what changed from one model to another, as a table and as one drawing of both.

Layers are matched by the names that somebody gave them; the others, whose names were counted, by
class, config and place: a longest common subsequence, and in what it leaves the best alignment.
"""

import difflib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lamina.core.errors import DTypeError, describe_value
from lamina.core.naming import to_snake_case
from lamina.core.operation import FunctionOperation
from lamina.core.registry import late, plain
from lamina.core.symbolic import SymbolicTensor
from lamina.core.tracking import is_layer
from lamina.view.describe import describe
from lamina.view.facts import value_text
from lamina.view.model_graph import Box, Direction, Edge, Kind, ModelGraph
from lamina.view.plot import Picture
from lamina.view.table import Table

SIGNS = {"added": "+", "removed": "−", "changed": "~"}
KINDS: dict[str, Kind] = {"added": "merge", "removed": "pooling", "changed": "dense", "": "op"}
"""The families whose colours the drawing uses."""
ROWS = 5
"""Changes of one layer that the drawing shows; the table has all."""
MOST = 250_000
"""Pairs of layers that are compared to align two stretches; larger ones are new altogether."""
INSIDE = {"name", "layers", "input_layers", "output_layers", "build_input_shape"}
"""Parts of configs that are compared otherwise."""


class Was(NamedTuple):
    """One difference of a layer: of a key of its config, a shape, its inputs or its weights."""

    key: str
    old: str
    new: str


@dataclass(frozen=True)
class Change:
    """What happened to one layer: ``kind`` is "added", "removed" or "changed"."""

    kind: str
    name: str
    class_name: str
    details: tuple[Was, ...] = ()


class Difference:
    """The changes from one model to another. True if there are any; prints as a table.

    Of the weights of a layer it says the largest difference, and how large that is relative to the
    largest number of the old ones.

    Attributes:
        changes: A `Change` for each layer that is not the same, in the order of the flow.
        same: How many layers are the same.
        picture: Both models in one drawing, a `Picture` that can be saved.
        table: The changes as a table.
    """

    def __init__(self, names: list[str], changes: list[Change], same: int, graph: Any) -> None:
        self.changes, self.same, self._graph = changes, same, graph
        body = []
        for each in changes:
            title = f"{SIGNS[each.kind]} {each.name} ({each.class_name})"
            lines = each.details or [Was("", "", "")]
            body += [[title, each.kind, *lines[0]], *(["", "", *was] for was in lines[1:])]
        counted = Counter(each.kind for each in changes)
        notes = [", ".join(f"{counted[kind]} {kind}" for kind in SIGNS) + f", {same} the same"]
        head = ["Layer (type)", "Change", "What", "Was", "Is"]
        self.table = Table(f"From {names[0]} to {names[1]}", head, body, notes)

    def draw(self, theme: str = "light", rankdir: Direction = "TB") -> Picture:
        """Both models in one drawing: "+" is added, "−" removed, "~" changed, grey the same."""
        return Picture(self._graph, rankdir, theme=theme)

    @property
    def picture(self) -> Picture:
        """The drawing from top to bottom, in the light theme."""
        return self.draw()

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __repr__(self) -> str:
        return self.table.text() if self.changes else f"{self.table.title}: {self.table.notes[0]}"

    def _repr_html_(self) -> str:
        return self.picture.svg + self.table._repr_html_()


def diff(a: Any, b: Any, weights: bool = True) -> Difference:
    """What changed from model ``a`` to model ``b``.

    Args:
        a, b: Models, or paths of ``.keras`` files.
        weights: Whether to compare the values of weights too, and not only their shapes.

    Raises:
        DTypeError: for what is neither a model nor a path.
        FileError: when a file cannot be read.

    >>> import lamina as keras
    >>> a, b = (keras.Sequential([keras.Input((3,)), keras.layers.Dense(n)]) for n in (4, 5))
    >>> for each in diff(a, b).changes[0].details:
    ...     print(*each)
    units 4 5
    output shape (None, 4) (None, 5)
    kernel shape (3, 4) (3, 5)
    bias shape (4,) (5,)
    """
    old, new = (_Side(_model(x)) for x in (a, b))
    there = dict(_matched(old, new))
    ids = {old.boxes[i].id: new.boxes[j].id for i, j in there.items()}
    details = {j: tuple(_compare(old, i, new, j, ids, weights)) for i, j in there.items()}
    found = [
        (j, 1, Change("changed" if j in details else "added", name, box.label, details.get(j, ())))
        for j, (name, box) in enumerate(zip(new.names, new.boxes, strict=True))
        if j not in details or details[j]
    ]
    for i in (i for i in range(len(old.boxes)) if i not in there):  # before what comes after it
        at = min((there[k] for k in there if k > i), default=len(new.boxes))
        found.append((at, 0, Change("removed", old.names[i], old.boxes[i].label)))
    changes = [change for _, _, change in sorted(found, key=lambda each: each[:2])]
    same = sum(not each for each in details.values())
    names = [f"'{x.name}'" if is_layer(x) else str(x) for x in (a, b)]
    return Difference(names, changes, same, _both(old, new, there, details))


def _model(given: Any) -> Any:
    if is_layer(given):
        return given
    if isinstance(given, (str, os.PathLike)):
        return late("saving.load_model")(Path(given), compile=False)
    raise DTypeError("diff compares models, or files of models.", met=describe_value(given))


# --- matching -----------------------------------------------------------------------------------


class _Side:
    """One of the two models: its boxes, and what they are compared by."""

    def __init__(self, model: Any) -> None:
        self.graph = describe(model, expand_nested=True)
        self.boxes = self.graph.boxes
        self.steps = [box.facts.step for box in self.boxes]
        self.names = [box.id for box in self.boxes]
        self.configs = [_config(step) for step in self.steps]
        counted = {g.id: _is_counted(g.facts.step, g.name) for g in self.graph.groups}
        around = self.graph.enclosing()
        self.groups = [tuple("*" if counted[g] else g.rpartition("/")[2] for g in around[box.id])
                       for box in self.boxes]  # fmt: skip
        self.given = [None if _is_counted(step, step.name) else (step.name, *groups)
                      for step, groups in zip(self.steps, self.groups, strict=True)]  # fmt: skip
        self.sources: dict[str, list[str]] = defaultdict(list)
        for edge in self.graph.edges:
            self.sources[edge.target].append(edge.source)


def _is_counted(step: Any, name: str) -> bool:
    """Whether a name is one that was not given: of the class, with a number."""
    kind = step.function if isinstance(step, FunctionOperation) else type(step).__name__
    return (
        re.fullmatch(rf"{re.escape(to_snake_case(kind))}(_\d+)?( \(called .*)?", name) is not None
    )


def _config(step: Any) -> dict[str, str]:
    """The config by paths of keys, as text, without what is compared otherwise."""
    if isinstance(step, FunctionOperation):
        node = step._nodes[0]
        config = {str(i): x for i, x in enumerate(node.args)} | node.kwargs
    else:
        try:
            config = plain(step.get_config())
        except Exception:  # of a user's class that cannot be kept in files
            config = {}
    config = {key: value for key, value in config.items() if key not in INSIDE}
    return dict(_flat(config, ""))


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and "class_name" in value:  # an object: its class and its config
        yield path, str(value["class_name"])
        value = value.get("config") or {}
        value = value if isinstance(value, dict) else {"": value}
        yield from ((key, text) for key, text in _flat(value, path) if key != f"{path}.name")
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _flat(each, f"{path}.{key}" if path else str(key))
    elif not isinstance(value, SymbolicTensor):
        yield path, value_text(tuple(value) if isinstance(value, list) else value)


def _matched(old: _Side, new: _Side) -> list[tuple[int, int]]:
    """Pairs of places of boxes that are the same layer, one before and one after."""
    places = {name: j for j, name in enumerate(new.given) if name and new.given.count(name) == 1}
    found = {
        i: places[name] for i, name in enumerate(old.given)
        if name in places and old.given.count(name) == 1
        and type(old.steps[i]) is type(new.steps[places[name]])
    }  # fmt: skip
    left = [i for i in range(len(old.boxes)) if i not in found]
    taken = set(found.values())
    right = [j for j in range(len(new.boxes)) if j not in taken]
    keys = [
        [(side.boxes[i].label, tuple(side.configs[i].items()), side.groups[i]) for i in places]
        for side, places in ((old, left), (new, right))
    ]
    matcher = difflib.SequenceMatcher(None, *keys, autojunk=False)
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        if kind == "equal":
            found |= dict(zip(left[i1:i2], right[j1:j2], strict=True))
        elif kind == "replace" and (i2 - i1) * (j2 - j1) <= MOST:
            found |= _aligned(old, left[i1:i2], new, right[j1:j2])
    return sorted(found.items())


def _aligned(old: _Side, left: Sequence[int], new: _Side, right: Sequence[int]) -> dict[int, int]:
    """The best alignment of layers of one class (Needleman and Wunsch 1970)."""

    def likeness(i: int, j: int) -> float:
        if type(old.steps[i]) is not type(new.steps[j]) or old.boxes[i].label != new.boxes[j].label:
            return 0.0
        a, b = old.configs[i].items(), new.configs[j].items()
        return 1.0 + len(a & b) / max(len(a | b), 1) + (old.names[i] == new.names[j])

    best = np.zeros((len(left) + 1, len(right) + 1))
    likes = np.array([[likeness(i, j) for j in right] for i in left])
    for x in range(len(left)):
        for y in range(len(right)):
            both = best[x, y] + likes[x, y] if likes[x, y] else 0.0
            best[x + 1, y + 1] = max(best[x, y + 1], best[x + 1, y], both)
    found, x, y = {}, len(left), len(right)
    while x and y:
        if best[x, y] == best[x - 1, y]:
            x -= 1
        elif best[x, y] == best[x, y - 1]:
            y -= 1
        else:
            x, y = x - 1, y - 1
            found[left[x]] = right[y]
    return found


# --- comparing ----------------------------------------------------------------------------------


def _compare(
    old: _Side, i: int, new: _Side, j: int, ids: dict[str, str], weights: bool
) -> Iterator[Was]:
    a, b = old.steps[i], new.steps[j]
    if a.name != b.name and not (_is_counted(a, a.name) and _is_counted(b, b.name)):
        yield Was("name", a.name, b.name)
    for key in dict.fromkeys([*old.configs[i], *new.configs[j]]):
        before, after = (side.get(key, "-") for side in (old.configs[i], new.configs[j]))
        if before != after:
            yield Was(key, before, after)
    shapes = [", ".join(str(x.shape) for x in side.boxes[at].facts.outputs) or "?"
              for side, at in ((old, i), (new, j))]  # fmt: skip
    if shapes[0] != shapes[1] and "?" not in shapes:
        yield Was("output shape", *shapes)
    before, after = old.sources[old.boxes[i].id], new.sources[new.boxes[j].id]
    if [ids.get(each) for each in before] != after:
        yield Was("inputs", ", ".join(before) or "-", ", ".join(after) or "-")
    if is_layer(a):
        yield from _weights(a, b, weights)


def _weights(a: Any, b: Any, values: bool) -> Iterator[Was]:
    if len(a.weights) != len(b.weights):
        yield Was("weights", f"{len(a.weights)} arrays", f"{len(b.weights)} arrays")
        return
    for x, y in zip(a.weights, b.weights, strict=True):
        name = y.path.rpartition(f"{b.name}/")[2] or y.name
        if x.shape != y.shape:
            yield Was(f"{name} shape", str(x.shape), str(y.shape))
        elif values and x is not y:
            before, after = np.asarray(x), np.asarray(y)
            if not np.array_equal(before, after, equal_nan=before.dtype.kind in "fc"):
                apart = np.abs(before.astype(np.float64) - after.astype(np.float64))
                size, largest = float(np.max(apart)), float(np.max(np.abs(before)))
                share = f", relative {size / largest:.2g}" if largest else ""
                yield Was(name, "", f"max. difference {size:.3g}{share}")


# --- drawing ------------------------------------------------------------------------------------


def _both(old: _Side, new: _Side, there: dict[int, int], details: dict[int, Any]) -> ModelGraph:
    """One graph: the new model, and what the old one had besides."""
    back, groups = set(there.values()), {group.id for group in new.graph.groups}
    graph = ModelGraph(f"{old.graph.name} → {new.graph.name}")
    graph.groups += new.graph.groups
    for j, box in enumerate(new.boxes):
        kind = "added" if j not in back else "changed" if details[j] else ""
        graph.boxes.append(_box(box, new.steps[j].name, kind, details.get(j, ())))
    places = {}
    for i, box in enumerate(old.boxes):
        places[box.id] = new.boxes[there[i]].id if i in there else f"− {box.id}"
        if i not in there:
            gone = _box(box, old.steps[i].name, "removed", ())
            group = box.group if box.group in groups else None
            graph.boxes.append(replace(gone, id=places[box.id], group=group))
    before = {(places[edge.source], places[edge.target]) for edge in old.graph.edges}
    after = {(edge.source, edge.target) for edge in new.graph.edges}
    kept = {new.boxes[j].id for j in back}  # a box that came or went says so for its edges

    def edges(found: set[tuple[str, str]], sign: str, tensor: int) -> list[Edge]:
        return [Edge(*ends, sign * kept.issuperset(ends), tensor) for ends in sorted(found)]

    graph.edges += [Edge(*ends) for ends in sorted(after & before)]
    graph.edges += edges(after - before, "+", 0) + edges(before - after, "−", 1)
    return graph


def _box(box: Box, name: str, kind: str, details: Sequence[Was]) -> Box:
    rows = [(was.key, f"{was.old} → {was.new}" if was.old else was.new) for was in details[:ROWS]]
    if len(details) > ROWS:
        rows.append(("", f"and {len(details) - ROWS} more"))
    name = f"{SIGNS[kind]} {name}" if kind else name
    return Box(box.id, box.label, name, KINDS[kind], tuple(rows), box.group)
