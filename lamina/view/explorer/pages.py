"""A model as one HTML file in which one can look around: no server, no network.

The page is `page.html` with `explorer.css`, `explorer.js`, the fonts, and the model as JSON.
Layout is done here (`levels.py`), facts and statistics too (`facts.py`); the page puts the levels
together for what is open, and shows. What a model or file says reaches the page only as JSON with
every "<" escaped, and a policy lets no other script run and nothing be requested.
"""

import base64
import hashlib
import json
import os
from dataclasses import replace
from html import escape
from pathlib import Path
from string import Template
from typing import Any, get_args

from lamina.core.errors import ArgumentError, unknown
from lamina.view import fonts, svg
from lamina.view.describe import describe
from lamina.view.explorer.facts import told
from lamina.view.explorer.levels import GAPS, Levels
from lamina.view.facts import facts_of, params_text, spec_text
from lamina.view.flow import class_label
from lamina.view.fold import _range, repeats
from lamina.view.model_graph import Box, Group, Kind, ModelGraph
from lamina.view.plot import MOST_BOXES
from lamina.view.style import THEMES

FOLDER = Path(__file__).parent
SIGN = 20.0
"""Width of the sign that opens and folds."""


def html(model: Any, theme: str | None, note: str) -> str:
    """The page, with everything in it. The model may be a `ModelGraph`."""
    if theme not in (None, *THEMES):
        raise unknown("theme", theme, THEMES)
    data = content(model) | {"theme": theme, "note": note}
    blank, style, *scripts = (
        (FOLDER / name).read_text("utf-8")
        for name in ("page.html", "explorer.css", "layout.js", "explorer.js")
    )
    parts = {"style": _style() + style, "script": "".join(scripts)}
    policy = ["default-src 'none'", "font-src data:", "base-uri 'none'", "form-action 'none'"]
    for kind, text in parts.items():
        policy.append(f"{kind}-src 'sha256-{_base64(hashlib.sha256(text.encode()).digest())}'")
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    title, text = escape(data["name"]), text.replace("<", "\\u003c")
    return Template(blank).substitute(parts, policy="; ".join(policy), title=title, data=text)


def content(model: Any) -> dict[str, Any]:
    """What the page shows: the graph, the layout of each level, the facts."""
    graph, whole = model, {}
    if not isinstance(model, ModelGraph):
        graph = blocked(_plain(describe(model, "full", expand_nested=True)))
        whole = {"label": class_label(model), **told(facts_of(model, []), inside=True)}
    if len(graph.boxes) > MOST_BOXES:
        what = f"The page of '{graph.name}' would have {len(graph.boxes):,} boxes."
        raise ArgumentError(what, rule=f"at most {MOST_BOXES:,}", fix="explore one of its layers")
    heads = [_head(group) for group in graph.groups]
    sizes = {box.id: svg.measure(box) for box in [*graph.boxes, *heads]}
    folded = {x.id: (sizes[x.id][0] + SIGN, sizes.pop(x.id)[1]) for x in heads}
    texts = {(edge.source, edge.tensor): edge.label for edge in graph.edges if edge.label}
    labels = {key: svg._chip(text) for key, text in texts.items()}
    levels = Levels(graph.check(), labels, folded)
    levels.run(sizes)
    plain = levels.plain(texts)
    titles = [svg.text_width(group.name, svg.GROUP, bold=True) + SIGN for group in graph.groups]
    edges = [
        {"source": edge.source, "target": edge.target, "way": way,
         "shape": spec_text(edge.spec) if edge.spec else edge.label}
        for edge, way in zip(levels.edges, plain["ways"], strict=True)
    ]  # fmt: skip
    return {
        "name": graph.name, "label": whole.get("label", ""), "edges": edges,
        **{key: whole.get(key) for key in ("params", "trainable", "bytes")},
        "boxes": [_thing(box, box.group) for box in graph.boxes],
        "groups": [
            {"title": title, **_thing(box, group.parent, inside=True)}
            for title, box, group in zip(titles, heads, graph.groups, strict=True)
        ],
        "levels": plain["levels"],
        "gaps": GAPS | {"head": svg.HEAD_HEIGHT, "row": svg.ROW_HEIGHT},
    }  # fmt: skip


def _plain(graph: ModelGraph) -> ModelGraph:
    """The graph with parameters in its boxes, and the rest left to the panel."""
    shown = ("parameters", "")
    boxes = [replace(x, rows=tuple(r for r in x.rows if r[0] in shown)) for x in graph.boxes]
    return replace(graph, boxes=boxes)


def _head(group: Group) -> Box:
    """The box of a folded group."""
    label = class_label(group.facts.step) if group.facts.step else ""
    rows = (("parameters", params_text(group.facts)),) if group.facts.params else ()
    return Box(group.id, label, group.name, "model", rows, facts=group.facts)


def _thing(box: Box, parent: str | None, inside: bool = False) -> dict[str, Any]:
    keys, values = svg._columns(box)
    return {
        "id": box.id, "label": box.label, "name": box.name, "kind": box.kind, "rows": box.rows,
        "columns": [round(-(keys + values) / 2, 1), round((keys - values) / 2, 1)],
        "parent": parent, "facts": told(box.facts, inside),
    }  # fmt: skip


def blocked(graph: ModelGraph) -> ModelGraph:
    """The graph with a group around each repeat, and in it one around each of its blocks."""
    groups, owner = list(graph.groups), {}
    names = {each.id: each.name for each in (*graph.boxes, *graph.groups)}
    for run in repeats(graph):
        if len(run.copies[0]) < 2:
            continue
        alike = (os.path.commonprefix([names[x] for x in copy]) for copy in run.copies)  # noqa: RUF071
        titles = [title.rstrip("_-./ ") or f"block {n}" for n, title in enumerate(alike, 1)]
        whole = f"{run.copies[0][0]}/blocks"
        groups.append(Group(whole, f"{_range(titles[0], titles[-1])} × {len(titles)}", run.group))
        for number, (title, copy) in enumerate(zip(titles, run.copies, strict=True), 1):
            groups.append(Group(f"{whole}/{number}", title, whole))
            owner |= dict.fromkeys(copy, groups[-1].id)
    boxes = [replace(box, group=owner.get(box.id, box.group)) for box in graph.boxes]
    groups = [replace(group, parent=owner.get(group.id, group.parent)) for group in groups]
    return ModelGraph(graph.name, boxes, graph.edges, groups)


def _style() -> str:
    """The fonts, and the colours of both themes."""
    rules = [
        f"@font-face{{font-family:{fonts.FAMILY};font-weight:{600 if bold else 400};"
        f"src:url(data:font/otf;base64,{_base64(file.read_bytes())})}}"
        for bold, file in fonts.FILES.items()
    ]
    light, dark = (
        {"page": style.background, "ink": style.ink, "quiet": style.quiet, "line": style.line}
        | {kind: style.stroke(kind) for kind in get_args(Kind)}
        | {f"{kind}-fill": style.fill(kind) for kind in get_args(Kind)}
        | {f"area{depth}": style.fill("model", 0.3 + 0.3 * depth) for depth in range(3)}
        for style in map(THEMES.get, ("light", "dark"))
        if style
    )
    rules += [f":root{{--{name}:light-dark({light[name]},{dark[name]})}}" for name in light]
    for kind in get_args(Kind):
        rules.append(f".{kind}>rect{{fill:var(--{kind}-fill);stroke:var(--{kind})}}")
        solid = f"{{fill:var(--{kind});background:var(--{kind})}}"
        rules.append(f".far .{kind}>rect,.{kind}:is(.swatch,.bar){solid}")
    return "\n".join([*rules, ""])


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
