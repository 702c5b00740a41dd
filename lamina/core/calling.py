"""A call of a layer as a visible list of steps.

`dispatch` chooses: describe (symbolic tensors), one compiled program (arrays, outside any
transformation, Lamina's own classes only), or run here. `run` is the steps themselves:
bind arguments, resolve masks and training, build if needed, cast, check, call, collect.
"""

import contextlib
import functools
import math
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lamina.core import binding, compiled, input_spec, masking, nest, symbolic, tracking
from lamina.core.binding import Frame, Trace
from lamina.core.configurable import signature
from lamina.core.dtypes import canonical, is_float
from lamina.core.errors import ArgumentError, DTypeError, LaminaError, ShapeError
from lamina.core.fingerprint import structure
from lamina.core.graph import Node
from lamina.core.holder import uninitialised
from lamina.core.operation import first_line
from lamina.core.symbolic import SymbolicTensor
from lamina.core.types import Nest


def dispatch(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Nest:
    """Call a layer in the way that fits its arguments and where the call stands."""
    frame = binding.current()
    if frame is None and not kwargs and len(args) == 1 and not masking.active():
        program = compiled.ready(layer, args[0])
        if program is not None:
            return program.run(args)
    if not layer._lamina.initialised:
        raise uninitialised(layer)
    args = _arrays_from_lists(args)
    if len(args) > 1:
        _check_positional(layer, args)
    if symbolic.any_symbolic(args) or symbolic.any_symbolic(kwargs.values()):
        return describe(layer, args, kwargs)
    if compiled.outside_transformations() and not (frame and frame.trace.describing):
        outputs = compiled.attempt(layer, args, kwargs, frame)
        if outputs is not compiled.NOT_COMPILED:
            return outputs
    if frame is None:
        return _outermost(layer, args, kwargs)
    return run(layer, args, kwargs)


def _arrays_from_lists(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Nested lists of numbers in the first place become an array."""
    if args and isinstance(args[0], (list, tuple)) and args[0]:
        if all(isinstance(x, (int, float)) for x in nest.flatten(args[0])):
            return (np.asarray(args[0]), *args[1:])
    return args


def _check_positional(layer: Any, args: tuple[Any, ...]) -> None:
    most = call_signature(layer).most
    if len(args) > most:
        raise ArgumentError(
            f"{layer._who()} takes {most} input(s) by position, and everything else by name.",
            met=f"{len(args)} were given",
        )
    for place, value in enumerate(args[1:], 1):
        if isinstance(value, (bool, int, float, str)):
            name = (call_signature(layer).names + ["..."] * len(args))[place]
            raise ArgumentError(
                f"{layer._who()} takes arrays by position, and everything else by name.",
                met=repr(value),
                fix=f"write it with its name: {name}={value!r}",
            )


def _outermost(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Nest:
    """Run eagerly, then hand out what the trace collected."""
    clear_losses(layer)
    with binding.bind() as trace:
        outputs = run(layer, args, kwargs)
    hand_out(trace.losses)
    layer._lamina.lossy = bool(trace.losses)
    for x, mask in trace.masks.values():
        if mask is not None and not isinstance(x, Tracer):
            if any(x is out for out in nest.flatten(outputs)):
                masking.set_mask(x, mask)
    return outputs


def clear_losses(layer: Any) -> None:
    """Forget the losses that the last call of a layer and its sub-layers added."""
    if layer._lamina.lossy:
        for each in layer._flatten_layers():
            each._lamina.losses = []
        layer._lamina.lossy = False


def hand_out(losses: list[tuple[Any, Any]]) -> None:
    """Keep collected losses with the layers that added them, in the place of older ones."""
    for layer, _ in losses:
        layer._lamina.losses = []
    for layer, value in losses:
        if not isinstance(value, Tracer):
            layer._lamina.losses.append(value)


# --- describing ---------------------------------------------------------------------------------


def describe(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Nest:
    """A call on symbolic tensors: build, infer the outputs, and record a node."""
    output = describe_only(layer, args, kwargs)
    Node(layer, args, kwargs, output)
    return output


def describe_only(
    layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], from_call: bool = False
) -> Nest:
    """Build a layer for symbolic arguments, and infer its outputs.

    Args:
        from_call: Whether to infer them from ``call`` even where the layer states them itself.
    """
    frame = binding.current()
    with binding.push(Frame(Trace({}, describing=True), parent=frame)) as inner:
        inner.training = frame.training if frame is not None else None
        bound = bind_arguments(layer, args, kwargs)
        check_inputs(layer, bound)
        build(layer, bound)
        if layer.input_spec is not None and args:
            args = (input_spec.completed(layer.input_spec, args[0]), *args[1:])
        if from_call:
            output = infer(layer, args, kwargs)
        else:
            output = layer.compute_output_spec(*args, **kwargs)
        _mark_built(layer)
    return output


def _mark_built(layer: Any) -> None:
    if not layer._lamina.built:
        layer._lamina.built = True
        tracking.bump()


_inferred: dict[Any, Any] = {}
INFERRED_KEPT = 4096


def infer(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Nest:
    """The symbolic outputs of a layer's own ``call``, by evaluating it abstractly.

    Raises:
        ShapeError: naming the layer and the shapes, when ``call`` cannot take them.
    """
    found = structure(layer)
    flat, treedef = nest.flatten_with((args, kwargs))
    key = _key(found, flat, treedef) if found.ours and found.built else None
    known = _inferred.get(key) if key is not None else None
    if known is None:
        known = _evaluate_call(layer, args, kwargs, flat, len(found.layers) > 1 or not found.ours)
        if key is not None:
            _inferred[key] = known
            if len(_inferred) > INFERRED_KEPT:
                _inferred.pop(next(iter(_inferred)))
    out_treedef, specs = known
    return nest.unflatten(out_treedef, [_tensor(*spec) for spec in specs])


def _key(found: Any, flat: list[Any], treedef: Any) -> Any:
    """What the inferred outputs depend on; None when it cannot be compared."""
    frame = binding.current()
    specs = tuple(
        (x.shape, x.dtype, x.symbolic_mask is None or x.symbolic_mask.shape)
        if isinstance(x, SymbolicTensor)
        else (type(x), x)
        for x in flat
    )
    key = (found.key, treedef, specs, frame.training if frame else None)
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _tensor(shape: Any, dtype: Any, mask: Any) -> SymbolicTensor | None:
    if shape is None:
        return None
    x = SymbolicTensor(shape, dtype)
    x.symbolic_mask = None if mask is None else SymbolicTensor(*mask)
    return x


def _evaluate_call(
    layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], flat: list[Any], symbols: bool
) -> tuple[Any, list[Any]]:
    places = [i for i, x in enumerate(flat) if isinstance(x, SymbolicTensor)]
    masks = [flat[i].symbolic_mask for i in places]
    frame = binding.current()
    training = frame.training if frame is not None else None

    def pure(masks: list[Any], args: Any, kwargs: Any) -> tuple[Nest, list[Any]]:
        with binding.bind(describing=True, training=training):
            arrays = nest.flatten((args, kwargs))
            for place, mask in zip(places, masks, strict=True):
                if mask is not None:
                    masking.set_mask(arrays[place], mask)
            outputs = run(layer, args, kwargs, described=True)
            return outputs, [masking.get_mask(x) for x in nest.flatten(outputs)]

    try:
        outputs, out_masks = symbolic.evaluate(pure, masks, args, kwargs, symbols=symbols)
    except LaminaError:
        raise
    except Exception as error:
        raise _call_failed(layer, [flat[i] for i in places], error) from error
    leaves, treedef = nest.flatten_with(outputs)
    specs = [
        (None, None, None)
        if x is None
        else (x.shape, x.dtype, None if mask is None else (mask.shape, mask.dtype))
        for x, mask in zip(leaves, out_masks, strict=True)
    ]
    return treedef, specs


def _call_failed(layer: Any, leaves: list[SymbolicTensor], error: Exception) -> ShapeError:
    shapes = ", ".join(f"{x.shape} {x.dtype}" for x in leaves)
    return ShapeError(
        f"{layer._who()} cannot be called: {type(error).__name__}: {first_line(error)}",
        met=f"inputs {shapes}",
        rule="while a model is described, a layer's call() runs on arrays without values",
        fix="check the shapes; use jax.numpy or lamina.ops in call(), not NumPy or Python "
        "conditions on values",
    )


# --- the steps ----------------------------------------------------------------------------------


class CallSignature:
    """Which parameters a class's ``call`` has."""

    def __init__(self, cls: type) -> None:
        parameters = list(signature(cls.call).parameters.values())[1:]
        self.variadic = any(p.kind is p.VAR_KEYWORD for p in parameters)
        self.names = [p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
        several = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        self.most = math.inf if several else len(self.names)
        self.first = self.names[0] if self.names else None
        self.training = "training" in self.names
        self.training_default = next((p.default for p in parameters if p.name == "training"), None)
        self.masks = {name for name in self.names if name == "mask" or name.endswith("_mask")}
        needed = {p.name for p in parameters if p.default is p.empty} - {"training"} - self.masks
        self.needed = [name for name in self.names if name in needed]


def call_signature(layer: Any) -> CallSignature:
    """The call signature of a layer's class, remembered with the class."""
    cls = type(layer)
    found = cls.__dict__.get("_call_signature")
    if found is None:
        found = CallSignature(cls)
        cls._call_signature = found
    return found


def bind_arguments(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments by parameter name, those of the first places first."""
    return dict(zip(call_signature(layer).names, args, strict=False)) | kwargs


def run(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], described: bool = False) -> Nest:
    """Run a layer's call on arrays, here and now.

    Args:
        described: Whether arguments were resolved and the layer built by `describe` already.
    """
    state = layer._lamina
    frame = binding.current()
    assert frame is not None
    if not described or not state.built:
        bound = bind_arguments(layer, args, kwargs)
        check_inputs(layer, bound)
        build(layer, bound)
    training = kwargs.get("training")
    args, kwargs = resolve(layer, args, kwargs)
    training = training if training is not None else kwargs.get("training", frame.training)
    autocast = layer.autocast
    computed = canonical(state.policy.compute_dtype)
    if autocast:
        args, kwargs = _cast((args, kwargs), computed)
    if state.root is None and frame.layer is not None:
        state.root = weakref.ref(frame.outermost())
    inner = Frame(
        frame.trace,
        layer,
        training,
        computed if autocast and is_float(computed) else None,
        frame,
    )
    with binding.push(inner):
        if state.remat is not None:
            outputs = state.remat(layer, args, kwargs)
        else:
            outputs = layer.call(*args, **kwargs)
        _mark_built(layer)
        _collect(layer, args, kwargs, outputs)
    state.last = inner.ended[0] if inner.ended[1] is outputs else None
    frame.ended = weakref.ref(layer), outputs
    return outputs


def resolve(
    layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Fill in ``training`` and masks that the call takes and the caller did not give."""
    spec = call_signature(layer)
    if not spec.training and "training" in kwargs and not spec.variadic:
        kwargs = {key: value for key, value in kwargs.items() if key != "training"}
    if spec.training and len(args) <= spec.names.index("training"):
        if kwargs.get("training") is None:
            frame = binding.current()
            training = frame.training if frame is not None else None
            if training is None:
                default = spec.training_default
                training = default if isinstance(default, bool) else False
            kwargs = {**kwargs, "training": training}
    if spec.masks:
        kwargs = _with_masks(spec, args, kwargs)
    return args, kwargs


def _with_masks(
    spec: CallSignature, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    given = {**dict(zip(spec.names, args, strict=False)), **kwargs}
    found = {}
    for name, value in given.items():
        target = f"{name}_mask"
        if target not in spec.masks:
            target = "mask" if name == spec.first else ""
        if target in spec.masks and given.get(target) is None and value is not None:
            masks = masking.masks_of(value)
            if masks is not None:
                found[target] = masks
    return {**kwargs, **found} if found else kwargs


def _cast(values: Any, dtype: str) -> Any:
    args, kwargs = values
    if len(args) == 1 and not kwargs and isinstance(args[0], jax.Array):
        return (_cast_leaf(args[0], dtype),), kwargs
    return nest.map_structure(lambda x: _cast_leaf(x, dtype), (tuple(args), dict(kwargs)))


def _cast_leaf(x: Any, dtype: str) -> Any:
    if tracking.is_variable(x):
        return x.value
    if isinstance(x, np.ndarray):
        if x.dtype == object or x.dtype.kind in "USO":
            return x
        return jnp.asarray(x, dtype if x.dtype.kind == "f" else None)
    if isinstance(x, jax.Array) and x.dtype != dtype and is_float(x.dtype):
        cast = x.astype(dtype)
        mask = masking.get_mask(x)
        if mask is not None:
            masking.set_mask(cast, mask)
        return cast
    return x


def check_inputs(layer: Any, bound: dict[str, Any]) -> None:
    """Check the first argument against the layer's ``input_spec``."""
    specs = layer.input_spec
    if specs is not None and bound:
        input_spec.check(specs, next(iter(bound.values())), layer._who())


def build(layer: Any, bound: dict[str, Any]) -> None:
    """Build a layer from the shapes of its arguments, if it is not built yet."""
    state = layer._lamina
    if state.built:
        return
    missing = [name for name in call_signature(layer).needed if name not in bound]
    if missing:
        raise DTypeError(
            f"{layer._who()} is called without `{missing[0]}`.",
            rule=f"its call takes {', '.join(call_signature(layer).needed)}",
        )
    shapes = {
        name: nest.map_structure(symbolic.declared_shape, value)
        for name, value in bound.items()
        if _is_tensors(value)
    }
    if not shapes:
        return
    if layer._builds_itself():
        layer.build(**layer._build_arguments(shapes))
    else:
        layer._settle(Frame(Trace({}), layer, parent=binding.current()).path())
        state.remember_shapes(shapes)


def _is_tensors(value: Any) -> bool:
    leaves = nest.flatten(value)
    return bool(leaves) and all(hasattr(x, "shape") and hasattr(x, "dtype") for x in leaves)


def _collect(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Nest) -> None:
    """After the call: activity regularizer, and the outputs' masks."""
    if layer.activity_regularizer is not None:
        for x in nest.flatten(outputs):
            batch = max(x.shape[0], 1) if x.ndim else 1
            layer.add_loss(layer.activity_regularizer(x) / batch)
    first = args[0] if args else kwargs.get(call_signature(layer).first or "")
    if first is None:
        return
    previous = masking.masks_of(first)
    if previous is None and not layer.masks_itself:
        previous = kwargs.get("mask")
    if layer.masks_itself:
        return
    if layer.supports_masking:
        if layer._computes_mask() or previous is not None:
            if layer._computes_mask() or not _masked(outputs):
                masking.attach(outputs, layer.compute_mask(first, previous))
    elif previous is not None and not _masked(outputs) and not call_signature(layer).masks:
        _warn_mask_lost(layer)


def _masked(outputs: Nest) -> bool:
    return any(masking.get_mask(x) is not None for x in nest.flatten(outputs))


def _warn_mask_lost(layer: Any) -> None:
    if not layer._lamina.warned_mask:
        layer._lamina.warned_mask = True
        warnings.warn(
            f"{layer._who()} got an input with a mask, which it neither uses nor passes on "
            "[mask-lost]. Set supports_masking = True in the layer if it works on each position "
            "by itself.",
            stacklevel=2,
        )


@contextlib.contextmanager
def around_calls(layers: Iterable[Any], wrap: Callable[[Any, Any], Any]) -> Iterator[None]:
    """Put ``wrap(layer, call)`` in the place of the ``call`` of layers inside the block."""
    own = [(layer, vars(layer).get("call")) for layer in layers]
    for layer, _ in own:
        object.__setattr__(layer, "call", functools.wraps(layer.call)(wrap(layer, layer.call)))
    try:
        yield
    finally:
        for layer, call in own:
            if call is None:
                object.__delattr__(layer, "call")
            else:  # an attribute of this layer alone
                object.__setattr__(layer, "call", call)
