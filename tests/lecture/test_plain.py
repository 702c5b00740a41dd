"""The lecture in plain Lamina: ``import lamina as keras``, and arrays for tensors."""

import pytest
from lecture.cells import CELLS
from lecture.lecture_runs import LectureShows, run

SPELLINGS = {
    "import tensorflow as tf\ntf.executing_eagerly()": "import lamina as keras",
    "from tensorflow.keras.layers": "from lamina.layers",
    "tf.keras.": "keras.",
    "output.numpy()": "np.asarray(output)",
}


def plain(source: str) -> str:
    for tensorflow, lamina in SPELLINGS.items():
        source = source.replace(tensorflow, lamina)
    return source


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    cells = [(number, plain(source)) for number, source in CELLS]
    return run(tmp_path_factory.mktemp("lecture"), "", cells)


class TestLecture(LectureShows):
    def test_outputs_are_jax_arrays(self, shown):
        assert shown[5]["kind"].startswith("jax")

    def test_nothing_of_tensorflow_is_left(self):
        assert not any("tf." in plain(source) or "tensorflow" in plain(source).split("#")[0]
                       for _, source in CELLS)  # fmt: skip
