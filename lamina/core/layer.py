"""`Layer`: a computation with variables. The face of the files beside it."""

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lamina.core import binding, calling, nest, pytree, remat, tracking
from lamina.core.binding import Frame, Trace
from lamina.core.configurable import signature
from lamina.core.dtypes import DTypePolicy, get_policy, is_float
from lamina.core.errors import ArgumentError, ShapeError, StateError, explain
from lamina.core.legacy import take_legacy_arguments
from lamina.core.naming import auto_name, check_name
from lamina.core.operation import Operation
from lamina.core.registry import late, plain
from lamina.core.symbolic import SymbolicTensor
from lamina.core.types import (
    Array, ArrayLike, Config, ConstraintLike, DTypeLike, DTypePolicyLike, InitializerLike, Nest,
    RegularizerLike, ShapeLike,
)  # fmt: skip
from lamina.core.variable import Variable, materialize


class LayerState:
    """What Lamina keeps about a layer, apart from the layer's own attributes."""

    def __init__(self) -> None:
        self.initialised = False
        self.name = ""
        self.path: str | None = None
        self.trainable = True
        self.built = False
        self.building = False
        self.policy: DTypePolicy = get_policy(None)
        self.variables: list[Variable] = []
        self.attached: dict[int, int] = {}
        self.losses: list[Array] = []
        self.lossy = False
        self.build_shapes: dict[str, Any] = {}
        self.given_input_shape: tuple[int | None, ...] | None = None
        self.given_input_dtype: str | None = None
        self.remat: Any = None
        self.warned_mask = False
        self.root: Any = None
        """A weak reference to the outermost layer that called this one, the first time."""
        self.forget()

    def forget(self) -> None:
        """Drop what is derived from the layer's structure."""
        self.structure: Any = None
        self.programs: dict[Any, Any] = {}
        self.fast: Any = None

    def remember_shapes(self, shapes: dict[str, Any]) -> None:
        """Keep the shapes that the layer was built with, for its build config."""
        self.build_shapes = {
            name if name.endswith("_shape") else f"{name}_shape": shape
            for name, shape in shapes.items()
        }

    def __getstate__(self) -> dict[str, Any]:
        derived = {"programs": {}, "fast": None, "structure": None, "attached": {}, "root": None}
        return {**vars(self), **derived}


class Layer(Operation):
    """A computation on arrays with variables of its own, and the layers inside it.

    A subclass makes its variables in ``build`` (or ``__init__``) with `add_weight` and computes in
    ``call``, with ``jax.numpy``, ``lamina.ops`` or other layers.

    Args:
        activity_regularizer: A function of the output whose value is added to the loss.
        trainable: Whether training changes the layer's variables.
        dtype: A dtype or dtype policy: what variables are stored in, and what is computed in.
        autocast: Whether float inputs and variables are cast to the compute dtype in calls.
        name: Unique within a model; made from the class name when left out.

    >>> import numpy as np
    >>> class Scale(Layer):
    ...     def build(self, input_shape):
    ...         self.factor = self.add_weight(shape=(), initializer="ones", name="factor")
    ...     def call(self, x):
    ...         return x * self.factor
    >>> Scale()(np.float32([1, 2]))
    Array([1., 2.], dtype=float32)
    """

    is_layer = True
    compilable = True
    rebuilds = False
    masks_itself = False
    supports_masking = False
    autocast = True
    input_spec: Any = None
    activity_regularizer: Any = None
    quantization_mode = None
    _lamina: LayerState
    _hidden = frozenset({"_lamina", "_given", "_nodes"})

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        self = super().__new__(cls, *args, **kwargs)
        object.__setattr__(self, "_lamina", LayerState())
        object.__setattr__(self, "_nodes", [])
        return self

    def __init__(
        self,
        *,
        activity_regularizer: RegularizerLike = None,
        trainable: bool = True,
        dtype: DTypePolicyLike = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        state = self._lamina
        state.initialised = True
        state.name = auto_name(type(self).__name__) if name is None else check_name(name, "A layer")
        state.trainable = bool(trainable)
        state.policy = get_policy(dtype)
        state.remat = remat.wrapper_in_scope()
        if kwargs:
            take_legacy_arguments(self, kwargs)
        if activity_regularizer is not None:
            self.activity_regularizer = late("regularizers.get")(activity_regularizer)
        if not autocast:
            self.autocast = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = _building(cls.__dict__["build"])  # type: ignore[method-assign]
        pytree.register(cls)

    # --- what a subclass defines ----------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Make the variables for inputs of this shape (a nest of shapes for several inputs).

        Unless overridden, calls the layer abstractly, which builds its sub-layers.
        """
        if self._overrides("call"):
            dtype = self.compute_dtype if is_float(self.compute_dtype) else None
            inputs = nest.map_shapes(lambda s: SymbolicTensor(s, dtype or "float32"), input_shape)
            calling.infer(self, (inputs,), {})
        self._lamina.built = True

    def compute_output_shape(self, *args: Any, **kwargs: Any) -> Any:
        """The shape of the output (a nest of shapes for several) for inputs of these shapes."""
        dtype = self.compute_dtype if is_float(self.compute_dtype) else "float32"

        def tensors(shapes: Any) -> Nest:
            return nest.map_shapes(lambda s: SymbolicTensor(s, dtype), shapes)

        named = {name.removesuffix("_shape"): tensors(shape) for name, shape in kwargs.items()}
        first = calling.call_signature(self).first
        if "input" in named and first is not None:
            named[first] = named.pop("input")
        output = calling.describe_only(self, tuple(tensors(shape) for shape in args), named)
        return nest.map_structure(lambda x: x.shape, output)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Nest:
        """Symbolic outputs for symbolic inputs."""
        if not self._overrides("compute_output_shape"):
            return calling.infer(self, args, kwargs)
        shapes = nest.map_structure(lambda x: x.shape, args[0])
        shape = self.compute_output_shape(shapes)
        dtype = self.compute_dtype
        output = nest.map_shapes(lambda s: SymbolicTensor(s, dtype), shape)
        masks = nest.map_structure(lambda x: getattr(x, "symbolic_mask", None), args[0])
        for x in nest.flatten(output) if self.supports_masking else []:
            x.symbolic_mask = next((m for m in nest.flatten(masks) if m is not None), None)
        return output

    def compute_mask(self, inputs: Nest, previous_mask: Any) -> Any:
        """The mask of the output, for a layer that supports masking: the input's, by default."""
        return previous_mask

    # --- calling --------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the layer on arrays, or on symbolic tensors to describe a model.

        Raises:
            ShapeError: naming the layer and the shapes, when the inputs do not fit.
        """
        outputs = calling.dispatch(self, args, kwargs)
        frame = binding.current()
        if frame is not None and frame.trace.captures is not None:
            frame.trace.captures.setdefault(id(self), (args[0] if args else kwargs, outputs))
        return outputs

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Nest:
        return calling.describe(self, args, kwargs)

    def stateless_call(
        self,
        trainable_variables: list[Array],
        non_trainable_variables: list[Array],
        *args: Any,
        return_losses: bool = False,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Call the layer as a pure function of its variables' arrays.

        Args:
            trainable_variables: Arrays in the order of ``self.trainable_variables``.
            non_trainable_variables: Arrays in the order of ``self.non_trainable_variables``.
            return_losses: Whether to return the losses too.

        Returns:
            ``(outputs, non_trainable_variables)``, and the list of losses when asked for.
        """
        if not self.built:
            raise StateError(f"{self._who()} has no variables yet: call or build it first.")
        variables = [*self.trainable_variables, *self.non_trainable_variables]
        values = [*trainable_variables, *non_trainable_variables]
        if len(values) != len(variables):
            raise ArgumentError(
                explain(
                    f"{self._who()}.stateless_call got another number of arrays than it has "
                    "variables.",
                    met=f"{len(trainable_variables)} trainable, {len(non_trainable_variables)} "
                    f"other; needed {len(self.trainable_variables)} and "
                    f"{len(self.non_trainable_variables)}",
                )
            )
        arrays = [getattr(value, "value", value) for value in values]
        with binding.bind(dict(zip(variables, arrays, strict=True))) as trace:
            outputs = self(*args, **kwargs)
            losses = [value for _, value in trace.losses] + self._weight_losses()
        rest = [trace.values[variable] for variable in self.non_trainable_variables]
        return (outputs, rest, losses) if return_losses else (outputs, rest)

    def rematerialized_call(self, layer_call: Callable[..., Nest], *args: Any, **kwargs: Any) -> Nest:
        """``layer_call`` with its intermediate values recomputed in the backward pass."""
        return remat.rematerialised(self, layer_call, args, kwargs)

    def _only_node(self, what: str) -> Any:
        root = self._lamina.root() if self._lamina.root is not None and not self._nodes else None
        if root is not None and hasattr(root, "get_layer"):
            inside = late("models.extract.describe_inside")(root, self)
            if inside is not None:
                return inside
        return super()._only_node(what)

    # --- variables ------------------------------------------------------------------------------

    def add_weight(
        self,
        shape: ShapeLike | None = None,
        initializer: InitializerLike = None,
        dtype: DTypeLike = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: RegularizerLike = None,
        constraint: ConstraintLike = None,
        aggregation: str = "none",
        overwrite_with_gradient: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> Variable:
        """Make a variable of this layer; its array is made when it is first read.

        Args:
            shape: Its shape; a scalar when left out.
            initializer: glorot_uniform for floats and zeros for other dtypes, when left out.
            dtype: The policy's variable dtype when left out.
            trainable: Whether training changes it.
            regularizer: A function of the array whose value is added to the loss.
            constraint: A function applied to the array after each step of an optimizer.
        """
        if not self._lamina.initialised:
            raise StateError(calling._uninitialised(self))
        if isinstance(shape, str):  # tf.keras's order: the name came first
            name, shape = shape, kwargs.pop("_shape", None)
        dtype = self.variable_dtype if dtype is None else dtype
        if initializer is None:
            initializer = "glorot_uniform" if is_float(dtype) else "zeros"
        inside = binding.current() is not None
        variable = Variable(
            initializer,
            () if shape is None else shape,
            dtype,
            trainable,
            autocast,
            aggregation,
            name=name if name is not None else auto_name("variable"),
            path=None if inside else f"{self._lamina.path or self.name}/{name or 'variable'}",
        )
        if regularizer is not None:
            variable.regularizer = late("regularizers.get")(regularizer)
        if constraint is not None:
            variable.constraint = late("constraints.get")(constraint)
        variable.overwrite_with_gradient = overwrite_with_gradient
        self._lamina.variables.append(variable)
        tracking.bump()
        return variable

    add_variable = add_weight

    @property
    def variables(self) -> list[Variable]:
        """All variables: own ones, states of random generators, then those of sub-layers."""
        found = self._own_weights()
        found += [v for owner in self._owners() if not _is_metric(owner) for v in owner.owned_variables]
        for layer in self._sublayers():
            found += layer.variables
        return tracking.unique(found)

    @property
    def weights(self) -> list[Variable]:
        """All variables but the states of random generators: trainable ones of a layer first."""
        found = self._own_weights()
        for layer in self._sublayers():
            found += layer.weights
        return tracking.unique(found)

    @property
    def trainable_variables(self) -> list[Variable]:
        """The variables that training changes; none of those of a frozen layer, at any depth."""
        if not self.trainable:
            return []
        found = [v for v in self._lamina.variables if v.trainable]
        for layer in self._sublayers():
            found += layer.trainable_variables
        return tracking.unique(found)

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The variables that training does not change, states of random generators included."""
        trained = {id(v) for v in self.trainable_variables}
        return [v for v in self.variables if id(v) not in trained]

    trainable_weights = trainable_variables

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that training does not change."""
        trained = {id(v) for v in self.trainable_variables}
        return [v for v in self.weights if id(v) not in trained]

    def get_weights(self) -> list[np.ndarray]:
        """Copies of the weights' arrays, on the host."""
        materialize(self.weights)
        return [variable.numpy() for variable in self.weights]

    def set_weights(self, weights: list[ArrayLike]) -> None:
        """Set all weights; every shape is checked before the first one changes.

        Raises:
            ShapeError: naming the weight, when one does not fit; no weight is changed then.
        """
        own = self.weights
        if len(own) != len(weights):
            raise ShapeError(
                explain(
                    f"{self._who()} has {len(own)} weights, but {len(weights)} arrays were given.",
                    met=", ".join(f"{v.path} {v.shape}" for v in own[:8]) or "a layer not built yet",
                    fix="" if self.built else "call or build the layer first",
                )
            )
        for variable, array in zip(own, weights, strict=True):
            shape = np.shape(array)
            if tuple(shape) != variable.shape:
                raise ShapeError(
                    explain(
                        f"{self._who()}.set_weights: an array does not fit '{variable.path}'.",
                        met=f"array {tuple(shape)}, weight {variable.shape}",
                        rule="no weight was changed",
                    )
                )
        for variable, array in zip(own, weights, strict=True):
            variable.assign(array)

    def count_params(self) -> int:
        """Number of elements in all weights."""
        if not self.built:
            raise StateError(f"{self._who()} is not built, so its number of weights is not known.")
        return sum(math.prod(v.shape) for v in self.weights)

    def save_own_variables(self, store: Any) -> None:
        """Put the arrays of the layer's own variables (not its sub-layers') into ``store``."""
        for index, variable in enumerate(self._own_weights()):
            store[str(index)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Set the layer's own variables from what `save_own_variables` stored."""
        own = self._own_weights()
        if len(store.keys()) != len(own):
            raise ShapeError(
                explain(
                    f"{self._who()} has {len(own)} variables, but {len(store.keys())} are stored.",
                    met=", ".join(f"{v.name} {v.shape}" for v in own) or "no variables",
                    fix="" if own or self.built else "build the layer before loading weights",
                )
            )
        arrays = [store[str(index)] for index in range(len(own))]
        for variable, array in zip(own, arrays, strict=True):
            if tuple(array.shape) != variable.shape:
                raise ShapeError(
                    f"{self._who()}: stored {tuple(array.shape)} does not fit '{variable.name}' "
                    f"{variable.shape}."
                )
        for variable, array in zip(own, arrays, strict=True):
            variable.assign(array)

    def _own_weights(self) -> list[Variable]:
        own = self._lamina.variables
        return sorted(own, key=lambda v: not v.made_trainable)

    # --- losses and metrics ---------------------------------------------------------------------

    def add_loss(self, loss: Any) -> None:
        """Add scalar losses to those of training; called in ``call``."""
        frame = binding.current()
        for value in nest.flatten(loss):
            value = value() if callable(value) else value
            if frame is None:
                self._lamina.losses.append(value)
                self._lamina.lossy = True
            else:
                frame.trace.losses.append((self, value))

    @property
    def losses(self) -> list[Array]:
        """Losses added by the last call, then those of the weights' regularizers."""
        frame = binding.current()
        if frame is not None and frame.trace.losses:
            inside = {id(each) for each in self._flatten_layers()}
            added = [value for owner, value in frame.trace.losses if id(owner) in inside]
        else:
            added = [value for each in self._flatten_layers() for value in each._lamina.losses]
        return added + self._weight_losses()

    def _weight_losses(self) -> list[Array]:
        return [v.regularizer(v.value) for v in self.trainable_variables if v.regularizer is not None]

    @property
    def metrics(self) -> list[Any]:
        """Metrics held by the layer and its sub-layers."""
        found = [owner for owner in self._owners() if _is_metric(owner)]
        for layer in self._sublayers():
            found += layer.metrics
        return tracking.unique(found)

    @property
    def metrics_variables(self) -> list[Variable]:
        """The variables of `metrics`."""
        return [v for metric in self.metrics for v in metric.variables]

    # --- what the layer is ----------------------------------------------------------------------

    @property
    def name(self) -> str:  # type: ignore[override]
        """The layer's name, unique within a model."""
        return self._lamina.name

    @name.setter
    def name(self, value: str) -> None:
        self._lamina.name = check_name(value, "A layer")

    @property
    def path(self) -> str:
        """Names of the layers around the layer when it was built, and its own."""
        return self._lamina.path or self.name

    @property
    def built(self) -> bool:
        """Whether the layer's variables exist."""
        return self._lamina.built

    @built.setter
    def built(self, value: bool) -> None:
        self._lamina.built = bool(value)
        tracking.bump()

    @property
    def trainable(self) -> bool:
        """Whether training changes the layer's variables; setting it sets all sub-layers'."""
        return self._lamina.trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._lamina.trainable = bool(value)
        for variable in self._lamina.variables:
            if variable.made_trainable:
                variable.trainable = value
        for layer in self._sublayers():
            layer.trainable = value
        tracking.bump()

    @property
    def dtype_policy(self) -> DTypePolicy:
        """Which dtypes the layer stores and computes in."""
        return self._lamina.policy

    @dtype_policy.setter
    def dtype_policy(self, value: DTypePolicyLike) -> None:
        self._lamina.policy = get_policy(value)
        tracking.bump()

    @property
    def dtype(self) -> str:
        """The dtype of the layer's variables."""
        return self._lamina.policy.variable_dtype

    @property
    def variable_dtype(self) -> str:
        """The dtype of the layer's variables."""
        return self._lamina.policy.variable_dtype

    @property
    def compute_dtype(self) -> str:
        """The dtype that the layer computes in."""
        return self._lamina.policy.compute_dtype

    input_dtype = compute_dtype

    def get_config(self) -> Config:
        """The constructor's arguments, and name, trainable and dtype, as plain values."""
        own = super().get_config() if type(self).__init__ is not Layer.__init__ else {}
        base: Config = {"name": self.name, "trainable": self.trainable, "dtype": plain(self.dtype_policy)}
        taken = _accepted(type(self))
        base = {key: value for key, value in base.items() if taken is None or key in taken}
        known = {key for key in own if key not in base and key not in _UNSAVED}
        if self.activity_regularizer is not None and (taken is None or "activity_regularizer" in taken):
            own["activity_regularizer"] = plain(self.activity_regularizer)
            known.add("activity_regularizer")
        return {**base, **{key: own[key] for key in own if key in known}}

    def get_build_config(self) -> Config | None:
        """The shapes that the layer was built with."""
        shapes = self._lamina.build_shapes
        if not shapes:
            return None
        if len(shapes) == 1:
            return {"input_shape": next(iter(shapes.values()))}
        return {"shapes_dict": shapes}

    def build_from_config(self, config: Config) -> None:
        """Build the layer for the shapes of a build config."""
        if config.get("input_shape") is not None:
            self.build(_tuples(config["input_shape"]))
        elif "shapes_dict" in config:
            shapes = {key: _tuples(shape) for key, shape in config["shapes_dict"].items()}
            self.build(**shapes) if self._builds_itself() else self.build(next(iter(shapes.values())))
        self._lamina.built = True

    # --- inside ---------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(getattr(type(self), name, None), property):
            object.__setattr__(self, name, value)
            return
        if type(value) in _CONTAINERS or tracking.is_tracked(value):
            if not self._lamina.initialised and tracking.contains_tracked(value):
                raise StateError(calling._uninitialised(self))
            value = tracking.track(value, self)
            self._attach(value)
        elif binding.current() is None or self._changes_program(name, value):
            tracking.bump()
        old = self.__dict__.get(name)
        object.__setattr__(self, name, value)
        if old is not value and tracking.is_variable(old):
            self._drop(old)

    def __delattr__(self, name: str) -> None:
        old = self.__dict__.get(name)
        object.__delattr__(self, name)
        self._drop(old)
        tracking.bump()

    def _drop(self, old: Any) -> None:
        """Forget variables that no attribute holds any more."""
        held = {id(v) for value in self._attributes().values() for _, v in tracking.walk(value)}
        gone = {id(v) for _, v in tracking.walk(old)} - held
        self._lamina.variables = [v for v in self._lamina.variables if id(v) not in gone]

    def _attach(self, value: Any) -> None:
        """Take in the variables and layers of a new attribute, in the order of their coming."""
        state = self._lamina
        for _, thing in tracking.walk(value):
            if tracking.is_variable(thing):
                if not any(thing is each for each in state.variables):
                    state.variables.append(thing)
            elif tracking.is_layer(thing):
                state.attached.setdefault(id(thing), len(state.attached))
        if state.initialised:
            tracking.bump()

    def _changes_program(self, name: str, value: Any) -> bool:
        """Whether a write inside a call changes what one of Lamina's own layers computes."""
        if type(self).__module__.partition(".")[0] != "lamina" or hasattr(value, "dtype"):
            return False
        return bool(self.__dict__.get(name) != value)

    def _attributes(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in self._hidden}

    def _fingerprinted(self) -> dict[str, Any]:
        """The attributes that say what the layer computes."""
        return self._attributes()

    def _own_variables_with_keys(self) -> Iterator[tuple[str, Variable]]:
        taken: dict[str, int] = {}
        for variable in self._lamina.variables:
            count = taken[variable.name] = taken.get(variable.name, -1) + 1
            yield (f"{variable.name}_{count}" if count else variable.name), variable

    def _things(self) -> list[Any]:
        return tracking.unique(
            thing for value in self._attributes().values() for _, thing in tracking.walk(value)
        )

    def _owners(self) -> list[Any]:
        return [thing for thing in self._things() if tracking.is_owner(thing)]

    def _sublayers(self) -> list["Layer"]:
        """The layers held by attributes, in the order in which they came."""
        order = self._lamina.attached
        found = [thing for thing in self._things() if tracking.is_layer(thing) and thing is not self]
        return sorted(found, key=lambda layer: order.get(id(layer), len(order)))

    def _flatten_layers(self, include_self: bool = True, recursive: bool = True) -> list["Layer"]:
        """The layer, its sub-layers and theirs, each once."""
        found, stack = {}, [self]
        while stack:
            layer = stack.pop()
            if id(layer) not in found:
                found[id(layer)] = layer
                if recursive or layer is self:
                    stack += reversed(layer._sublayers())
        layers = list(found.values())
        return layers if include_self else layers[1:]

    def _overrides(self, method: str) -> bool:
        return getattr(type(self), method) is not getattr(Layer, method)

    def _computes_mask(self) -> bool:
        return self._overrides("compute_mask")

    def _builds_itself(self) -> bool:
        return self._overrides("build")

    def _build_parameters(self) -> list[str]:
        function = getattr(type(self).build, "original", type(self).build)
        parameters = list(signature(function).parameters.values())[1:]
        return [p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]

    def _build_arguments(self, shapes: dict[str, Any]) -> dict[str, Any]:
        """Shapes of the call's arguments under the names of ``build``'s parameters."""
        names = self._build_parameters()
        named = {f"{name}_shape": shape for name, shape in shapes.items()}
        if len(names) == 1 and names[0] not in named:
            return {names[0]: next(iter(shapes.values()))}
        found = {name: named[name] for name in names if name in named}
        if names and names[0] not in found:
            found[names[0]] = next(iter(shapes.values()))
        return found

    def _who(self) -> str:
        frame = binding.current()
        path = frame.path() if frame is not None else ""
        named = self.name if not path or path.split("/")[-1] == self.name else f"{path}/{self.name}"
        return f"{type(self).__name__} '{path if path.endswith(self.name) and path else named}'"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_sublayers_in_order": self._sublayers()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        order = state.pop("_sublayers_in_order")
        for name, value in state.items():
            object.__setattr__(self, name, tracking.track(value, self))
        self._lamina.attached = {id(layer): place for place, layer in enumerate(order)}

    def __deepcopy__(self, memo: dict[int, Any]) -> "Layer":
        return pytree.copy_layer(self, memo)


pytree.attach_methods(Layer)

_CONTAINERS = (list, dict, tuple, tracking.TrackedList, tracking.TrackedDict)
_UNSAVED = ("name", "trainable", "dtype", "activity_regularizer", "autocast", "kwargs")


def _building(build: Callable[..., None]) -> Callable[..., None]:
    """A class's ``build``, opening the layer's scope, once, and noting the shapes."""

    @functools.wraps(build)
    def wrapper(self: Layer, *args: Any, **kwargs: Any) -> None:
        state = self._lamina
        if not state.initialised:
            raise StateError(calling._uninitialised(self))
        if state.building:  # super().build(...)
            build(self, *args, **kwargs)
            return
        if state.built and not self.rebuilds:
            return
        outer = binding.current()
        trace = outer.trace if outer is not None else Trace({})
        state.building = True
        try:
            with binding.push(Frame(trace, self, parent=outer)) as frame:
                state.path = frame.path()
                build(self, *args, **kwargs)
        finally:
            state.building = False
        names = self._build_parameters()
        shapes = {**dict(zip(names, args, strict=False)), **kwargs}
        if not state.build_shapes and all(shape is not None for shape in shapes.values()):
            state.remember_shapes(shapes)
        state.built = True
        tracking.bump()

    wrapper.original = build  # type: ignore[attr-defined]
    return wrapper


def _is_metric(owner: Any) -> bool:
    return hasattr(owner, "update_state")


@functools.lru_cache(maxsize=None)
def _accepted(cls: type) -> frozenset[str] | None:
    """The names of a class's constructor arguments; None when it takes any."""
    parameters = signature(cls.__init__).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return frozenset(p.name for p in parameters)


def _tuples(shape: Any) -> Any:
    """Shapes read from JSON, as tuples, at any depth."""
    if isinstance(shape, dict):
        return {key: _tuples(each) for key, each in shape.items()}
    if isinstance(shape, (list, tuple)):
        if all(size is None or isinstance(size, int) for size in shape):
            return tuple(shape)
        return [_tuples(each) for each in shape]
    return shape

