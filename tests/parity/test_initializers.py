"""Initializers against Keras on JAX: the same numbers from the same seed, and configs both ways."""

import inspect

import numpy as np
import pytest

from lamina import initializers

keras = pytest.importorskip("keras")

SHAPES = {"Identity": (4, 3), "STFT": (8, 1, 5), "Orthogonal": (3, 2, 4)}
CASES = [
    *(
        (name, {"seed": 3})
        for name in (
            "GlorotNormal",
            "GlorotUniform",
            "HeNormal",
            "HeUniform",
            "LecunNormal",
            "LecunUniform",
            "RandomNormal",
            "RandomUniform",
            "TruncatedNormal",
            "Orthogonal",
            "VarianceScaling",
        )
    ),
    ("Zeros", {}),
    ("Ones", {}),
    ("Constant", {"value": 2.5}),
    ("Identity", {"gain": 2.0}),
    ("STFT", {}),
    ("STFT", {"side": "imag", "window": "hamming", "scaling": "spectrum"}),
    ("STFT", {"window": None}),
    ("STFT", {"periodic": True, "scaling": None}),
    ("Orthogonal", {"gain": 0.5, "seed": 1}),
    ("RandomUniform", {"minval": 1, "maxval": 2, "seed": 0}),
    ("VarianceScaling", {"scale": 2.0, "mode": "fan_out", "distribution": "uniform", "seed": 1}),
    ("VarianceScaling", {"distribution": "untruncated_normal", "mode": "fan_avg", "seed": 1}),
    ("VarianceScaling", {"input_axes": [0], "output_axes": [1, 2], "seed": 1}),
]
PUBLIC = [name for name in dir(keras.initializers) if not name.startswith("_")]


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_numbers_and_configs(name, arguments):
    theirs = getattr(keras.initializers, name)(**arguments)
    ours = getattr(initializers, name)(**arguments)
    shape = SHAPES.get(name, (3, 4, 5))
    np.testing.assert_allclose(ours(shape), theirs(shape), rtol=1e-5, atol=2e-6)
    assert ours(shape, "bfloat16").dtype == "bfloat16"
    stored = {**keras.initializers.serialize(theirs)}
    if name == "Identity":  # Keras forgets the gain
        stored["config"] = {"gain": 2.0}
    assert initializers.serialize(ours) == stored
    again = keras.initializers.deserialize(initializers.serialize(ours))
    np.testing.assert_array_equal(again(shape), theirs(shape))
    np.testing.assert_array_equal(initializers.deserialize(stored)(shape), ours(shape))


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names(name):
    theirs, ours = getattr(keras.initializers, name), getattr(initializers, name)
    assert name in initializers.__all__
    assert inspect.isclass(ours) == inspect.isclass(theirs)
    if inspect.isclass(ours) and theirs.__init__ is not object.__init__:
        assert list(inspect.signature(ours).parameters) == list(
            inspect.signature(theirs).parameters
        )


@pytest.mark.parametrize("name", ["uniform", "normal", "zero", "one", "he_normal", "GlorotUniform"])
def test_names(name):
    assert type(initializers.get(name)).__name__ == type(keras.initializers.get(name)).__name__
