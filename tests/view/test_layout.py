import itertools
import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog
from view.pictures import (
    edges,
    faults,
    intrusions,
    lecture,
    nested,
    overlap,
    random_graph,
    sample,
    sides,
)
from view.sketches import GALLERY, decoder, densenet, resnet, transformer, unet

from lamina.core.errors import GraphError
from lamina.view.layout import arrange
from lamina.view.model_graph import Box, Edge, Group, ModelGraph
from lamina.view.nesting import nest
from lamina.view.ordering import Near, crossings, order, positions
from lamina.view.ranking import assign, back_edges
from lamina.view.routing import separate
from lamina.view.simplex import Link, shorten
from lamina.view.svg import _chip, measure


def laid_out(graph, direction="TB"):
    labels = {(edge.source, edge.tensor): _chip(edge.label) for edge in graph.edges if edge.label}
    titles = {group.id: 9.0 * len(group.name) for group in graph.groups}
    return arrange(graph, {box.id: measure(box) for box in graph.boxes}, labels, titles, direction)


@pytest.mark.parametrize("direction", ["TB", "BT", "LR", "RL"])
def test_random_graphs_are_clean(direction):
    for seed in range(200):
        graph = random_graph(seed, cyclic=seed % 3 == 0)
        layout = laid_out(graph, direction)
        assert not faults(graph, layout), seed
        assert len(layout.routes) + len(layout.loops) == len(graph.edges)


@pytest.mark.parametrize("make", [lecture, nested, *GALLERY], ids=lambda make: make.__name__)
@pytest.mark.parametrize("direction", ["TB", "BT", "LR", "RL"])
def test_drawings_of_known_networks_are_clean(make, direction):
    layout = laid_out(make(), direction)
    assert not faults(make(), layout)
    assert not intrusions(make(), layout)


def test_edges_seldom_pass_through_a_group_that_is_not_theirs():
    graphs = [random_graph(seed) for seed in range(200)]
    found = sum(len(intrusions(graph, laid_out(graph))) for graph in graphs)
    assert found < 0.01 * sum(len(graph.edges) for graph in graphs)


@pytest.mark.parametrize("direction", ["TB", "BT"])
def test_no_line_runs_over_a_title(direction):
    for graph in [*map(random_graph, range(100)), *(make() for make in (nested, *GALLERY))]:
        layout = laid_out(graph, direction)
        for group in graph.groups:
            left, top, *_ = sides(layout.groups[group.id])
            right, bottom = left + 11 + 9.0 * len(group.name), top + 23
            for edge, knots in layout.routes:
                points = sample(knots, True)
                over = (points > (left + 11, top + 5)) & (points < (right, bottom))
                assert not over.all(axis=1).any(), (graph.name, group.name, edge)


def test_a_group_is_entered_where_its_reader_is():
    layout = laid_out(nested())
    mask, encoder = layout.boxes["mask"], layout.groups["outer"]
    assert mask.y > encoder.y, "beside the layer that reads it, not above the whole group"


def test_what_follows_the_end_of_a_group_stands_beside_another_one():
    layout = laid_out(transformer())
    encoder, decoder = layout.groups["g0"], layout.groups["g1"]
    assert decoder.y - decoder.height / 2 < encoder.y + encoder.height / 2


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("make", [resnet, unet, decoder, densenet])
def test_trunks_are_straight_and_what_skips_them_is_beside(make, labelled):
    graph = make()
    if not labelled:
        graph.edges = [replace(edge, label="") for edge in graph.edges]
    layout = laid_out(graph)
    across = Counter(rect.x for rect in layout.boxes.values())
    # ResNet's four projections are branches of two boxes.
    assert across.most_common(1)[0][1] >= len(graph.boxes) - 8
    widest = max(rect.width for rect in layout.boxes.values())
    assert layout.width < widest * (2.6 if make is resnet else 1.6)


def test_direction_decides_which_side_is_first():
    boxes = {
        direction: laid_out(lecture(), direction).boxes for direction in ("TB", "BT", "LR", "RL")
    }
    assert boxes["TB"]["Input"].y < boxes["TB"]["Output"].y
    assert boxes["BT"]["Input"].y > boxes["BT"]["Output"].y
    assert boxes["LR"]["Input"].x < boxes["LR"]["Output"].x
    assert boxes["RL"]["Input"].x > boxes["RL"]["Output"].x


def test_a_long_chain_is_one_straight_line():
    names = [str(index) for index in range(1000)]
    lines = [Edge(a, b) for a, b in itertools.pairwise(names)]
    graph = ModelGraph("chain", [Box(name, "Dense", name) for name in names], lines)
    layout = laid_out(graph)
    assert len({round(rect.x, 6) for rect in layout.boxes.values()}) == 1
    assert all(a.x == b.x for _, knots in layout.routes for a, b in itertools.pairwise(knots))


def test_a_residual_trunk_is_straight():
    graph = ModelGraph("r", [Box(name, "L") for name in "abcde"], edges("a-b b-c c-d b-d d-e"))
    layout = laid_out(graph)
    assert len({round(rect.x, 6) for rect in layout.boxes.values()}) == 1


def test_a_hidden_chain_is_straight_between_its_ends():
    layout = laid_out(lecture())
    route = next(knots for edge, knots in layout.routes if edge == Edge("Layer1", "SumLayer"))
    assert len({round(knot.x, 3) for knot in route}) == 2


def test_two_thousand_boxes():
    graph = random_graph(0)
    names = [str(index) for index in range(2000)]
    lines = [Edge(str(max(0, index - 1 - index % 3)), str(index)) for index in range(1, 2000)]
    lines += [Edge(str(index), str(index + 40)) for index in range(0, 1960, 9)]
    graph = ModelGraph("large", [Box(name, "Dense") for name in names], lines)
    layout = laid_out(graph)
    ordered = sorted(layout.boxes.values())
    assert not any(overlap(a, b) for a, b in itertools.pairwise(ordered))


def test_a_box_that_feeds_itself_has_room_for_the_loop():
    graph = ModelGraph("loop", [Box("a", "L"), Box("b", "L")], [Edge("a", "a")])
    layout = laid_out(graph)
    assert layout.loops == [Edge("a", "a")]
    assert layout.boxes["b"].x - layout.boxes["a"].x >= 100


def test_parallel_edges_arrive_apart():
    graph = ModelGraph("twice", [Box("a", "L"), Box("b", "Add")], edges("a-b a-b"))
    ends = [knots[-1].x for _, knots in laid_out(graph).routes]
    assert abs(ends[0] - ends[1]) > 8


def test_empty_graphs_and_groups():
    assert laid_out(ModelGraph("nothing")).boxes == {}
    layout = laid_out(ModelGraph("g", [], [], [Group("a", "empty")]))
    assert layout.groups["a"].width > 0


@pytest.mark.parametrize(
    "graph, word",
    [
        (ModelGraph("m", [Box("a", "L"), Box("a", "L")]), "two parts"),
        (ModelGraph("m", [Box("a", "L")], [Edge("a", "z")]), "'z'"),
        (ModelGraph("m", [Box("a", "L", group="q")]), "'q'"),
        (ModelGraph("m", [], [], [Group("a", "", "b"), Group("b", "", "a")]), "inside itself"),
    ],
)
def test_a_graph_that_does_not_hang_together_is_refused(graph, word):
    with pytest.raises(GraphError, match=f"(?i){word}"):
        laid_out(graph)


def test_what_is_too_large_is_refused_at_once():
    boxes = [Box(str(index), "Dense") for index in range(50_000)]
    with pytest.raises(GraphError, match=r"50,000 boxes(?s:.*)folded"):
        laid_out(ModelGraph("large", boxes))
    dense = [Edge(str(a), str(b)) for b in range(300) for a in range(b)]
    with pytest.raises(GraphError, match="44,850 edges that pass 4,499,950 ranks"):
        laid_out(ModelGraph("dense", boxes[:300], dense))


def test_ranks():
    assert assign(3, [Link(0, 1), Link(1, 2, 2)]) == [0, 1, 3]
    assert assign(5, [Link(0, 1), Link(1, 2), Link(2, 4), Link(3, 4)]) == [0, 1, 2, 2, 3]
    assert assign(8, []) == [0] * 6 + [1] * 2
    assert back_edges(4, [(0, 1), (1, 2), (2, 1), (2, 3)]) == {2}
    assert back_edges(2, [(1, 0)]) == set()


def test_ordering_removes_crossings_that_need_not_be():
    # Two stars, interleaved: no crossing is needed.
    down = [[Near(2), Near(4)], [Near(3), Near(5)], [], [], [], []]
    up = [[], [], [Near(0)], [Near(1)], [Near(0)], [Near(1)]]
    layers = order([[0, 1], [2, 3, 4, 5]], up, down)
    position = [layer.index(node) for node in range(6) for layer in layers if node in layer]
    assert crossings(layers, down, position) == 0


def test_orders_cross_less_than_those_of_igraph():
    igraph = pytest.importorskip("igraph")
    ours = theirs = 0
    for graph in map(random_graph, range(60)):
        number = {box.id: index for index, box in enumerate(graph.boxes)}
        lines = list(dict.fromkeys((number[e.source], number[e.target]) for e in graph.edges))
        ranks = assign(len(number), [Link(*line) for line in lines])
        up, down = [[] for _ in number], [[] for _ in number]
        for source, target in lines:
            chain = [source, *range(len(ranks), len(ranks) + ranks[target] - ranks[source] - 1)]
            ranks += range(ranks[source] + 1, ranks[target])
            up += [[] for _ in chain[1:]]
            down += [[] for _ in chain[1:]]
            for a, b in itertools.pairwise([*chain, target]):
                down[a].append(Near(b))
                up[b].append(Near(a))
        layers = [[i for i, rank in enumerate(ranks) if rank == y] for y in range(max(ranks) + 1)]
        pairs = [(a, near.node) for a, below in enumerate(down) for near in below]
        other = igraph.Graph(len(ranks), pairs, directed=True).layout_sugiyama(layers=ranks)
        sort = [sorted(layer, key=lambda node: other[node][0]) for layer in layers]
        best = order(layers, up, down)
        ours += crossings(best, down, positions(best, len(ranks)))
        theirs += crossings(sort, down, positions(sort, len(ranks)))
    assert ours <= theirs


@pytest.mark.parametrize("seed", range(30))
def test_groups_are_whole_in_every_rank_and_keep_their_sides(seed):
    rng = random.Random(seed)
    ranks = rng.randint(2, 6)
    # Groups on runs of ranks, some in others; a node for each of their ranks, and others.
    paths, rank = [()] * rng.randint(0, 8), []
    spans = {}
    for index in range(rng.randint(1, 6)):
        outer = rng.choice([(), *spans]) if spans else ()
        low, high = spans.get(outer, (0, ranks - 1))
        spans[(*outer, str(index))] = tuple(sorted(rng.choices(range(low, high + 1), k=2)))
    rank = [rng.randrange(ranks) for _ in paths]
    for path, (low, high) in spans.items():
        for each in range(low, high + 1):
            count = rng.randint(1, 3)
            paths, rank = paths + [path] * count, rank + [each] * count
    layers = [[node for node in range(len(paths)) if rank[node] == each] for each in range(ranks)]
    up, down = [[] for _ in paths], [[] for _ in paths]
    for above, below in itertools.pairwise(layers):
        for _ in range(rng.randint(0, 12) if above and below else 0):
            a, b = rng.choice(above), rng.choice(below)
            down[a].append(Near(b))
            up[b].append(Near(a))
    found = nest(layers, up, down, paths)
    assert [sorted(layer) for layer in found] == layers
    order_of = {}
    for layer in found:
        for path in spans:
            inside = [paths[node][: len(path)] == path for node in layer]
            assert sum(1 for flag, _ in itertools.groupby(inside) if flag) <= 1
        for a, b in itertools.combinations(layer, 2):
            depth = next(
                (i for i, (x, y) in enumerate(zip(paths[a], paths[b], strict=False)) if x != y),
                None,
            )
            if depth is not None:
                pair = paths[a][depth], paths[b][depth]
                assert order_of.setdefault(frozenset(pair), pair) == pair


@pytest.mark.parametrize("seed", range(40))
def test_network_simplex_finds_the_least_sum(seed):
    rng = random.Random(seed)
    count = rng.randint(2, 30)
    links = [
        Link(*sorted(rng.sample(range(count), 2)), rng.choice([0.5, 1, 2]), rng.choice([0, 1, 8]))
        for _ in range(rng.randint(1, 3 * count))
    ]
    places = [0.0] * count
    for node in range(count):
        behind = [places[a] + length for a, b, length, _ in links if b == node]
        places[node] = max(behind, default=0.0) + rng.choice([0, 3])
    cost, matrix = np.zeros(count), np.zeros((len(links), count))
    for row, (source, target, _, weight) in zip(matrix, links, strict=True):
        cost[[source, target]] += -weight, weight
        row[[source, target]] = 1.0, -1.0
    lengths = np.array([link.length for link in links])
    least = linprog(cost, matrix, -lengths, bounds=[(None, None)] * count).fun
    shorten(places, links)
    assert np.all(matrix @ places <= -lengths)
    assert cost @ places == pytest.approx(least, abs=1e-9)


def test_separate_keeps_distance_and_bounds():
    spots = separate([1.0, 1.0, 1.0, 40.0], 3.0, -10.0, 20.0)
    assert spots == pytest.approx([-2.0, 1.0, 4.0, 20.0])
