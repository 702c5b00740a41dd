"""`Model`: a layer that can be trained, seen and kept; where training, view and saving meet."""

import copy
import json
from collections.abc import Callable
from typing import Any, Self

from lamina.core import calling, nest, registry, tracking
from lamina.core.errors import ArgumentError, StateError, UndescribedError, unknown
from lamina.core.layer import Layer
from lamina.core.registry import late
from lamina.core.symbolic import SymbolicTensor
from lamina.core.types import Nest
from lamina.models.plan import Plan
from lamina.training.trainer import Trainer


class Model(Trainer, Layer):
    """A layer with training, pictures and files.

    There are three ways to make one: ``Model(inputs, outputs)`` from symbolic tensors, a subclass
    with its own ``call``, or `Sequential`.

    Args:
        inputs: A symbolic tensor from ``Input``, or a nest of them.
        outputs: What to compute: a symbolic tensor made from the inputs, or a nest of them.
        name: The model's name.

    >>> import lamina as keras
    >>> inputs = keras.Input((3,))
    >>> model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    >>> model.count_params(), model.output_shape
    (8, (None, 2))
    """

    keras_module = "keras"
    _hidden = Layer._hidden | {"_trainer", "_traced"}
    _plan: Plan | None = None
    _traced: tuple[Nest, Nest] | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is Model and _is_functional(args, kwargs):
            return late("models.Functional").__new__(late("models.Functional"), *args, **kwargs)
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not _is_functional(args, kwargs):
            super().__init__(*args, **kwargs)
            return
        named = dict(zip(("inputs", "outputs", "name"), args, strict=False))
        twice = named.keys() & kwargs.keys()
        if twice:
            raise ArgumentError(f"{type(self).__name__} got {sorted(twice)} twice.")
        given = {**named, **kwargs}
        inputs, outputs = given.pop("inputs"), given.pop("outputs")
        super().__init__(**given)
        self._set_plan(inputs, outputs)

    def _set_plan(self, inputs: Nest, outputs: Nest) -> None:
        for what, tensors in (("inputs", inputs), ("outputs", outputs)):
            for x in nest.flatten(tensors):
                if not isinstance(x, SymbolicTensor):
                    raise ArgumentError(
                        f"The {what} of a model are symbolic tensors.",
                        met=type(x).__name__,
                        fix="start from lamina.Input(shape) and call layers on it",
                    )
        inputs, outputs = late("models.rewire.from_inputs")(inputs, outputs)
        plan = Plan(inputs, outputs)
        _check_names(plan, self.name)
        self._plan_layers = plan.layers
        self._plan = plan
        self._lamina.built = True
        self._lamina.build_shapes = {}
        tracking.bump()

    # --- computing ------------------------------------------------------------------------------

    def call(self, *args: Any, **kwargs: Any) -> Nest:
        """The computation: overridden in a subclass, given by the graph in a functional model."""
        if self._plan is None:
            raise StateError(
                f"{self._who()} computes nothing yet.",
                rule="a model is Model(inputs, outputs), a Sequential, or a subclass with call",
                fix="define call(self, inputs) in the subclass",
            )
        return late("models.functional.run_plan")(self, *args, **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Nest:
        if self._plan is None or type(self).call is not Model.call:
            return super().compute_output_spec(*args, **kwargs)
        return late("models.functional.describe_plan")(self, *args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        new = super().__deepcopy__(memo)
        for layer in self._flatten_layers():
            if "_trainer" in layer.__dict__:
                training = copy.deepcopy(layer._trainer, memo)
                object.__setattr__(memo[id(layer)], "_trainer", training)
        return new

    # --- the layers inside ----------------------------------------------------------------------

    @property
    def layers(self) -> list[Layer]:
        """The layers directly inside the model, in Keras's order."""
        return self._flatten_layers(include_self=False, recursive=False)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer with this name, or at this place in `layers`.

        Raises:
            UnknownNameError: with the nearest name, when there is none.
        """
        if (name is None) == (index is None):
            raise ArgumentError("get_layer takes either a name or an index.")
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ArgumentError(f"{self._who()} has {len(layers)} layers, none at {index}.")
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        raise unknown(f"layer of {self._who()}", name, [layer.name for layer in layers])

    def _fingerprinted(self) -> dict[str, Any]:
        found = self._attributes()
        if self._plan is not None:
            layers = found.pop("_plan_layers")
            found = {"layers": layers, **found}
        return found

    # --- symbolic inputs and outputs ------------------------------------------------------------

    def _symbolic(self) -> tuple[Nest, Nest]:
        """The model's symbolic inputs and outputs: of its graph, or of one traced call."""
        if self._plan is not None:
            return self._plan.inputs, self._plan.outputs
        if self._traced is None:
            object.__setattr__(self, "_traced", self._trace())
        assert self._traced is not None
        return self._traced

    def _trace(self) -> tuple[Nest, Nest]:
        if self._nodes:
            node = self._nodes[0]
            return (node.args[0] if node.args else node.inputs), node.output
        shapes = self._lamina.build_shapes
        if not self.built or not shapes:
            raise UndescribedError(
                f"{self._who()} has no inputs or outputs yet.",
                rule="they are known once the model was called or built",
                fix="call it on data, or model.build(input_shape) with None for the batch",
            )
        make = late("layers.Input")
        first, *others = [
            nest.map_shapes(lambda s: make(batch_shape=(None, *s[1:])), shape)
            for shape in shapes.values()
        ]
        if not others:
            return first, calling.describe(self, (first,), {})
        names = [name.removesuffix("_shape") for name in shapes]
        named = dict(zip(names, [first, *others], strict=True))
        return [first, *others], calling.describe(self, (), named)

    @property
    def input(self) -> Nest:
        """The symbolic inputs, in the structure in which the model takes them."""
        return self._symbolic()[0]

    @property
    def output(self) -> Nest:
        """The symbolic outputs, in the structure in which the model gives them."""
        return self._symbolic()[1]

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """The symbolic inputs, flat."""
        return nest.flatten(self._symbolic()[0])

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """The symbolic outputs, flat."""
        return nest.flatten(self._symbolic()[1])

    @property
    def input_shape(self) -> Any:
        """The shapes of the inputs, None where a size is free."""
        return nest.map_structure(lambda x: x.shape, self.input)

    @property
    def output_shape(self) -> Any:
        """The shapes of the outputs, None where a size is free."""
        return nest.map_structure(lambda x: x.shape, self.output)

    # --- seeing ---------------------------------------------------------------------------------

    def summary(
        self,
        line_length: int | None = None,
        positions: list[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: list[str] | None = None,
        **options: Any,
    ) -> Any:
        """Show layers, output shapes and parameters as a table; see `lamina.view.summary`."""
        return late("view.summary.summary")(
            self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range,
            **options,
        )  # fmt: skip

    def _repr_svg_(self) -> str | None:
        return late("view.plot.cell_svg")(self)

    # --- keeping --------------------------------------------------------------------------------

    def save(self, filepath: Any, overwrite: bool = True, zipped: bool | None = None) -> None:
        """Write architecture, weights and training state to a ``.keras`` file."""
        late("saving.save_model")(self, filepath, overwrite=overwrite, zipped=zipped)

    def save_weights(
        self, filepath: Any, overwrite: bool = True, max_shard_size: float | None = None
    ) -> None:
        """Write the weights to a ``.weights.h5`` file."""
        late("saving.save_weights")(self, filepath, overwrite, max_shard_size)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Set the weights from a file; none changes unless all fit (or ``skip_mismatch``)."""
        late("saving.load_weights")(self, filepath, skip_mismatch=skip_mismatch, **kwargs)

    def to_json(self, **kwargs: Any) -> str:
        """The architecture as JSON; ``kwargs`` go to `json.dumps`."""
        return json.dumps(registry.serialize(self), **kwargs)

    def get_config(self) -> dict[str, Any]:
        if self._plan is not None and type(self).call is Model.call:
            return late("models.functional.graph_config")(self)
        return super().get_config()

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        with registry.CustomObjectScope(custom_objects or {}):
            if {"layers", "input_layers", "output_layers"} <= config.keys():
                return late("models.functional.from_graph_config")(cls, config)
            return super().from_config(config)


def _is_functional(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return (
        len(args) >= 2
        or (len(args) == 1 and "outputs" in kwargs)
        or ("inputs" in kwargs and "outputs" in kwargs)
    )


def _check_names(plan: Plan, name: str) -> None:
    seen: set[str] = set()
    for op in plan.graph.operations:
        if op.name in seen:
            raise ArgumentError(
                f"The model '{name}' has two layers named '{op.name}'.",
                rule="names are unique within a model, since files and get_layer use them",
                fix="give one of them another name",
            )
        seen.add(op.name)
