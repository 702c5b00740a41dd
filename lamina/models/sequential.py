"""`Sequential`: layers called one after the other."""

from collections.abc import Sequence
from typing import Any

from lamina.core import calling, nest, registry
from lamina.core.compiled import keeps_batch_size
from lamina.core.errors import ArgumentError, StateError, UndescribedError, describe_value
from lamina.core.layer import Layer
from lamina.core.registry import late
from lamina.core.symbolic import SymbolicTensor
from lamina.core.types import Config, Nest
from lamina.models.model import Model


class Sequential(Model):
    """A model whose layers form a chain.

    Args:
        layers: Layers in order; the first may be an ``Input``. Without one the model is built at
            its first call, or by ``build(input_shape)``.
        trainable: Whether training changes the layers.
        name: The model's name.

    >>> import lamina as keras
    >>> model = Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(2)])
    >>> model.output_shape, len(model.layers), model.count_params()
    ((None, 2), 2, 26)
    """

    keras_module = "keras"
    rebuilds = True
    masks_itself = True
    supports_masking = True
    _hidden = Model._hidden | {"_tensors"}
    _tensors: tuple[Any, ...] = ()
    """The symbolic tensors before the first layer and after each, once the input is known."""

    def __init__(
        self,
        layers: Sequence[Any] | None = None,
        trainable: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable=trainable, name=name, **kwargs)
        self._chain: list[Layer] = []
        for layer in layers or ():
            self.add(layer)

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Put a layer at the end."""
        maker = layer.record and layer.record[0] if isinstance(layer, SymbolicTensor) else None
        layer = maker if getattr(maker, "is_input", False) else layer
        if not isinstance(layer, Layer):
            raise ArgumentError(_not_a_layer(self, layer))
        if any(layer.name == other.name for other in self._chain):
            raise ArgumentError(
                f"{self._who()} already has a layer named '{layer.name}'.",
                rule="the layers of a model have different names, and are different objects",
                fix="make a new layer for each place (a list times a number repeats one)",
            )
        if getattr(layer, "is_input", False):
            if self._chain or self._input_layer is not None:
                known = self._input_layer is not None
                what = "begins with one" if known else "has layers already"
                raise ArgumentError(f"{self._who()} {what}; an Input can only be the first layer.")
            self._start(layer)
            return
        given = layer._lamina.given_input_shape
        if not self._chain and given is not None and self._input_layer is None:
            make = registry.find_class("keras.layers", "InputLayer")
            self._start(make(batch_shape=given, dtype=layer._lamina.given_input_dtype))  # type: ignore[call-arg]
        self._chain.append(layer)
        if self._tensors:
            self._extend([layer])
        elif len(self._chain) == 2 and isinstance(self._chain[0], Model):
            self._start_like(self._chain[0])
        elif self._lamina.built:
            self.built = False

    def pop(self, rebuild: bool = True) -> Layer:
        """Take the last layer off, and return it."""
        if not self._chain:
            raise StateError(f"{self._who()} has no layer to take off.")
        layer = self._chain.pop()
        object.__setattr__(self, "_tensors", self._tensors[:-1])
        if len(self._tensors) < 2:
            self.built = False
        return layer

    _input_layer: Layer | None = None

    def _start(self, layer: Layer) -> None:
        """Begin with an input layer; the chain, if there is one already, follows."""
        object.__setattr__(self, "_input_layer", layer)
        object.__setattr__(self, "_tensors", (layer._nodes[0].output,))
        if self._chain:
            self._extend(self._chain)

    def _start_like(self, first: Model) -> None:
        """Begin with the input of a model that is the first layer, if that is one and known."""
        shape = getattr(first, "input_shape", None)
        if isinstance(shape, tuple) and nest.is_shape(shape):
            self.build(shape)

    def _extend(self, layers: Sequence[Layer]) -> None:
        """Call further layers on the last symbolic tensor, as part of this model's build."""
        x = self._tensors[-1]
        self._lamina.build_shapes = {"input_shape": self._tensors[0].shape}
        object.__setattr__(self, "_layers_to_add", list(layers))
        self.build(nest.map_structure(lambda t: t.shape, x))

    _layers_to_add: Sequence[Layer] | None = None

    def build(self, input_shape: Any = None) -> None:
        """Build all layers for inputs of this shape; the first size is the batch's."""
        layers = self._layers_to_add
        if layers is None:
            if input_shape is None or not self._chain:
                return
            known = self._tensors[0].shape if self._tensors else None
            if not nest.is_shape(input_shape):
                return  # of several inputs; the layers are built when they are called
            if known == tuple(input_shape):
                return
            if known is not None and not _fit(known, input_shape):
                raise ArgumentError(
                    f"{self._who()} is built for the input shape {known}.",
                    met=f"input shape {tuple(input_shape)}",
                    fix="make a new model",
                )
            make = registry.find_class("keras.layers", "InputLayer")
            known_rows = input_shape[0] if keeps_batch_size(self) else None
            shape = (known_rows, *tuple(input_shape)[1:])
            layer = make(batch_shape=shape, dtype=self._input_dtype())  # type: ignore[call-arg]
            object.__setattr__(self, "_input_layer", layer)
            object.__setattr__(self, "_tensors", (layer._nodes[0].output,))
            self._lamina.build_shapes = {"input_shape": shape}
            layers = self._chain
        object.__setattr__(self, "_layers_to_add", None)
        for layer in layers:
            try:
                x = layer(self._tensors[-1])
            except NotImplementedError:  # a layer that cannot be described, only called
                object.__setattr__(self, "_tensors", ())
                return
            object.__setattr__(self, "_tensors", (*self._tensors, x))

    def _input_dtype(self) -> str | None:
        first = self._chain[0] if self._chain else None
        return getattr(first, "preferred_input_dtype", None) if first is not None else None

    def call(self, inputs: Nest, training: Any = None, mask: Any = None, **kwargs: Any) -> Nest:
        """The output of the last layer."""
        if not self._chain:
            return self._unchanged(inputs)
        x = self._fitted(inputs)
        if mask is not None:
            late("core.masking.set_mask")(x, mask)
        for layer in self._chain:
            extra = {k: v for k, v in kwargs.items() if k in calling.call_signature(layer).names}
            x = layer(x, **extra)
        return x

    def _unchanged(self, inputs: Nest) -> Nest:
        if self._input_layer is None:
            raise ArgumentError(f"{self._who()} has no layers.", fix="add some before calling it")
        return inputs

    def _fitted(self, inputs: Nest) -> Nest:
        """The input, checked against the shape that the model was described for."""
        if not self._tensors or not hasattr(inputs, "shape"):
            return inputs
        return late("models.functional._fitted")(self, inputs, self._tensors[0])

    def compute_output_spec(
        self, inputs: Nest, training: Any = None, mask: Any = None, **kwargs: Any
    ) -> Nest:
        if not self._chain:
            return self._unchanged(inputs)
        x = self._fitted(inputs)
        for layer in self._chain:
            x = calling.describe_only(layer, (x,), {})
        return x

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the output for inputs of this shape."""
        return Layer.compute_output_shape(self, input_shape)

    def _overrides(self, method: str) -> bool:
        return method != "compute_output_shape" and super()._overrides(method)

    # --- what is inside -------------------------------------------------------------------------

    @property
    def layers(self) -> list[Layer]:
        """The layers in order, without the input layer."""
        return list(self._chain)

    def _fingerprinted(self) -> dict[str, Any]:
        found = self._attributes()
        spec = [(x.shape, x.dtype) for x in self._tensors[:1]]
        chain = found.pop("_chain", [])
        found.pop("_input_layer", None)
        found.pop("_layers_to_add", None)
        return {"layers": chain, "input": spec, **found}

    def _sublayers(self) -> list[Layer]:
        found = super()._sublayers()
        chain = {id(layer): place for place, layer in enumerate(self._chain)}
        return sorted(
            (layer for layer in found if layer is not self._input_layer),
            key=lambda layer: chain.get(id(layer), len(chain)),
        )

    def _symbolic(self) -> tuple[Nest, Nest]:
        if len(self._tensors) < 2:
            shapes = self._lamina.build_shapes
            if shapes and self._chain:
                self.build(next(iter(shapes.values())))
        if not self._tensors:
            raise UndescribedError(
                f"{self._who()} has no inputs or outputs yet.",
                rule="they are known once the shape of the input is",
                fix="add an Input first, call the model on data, or model.build(input_shape)",
            )
        return self._tensors[0], self._tensors[-1]

    # --- config ---------------------------------------------------------------------------------

    def get_config(self) -> Config:
        layers = [self._input_layer] if self._input_layer is not None else []
        config: Config = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": registry.plain(self.dtype_policy),
            "layers": [registry.serialize(layer) for layer in (*layers, *self._chain)],
        }
        if self._tensors:
            config["build_input_shape"] = self._tensors[0].shape
        return config

    @classmethod
    def from_config(cls, config: Config, custom_objects: Any = None) -> "Sequential":
        with registry.CustomObjectScope(custom_objects or {}):
            given = {k: v for k, v in config.items() if k in ("name", "trainable", "dtype")}
            model = cls(**given)
            for each in config["layers"]:
                model.add(registry.deserialize(each))
            shape = config.get("build_input_shape")
            if shape is not None and not model._tensors:
                model.build(tuple(shape))
            if given.get("trainable") is False:
                model.trainable = False
            return model

    def build_from_config(self, config: Config) -> None:
        """Build for the input shape of a build config, unless that is known already."""
        if not self._tensors and config.get("input_shape"):
            self.build(tuple(config["input_shape"]))


def _fit(known: Any, shape: Any) -> bool:
    pairs = zip(known, shape, strict=False)
    return len(known) == len(shape) and all(a == b or None in (a, b) for a, b in pairs)


def _not_a_layer(model: Sequential, layer: Any) -> str:
    if isinstance(layer, type) and issubclass(layer, Layer):
        return f"{model._who()} takes layers, not classes: write {layer.__name__}(...)."
    return f"{model._who()} takes layers; this is {describe_value(layer)}."
