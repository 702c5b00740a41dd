"""Nodes, and the graph that leads from inputs to outputs: trace back, prune, order.

A node is one call of an operation on symbolic tensors. A graph keeps the nodes that the outputs
need, in an order in which each comes after those it depends on.
"""

from collections.abc import Sequence
from typing import Any

from lamina.core import nest
from lamina.core.errors import GraphError
from lamina.core.symbolic import SymbolicTensor
from lamina.core.types import Nest


class Node:
    """One call of an operation on symbolic tensors.

    Attributes:
        operation: What was called.
        args, kwargs: What it was called with, symbolic tensors in their places.
        inputs, outputs: The symbolic tensors in, and those that came out, flat.
        number: Which of the operation's calls this is, from 0.
    """

    __slots__ = ("args", "inputs", "kwargs", "number", "operation", "output", "outputs")

    def __init__(
        self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Nest
    ) -> None:
        self.operation = operation
        self.args = args
        self.kwargs = kwargs
        self.inputs = [x for x in nest.flatten((args, kwargs)) if isinstance(x, SymbolicTensor)]
        self.output = output
        self.outputs = [x for x in nest.flatten(output) if isinstance(x, SymbolicTensor)]
        self.number = len(operation._nodes)
        operation._nodes.append(self)
        for index, tensor in enumerate(self.outputs):
            tensor.record = (operation, self.number, index)

    input_tensors = property(lambda self: self.inputs)
    output_tensors = property(lambda self: self.outputs)

    @property
    def parents(self) -> list["Node"]:
        """The nodes that made the inputs."""
        made = [node_of(x) for x in self.inputs]
        return [node for node in made if node is not None]

    def __repr__(self) -> str:
        return f"<Node {self.number} of '{self.operation.name}'>"


def node_of(x: SymbolicTensor) -> Node | None:
    """The node that made a symbolic tensor."""
    return None if x.record is None else x.record[0]._nodes[x.record[1]]


class Graph:
    """The nodes between inputs and outputs, ordered, and the operations in Keras's order.

    Args:
        inputs: Symbolic tensors to start from; the walk stops at them.
        outputs: Symbolic tensors to reach.

    Raises:
        GraphError: when an output cannot be computed from the inputs.
    """

    def __init__(self, inputs: Sequence[SymbolicTensor], outputs: Sequence[SymbolicTensor]) -> None:
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        visited, rank = self._trace_back()
        self.nodes, self.operations = _by_depth(visited, rank)

    shared_by_copies = True

    def _trace_back(self) -> tuple[list[Node], dict[int, int]]:
        """The needed nodes, each after its parents, and when each operation was first met.

        Depth first from the outputs, without recursion.
        """
        given = {id(x) for x in self.inputs}
        done: dict[int, Node] = {}
        met: dict[int, int] = {}
        stack = [(self._maker(x, None), False) for x in reversed(self.outputs)]
        while stack:
            node, ready = stack.pop()
            if id(node) in done:
                continue
            met.setdefault(id(node.operation), len(met))
            if ready or all(id(x) in given for x in node.outputs):
                done[id(node)] = node
                continue
            stack.append((node, True))
            stack += [(self._maker(x, node), False) for x in reversed(node.inputs)]
        for x in self.inputs:  # an input that no output needs still is part of the model
            node = self._maker(x, None)
            met.setdefault(id(node.operation), -1)
            done.setdefault(id(node), node)
        return list(done.values()), met

    def _maker(self, x: SymbolicTensor, user: Node | None) -> Node:
        node = node_of(x)
        if node is not None and (node.inputs or any(x is each for each in self.inputs)):
            return node
        asked = f"'{user.operation.name}'" if user else "an output"
        shown = ", ".join(f"'{each.name}' {each.shape}" for each in self.inputs)
        raise GraphError(
            f"The graph is disconnected: '{x.name}' {x.shape}, which {asked} needs, cannot "
            "be computed from the model's inputs.",
            met=f"inputs {shown}",
            rule="every path back from the outputs has to end at one of the inputs",
            fix=f"add '{x.name}' to the model's inputs, or use tensors made from them",
        )


def _by_depth(visited: list[Node], rank: dict[int, int]) -> tuple[list[Node], list[Any]]:
    """Nodes and operations by their longest distance to an output, farthest first."""
    depth: dict[int, int] = {}
    operation_depth: dict[int, int] = {}
    for node in reversed(visited):
        own = max(depth.get(id(node), 0), operation_depth.get(id(node.operation), 0))
        depth[id(node)] = operation_depth[id(node.operation)] = own
        for parent in node.parents:
            depth[id(parent)] = max(depth.get(id(parent), 0), own + 1)
    operations = list({id(node.operation): node.operation for node in visited}.values())
    operations.sort(key=lambda op: (-operation_depth[id(op)], rank[id(op)]))
    position = {id(node): i for i, node in enumerate(visited)}
    nodes = sorted(visited, key=lambda node: (-depth[id(node)], position[id(node)]))
    return nodes, operations
