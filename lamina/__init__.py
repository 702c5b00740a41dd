"""Lamina: the Keras way of describing neural networks, as a native JAX library.

>>> import lamina as keras
>>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
>>> model.output_shape
(None, 2)

Rooms and names are imported when they are first used, so that ``import lamina`` costs little more
than ``import jax``.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina import activations as activations
    from lamina import backend as backend
    from lamina import callbacks as callbacks
    from lamina import compat as compat
    from lamina import config as config
    from lamina import constraints as constraints
    from lamina import datasets as datasets
    from lamina import dtype_policies as dtype_policies
    from lamina import initializers as initializers
    from lamina import layers as layers
    from lamina import losses as losses
    from lamina import metrics as metrics
    from lamina import mixed_precision as mixed_precision
    from lamina import models as models
    from lamina import ops as ops
    from lamina import optimizers as optimizers
    from lamina import random as random
    from lamina import regularizers as regularizers
    from lamina import saving as saving
    from lamina import training as training
    from lamina import tree as tree
    from lamina import utils as utils
    from lamina import view as view
    from lamina.core import errors as errors
    from lamina.core.dtypes import DTypePolicy as DTypePolicy
    from lamina.core.dtypes import FloatDTypePolicy as FloatDTypePolicy
    from lamina.core.input_spec import InputSpec as InputSpec
    from lamina.core.layer import Layer as Layer
    from lamina.core.operation import Operation as Operation
    from lamina.core.pytree import grad as grad
    from lamina.core.pytree import value_and_grad as value_and_grad
    from lamina.core.remat import RematScope as RematScope
    from lamina.core.remat import remat as remat
    from lamina.core.scopes import StatelessScope as StatelessScope
    from lamina.core.scopes import SymbolicScope as SymbolicScope
    from lamina.core.scopes import device as device
    from lamina.core.scopes import name_scope as name_scope
    from lamina.core.symbolic import SymbolicTensor

    KerasTensor = SymbolicTensor
    from lamina.core.variable import Variable as Variable
    from lamina.initializers import Initializer as Initializer
    from lamina.layers import Input as Input
    from lamina.losses import Loss as Loss
    from lamina.metrics import Metric as Metric
    from lamina.models import Model as Model
    from lamina.models import Sequential as Sequential
    from lamina.models.function import Function as Function
    from lamina.optimizers import Optimizer as Optimizer
    from lamina.regularizers import Regularizer as Regularizer

__version__ = "0.1.0"

_ROOMS = (
    "activations", "backend", "callbacks", "compat", "config", "constraints", "datasets",
    "dtype_policies", "initializers", "layers", "losses", "metrics", "mixed_precision", "models",
    "ops", "optimizers", "random", "regularizers", "saving", "training", "tree", "utils", "view",
)  # fmt: skip
_NAMES = {
    "DTypePolicy": "core.dtypes",
    "FloatDTypePolicy": "core.dtypes",
    "Function": "models.function",
    "Initializer": "initializers",
    "Input": "layers",
    "InputSpec": "core.input_spec",
    "KerasTensor": "core.symbolic",
    "Layer": "core.layer",
    "Loss": "losses",
    "Metric": "metrics",
    "Model": "models",
    "Operation": "core.operation",
    "Optimizer": "optimizers",
    "Regularizer": "regularizers",
    "RematScope": "core.remat",
    "Sequential": "models",
    "StatelessScope": "core.scopes",
    "SymbolicScope": "core.scopes",
    "Variable": "core.variable",
    "device": "core.scopes",
    "errors": "core",
    "grad": "core.pytree",
    "name_scope": "core.scopes",
    "remat": "core.remat",
    "value_and_grad": "core.pytree",
}
_OTHER = {"KerasTensor": "SymbolicTensor"}

__all__ = [*_ROOMS, *_NAMES, "version"]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"lamina.{name}")
    if name in _NAMES:
        room = importlib.import_module(f"lamina.{_NAMES[name]}")
        found = getattr(room, _OTHER.get(name, name), None)
        found = importlib.import_module(f"{room.__name__}.{name}") if found is None else found
        globals()[name] = found
        return found
    from lamina.core.errors import nearest

    raise AttributeError(f"lamina has no '{name}'. {nearest(name, __all__)}".rstrip())


def __dir__() -> list[str]:
    return sorted([*__all__, *globals()])


def version() -> str:
    """The version of Lamina.

    >>> version()
    '0.1.0'
    """
    return __version__
