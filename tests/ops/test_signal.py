"""Signals, CTC, rearrange and pictures: inverses, brute force, unknown sizes, errors."""

import itertools

import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp

import lamina.ops as ops
from lamina.core.symbolic import SymbolicTensor

rng = np.random.default_rng(0)


def tensor(*shape, dtype="float32"):
    return SymbolicTensor(shape, dtype)


@pytest.mark.parametrize(("stride", "window"), [(2, "hann"), (3, "hamming"), (4, np.ones(8))])
@pytest.mark.parametrize("center", [True, False])
def test_stft_and_back(stride, window, center):
    x = rng.normal(size=(2, 8 + 4 * 3 * 5)).astype("float32")
    parts = ops.stft(x, 8, stride, 10, window, center)
    back = ops.istft(parts, 8, stride, 10, x.shape[1], window, center)
    inner = slice(8, 56)  # all of whose places are in pieces
    np.testing.assert_allclose(back[:, inner], x[:, inner], rtol=1e-4, atol=1e-4)


def test_fourier_transforms_and_back():
    x = [rng.normal(size=(3, 4, 5)).astype("float32") for _ in range(2)]
    for a, b in zip(ops.ifft2(ops.fft2(x)), x, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    np.testing.assert_allclose(ops.irfft(ops.rfft(x[0]), 5), x[0], atol=1e-5)
    pair = ops.view_as_complex(ops.view_as_real(x[0] + 1j * x[1]))
    np.testing.assert_array_equal(pair, x[0] + 1j * x[1])


def collapsed(path, blank):
    return tuple(label for label, _ in itertools.groupby(path) if label != blank)


@pytest.mark.parametrize("blank", [0, 2])
def test_ctc_sums_over_all_alignments(blank):
    logits = rng.normal(size=(1, 4, 3)).astype("float32")
    logs = log_softmax(logits[0].astype("float64"), -1)
    totals = {}
    for path in itertools.product(range(3), repeat=4):
        score = sum(logs[time, label] for time, label in enumerate(path))
        totals.setdefault(collapsed(path, blank), []).append(score)
    best = sorted(((logsumexp(each), path) for path, each in totals.items()), reverse=True)
    paths, scores = ops.ctc_decode(logits, [4], "beam_search", 50, 5, mask_index=blank)
    np.testing.assert_allclose(scores[0], [score for score, _ in best[:5]], rtol=1e-5)
    found = [tuple(int(x) for x in path[0] if x >= 0) for path in paths]
    assert found == [path for _, path in best[:5]]
    for path, each in totals.items():
        target = np.array([[*path, *[1] * (4 - len(path))]])
        loss = ops.ctc_loss(target, logits, [len(path)], [4], blank)
        np.testing.assert_allclose(-loss[0], logsumexp(each), rtol=1e-5)


SHAPES = [
    (lambda: ops.stft(tensor(None, None), 8, 4, 8)[0], (None, None, 5)),
    (lambda: ops.fft((tensor(None, 4), tensor(None, 4)))[1], (None, 4)),
    (lambda: ops.rfft(tensor(None, 9))[0], (None, 5)),
    (lambda: ops.extract_sequences(tensor(None, 20), 4, 4), (None, 5, 4)),
    (lambda: ops.rearrange(tensor(None, 6, 4), "b (h k) w -> (b w) k h", k=2), (None, 2, 3)),
    (lambda: ops.rearrange(tensor(None, None, 4), "b (h k) w -> b h (k w)", k=2), (None, None, 8)),
    (lambda: ops.ctc_loss(tensor(None, 3), tensor(None, None, 5), tensor(None), tensor(None)),
     (None,)),
    (lambda: ops.ctc_decode(tensor(None, 7, 5), tensor(None), "beam_search", 9, 2)[0],
     (2, None, 7)),
    (lambda: ops.image.resize(tensor(None, None, None, 3), (4, 5)), (None, 4, 5, 3)),
    (lambda: ops.image.pad_images(tensor(None, None, 8, 3), 1, 1, target_height=9, target_width=9),
     (None, 9, 9, 3)),
    (lambda: ops.image.crop_images(tensor(None, None, 8, 3), 1, 1, right_cropping=2,
                                   target_height=4), (None, 4, 5, 3)),
    (lambda: ops.image.extract_patches(tensor(None, 8, None, 3), 4), (None, 2, None, 48)),
    (lambda: ops.image.affine_transform(tensor(None, 8, None, 3), tensor(None, 8)),
     (None, 8, None, 3)),
    (lambda: ops.image.ssim(tensor(None, 12, 12, 3), tensor(None, 12, 12, 3)), (None,)),
    (lambda: ops.svd(tensor(None, 3))[1], (None,)),
    (lambda: ops.svd(tensor(5, None, 3), full_matrices=False)[0], (5, None, None)),
    (lambda: ops.qr(tensor(None, 4, 3), "complete")[1], (None, 4, 3)),
    (lambda: ops.nonzero(tensor(None, 3))[1], (None,)),
    (lambda: ops.unique(tensor(None, 3), return_counts=True, axis=0)[0], (None, 3)),
    (lambda: ops.segment_sum(tensor(None, 3), tensor(None, dtype="int32")), (None, 3)),
]  # fmt: skip


@pytest.mark.parametrize(("make", "shape"), SHAPES)
def test_shapes_with_unknown_sizes(make, shape):
    assert make().shape == shape


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: ops.fft(np.ones(3)), ValueError, "pair"),
    (lambda: ops.fft((np.ones(3), np.ones(4))), ValueError, r"\(3,\), \(4,\)"),
    (lambda: ops.fft((np.ones(3, "int32"), np.ones(3, "int32"))), ValueError, "floats"),
    (lambda: ops.fft((tensor(None), tensor(None))), ValueError, "known"),
    (lambda: ops.stft(np.ones(9, "int32"), 4, 2, 4), TypeError, "int32"),
    (lambda: ops.stft(np.ones(9, "float32"), 4, 2, 3), ValueError, "fft_length=3"),
    (lambda: ops.stft(np.ones(9, "float32"), 4, 0, 4), ValueError, "sequence_stride=0"),
    (lambda: ops.stft(np.ones(9, "float32"), 4, 2, 4, "han"), ValueError, "Did you mean 'hann'"),
    (lambda: ops.stft(np.ones(9, "float32"), 4, 2, 4, np.ones(3)), ValueError, "window"),
    (lambda: ops.view_as_complex(np.ones(3)), ValueError, "size is 2"),
    (lambda: ops.rearrange(np.ones((2, 3)), "a b -> a c"), ValueError, "cannot read"),
    (lambda: ops.rearrange(np.ones((2, 3)), "a b c -> a b c"), ValueError, "does not fit"),
    (lambda: ops.rearrange(np.ones((2, 3)), "a (b c) -> a b c", c=2), ValueError, "divided"),
    (lambda: ops.ctc_loss(np.ones(3), np.ones((1, 2, 3)), [1], [1]), ValueError, r"\(3,\)"),
    (lambda: ops.ctc_decode(np.ones((1, 2, 3)), [2], "gredy"), ValueError, "Did you mean"),
    (lambda: ops.image.resize(np.ones((4, 4)), (2, 2)), ValueError, r"shape \(4, 4\)"),
    (lambda: ops.image.resize(np.ones((4, 4, 1)), (2, 0)), ValueError, r"\(2, 0\)"),
    (lambda: ops.image.resize(np.ones((4, 4, 1)), (2, 2), "biliner"), ValueError, "Did you mean"),
    (lambda: ops.image.crop_images(np.ones((4, 4, 1)), 1, 1), ValueError, "exactly two"),
    (lambda: ops.image.crop_images(np.ones((4, 4, 1)), 3, 1, 3, 1), ValueError, "impossible"),
    (lambda: ops.image.rgb_to_hsv(np.ones((4, 4, 3), "uint8")), ValueError, "uint8"),
    (lambda: ops.image.affine_transform(np.ones((4, 4, 3)), np.ones(6)), ValueError, "8 numbers"),
    (lambda: ops.image.map_coordinates(np.ones((4, 4)), np.ones((3, 2)), 1), ValueError, "point"),
    (lambda: ops.image.extract_patches_3d(np.ones((4, 4, 4, 1)), (2, 2)), TypeError, "3 numbers"),
    (lambda: ops.qr(tensor(None, 4)), ValueError, "not known"),
    (lambda: ops.matrix_rank(np.ones(3)), ValueError, r"\(3,\)"),
    (lambda: ops.segment_sum(np.ones(3), [0, 1]), ValueError, "equal"),
])  # fmt: skip
def test_errors(make, error, message):
    with pytest.raises(error, match=message):
        make()
