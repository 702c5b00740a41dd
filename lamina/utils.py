"""Keras's `utils`: names that are defined where they belong, gathered here."""

from lamina.core.dtypes import standardize_dtype
from lamina.core.random import clear_session, set_random_seed
from lamina.core.registry import CustomObjectScope
from lamina.core.registry import CustomObjectScope as custom_object_scope
from lamina.core.registry import custom_objects as get_custom_objects
from lamina.core.registry import deserialize as deserialize_keras_object
from lamina.core.registry import register as register_keras_serializable
from lamina.core.registry import registered_name as get_registered_name
from lamina.core.registry import registered_object as get_registered_object
from lamina.core.registry import serialize as serialize_keras_object
from lamina.core.settings import (
    disable_interactive_logging,
    enable_interactive_logging,
    is_interactive_logging_enabled,
)
from lamina.core.symbolic import is_symbolic as is_keras_tensor
from lamina.preprocessing.arrays import normalize, pad_sequences, to_categorical
from lamina.training.datasets import (
    PyDataset,
    pack_x_y_sample_weight,
    split_dataset,
    timeseries_dataset_from_array,
    unpack_x_y_sample_weight,
)
from lamina.training.datasets import PyDataset as Sequence
from lamina.training.progress import Progbar
from lamina.view.plot import model_to_dot, plot_model

__all__ = [
    "CustomObjectScope", "Progbar", "PyDataset", "Sequence", "clear_session", "custom_object_scope",
    "deserialize_keras_object", "disable_interactive_logging", "enable_interactive_logging",
    "get_custom_objects", "get_registered_name", "get_registered_object",
    "is_interactive_logging_enabled", "is_keras_tensor", "model_to_dot", "normalize",
    "pack_x_y_sample_weight", "pad_sequences", "plot_model", "register_keras_serializable",
    "serialize_keras_object", "set_random_seed", "split_dataset", "standardize_dtype",
    "timeseries_dataset_from_array", "to_categorical", "unpack_x_y_sample_weight",
]  # fmt: skip
