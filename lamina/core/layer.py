"""`Layer`: a computation with variables. The face of the files beside it."""

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from lamina.core import binding, calling, nest, pytree, remat, tracebacks, tracking
from lamina.core.binding import Frame, Trace
from lamina.core.configurable import signature
from lamina.core.dtypes import DTypePolicy, canonical, get_policy, is_float
from lamina.core.errors import ArgumentError, NotDefinedError, ShapeError, StateError
from lamina.core.holder import LayerState, uninitialised
from lamina.core.legacy import take_legacy_arguments
from lamina.core.naming import auto_name, check_name
from lamina.core.operation import Operation
from lamina.core.registry import late, plain
from lamina.core.symbolic import SymbolicTensor
from lamina.core.types import Array, Config, DTypePolicyLike, Nest, RegularizerLike
from lamina.core.variable import read_all
from lamina.core.weights import Weights


class Layer(Weights, Operation):
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

    compilable = True
    rebuilds = False
    masks_itself = False
    supports_masking = False
    autocast = True
    input_spec: Any = None
    activity_regularizer: Any = None
    quantization_mode = None

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
        if not isinstance(trainable, bool):
            raise ArgumentError(f"`trainable` is True or False, not {trainable!r}.")
        state.trainable = trainable
        self._use_policy(get_policy(dtype))
        state.remat = remat.wrapper_in_scope()
        if kwargs:
            take_legacy_arguments(self, kwargs)
        if activity_regularizer is not None:
            self.activity_regularizer = late("regularizers.get")(activity_regularizer)
        if not autocast:
            self.autocast = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "compute_mask" in cls.__dict__ and cls.supports_masking is False:
            cls.supports_masking = "supports_masking" not in cls.__dict__
        if "build" in cls.__dict__:
            cls.build = _building(cls.__dict__["build"])  # type: ignore[method-assign]
        pytree.register(cls)

    # --- what a subclass defines ----------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Make the variables for inputs of this shape (a nest of shapes for several inputs).

        Unless overridden, calls the layer abstractly, which builds its sub-layers.
        """
        if self._overrides("call") and not self._lamina.building:  # not by super().build(...)
            dtype = self.compute_dtype if is_float(self.compute_dtype) else None
            inputs = nest.map_shapes(lambda s: SymbolicTensor(s, dtype or "float32"), input_shape)
            calling.infer(self, (inputs,), {})
        self._lamina.built = True

    def compute_output_shape(self, *args: Any, **kwargs: Any) -> Any:
        """The shape of the output (a nest of shapes for several) for inputs of these shapes."""
        if not self._overrides("call") and not self._overrides("compute_output_spec"):
            raise NotDefinedError(
                f"{self._who()} has neither a call() nor a compute_output_shape().",
                fix="define call(), of which the shape is inferred",
            )
        dtype = self.compute_dtype if is_float(self.compute_dtype) else "float32"

        def tensors(shapes: Any) -> Nest:
            if not isinstance(shapes, (tuple, list, dict)):
                return shapes  # another argument of the call
            return nest.map_shapes(lambda s: SymbolicTensor(s, dtype), shapes)

        named = {name.removesuffix("_shape"): tensors(shape) for name, shape in kwargs.items()}
        first = calling.call_signature(self).first
        if "input" in named and first is not None:
            named[first] = named.pop("input")
        inputs = tuple(tensors(shape) for shape in args)
        from_call = not self._overrides("compute_output_spec")
        output = calling.describe_only(self, inputs, named, from_call)
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
        try:
            outputs = calling.dispatch(self, args, kwargs)
        except Exception as error:
            tracebacks.fold(error)
            raise
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
                f"{self._who()}.stateless_call got another number of arrays than it has variables.",
                met=f"{len(trainable_variables)} trainable, {len(non_trainable_variables)} "
                f"other; needed {len(self.trainable_variables)} and "
                f"{len(self.non_trainable_variables)}",
            )
        arrays = [getattr(value, "value", value) for value in values]
        with binding.bind(dict(zip(variables, arrays, strict=True))) as trace:
            outputs = read_all(self(*args, **kwargs))
            losses = [value for _, value in trace.losses] + self._weight_losses()
        rest = [trace.values[variable] for variable in self.non_trainable_variables]
        return (outputs, rest, losses) if return_losses else (outputs, rest)

    def rematerialized_call(
        self, layer_call: Callable[..., Nest], *args: Any, **kwargs: Any
    ) -> Nest:
        """``layer_call`` with its intermediate values recomputed in the backward pass."""
        return remat.rematerialised(self, layer_call, args, kwargs)

    def _only_node(self, what: str) -> Any:
        root = self._lamina.root() if self._lamina.root is not None and not self._nodes else None
        if root is not None and hasattr(root, "get_layer"):
            inside = late("models.extract.describe_inside")(root, self)
            if inside is not None:
                return inside
        return super()._only_node(what)

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
    def built(self) -> bool:  # type: ignore[override]
        """Whether the layer's variables exist."""
        return self._lamina.built

    @built.setter
    def built(self, value: bool) -> None:
        self._lamina.built = bool(value)
        tracking.bump()

    @property
    def trainable(self) -> bool:  # type: ignore[override]
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
        return self._lamina.given_policy

    @dtype_policy.setter
    def dtype_policy(self, value: DTypePolicyLike) -> None:
        self._use_policy(self._lamina.given_policy.with_path(self.path, value))
        tracking.bump()

    @property
    def dtype(self) -> str:
        """The dtype of the layer's variables."""
        return self._lamina.policy.variable_dtype

    @property
    def variable_dtype(self) -> str:  # type: ignore[override]
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
        base: Config = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": plain(self.dtype_policy),
        }
        taken = _accepted(type(self))
        base = {key: value for key, value in base.items() if taken is None or key in taken}
        known = {key for key in own if key not in base and key not in _UNSAVED}
        if self.activity_regularizer is not None and (
            taken is None or "activity_regularizer" in taken
        ):
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
        """Build the layer for the shapes of a build config.

        A layer with a policy for each path waits for its place in a model.
        """
        if isinstance(self.dtype_policy, Mapping):
            return
        if config.get("input_shape") is not None:
            self._try_build(_tuples(config["input_shape"]))
        elif "shapes_dict" in config:
            shapes = {key: _tuples(shape) for key, shape in config["shapes_dict"].items()}
            if self._builds_itself():
                self.build(**shapes)
            else:
                self._try_build(next(iter(shapes.values())))
        else:
            self._lamina.built = True

    def _try_build(self, shape: Any) -> None:
        try:
            self.build(shape)
        except ShapeError:
            if self._builds_itself():
                raise
            return  # its call wants other dtypes than were tried: the first call builds it
        self._lamina.built = True

    # --- inside ---------------------------------------------------------------------------------

    def _use_policy(self, given: DTypePolicy) -> None:
        """Take the policy, or the one that a map of policies has for the layer's path."""
        policy = given.for_path(self.path)
        if policy.quantization_mode is not None:
            raise ArgumentError(
                f"{self._who()} cannot compute in the quantized policy '{policy.name}'.",
                rule="layers take policies of floats: 'float32', 'mixed_bfloat16', ...",
                fix=f"dtype='{policy.variable_dtype}'",
            )
        if policy.compute_dtype == "float64" and canonical("float64") == "float32":
            warnings.warn(
                f"{self._who()} is of float64, which JAX keeps in float32 unless "
                "jax.config.update('jax_enable_x64', True) is called first [no-x64].",
                stacklevel=4,
            )
        self._lamina.given_policy, self._lamina.policy = given, policy

    def _settle(self, path: str) -> None:
        """Take a place in a model: the path says which policy of a map is meant."""
        self._lamina.path = path
        if isinstance(self._lamina.given_policy, Mapping):
            self._use_policy(self._lamina.given_policy)

    def _finish_build(self) -> None:
        """What remains to be done to the variables that ``build`` made."""

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
        for name in names if len(shapes) > 1 else ():
            self._check_build_parameter(name)
        found = {name: named[name] for name in names if name in named}
        if names and names[0] not in found:
            found[names[0]] = next(iter(shapes.values()))
        return found

    def _check_build_parameter(self, name: str) -> None:
        """Refuse a parameter of ``build`` that stands for no argument of ``call``."""
        rule = "build() takes the shapes of call()'s arguments x and y as x_shape and y_shape"
        if not name.endswith("_shape"):
            what = f"argument `{name}`, not named after a shape"
        elif name.removesuffix("_shape") not in calling.call_signature(self).names:
            argument = name.removesuffix("_shape")
            what = f"argument `{name}`, and call() has no `{argument}`"
        else:
            return
        raise ArgumentError(f"{self._who()}: build() has the {what}.", rule=rule)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


pytree.attach_methods(Layer)

_UNSAVED = ("name", "trainable", "dtype", "activity_regularizer", "autocast", "kwargs")


def _building(build: Callable[..., None]) -> Callable[..., None]:
    """A class's ``build``, opening the layer's scope, once, and noting the shapes."""

    @functools.wraps(build)
    def wrapper(self: Layer, *args: Any, **kwargs: Any) -> None:
        state = self._lamina
        if not state.initialised:
            raise uninitialised(self)
        if state.building:  # super().build(...)
            build(self, *args, **kwargs)
            return
        if state.built and not self.rebuilds:
            return
        outer = binding.current()
        trace = outer.trace if outer is not None else Trace({})
        before = list(state.variables)
        state.building = True
        try:
            with binding.push(Frame(trace, self, parent=outer)) as frame:
                self._settle(frame.path())
                build(self, *args, **kwargs)
                state.built = True
                self._finish_build()
        except BaseException:
            state.variables, state.built = before, False  # another build starts anew
            raise
        finally:
            state.building = False
        names = self._build_parameters()
        shapes = {**dict(zip(names, args, strict=False)), **kwargs}
        if not state.build_shapes and all(shape is not None for shape in shapes.values()):
            state.remember_shapes(shapes)
        tracking.bump()

    wrapper.original = build  # type: ignore[attr-defined]
    return wrapper


@functools.cache
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
