"""`JaxLayer` and `FlaxLayer`: functions of JAX, and modules of Flax, as layers."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core import nest, random, registry
from lamina.core.dtypes import is_float
from lamina.core.errors import ArgumentError, ShapeError
from lamina.core.layer import Layer
from lamina.core.types import Config, Nest
from lamina.core.variable import Variable

CALL_ARGUMENTS = ("params", "state", "rng", "inputs", "training")
INIT_ARGUMENTS = ("rng", "inputs", "training")


class JaxLayer(Layer):
    """A pure function of JAX as a layer; its parameters become the layer's variables.

    Args:
        call_fn: Computes the output from some of ``params, state, rng, inputs, training``, known by
            name. With ``state`` it returns ``(outputs, new_state)``.
        init_fn: Makes ``params`` (with ``state``: a tuple of both) from some of
            ``rng, inputs, training``; called on ones of the input's shape when the layer is built.
        params: A pytree of arrays to train; then ``init_fn`` is not called.
        state: A pytree of arrays that training does not change.
        seed: Of the random keys that ``call_fn`` gets as ``rng`` in training; ``rng`` is None else.

    A leaf that is no array or number is passed on as it is.

    >>> def call_fn(params, inputs):
    ...     return inputs @ params
    >>> JaxLayer(call_fn, params=np.float32([[2.0]]))(np.float32([[3.0]]))
    Array([[6.]], dtype=float32)
    """

    compilable = False

    def __init__(
        self,
        call_fn: Callable[..., Any],
        init_fn: Callable[..., Any] | None = None,
        params: Nest = None,
        state: Nest = None,
        seed: int | None = None,
        native_serialization_platforms: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.call_fn = call_fn
        self.init_fn = init_fn
        self.native_serialization_platforms = native_serialization_platforms
        self.call_fn_arguments = self._arguments("call_fn", call_fn, CALL_ARGUMENTS)
        stateful = {"params", "state"}.intersection(self.call_fn_arguments)
        if init_fn is None and params is None and state is None and stateful:
            raise ArgumentError(
                "JaxLayer has nothing to give its call_fn as params or state.",
                fix="give init_fn, or the arrays",
            )
        if init_fn is not None:
            self.init_fn_arguments = self._arguments("init_fn", init_fn, INIT_ARGUMENTS)
        takes_rng = "rng" in self.call_fn_arguments
        self.seed_generator = random.SeedGenerator(seed) if takes_rng else None
        self._hold(params, state)
        if params is not None or state is not None:
            self.built = True

    @property
    def params(self) -> Any:
        """What is trained: variables in the arrangement that ``call_fn`` knows; None before."""
        return _arranged(self._params_tree, self.tracked_params)

    @property
    def state(self) -> Any:
        """What is kept besides, in the same way."""
        return _arranged(self._state_tree, self.tracked_state)

    def build(self, input_shape: Any) -> None:
        if self.init_fn is None or not {"params", "state"}.intersection(self.call_fn_arguments):
            return

        def ones(shape: Any) -> Any:
            return jnp.ones([1 if size is None else size for size in shape])

        given = {"inputs": nest.map_shapes(ones, input_shape), "training": True}
        if "rng" in self.init_fn_arguments:
            given["rng"] = self._get_init_rng()
        with jax.ensure_compile_time_eval():
            made = self.init_fn(*(given[name] for name in self.init_fn_arguments))
        params, state = made if "state" in self.call_fn_arguments else (made, None)
        self._hold(params, state)

    def call(self, inputs: Nest, training: bool = False) -> Nest:
        given = {
            "params": jax.tree.map(_value, self.params),
            "state": jax.tree.map(_value, self.state),
            "inputs": inputs,
            "training": training,
        }
        if "rng" in self.call_fn_arguments:
            given["rng"] = self._get_call_rng(training)
        outputs = self.call_fn(*(given[name] for name in self.call_fn_arguments))
        if "state" not in self.call_fn_arguments:
            return outputs
        outputs, state = outputs
        leaves, tree = jax.tree.flatten(state)
        if (tree,) != self._state_tree:
            raise ShapeError(
                f"{self._who()}: Structure mismatch between the state that `call_fn` returned "
                "and the one it was given.",
                met=f"{tree} instead of {self._state_tree}",
            )
        for variable, value in zip(self.tracked_state, leaves, strict=True):
            if isinstance(variable, Variable):
                variable.assign(value)
        return outputs

    def get_config(self) -> Config:
        config = super().get_config()
        return {key: each for key, each in config.items() if key not in ("params", "state", "seed")}

    def _get_init_seed(self) -> Any:
        """A new key for ``init_fn``."""
        return jnp.asarray(random.creation_key())

    def _get_init_rng(self) -> Any:
        """What ``init_fn`` gets as ``rng``: a key, or, where overridden, a nest of keys."""
        return self._get_init_seed()

    def _get_call_seed(self) -> Any:
        """A new key for ``call_fn``."""
        assert self.seed_generator is not None
        return self.seed_generator.next()

    def _get_call_rng(self, training: bool) -> Any:
        """What ``call_fn`` gets as ``rng``; override it to give keys in inference too."""
        return self._get_call_seed() if training else None

    def _arguments(
        self, name: str, function: Callable[..., Any], allowed: tuple[str, ...]
    ) -> list[str]:
        names = list(inspect.signature(function).parameters)
        for each in names:
            if each not in allowed:
                raise ArgumentError(
                    f"Unsupported argument in `{name}`: `{each}` ({self._who()}).",
                    rule=f"supported arguments are {', '.join(allowed)}",
                )
        if "inputs" not in names:
            raise ArgumentError(f"{self._who()}: its {name} takes no `inputs`.")
        return names

    def _hold(self, params: Nest, state: Nest) -> None:
        """Make the variables, and remember how they are arranged."""
        leaves, self._params_tree = _flattened(params)
        self.tracked_params = [self._variable(leaf, trainable=True) for leaf in leaves]
        leaves, self._state_tree = _flattened(state)
        self.tracked_state = [self._variable(leaf, trainable=False) for leaf in leaves]

    def _variable(self, value: Any, trainable: bool) -> Any:
        """A variable that begins as an array or number; anything else is left as it is."""
        if not isinstance(value, (jax.Array, np.ndarray, np.generic, bool, int, float)):
            return value
        array = np.asarray(value)
        dtype = None if is_float(array.dtype) else array.dtype
        variable = self.add_weight(array.shape, "zeros", dtype, trainable)
        with jax.ensure_compile_time_eval():
            variable.store(jnp.asarray(array, variable.dtype))
        variable._initializer = None
        return variable


def _flattened(values: Nest) -> tuple[list[Any], Any]:
    """Leaves, and a tuple of their arrangement that is empty for None."""
    leaves, tree = jax.tree.flatten(values)
    return leaves, () if values is None else (tree,)


def _arranged(trees: Any, leaves: list[Any]) -> Any:
    return jax.tree.unflatten(trees[0], leaves) if trees else None


def _value(leaf: Any) -> Any:
    return leaf.value if isinstance(leaf, Variable) else leaf


class FlaxLayer(JaxLayer):
    """A module of Flax as a layer.

    Args:
        module: A ``flax.linen.Module``, whose method takes ``inputs`` and perhaps ``training``.
        method: Another method than ``__call__``, or a function of the module and the inputs.
        variables: What ``module.init`` returns, to start from trained arrays; the collection
            "params" is trained, the others are state.

    In training the module has a random key for "dropout".
    """

    def __init__(
        self,
        module: Any,
        method: Any = None,
        variables: Nest = None,
        **kwargs: Any,
    ) -> None:
        if not hasattr(module, "apply") or not hasattr(module, "init"):
            raise ArgumentError(
                f"FlaxLayer takes a flax.linen.Module, not {type(module).__name__}.",
                fix="JaxLayer takes functions",
            )
        self.module = module
        self.method = method
        params, state = (None, None) if variables is None else _collections(variables)
        super().__init__(
            functools.partial(_apply, module, method),
            functools.partial(_init, module, method),
            params,
            state,
            **kwargs,
        )
        if "training" not in inspect.signature(method or module.__call__).parameters:
            self.call_fn_arguments.remove("training")
            self.init_fn_arguments.remove("training")

    def get_config(self) -> Config:
        config = super().get_config()
        bound = getattr(self.method, "__self__", None) is not None
        method = self.method.__name__ if bound else registry.plain(self.method)
        config.pop("variables", None)
        platforms = self.native_serialization_platforms
        return {**config, "native_serialization_platforms": platforms, "method": method}

    @classmethod
    def from_config(cls, config: Config) -> "FlaxLayer":
        config = {name: registry.revive(value) for name, value in config.items()}
        if isinstance(config.get("method"), str):
            config["method"] = getattr(config["module"], config["method"])
        return cls(**config)

    def _get_init_rng(self) -> Any:
        return {"params": self._get_init_seed(), "dropout": self._get_init_seed()}

    def _get_call_rng(self, training: bool) -> Any:
        return {"dropout": self._get_call_seed()} if training else {}


def _apply(
    module: Any, method: Any, params: Any, state: Any, rng: Any, inputs: Any, training: Any = None
) -> Any:
    more = {} if training is None else {"training": training}
    variables = {**(params or {}), **(state or {})}
    mutable = list(state or {})
    return module.apply(variables, inputs, rngs=rng, method=method, mutable=mutable, **more)


def _init(module: Any, method: Any, rng: Any, inputs: Any, training: Any = None) -> Any:
    more = {} if training is None else {"training": training}
    return _collections(module.init(rng, inputs, method=method, **more))


def _collections(variables: Any) -> tuple[Any, Any]:
    """The collection that is trained, and the others."""
    params = {"params": variables["params"]} if "params" in variables else {}
    return params, {name: each for name, each in variables.items() if name != "params"}
