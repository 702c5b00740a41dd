"""The facade in force for a module's tests; a real Keras of other tests is put aside."""

import sys

import pytest

import lamina.compat


@pytest.fixture(scope="module")
def tf():
    roots = ("keras", "tensorflow")
    aside = {n: sys.modules.pop(n) for n in list(sys.modules) if n.partition(".")[0] in roots}
    lamina.compat.install()
    try:
        import tensorflow

        yield tensorflow
    finally:
        lamina.compat.uninstall()
        sys.modules.update(aside)


@pytest.fixture(scope="module")
def keras(tf):
    return tf.keras
