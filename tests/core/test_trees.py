"""`lamina.tree`: containers of all kinds, their order, and what is raised where they differ."""

from collections import OrderedDict, defaultdict, deque, namedtuple

import jax.numpy as jnp
import numpy as np
import pytest

from lamina import tree
from lamina.layers import Dense

Point = namedtuple("Point", "x y")
Other = namedtuple("Other", "x y")

NESTS = [
    1,
    None,
    "text",
    np.ones(2),
    [],
    (),
    {},
    [1, (2, [None])],
    {"b": 1, "a": {"d": [2], "c": 3}},
    OrderedDict([("b", 1), ("a", [2, 3])]),
    defaultdict(list, {"b": 1, "a": 2}),
    Point(1, [Point(2, None)]),
    deque([1, (2,)], maxlen=5),
    {2: "int", "two": "str"},
    {1, 2},
    Dense(2),
]
each_nest = pytest.mark.parametrize("nest", NESTS, ids=lambda nest: type(nest).__name__)


def same(a, b):
    if type(a) is not type(b):
        return False
    if tree.is_nested(a):
        keys = [list(x) if isinstance(x, dict) else list(range(len(x))) for x in (a, b)]
        return keys[0] == keys[1] and all(same(a[key], b[key]) for key in keys[0])
    return a is b


@each_nest
def test_taken_apart_and_put_together(nest):
    leaves = tree.flatten(nest)
    packed = tree.pack_sequence_as(nest, leaves)
    assert same(packed, nest)
    assert getattr(packed, "default_factory", 0) is getattr(nest, "default_factory", 0)
    assert getattr(packed, "maxlen", 0) == getattr(nest, "maxlen", 0)
    pairs = tree.flatten_with_path(nest)
    assert [leaf for _, leaf in pairs] == leaves
    for path, leaf in pairs:
        found = nest
        for key in path:
            found = found[key]
        assert found is leaf
    assert same(tree.map_structure(lambda x: x, nest), nest)
    tree.assert_same_structure(nest, packed)
    tree.assert_same_paths(nest, packed)


def test_order():
    assert tree.flatten({"b": 1, "a": 2}) == [2, 1]
    assert tree.flatten(OrderedDict(b=1, a=2)) == [1, 2]
    assert list(tree.map_structure(str, {"b": 1, "a": 2})) == ["b", "a"]


DIFFERENT = [
    ([1], (1,)),
    ([1], [1, 2]),
    ([1], 1),
    ({"a": 1}, {"b": 1}),
    (Point(1, 2), Other(1, 2)),
    ([1], deque([1])),
    ([[1]], [1]),
]


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_different_structures(a, b):
    for check in (tree.assert_same_structure, lambda a, b: tree.map_structure(max, a, b)):
        for pair in ((a, b), (b, a)):
            with pytest.raises(ValueError, match="different structures"):
                check(*pair)


def test_dicts_of_all_kinds_are_alike():
    tree.assert_same_structure({"a": 1, "b": 2}, OrderedDict(b=1, a=2))
    tree.assert_same_structure(defaultdict(int, a=1), {"a": None})
    tree.assert_same_paths([1, (2,)], (1, [2]))
    with pytest.raises(ValueError, match="different paths"):
        tree.assert_same_paths([1, 2], [1, [2]])
    with pytest.warns(DeprecationWarning):
        tree.assert_same_structure(1, 2, check_types=True)


def test_none():
    assert tree.map_structure(lambda x: x is None, [None, 1]) == [True, False]
    assert tree.map_structure(lambda x: -x, [None, 1], none_is_leaf=False) == [None, -1]
    with pytest.raises(ValueError):
        tree.map_structure(max, [None], [1], none_is_leaf=False)


@pytest.mark.parametrize(("call", "error"), [
    (lambda: tree.map_structure(max), ValueError),
    (lambda: tree.map_structure_up_to([1], max), ValueError),
    (lambda: tree.map_structure_up_to([[1]], max, [1]), ValueError),
    (lambda: tree.map_structure("no function", [1]), TypeError),
    (lambda: tree.pack_sequence_as([1, 2], [1]), ValueError),
    (lambda: tree.pack_sequence_as([1], [1, 2]), ValueError),
    (lambda: tree.pack_sequence_as([1], 5), TypeError),
    (lambda: tree.traverse("no function", [1]), TypeError),
])  # fmt: skip
def test_errors(call, error):
    with pytest.raises(error):
        call()


def test_up_to_and_shapes():
    assert tree.map_structure_up_to([None, {"a": 0}], lambda a, b: (a, b),
                                    [[1, 2], {"a": 3}], [4, {"a": [5]}]) == \
        [([1, 2], 4), {"a": (3, [5])}]  # fmt: skip
    shapes = {"a": (None, 3), "b": [(2,), [4, None]]}
    assert tree.map_shape_structure(lambda s: (*s, 1), shapes) == {
        "a": (None, 3, 1), "b": [(2, 1), (4, None, 1)]}  # fmt: skip


def test_traverse():
    seen = []
    tree.traverse(seen.append, [(1, 2), {"a": 3}])
    assert seen == [[(1, 2), {"a": 3}], (1, 2), 1, 2, {"a": 3}, 3]
    seen.clear()
    tree.traverse(seen.append, [(1, 2)], top_down=False)
    assert seen == [1, 2, (1, 2), [(1, 2)]]
    drop = lambda x: tree.MAP_TO_NONE if isinstance(x, dict) else None  # noqa: E731
    assert tree.traverse(drop, [1, {"a": 2}]) == [1, None]
    assert tree.lists_to_tuples({"a": [1, [2]]}) == {"a": (1, (2,))}


def test_arrays_are_leaves():
    doubled = tree.map_structure(jnp.add, {"a": jnp.ones(2)}, {"a": jnp.ones(2)})
    assert doubled["a"].tolist() == [2, 2]
