"""Graphs to draw, and the geometry of drawings, for the tests of this folder."""

import random
from itertools import combinations

import numpy as np

from lamina.view.layout import Layout, Rect
from lamina.view.level import Point
from lamina.view.model_graph import Box, Edge, Group, ModelGraph

LECTURE = "Input-Layer2 Layer2-Layer3 Input-Layer1 Layer3-Layer4 Layer2-Layer5 "
LECTURE += "Layer1-SumLayer Layer4-SumLayer Layer5-SumLayer SumLayer-Output"


def edges(text: str) -> list[Edge]:
    return [Edge(*pair.split("-")) for pair in text.split()]


def lecture() -> ModelGraph:
    names = ["Input", "Layer2", "Layer3", "Layer1", "Layer4", "Layer5", "SumLayer", "Output"]
    boxes = [Box(name, "Dense", name, "dense") for name in names]
    return ModelGraph("model", boxes, edges(LECTURE))


def nested() -> ModelGraph:
    inside = {"conv": "outer", "relu": "outer", "dense": "inner", "drop": "inner", "add": "outer"}
    names = ["image", "mask", *inside, "pool", "concat", "head"]
    boxes = [Box(name, "Layer", name, "op", group=inside.get(name)) for name in names]
    lines = "image-conv conv-relu relu-dense dense-drop drop-add conv-add mask-add image-pool "
    lines += "add-concat pool-concat concat-head"
    groups = [Group("outer", "encoder"), Group("inner", "a_block_with_a_long_name", "outer")]
    return ModelGraph("nested", boxes, edges(lines), groups)


def random_graph(seed: int, cyclic: bool = False) -> ModelGraph:
    """Up to 40 boxes, groups in groups, long edges, parallel ones, labels."""
    rng = random.Random(seed)
    count = rng.randint(1, 40)
    groups: list[Group] = []
    for index in range(rng.choice([0, 0, 1, 3])):
        parent = rng.choice([None, *(group.id for group in groups)])
        groups.append(Group(f"g{index}", "group " * rng.randint(1, 4), parent))
    boxes = []
    for index in range(count):
        # Neighbours in number share a group, as the layers of a nested model do.
        group = groups[index * len(groups) // count].id if groups and rng.random() < 0.8 else None
        rows = tuple(("key", "v" * rng.randint(1, 30)) for _ in range(rng.randint(0, 3)))
        boxes.append(Box(str(index), "Layer", "n" * rng.randint(0, 12), "op", rows, group))
    found = []
    for index in range(1, count):
        for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
            other = (
                rng.randrange(index) if rng.random() < 0.3 else max(0, index - rng.randint(1, 3))
            )
            pair = (
                (str(index), str(other))
                if cyclic and rng.random() < 0.2
                else (str(other), str(index))
            )
            label = "batch × 10" if int(pair[0]) % 3 == 0 else ""
            found.append(Edge(*pair, label))
    return ModelGraph(f"random {seed}", boxes, found, groups)


def sides(rect: Rect) -> tuple[float, float, float, float]:
    """Left, top, right, bottom."""
    half = (rect.width / 2, rect.height / 2)
    return rect.x - half[0], rect.y - half[1], rect.x + half[0], rect.y + half[1]


def overlap(a: Rect, b: Rect) -> bool:
    return (
        abs(a.x - b.x) < (a.width + b.width) / 2 - 0.01
        and abs(a.y - b.y) < (a.height + b.height) / 2 - 0.01
    )


def within(inner: Rect, outer: Rect) -> bool:
    a, b = sides(inner), sides(outer)
    return all(b[i] - 0.01 <= a[i] for i in (0, 1)) and all(a[i] <= b[i] + 0.01 for i in (2, 3))


def sample(knots: list[Point], upright: bool, steps: int = 24) -> np.ndarray:
    """Points on the curve through the knots, an array of pairs, by Bernstein's polynomials."""
    t = np.linspace(0.0, 1.0, steps + 1)[:, None, None]
    a, b = np.array(knots[:-1]), np.array(knots[1:])
    along = np.array([not upright, upright])
    middle = (a + b) / 2
    c, d = np.where(along, middle, a), np.where(along, middle, b)
    curves = (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * c + 3 * t * t * (1 - t) * d + t**3 * b
    return curves.transpose(1, 0, 2).reshape(-1, 2)


def intrusions(graph: ModelGraph, layout: Layout) -> list[str]:
    """Edges that pass through a group in which they have no end."""
    found, around = [], graph.enclosing()
    for edge, knots in layout.routes:
        points = sample(knots, layout.upright)
        for name in layout.groups.keys() - {*around[edge.source], *around[edge.target]}:
            left, top, right, bottom = sides(layout.groups[name])
            inside = (points > (left + 0.01, top + 0.01)) & (points < (right - 0.01, bottom - 0.01))
            found += [f"{edge} through {name}"] if inside.all(axis=1).any() else []
    return found


def faults(graph: ModelGraph, layout: Layout) -> list[str]:
    """What is wrong with a drawing; empty for a good one."""
    boxes, around = layout.boxes, graph.enclosing()
    parents = {group.id: group.parent for group in graph.groups}
    page = Rect(layout.width / 2, layout.height / 2, layout.width, layout.height)
    labels = {f"label of {key}": rect for key, rect in layout.labels.items()}
    solid = boxes | labels
    found = [f"{name} off the page" for name, rect in solid.items() if not within(rect, page)]
    found += [f"{a} on {b}" for a, b in combinations(solid, 2) if overlap(solid[a], solid[b])]
    for name, rect in boxes.items():
        for group, area in layout.groups.items():
            if group in around[name]:
                found += [f"{name} out of {group}"] if not within(rect, area) else []
            elif overlap(rect, area):
                found.append(f"{name} in {group}")
    for group, area in layout.groups.items():
        if parents[group] is not None and not within(area, layout.groups[parents[group]]):
            found.append(f"{group} out of {parents[group]}")
    names, areas = [*solid], np.array([*solid.values()]).reshape(-1, 4)
    for edge, knots in layout.routes:
        for name, end in ((edge.source, knots[0]), (edge.target, knots[-1])):
            if not within(Rect(end.x, end.y, 0.0, 0.0), boxes[name]):
                found.append(f"{edge} does not touch {name}")
        points = sample(knots, layout.upright)
        if (points < -0.01).any() or (points > (layout.width + 0.01, layout.height + 0.01)).any():
            found.append(f"{edge} off the page")
        # The line, and its head as wide as it is drawn; its own label may stand on it.
        along, beside = np.array([[0.0, 4.0], [3.8, 0.0]])[:, :: 1 if layout.upright else -1]
        head = knots[-1] + along * np.sign(np.subtract(knots[-2], knots[-1]))
        points = np.concatenate([points, [head - beside, head + beside]])
        away = np.abs(points[:, None] - areas[:, :2])
        touched = (away < areas[:, 2:] / 2 - 0.01).all(axis=2).any(axis=0)
        own = f"label of {(edge.source, edge.tensor)}"
        found += [f"{edge} through {names[i]}" for i in np.flatnonzero(touched) if names[i] != own]
    return found
