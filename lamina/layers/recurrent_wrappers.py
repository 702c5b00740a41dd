"""Layers around layers of sequences: in both directions, and at each step."""

from typing import Any

import jax.numpy as jnp

from lamina.core import calling, nest, tracking
from lamina.core import types as t
from lamina.core.errors import ArgumentError, ShapeError, unknown
from lamina.core.layer import Layer
from lamina.core.symbolic import declared_shape
from lamina.layers.stepping import at_all_steps
from lamina.layers.wrapper import Wrapper, checked_layer

_MERGES: dict[Any, Any] = {
    "sum": jnp.add,
    "mul": jnp.multiply,
    "ave": lambda a, b: (a + b) / 2,
    "concat": lambda a, b: jnp.concatenate([a, b], -1),
    None: lambda a, b: (a, b),
}


class Bidirectional(Layer):
    """A recurrent layer, and one that reads the sequence backwards; their outputs merged.

    Args:
        layer: A recurrent layer. It is a pattern: two new ones are made like it.
        merge_mode: "concat" (of the last axis), "sum", "mul", "ave", or None for both outputs.
        weights: Arrays to begin with, those of the forward layer first.
        backward_layer: The layer that reads backwards (``go_backwards=True``), if it is not to be
            like the other.

    Call arguments as of the layer; half of ``initial_state`` is for each. With ``return_state``
    the states of the forward layer come first. Outputs at masked steps are 0.

    >>> import numpy as np
    >>> from lamina.layers import LSTM
    >>> Bidirectional(LSTM(3, return_sequences=True))(np.ones((2, 5, 4))).shape
    (2, 5, 6)
    """

    supports_masking = True

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if merge_mode not in _MERGES:
            raise unknown("merge_mode", merge_mode, [str(mode) for mode in _MERGES])
        self._given.pop("weights")
        self._given["layer"] = checked_layer(self, "layer", layer)
        forward, backward = (f"{way}_{layer.name.removeprefix(f'{way}_')}" for way in _WAYS)
        self.forward_layer: Any = remade(layer, name=forward)
        if backward_layer is None:
            backward_layer = remade(layer, name=backward, go_backwards=True)
        self.backward_layer: Any = checked_layer(self, "backward_layer", backward_layer)
        for name in ("stateful", "return_sequences", "return_state", "go_backwards"):
            values = getattr(self.forward_layer, name), getattr(self.backward_layer, name)
            if (values[0] == values[1]) == (name == "go_backwards"):
                raise ArgumentError(
                    f"Bidirectional: the two layers do not fit together in `{name}`.",
                    met=f"{values[0]} forwards, {values[1]} backwards",
                    rule="go_backwards differs; stateful, return_sequences, return_state are equal",
                )
        for each in (self.forward_layer, self.backward_layer):
            if hasattr(each, "zero_output_for_mask"):
                each.zero_output_for_mask = each.return_sequences
        self.merge_mode = merge_mode
        self._initial_weights = weights
        self.stateful = layer.stateful
        self.return_sequences = layer.return_sequences
        self.return_state = layer.return_state
        self.input_spec = layer.input_spec

    def build(  # type: ignore[override]
        self, sequences_shape: t.Shape, initial_state_shape: Any = None
    ) -> None:
        self.forward_layer.build(sequences_shape)
        self.backward_layer.build(sequences_shape)
        if self._initial_weights:
            half = len(self._initial_weights) // 2
            self.forward_layer.set_weights(self._initial_weights[:half])
            self.backward_layer.set_weights(self._initial_weights[half:])

    def call(
        self,
        sequences: t.Array,
        initial_state: Any = None,
        mask: Any = None,
        training: bool | None = None,
    ) -> Any:
        states: tuple[Any, Any] = (None, None)
        if initial_state is not None:
            half = len(initial_state) // 2
            states = initial_state[:half], initial_state[half:]
        given = {"mask": mask, "training": training}
        names = calling.call_signature(self.forward_layer).names
        given = {name: value for name, value in given.items() if name in names}
        layers = self.forward_layer, self.backward_layer
        results = [
            layer(sequences, **given, **({} if own is None else {"initial_state": own}))
            for layer, own in zip(layers, states, strict=True)
        ]
        last = []
        if self.return_state:
            last = [state for result in results for state in result[1:]]
            results = [result[0] for result in results]
        a, b = (result.astype(self.compute_dtype) for result in results)
        merged = _MERGES[self.merge_mode](a, jnp.flip(b, 1) if self.return_sequences else b)
        if not self.return_state:
            return merged
        return (*merged, *last) if self.merge_mode is None else (merged, *last)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        mask = nest.flatten(previous_mask)[0] if self.return_sequences else None
        masks = [mask, mask] if self.merge_mode is None else [mask]
        if self.return_state:
            masks += [None] * (2 * len(nest.flatten(getattr(self.forward_layer, "state_size", 0))))
        return masks if len(masks) > 1 else mask

    @property
    def states(self) -> Any:
        """The variables of stateful layers, of both directions; None when there are none."""
        both = self.forward_layer.states, self.backward_layer.states
        return None if None in both else (*both[0], *both[1])

    def reset_state(self) -> None:
        """Set the states of stateful layers to zeros."""
        if not self.stateful:
            raise AttributeError(f"{self._who()} has no states: it is not stateful.")
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    def reset_states(self) -> None:
        """As `reset_state`."""
        self.reset_state()

    def _argument(self, name: str) -> Any:
        return self.forward_layer if name == "layer" else super()._argument(name)


_WAYS = ("forward", "backward")


def remade(layer: Any, **changes: Any) -> Any:
    """A new layer from the constructor's arguments of another, the layers among them new too."""

    def new(thing: Any) -> Any:
        return remade(thing) if tracking.is_layer(thing) else thing

    given = {name: tracking.map_tracked(new, layer._argument(name)) for name in layer._given}
    return type(layer)(**{**given, **changes})


class TimeDistributed(Wrapper):
    """Applies a layer to each step of a sequence: to (batch, ...), for each index of axis 1.

    Call arguments:
        inputs: (batch, steps, ...).
        mask: (batch, steps, ...); its steps go to the layer if it takes a mask.

    >>> import numpy as np
    >>> from lamina.layers import Dense
    >>> TimeDistributed(Dense(3))(np.ones((2, 5, 4))).shape
    (2, 5, 3)
    """

    supports_masking = True

    def build(self, input_shape: t.Shape) -> None:  # type: ignore[override]
        if len(input_shape) < 3:
            raise ShapeError(
                f"{self._who()} cannot be called with this input.",
                met=f"shape {tuple(input_shape)}",
                rule="the input has at least 3 axes: batch, steps, and one of the layer's",
            )
        super().build((input_shape[0], *input_shape[2:]))

    def call(self, inputs: t.Array, training: bool | None = None, mask: Any = None) -> t.Array:
        shape = declared_shape(inputs)
        if mask is not None:
            met = declared_shape(mask)
            pairs = zip(met[:2], shape, strict=False)
            if len(met) < 2 or any(None not in (a, b) and a != b for a, b in pairs):
                raise ShapeError(
                    f"{self._who()} cannot use this mask.",
                    met=f"mask {met}, input {shape}",
                    rule="the mask's first two axes, batch and steps, are those of the input",
                )
        takes = calling.call_signature(self.layer)
        given: dict[str, Any] = {"training": training} if takes.training else {}

        def step(x: t.Array, mask: Any) -> Any:
            return self.layer(x, **given, **({} if mask is None else {"mask": mask}))

        return at_all_steps(step, self.layer, (inputs, mask if "mask" in takes.masks else None))
