"""What differs between the names of tf.keras (of any version) and Lamina's rooms."""

from typing import Any

VERSION = "3.15.1+lamina"
LIFTED = ("ops", "losses", "activations", "random", "utils", "metrics", "layers", "")
"""Rooms whose functions take tensors; their classes do through the doors."""
NESTED = ("keras.optimizers.schedules", "keras.datasets.digits")

ALIASES = {
    "keras.engine": "keras",
    "keras.experimental": "keras",
    "keras.layers.experimental": "keras.layers",
    "keras.layers.experimental.preprocessing": "keras.layers",
    "keras.layers.advanced_activations": "keras.layers",
    "keras.layers.convolutional": "keras.layers",
    "keras.layers.core": "keras.layers",
    "keras.layers.embeddings": "keras.layers",
    "keras.layers.merge": "keras.layers",
    "keras.layers.normalization": "keras.layers",
    "keras.layers.pooling": "keras.layers",
    "keras.layers.recurrent": "keras.layers",
    "keras.layers.wrappers": "keras.layers",
    "keras.optimizers.experimental": "keras.optimizers",
    "keras.optimizers.legacy": "keras.optimizers",
    "keras.utils.np_utils": "keras.utils",
    "keras.utils.vis_utils": "keras.utils",
    "keras.ops.nn": "keras.ops",
    "keras.ops.numpy": "keras.ops",
    "keras.ops.linalg": "keras.ops",
    "python.keras": "keras",
    "python.keras.layers": "keras.layers",
    "python.keras.models": "keras.models",
}
"""Modules of older versions, and where their names are now."""

_OPS = {
    name: f"ops:{name}"
    for name in "abs all any argmax argmin cast clip cos dot equal exp expand_dims floor_divide "
    "log matmul max maximum mean min minimum not_equal ones_like prod relu reshape round sigmoid "
    "sign sin softmax softplus softsign sqrt square squeeze stack std sum tanh tile transpose var "
    "zeros_like".split()
}
_OPS.update(
    binary_crossentropy="losses:binary_crossentropy",
    categorical_crossentropy="losses:categorical_crossentropy",
    concatenate="ops:concatenate",
    eval="ops:convert_to_numpy",
    flatten="ops:ravel",
    get_value="ops:convert_to_numpy",
    greater="ops:greater",
    int_shape="ops:shape",
    less="ops:less",
    ndim="ops:ndim",
    pow="ops:power",
    shape="ops:shape",
    sparse_categorical_crossentropy="losses:sparse_categorical_crossentropy",
    switch="ops:where",
)

TABLES: dict[str, dict[str, Any]] = {
    "keras": {},
    "keras.backend": _OPS,
    "keras.models": {"model_from_config": "core.registry:deserialize"},
    "keras.preprocessing": {},
    "keras.preprocessing.sequence": {"pad_sequences": "utils:pad_sequences"},
    "keras.losses": {
        "MSE": "losses:mean_squared_error",
        "mse": "losses:mean_squared_error",
        "MAE": "losses:mean_absolute_error",
        "mae": "losses:mean_absolute_error",
    },
}
"""Names that no room has under this name, by module: ``"room:name"`` in Lamina."""

_DATA = "Lamina downloads nothing. Load the file with numpy.load or scikit-learn, or use the " \
    "handwritten digits that come with it: lamina.datasets.digits.load_data()"  # fmt: skip
HINTS = {f"keras.datasets.{name}": _DATA for name in (
    "mnist", "fashion_mnist", "cifar10", "cifar100", "imdb", "reuters", "boston_housing",
    "california_housing",
)}  # fmt: skip
HINTS.update(
    {
        "keras.src": "keras.src is private to Keras: take the name from its public module, such as "
        "keras.layers",
        "keras.utils.get_file": _DATA,
        "keras.applications": "build the architecture from layers, and load its weights with "
        "model.load_weights",
        "keras.estimator": "use model.fit",
        "keras.preprocessing.image": "use layers such as RandomFlip and Rescaling",
        "keras.preprocessing.text": "use the layers TextVectorization and StringLookup",
        "keras.wrappers": "call model.fit yourself inside a scikit-learn estimator",
    }
)
