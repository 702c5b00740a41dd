"""Times of drawings, from a described graph to SVG and PNG: run it as a script.

    python bench/pictures.py

Each line gives the boxes and edges of a graph; milliseconds of its layout, of the whole way to
SVG, and of PNG at 96 dpi; and those of graphviz's `dot` for a layout of the same boxes, as a
process of its own, if it is installed. CPU time of one core, except for the last.
"""

import random
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from view import sketches

from lamina.view.layout import arrange
from lamina.view.model_graph import Box, Edge, ModelGraph
from lamina.view.png import to_png
from lamina.view.svg import draw, measure


def random_dag(count: int, far: float = 0.05) -> ModelGraph:
    """Boxes that read one to three before them, most of them near."""
    rng = random.Random(0)
    edges = [
        Edge(
            str(max(0, box - rng.randint(1, 4)) if rng.random() > far else rng.randrange(box)),
            str(box),
        )
        for box in range(1, count)
        for _ in range(rng.choice([1, 1, 2, 3]))
    ]
    return ModelGraph(
        "random", [Box(str(box), "Dense", f"box_{box}") for box in range(count)], edges
    )


GRAPHS: dict[str, ModelGraph] = {
    "ResNet-50": sketches.resnet(),
    "ResNet-152": sketches.resnet((3, 8, 36, 3)),
    "U-Net": sketches.unet(),
    "encoder and decoder, 6 blocks each": sketches.transformer(6),
    "decoder, 24 blocks": sketches.decoder(24),
    "decoder, 222 blocks": sketches.decoder(222),
    "DenseNet, 48 layers in a block": sketches.densenet(48),
    "random, 500": random_dag(500),
    "random, 2,000": random_dag(2000),
    "decoder, 1,000 blocks": sketches.decoder(1000),
}


def timed(call: Callable[..., Any], *args: Any) -> tuple[float, Any]:
    start = time.process_time()
    result = call(*args)
    return 1000 * (time.process_time() - start), result


def dot_time(graph: ModelGraph, sizes: dict[str, tuple[float, float]]) -> str:
    """Milliseconds of `dot`, or a dash."""
    if not shutil.which("dot"):
        return "-"
    lines = ['digraph { node [shape=box fixedsize=true label=""]']
    for box, (width, height) in sizes.items():
        lines.append(f'"{box}" [width={width / 72} height={height / 72}]')
    lines += [f'"{edge.source}" -> "{edge.target}"' for edge in graph.edges]
    start = time.perf_counter()
    try:
        subprocess.run(
            ["dot", "-Tplain"],
            input="\n".join([*lines, "}"]),
            capture_output=True,
            text=True,
            timeout=60,
        )
    except subprocess.TimeoutExpired:
        return "> 60,000"
    return f"{1000 * (time.perf_counter() - start):,.0f}"


def main() -> None:
    warnings.simplefilter("ignore")
    print(f"{'graph':<36}{'boxes':>7}{'edges':>7}{'layout':>8}{'SVG':>8}{'PNG':>8}{'dot':>10}")
    for name, graph in GRAPHS.items():
        sizes = {box.id: measure(box) for box in graph.boxes}
        layout, _ = timed(arrange, graph, sizes)
        svg, drawing = timed(draw, graph)
        png, _ = timed(to_png, drawing, 96)
        print(
            f"{name:<36}{len(graph.boxes):>7,}{len(graph.edges):>7,}{layout:>8,.0f}{svg:>8,.0f}"
            f"{png:>8,.0f}{dot_time(graph, sizes):>10}",
            flush=True,
        )


if __name__ == "__main__":
    main()
