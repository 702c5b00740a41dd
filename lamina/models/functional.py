"""`Functional`: a model given by a graph of layers between inputs and outputs."""

from typing import Any

from lamina.core import calling, masking, nest, registry
from lamina.core.dtypes import canonical
from lamina.core.errors import FileError, ShapeError, describe_value
from lamina.core.graph import Node
from lamina.core.layer import Layer
from lamina.core.operation import FunctionOperation
from lamina.core.symbolic import SymbolicTensor, declared_shape
from lamina.core.types import Config, Nest
from lamina.models import op_config
from lamina.models.model import Model
from lamina.ops import names


class Functional(Model):
    """What ``Model(inputs, outputs)`` makes.

    >>> import lamina as keras
    >>> x = keras.Input((3,))
    >>> keras.Model(x, x + 1)([[1.0, 2.0, 3.0]])
    Array([[2., 3., 4.]], dtype=float32)
    """

    keras_module = "keras.src.models.functional"
    masks_itself = True
    supports_masking = True

    def get_build_config(self) -> Config:
        return {"input_shape": None}

    def build_from_config(self, config: Config) -> None:
        """A functional model is built from the start."""


# --- running ------------------------------------------------------------------------------------


def run_plan(model: Model, inputs: Nest, training: Any = None, mask: Any = None) -> Nest:
    """Call the layers of a functional model on arrays."""
    plan = model._plan
    assert plan is not None
    arrays = standardise(model, inputs)
    for x, each in zip(arrays, nest.flatten(mask) if mask is not None else [], strict=False):
        if each is not None:
            masking.set_mask(x, each)
    return plan.run(list(model._plan_layers), arrays, lambda op, a, k: op(*a, **k))


def describe_plan(model: Model, inputs: Nest, training: Any = None, mask: Any = None) -> Nest:
    """Symbolic outputs of a functional model called on other symbolic inputs."""

    def call(op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Nest:
        if isinstance(op, Layer):
            return calling.describe_only(op, args, kwargs)
        return op.compute_output_spec(*args, **kwargs)

    plan = model._plan
    assert plan is not None
    return plan.run(list(model._plan_layers), standardise(model, inputs), call)


def standardise(model: Model, inputs: Nest) -> list[Any]:
    """The inputs flat, in the model's order, with the dtype and rank that it was described for."""
    plan = model._plan
    assert plan is not None
    leaves = _ordered(model, plan.inputs, inputs)
    if len(leaves) != len(plan.input_tensors):
        raise ShapeError(
            f"{model._who()} takes {len(plan.input_tensors)} input(s), but got {len(leaves)}.",
            met=", ".join(describe_value(x) for x in leaves),
            rule="inputs " + ", ".join(f"'{x.name}' {x.shape}" for x in plan.input_tensors),
        )
    pairs = zip(leaves, plan.input_tensors, strict=True)
    return [_fitted(model, x, reference) for x, reference in pairs]


def _ordered(model: Model, structure: Nest, inputs: Nest) -> list[Any]:
    """Leaves of the inputs; a dict is read by keys or by names of the inputs."""
    plan = model._plan
    assert plan is not None
    if isinstance(inputs, dict):
        names = list(structure) if isinstance(structure, dict) else []
        names = sorted(names) if names else [x.name for x in plan.input_tensors]
        if isinstance(structure, dict) and any(nest.is_nested(v) for v in structure.values()):
            return nest.flatten({key: inputs.get(key) for key in names})
        missing = [name for name in names if name not in inputs]
        if missing:
            raise ShapeError(
                f"{model._who()} misses the input(s) {missing}.",
                met=f"a dict with the keys {sorted(inputs)}",
                rule=f"the model's inputs are named {names}",
            )
        return [inputs[name] for name in names]
    if isinstance(structure, dict) and isinstance(inputs, (list, tuple)):
        by_key = dict(zip(structure, inputs, strict=False))  # a list follows the given order
        return [by_key[key] for key in sorted(structure) if key in by_key] + list(
            inputs[len(structure) :]
        )
    return nest.flatten(inputs)


def _fitted(model: Model, x: Any, reference: SymbolicTensor) -> Any:
    """One input with a last axis of size 1 added or dropped where that makes it fit, and cast."""
    if x is None or not hasattr(x, "shape"):
        if x is None and getattr(reference.record[0], "optional", False):  # type: ignore[index]
            return x
        raise ShapeError(f"{model._who()}: the input '{reference.name}' is {describe_value(x)}.")
    shape, wanted = declared_shape(x), reference.shape
    if len(shape) == len(wanted) + 1 and shape[-1] == 1:
        x = x[..., 0]
    elif len(shape) == len(wanted) - 1 and wanted and wanted[-1] == 1:
        x = (
            x[..., None]
            if not isinstance(x, SymbolicTensor)
            else registry.late("ops.expand_dims")(x, -1)
        )
    shape = declared_shape(x)
    if len(shape) != len(wanted) or any(
        a is not None and b is not None and a != b
        for a, b in zip(shape[1:], wanted[1:], strict=True)
    ):
        raise ShapeError(
            f"{model._who()} cannot take this for its input '{reference.name}'.",
            met=f"shape {shape}",
            rule=f"the model was described for the shape {wanted}",
            fix=_fix(shape, wanted),
        )
    if isinstance(x, SymbolicTensor) or str(x.dtype) == canonical(reference.dtype):
        return x
    mask = masking.get_mask(x)
    cast = x.astype(canonical(reference.dtype))
    if mask is not None:
        masking.set_mask(cast, mask)
    return cast


def _fix(shape: Any, wanted: Any) -> str:
    if len(shape) == len(wanted) - 1 and wanted[0] is None:
        if all(a == b or b is None for a, b in zip(shape, wanted[1:], strict=True)):
            return "add the batch axis: x[None]"
        if tuple(shape[1:]) == tuple(wanted[2:]):
            return f"the batch axis is not part of Input(shape): Input({wanted[2:]})"
        return "the first axis is the batch; x[None] makes a batch of one"
    if len(wanted) == len(shape) + 1 or len(wanted) == len(shape) - 1:
        return "the batch axis is not part of Input(shape); give batch_shape to fix its size"
    return "build the model for this shape, or reshape the data"


# --- config -------------------------------------------------------------------------------------


def graph_config(model: Model) -> Config:
    """Layers, the calls that connect them, and which tensors are inputs and outputs.

    In the places of outputs Keras counts the calls of a functional model from 1, elsewhere from 0.
    """
    plan = model._plan
    assert plan is not None
    numbers = _node_numbers(plan.graph.nodes)
    layers = [_operation_config(op, plan.graph.nodes, numbers) for op in plan.graph.operations]

    def place(x: SymbolicTensor) -> list[Any]:
        operation, node, index = x.record  # type: ignore[misc]
        number = numbers[operation.name, node]
        return [operation.name, number + isinstance(operation, Functional), index]

    def places(tensors: Nest) -> Any:
        return nest.map_structure(place, tensors)

    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": layers,
        "input_layers": places(plan.inputs),
        "output_layers": places(plan.outputs),
    }


def _node_numbers(nodes: list[Node]) -> dict[tuple[str, int], int]:
    """The numbers that nodes have in this model, by name of the operation and own number."""
    numbers: dict[tuple[str, int], int] = {}
    counts: dict[str, int] = {}
    for node in sorted(nodes, key=lambda node: node.number):
        name = node.operation.name
        numbers[name, node.number] = counts.get(name, 0)
        counts[name] = counts.get(name, 0) + 1
    return numbers


def _operation_config(op: Any, nodes: list[Node], numbers: dict[tuple[str, int], int]) -> Config:
    own = sorted((node for node in nodes if node.operation is op), key=lambda node: node.number)
    calls = []
    if isinstance(op, FunctionOperation):
        split = [names.split_arguments(op.function, node.args, node.kwargs) for node in own]
        stored = op_config.write(op, split[0][1])
        calls = [names.positional(op.function, called) for called, _ in split]
    else:
        stored = registry.serialize(op)
        calls = [(node.args, node.kwargs) for node in own if node.inputs]
    inbound = [
        {"args": _stored(args, numbers), "kwargs": _stored(kwargs, numbers)}
        for args, kwargs in calls
    ]
    return {**stored, "name": op.name, "inbound_nodes": inbound}


def _stored(value: Any, numbers: dict[tuple[str, int], int]) -> Any:
    """Arguments of a call as JSON holds them; tensors by the call that made them."""
    if isinstance(value, SymbolicTensor):
        stored = value.to_symbolic_config()
        name, node, index = stored["config"]["keras_history"]
        stored["config"]["keras_history"] = [name, numbers[name, node], index]
        return stored
    if isinstance(value, dict):
        return {key: _stored(each, numbers) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_stored(each, numbers) for each in value]
    return registry.serialize(value)


def from_graph_config(cls: type, config: Config) -> Any:
    """The model of a config: only what the outputs need is made."""
    rebuilder = _Rebuilder(config["layers"])
    inputs = _revive_places(config["input_layers"], rebuilder)
    outputs = _revive_places(config["output_layers"], rebuilder)
    given = {k: v for k, v in config.items() if k in ("name", "trainable")}
    rest = {k: v for k, v in config.items()
            if k not in (*given, "layers", "input_layers", "output_layers", "dtype")}  # fmt: skip
    model = (Functional if cls is Model else cls)(inputs=inputs, outputs=outputs, **given, **rest)
    if given.get("trainable") is False:
        model.trainable = False
    return model


class _Rebuilder:
    """Makes layers and calls them, on demand, from the layers' part of a graph's config."""

    def __init__(self, layers: list[Config]) -> None:
        self.configs: dict[str, Config] = {}
        for each in layers:
            self.configs[each.get("name") or each["config"]["name"]] = each
        self.operations: dict[str, Any] = {}
        self.tensors: dict[tuple[str, int], list[Any]] = {}

    def tensor(self, place: Any) -> Any:
        """The symbolic tensor at ``[name, node, index]``, made with all that it needs."""
        name, node, index = str(place[0]), int(place[1]), int(place[2])
        stack = [(name, node)]
        waiting: set[tuple[str, int]] = set()
        while stack:
            target = stack[-1]
            missing = [each for each in self._needs(*target) if each not in self.tensors]
            if target in self.tensors:
                stack.pop()
            elif not missing:
                self._make(*stack.pop())
            elif waiting.intersection(missing):
                raise FileError(f"The graph has a circle through '{target[0]}'.")
            else:
                waiting.add(target)
                stack += missing
        return self.tensors[name, node][index]

    def output(self, place: Any) -> Any:
        """The symbolic tensor at a place of the model's inputs or outputs."""
        name, node, index = place
        shifted = self._config(str(name)).get("class_name") == "Functional"
        return self.tensor((name, int(node) - shifted, index))

    def _config(self, name: str) -> Config:
        if name not in self.configs:
            raise FileError(f"The graph names a layer '{name}' that it does not contain.")
        return self.configs[name]

    def _call(self, name: str, node: int) -> Config | None:
        calls = self._config(name).get("inbound_nodes", [])
        if not calls and node == 0:
            return None
        if not 0 <= node < len(calls):
            raise FileError(f"The graph names call {node} of '{name}', which has {len(calls)}.")
        return calls[node]

    def _needs(self, name: str, node: int) -> list[tuple[str, int]]:
        call = self._call(name, node)
        earlier = [(name, number) for number in range(node)] if call is not None else []
        places = list(_histories(call)) if call is not None else []
        return [(str(place[0]), int(place[1])) for place in places] + earlier[-1:]

    def _make(self, name: str, node: int) -> None:
        config = self._config(name)
        call = self._call(name, node)
        if name not in self.operations:
            self.operations[name] = _revive_operation(config)
        op = self.operations[name]
        if call is None:
            outputs = op._nodes[0].outputs
        else:
            args = self._argument(call.get("args", []))
            kwargs = self._argument(call.get("kwargs", {}))
            if not any(isinstance(x, SymbolicTensor) for x in nest.flatten([args, kwargs])):
                raise FileError(f"The graph calls '{name}' without a tensor.")
            made = op(*args, **kwargs)
            outputs = [x for x in nest.flatten(made) if isinstance(x, SymbolicTensor)]
        self.tensors[name, node] = outputs

    def _argument(self, value: Any) -> Any:
        if isinstance(value, dict):
            if value.get("class_name") == "__keras_tensor__":
                name, node, index = value["config"]["keras_history"]
                return self.tensors[str(name), int(node)][int(index)]
            if registry.is_serialized(value):
                return registry.deserialize(value)
            return {key: self._argument(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._argument(each) for each in value]
        return value


def _revive_operation(config: Config) -> Any:
    if op_config.is_op(config):
        return op_config.StoredOp(config)
    op = registry.deserialize(
        {k: v for k, v in config.items() if k not in ("name", "inbound_nodes")}
    )
    if not isinstance(op, Layer):
        raise FileError(f"'{config.get('class_name')}' is no layer, so it cannot be in a graph.")
    return op


def _histories(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            yield value["config"]["keras_history"]
            return
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _histories(each)


def _revive_places(places: Any, rebuilder: _Rebuilder) -> Nest:
    if isinstance(places, dict):
        return {key: _revive_places(each, rebuilder) for key, each in places.items()}
    if isinstance(places, (list, tuple)):
        if len(places) == 3 and isinstance(places[0], str) and isinstance(places[1], int):
            return rebuilder.output(places)
        return [_revive_places(each, rebuilder) for each in places]
    raise FileError(f"A place in a graph is [name, call, output], not {places!r}.")
