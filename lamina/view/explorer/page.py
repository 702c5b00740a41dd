"""`explore`: a model as one HTML file in which one can look around. No server, no network.

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
from lamina.core.tracking import is_layer
from lamina.view import fonts, svg
from lamina.view.describe import describe
from lamina.view.explorer.facts import told
from lamina.view.explorer.levels import GAPS, Levels
from lamina.view.facts import facts_of, params_text, spec_text
from lamina.view.files import write_atomically
from lamina.view.flow import class_label
from lamina.view.fold import _range, repeats
from lamina.view.fonts import text_width
from lamina.view.layout import Layout
from lamina.view.model_graph import Box, Group, Kind, ModelGraph
from lamina.view.style import THEMES, Theme, mix

FOLDER = Path(__file__).parent
TOGGLE = 20.0
"""Width of the sign that opens and folds."""
ACCENT, WRONG = "#1f6fe0", "#cc2b2b"
ROWS = ("parameters", "")
TOTALS = ("params", "trainable", "bytes")


def explore(
    model: Any,
    path: str | os.PathLike[str] = "model.html",
    theme: str | None = None,
    note: str = "",
) -> Path:
    """Write a page to look around in a model: search, open, fold, and see all about a layer.

    The file needs nothing else, and requests nothing. Weights that have values are described by
    their histograms; none is drawn for it.

    Args:
        model: A model or any other layer, built or not, or a `ModelGraph`.
        path: Where to write; the name ends in .html.
        theme: "light" or "dark" to begin with; as the reader's system has it when left out.
        note: Something to say beside the totals.

    Returns:
        The path.

    Raises:
        FileError: when the file cannot be written.

    >>> import tempfile, lamina as keras
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> explore(model, Path(tempfile.mkdtemp()) / "model.html").name
    'model.html'
    """
    if Path(path).suffix.lower() not in (".html", ".htm"):
        met, fix = f"path={str(path)!r}", "end it with .html"
        raise ArgumentError("The explorer is an HTML page.", met=met, fix=fix)
    return write_atomically(path, page(model, theme, note).encode())


def page(model: Any, theme: str | None = None, note: str = "") -> str:
    """The page of `explore` as text."""
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
    graph = (
        model
        if isinstance(model, ModelGraph)
        else blocked(describe(model, "full", expand_nested=True))
    )
    boxes = [
        replace(box, rows=tuple(row for row in box.rows if row[0] in ROWS)) for box in graph.boxes
    ]
    texts = {(edge.source, edge.tensor): edge.label for edge in graph.edges if edge.label}
    heads = {group.id: _head(group) for group in graph.groups}
    sizes, folded = ({box.id: svg.measure(box) for box in each} for each in (boxes, heads.values()))
    folded = {key: (width + TOGGLE, height) for key, (width, height) in folded.items()}
    titles = {g.id: text_width(g.name, svg.GROUP, bold=True) + TOGGLE for g in graph.groups}
    labels = {key: svg._chip(text) for key, text in texts.items()}
    levels = Levels(graph.check(), labels, titles, Layout("TB"), folded=folded)
    levels.run(sizes)
    plain = levels.plain(texts)
    whole = told(facts_of(model, []), True) if is_layer(model) else dict.fromkeys(TOTALS)
    return {
        **{key: whole[key] for key in TOTALS},
        "name": graph.name,
        "label": class_label(model) if is_layer(model) else "",
        "boxes": [_thing(box, box.group, False) for box in boxes],
        "groups": [
            _thing(heads[g.id], g.parent, True) | {"title": titles[g.id]} for g in graph.groups
        ],
        "edges": [
            {
                "source": edge.source,
                "target": edge.target,
                "shape": spec_text(edge.spec) if edge.spec else edge.label,
                "way": way,
            }
            for edge, way in zip(levels.edges, plain["ways"], strict=True)
        ],
        "levels": plain["levels"],
        "gaps": GAPS | {"head": svg.HEAD_HEIGHT, "row": svg.ROW_HEIGHT},
    }


def _head(group: Group) -> Box:
    """The box of a folded group."""
    step = group.facts.step
    label = "" if step is None else class_label(step)
    rows = (("parameters", params_text(group.facts)),) if group.facts.params else ()
    return Box(group.id, label, group.name, "model", rows, facts=group.facts)


def _thing(box: Box, parent: str | None, inside: bool) -> dict[str, Any]:
    keys, values = svg._columns(box)
    start = -(keys + values) / 2
    return {
        "id": box.id, "label": box.label, "name": box.name, "kind": box.kind, "rows": box.rows,
        "parent": parent, "columns": [round(start, 1), round(start + keys, 1)],
        "facts": told(box.facts, inside),
    }  # fmt: skip


def blocked(graph: ModelGraph) -> ModelGraph:
    """The graph with a group around each repeat, and in it one around each of its blocks."""
    groups, owner = list(graph.groups), {}
    names = {each.id: each.name for each in (*graph.boxes, *graph.groups)}
    for run in repeats(graph):
        if len(run.copies[0]) < 2:
            continue
        whole = f"{run.copies[0][0]}/blocks"
        common = [os.path.commonprefix([names[item] for item in copy]) for copy in run.copies]
        titles = [title.rstrip("_-./ ") or f"block {n}" for n, title in enumerate(common, 1)]
        title = f"{_range(titles[0], titles[-1])} × {len(titles)}"
        groups.append(Group(whole, title, run.group, len(titles)))
        for number, (title, copy) in enumerate(zip(titles, run.copies, strict=True), 1):
            groups.append(Group(f"{whole}/{number}", title, whole))
            owner |= dict.fromkeys(copy, f"{whole}/{number}")
    boxes = [replace(box, group=owner.get(box.id, box.group)) for box in graph.boxes]
    groups = [replace(group, parent=owner.get(group.id, group.parent)) for group in groups]
    return ModelGraph(graph.name, boxes, graph.edges, groups)


def _style() -> str:
    """The fonts, and the colours of both themes as CSS variables."""
    faces = [
        f"@font-face{{font-family:{fonts.FAMILY};font-weight:{600 if bold else 400};"
        f"src:url(data:font/otf;base64,{_base64(file.read_bytes())})}}"
        for bold, file in fonts.FILES.items()
    ]
    light, dark = (_colours(THEMES[name]) for name in ("light", "dark"))
    rules = [
        f":root{{{light}}}:root[data-theme=light]{{color-scheme:light}}", f":root[data-theme=dark]{{color-scheme:dark;{dark}}}",
        f"@media(prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}",
        *(f".{kind}>rect{{fill:var(--{kind}-fill);stroke:var(--{kind})}}"
          f".far .{kind}>rect,.swatch.{kind},.bar.{kind}{{fill:var(--{kind});background:var(--{kind})}}"
          for kind in get_args(Kind)),
    ]  # fmt: skip
    return "\n".join([*faces, *rules, ""])


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _colours(style: Theme) -> str:
    named = {"page": style.background, "ink": style.ink, "quiet": style.quiet, "line": style.line}
    for kind in get_args(Kind):
        named |= {kind: style.stroke(kind), f"{kind}-fill": style.fill(kind)}
    named |= {f"area{n}": style.fill("model", 0.3 + 0.3 * n) for n in range(3)}
    for name, share in (("panel", 0.025), ("hover", 0.08), ("rule", 0.14)):
        named[name] = mix(style.ink, style.background, share)
    named |= {"edge": style.fill("model", 3.0), "accent": mix(ACCENT, style.ink, style.outline)}
    named["wrong"] = mix(WRONG, style.ink, style.outline)
    return "".join(f"--{name}:{colour};" for name, colour in named.items())
