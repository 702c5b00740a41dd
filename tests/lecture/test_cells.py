"""The lecture as it was written, for tf.keras, after one added line."""

import pytest
from lecture.cells import CELLS
from lecture.lecture_runs import LectureShows, run


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    prelude = "import lamina.compat; lamina.compat.install()"
    return run(tmp_path_factory.mktemp("lecture"), prelude, CELLS)


class TestLecture(LectureShows):
    def test_1_eager(self, shown):
        assert shown[1]["value"] == "True"

    def test_10_prints_as_tensorflow_does(self, shown):
        printed = shown[10]["printed"]
        assert printed.startswith("tf.Tensor(\n[[")
        assert printed.endswith("]], shape=(2, 5), dtype=float32)\n")

    def test_11_numpy(self, shown):
        assert shown[11]["printed"].startswith("[")
