"""Handwritten digits: 1,797 grey images of 8 by 8 pixels, shipped with the package.

Source: E. Alpaydin and C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine
Learning Repository, 1998, https://doi.org/10.24432/C50P49; the file ``optdigits.tes`` of it,
unchanged but for its encoding. Licence: Creative Commons Attribution 4.0 (CC BY 4.0). A pixel
counts the dark points, 0 to 16, of a 4 by 4 block of the scanned digit.
"""

from importlib import resources

import numpy as np
from numpy.typing import NDArray

from lamina.core.errors import ArgumentError

Images = NDArray[np.uint8]
Labels = NDArray[np.uint8]


def load_data(test_size: float = 0.2) -> tuple[tuple[Images, Labels], tuple[Images, Labels]]:
    """The digits, split in two: ``(x_train, y_train), (x_test, y_test)``.

    The split is the same every time and keeps the share of each digit: of the images of one
    digit, in the order of the file, test images are taken at even distances. No writer is kept
    for the test part, so its accuracy says little about the digits of a stranger.

    Args:
        test_size: the share of the images that goes to the test part, between 0 and 1.

    Returns:
        Images as uint8 of shape ``(n, 8, 8)``, values 0 (paper) to 16 (ink), and labels as uint8
        of shape ``(n,)``, values 0 to 9.

    Raises:
        ArgumentError: ``test_size`` is not between 0 and 1.

    >>> (x_train, y_train), (x_test, y_test) = load_data()
    >>> x_train.shape, y_train.shape, x_test.shape
    ((1442, 8, 8), (1442,), (355, 8, 8))
    >>> int(x_train.max())
    16
    """
    if not 0 < test_size < 1:
        raise ArgumentError(
            "digits.load_data cannot split the images.",
            met=f"test_size={test_size!r}",
            rule="It is a share of all images: more than 0 and less than 1.",
            fix="Leave it out for 0.2.",
        )
    with resources.files("lamina.datasets").joinpath("digits.npz").open("rb") as file:
        stored = np.load(file, allow_pickle=False)
        images, labels = stored["images"], stored["labels"]
    is_test = np.zeros(len(labels), bool)
    for digit in range(10):
        places = np.flatnonzero(labels == digit)
        quota = np.floor(np.arange(len(places) + 1) * test_size)
        is_test[places] = np.diff(quota) > 0
    return (images[~is_test], labels[~is_test]), (images[is_test], labels[is_test])
