from importlib import resources

import numpy as np
import pytest

from lamina.core.errors import ArgumentError
from lamina.datasets import digits


def test_parts_have_the_documented_form():
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    for images, labels in ((x_train, y_train), (x_test, y_test)):
        assert images.dtype == labels.dtype == np.uint8
        assert images.shape == (len(labels), 8, 8)
        assert images.max() == 16
        assert set(labels) == set(range(10))
    assert len(y_train) + len(y_test) == 1797


@pytest.mark.parametrize("share", [0.1, 0.2, 0.25, 0.5, 0.9])
def test_split_keeps_the_share_of_each_digit(share):
    (_, y_train), (_, y_test) = digits.load_data(test_size=share)
    tests, all_ = np.bincount(y_test), np.bincount(np.concatenate([y_train, y_test]))
    np.testing.assert_array_less(np.abs(tests - share * all_), 1)


def test_split_is_the_same_each_time():
    for first, second in zip(digits.load_data(), digits.load_data(), strict=True):
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])


def test_data_agree_with_another_copy():
    oracle = pytest.importorskip("sklearn.datasets").load_digits()
    with resources.files("lamina.datasets").joinpath("digits.npz").open("rb") as file:
        ours = np.load(file, allow_pickle=False)
        np.testing.assert_array_equal(ours["images"], oracle.images)
        np.testing.assert_array_equal(ours["labels"], oracle.target)


def test_file_is_small():
    assert len(resources.files("lamina.datasets").joinpath("digits.npz").read_bytes()) < 200_000


@pytest.mark.parametrize("share", [0, 1, -0.5, 360, float("nan")])
def test_impossible_share_is_refused(share):
    with pytest.raises(ArgumentError, match=r"(?s)test_size=.*more than 0 and less than 1"):
        digits.load_data(test_size=share)
