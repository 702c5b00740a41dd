"""What differs between the names of tf.keras (of any version) and Lamina's rooms."""

LIFTED = ("ops", "losses", "activations", "random", "utils", "metrics", "layers", "")
"""Rooms whose functions take tensors; their classes do through the doors."""
NESTED = ("optimizers.schedules", "datasets.digits")


def words(text: str) -> dict[str, str]:
    """``"a=b c"`` as ``{"a": "b", "c": "c"}``."""
    pairs = (word.partition("=") for word in text.split())
    return {name: target or name for name, _, target in pairs}


_LAYERS = "advanced_activations convolutional core embeddings experimental " \
    "experimental.preprocessing merge normalization pooling recurrent wrappers"  # fmt: skip
ALIASES = {
    **{f"keras.layers.{name}": "keras.layers" for name in _LAYERS.split()},
    **{f"keras.ops.{name}": "keras.ops" for name in ("nn", "numpy", "linalg")},
    **{f"python.keras.{name}": f"keras.{name}" for name in ("layers", "models", "utils")},
    **words("keras.engine=keras keras.experimental=keras python=keras python.keras=keras "
            "keras.optimizers.experimental=keras.optimizers "
            "keras.optimizers.legacy=keras.optimizers keras.utils.np_utils=keras.utils "
            "keras.utils.vis_utils=keras.utils"),
}  # fmt: skip
"""Modules of older versions, and where their names are now."""

_BACKEND = """
abs all any argmax argmin cast clip concatenate cos dot equal eval=convert_to_numpy exp expand_dims
flatten=ravel get_value=convert_to_numpy greater int_shape=shape less log matmul max maximum mean
min minimum ndim not_equal ones_like pow=power prod relu reshape round shape sigmoid sign sin
softmax softplus softsign sqrt square squeeze stack std sum switch=where tanh tile transpose var
zeros_like
"""
_SHORT = {
    short: f"losses:mean_{full}"
    for full, names in {"squared_error": "mse MSE", "absolute_error": "mae MAE"}.items()
    for short in names.split()
}
_LOSSES = "binary_crossentropy categorical_crossentropy sparse_categorical_crossentropy"

TABLES: dict[str, dict[str, str]] = {
    "keras.backend": {
        **{name: f"ops:{op}" for name, op in words(_BACKEND).items()},
        **{name: f"losses:{name}" for name in _LOSSES.split()},
    },
    "keras.losses": _SHORT,
    "keras.metrics": _SHORT,
    "keras.preprocessing.sequence": {"pad_sequences": "utils:pad_sequences"},
    "keras.preprocessing": {},
}
"""Names that no room has under this name, by module: ``"room:name"`` in Lamina."""

_DATA = "Lamina downloads nothing. Load the file with numpy.load or scikit-learn, or use the " \
    "handwritten digits that come with it: lamina.datasets.digits.load_data()"  # fmt: skip
_SETS = "mnist fashion_mnist cifar10 cifar100 imdb reuters boston_housing california_housing"
HINTS = {
    **{f"keras.datasets.{name}": _DATA for name in _SETS.split()},
    "keras.src": "take the name from its public module, such as keras.layers",
    "keras.utils.get_file": _DATA,
    "keras.applications": "build the architecture from layers, and load weights from a file",
    "keras.preprocessing.image": "use layers such as RandomFlip and Rescaling",
    "keras.preprocessing.text": "use the layers TextVectorization and StringLookup",
}
