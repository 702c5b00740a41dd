"""Everything that `fit`, `evaluate` and `predict` can be fed with."""

import threading
import time
import warnings

import jax
import numpy as np
import pytest
from training.models import SAMPLES, Batches, compiled, data, two_outputs

import lamina as keras
from lamina.core.errors import ArgumentError, DTypeError, LaminaError, ShapeError
from lamina.training.data import StreamData, source_of

X, Y = data()


@pytest.fixture(autouse=True)
def no_thread_is_left():
    """Each test ends with the threads it began with."""
    before = set(threading.enumerate())
    yield
    for _ in range(50):
        left = [each for each in threading.enumerate() if each not in before]
        if not left:
            break
        time.sleep(0.02)
    assert not left


def generator(size=25, passes=1):
    for _ in range(passes):
        for start in range(0, SAMPLES, size):
            yield X[start : start + size], Y[start : start + size]


def same_as_arrays(source, size=25, **kwargs):
    one, other = compiled(), compiled()
    other.set_weights(one.get_weights())
    logs = one.fit(source, shuffle=False, verbose=0, epochs=2, **kwargs).history
    expected = other.fit(X, Y, batch_size=size, shuffle=False, verbose=0, epochs=2).history
    for name in expected:
        assert np.allclose(logs[name], expected[name], atol=1e-5), name
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        assert np.allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("size", [25, 32])
@pytest.mark.parametrize("workers", [1, 3])
def test_datasets_by_number(size, workers):
    dataset = Batches(size, workers=workers, max_queue_size=2)
    same_as_arrays(dataset, size)
    assert dataset.begun == dataset.ended == 2
    assert sorted(set(dataset.asked)) == list(range(len(dataset)))
    assert "_pool" not in vars(dataset)


def test_datasets_in_processes():
    dataset = Batches(workers=2, use_multiprocessing=True)
    same_as_arrays(dataset)
    assert dataset.asked == []  # all batches were made elsewhere

    class Local(Batches):
        pass

    with pytest.raises(DTypeError, match="worker processes"):
        compiled().fit(Local(workers=2, use_multiprocessing=True), verbose=0)


def test_shuffling_of_a_dataset():
    orders = []
    for shuffle in (False, True):
        dataset = Batches(5)
        keras.utils.set_random_seed(3)
        compiled().fit(dataset, epochs=2, shuffle=shuffle, verbose=0)
        orders.append(dataset.asked)
    assert orders[0] == [*range(15), *range(15)]
    assert orders[1][:15] != orders[1][15:] != orders[0][15:]
    assert sorted(orders[1][:15]) == list(range(15))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_the_dataset_comes_as_it_is(workers):
    dataset = Batches(fails=2, workers=workers)
    with pytest.raises(ZeroDivisionError, match="made by the dataset") as caught:
        compiled().fit(dataset, shuffle=False, verbose=0)
    assert any(entry.name == "__getitem__" for entry in caught.traceback)


def test_a_dataset_without_its_constructor_and_without_end():
    class Endless(keras.utils.Sequence):
        num_batches = None

        def __init__(self):
            self.asked = 0

        def __getitem__(self, index):
            self.asked += 1
            return X[:5] + index, Y[:5]

    with pytest.warns(UserWarning, match="dataset-init"):
        dataset = Endless()
        compiled().fit(dataset, steps_per_epoch=3, epochs=2, verbose=0)
    assert dataset.asked == 6
    with pytest.raises(NotImplementedError, match="num_batches"):
        compiled().fit(keras.utils.PyDataset(), verbose=0)


def test_a_generator_keeps_its_place():
    source = generator(5, passes=3)
    model = compiled()
    model.fit(source, steps_per_epoch=4, epochs=2, verbose=0)
    assert np.array_equal(next(source)[0], X[40:45])
    model.fit(source, steps_per_epoch=2, verbose=0)
    assert np.array_equal(next(source)[0], X[55:60])
    batches = [(X[:5], Y[:5]), (X[5:9], Y[5:9])]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(model.fit(batches, steps_per_epoch=2, epochs=3, verbose=0).epoch) == 3


def test_batches_that_were_not_used_open_the_next_epoch():
    stream = source_of(generator(5))
    for _ in zip(range(3), stream.epoch(), strict=False):
        pass
    time.sleep(0.05)
    rows = [np.asarray(batch.x) for batch in stream.epoch()]
    assert np.array_equal(rows[0], X[15:20]) or np.array_equal(rows[0], X[20:25])


def test_reading_overlaps_with_the_step():
    seen = []

    def slow():
        for _ in range(10):
            time.sleep(0.05)
            seen.append(threading.current_thread())
            yield X, Y

    stream = StreamData(slow(), None)
    stream.first()
    started = time.perf_counter()
    for _ in stream.epoch():
        time.sleep(0.05)
    took = time.perf_counter() - started
    assert took < 0.8  # 1.0 one after the other, 0.5 at best
    assert len(set(seen)) == 2  # the first batch, and one thread


def test_no_second_compilation_for_a_last_batch():
    model = compiled()
    model.fit(generator(30), verbose=0)
    program = next(iter(model._training.programs.values()))
    assert program.single._cache_size() == 1
    assert model.predict((X[i : i + 30] for i in (0, 30, 60)), verbose=0).shape == (SAMPLES, 3)
    assert np.allclose(
        model.predict((X[i : i + 30] for i in (0, 30, 60)), verbose=0), model.predict(X, verbose=0)
    )
    normed = compiled(keras.layers.BatchNormalization())
    normed.fit(generator(30), verbose=0)


def test_torch_loaders():
    torch = pytest.importorskip("torch")
    pairs = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    loader = torch.utils.data.DataLoader(pairs, batch_size=25)
    same_as_arrays(loader)
    assert source_of(loader).steps == 3
    left, right = keras.utils.split_dataset(pairs, left_size=0.8)
    assert (len(left), len(right)) == (60, 15)


def test_grain_and_tensors_of_others():
    grain = pytest.importorskip("grain")
    rows = [(x, y) for x, y in zip(X, Y, strict=True)]
    same_as_arrays(grain.MapDataset.source(rows).batch(25))
    same_as_arrays(grain.MapDataset.source(rows).to_iter_dataset().batch(25))

    class Tensor:
        def __init__(self, value):
            self.value = value

        def numpy(self):
            return self.value

    same_as_arrays([(Tensor(x), Tensor(y)) for x, y in generator()])

    class Dataset:
        def as_numpy_iterator(self):
            return generator()

        def __iter__(self):
            raise AssertionError

    same_as_arrays(Dataset())


def test_frames():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    names = list("abcd")
    model = compiled()
    expected = model.evaluate(X, Y, verbose=0)
    for library in (pandas, polars):
        frame = library.DataFrame({name: X[:, i] for i, name in enumerate(names)})
        found = model.evaluate(frame, library.Series(Y.tolist()), verbose=0)
        assert np.allclose(found, expected, atol=1e-6)
        mixed = library.DataFrame({"a": [1, 2], "b": [0.5, 1.5], "c": [True, False], "d": [1, 1]})
        assert model.predict(mixed, verbose=0).shape == (2, 3)
        with pytest.raises(DTypeError, match="'town' of x"):
            model.predict(library.DataFrame({"a": [1, 2], "town": ["x", "y"]}), verbose=0)


def test_sparse_matrices_and_files(tmp_path):
    sparse = pytest.importorskip("scipy.sparse")
    h5py = pytest.importorskip("h5py")
    np.save(tmp_path / "x.npy", X)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = X.astype("float64")
        for x in (sparse.csr_matrix(X), np.load(tmp_path / "x.npy", mmap_mode="r"), file["x"]):
            one, other = compiled(), compiled()
            other.set_weights(one.get_weights())
            for model, given in ((one, x), (other, X)):
                keras.utils.set_random_seed(1)
                model.fit(given, Y, validation_split=0.2, verbose=0, epochs=2)
            for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
                assert np.allclose(a, b, atol=1e-5)
            assert np.allclose(one.predict(x, verbose=0), one.predict(X, verbose=0), atol=1e-6)


def test_class_weight_of_any_source():
    weights = {0: 1.0, 1: 5.0, 2: 0.5}
    each = np.array([weights[int(y)] for y in Y], "float32")
    one, other, third = compiled(), compiled(), compiled()
    for model in (other, third):
        model.set_weights(one.get_weights())
    one.fit(X, Y, batch_size=25, shuffle=False, sample_weight=each, verbose=0)
    other.fit(generator(), class_weight=weights, verbose=0)
    third.fit(Batches(), class_weight=weights, shuffle=False, verbose=0)
    for a, b, c in zip(one.get_weights(), other.get_weights(), third.get_weights(), strict=True):
        assert np.allclose(a, b, atol=1e-5) and np.allclose(a, c, atol=1e-5)
    with pytest.raises(ArgumentError, match="class 7"):
        source_of(X, np.eye(3)[Y], class_weight={7: 1.0})
    with pytest.raises(ArgumentError, match="class numbers"):
        source_of(X, Y, class_weight={"cat": 1.0})


@pytest.mark.parametrize("given", [{"kind": {1: 4.0}}, [None, {1: 4.0}]])
@pytest.mark.parametrize("named", [True, False])
def test_class_weight_of_several_outputs(given, named):
    value = X[:, :1]
    y = {"value": value, "kind": Y} if named else [value, Y]
    if named and isinstance(given, list):
        given = list(given)
    one, other = two_outputs(), two_outputs()
    other.set_weights(one.get_weights())
    own = np.where(Y == 1, 4.0, 1.0)
    weight = {"value": np.ones(SAMPLES), "kind": own} if named else [np.ones(SAMPLES), own]
    losses = {"value": "mse", "kind": "sparse_categorical_crossentropy"}
    for model, kwargs in ((one, {"class_weight": given}), (other, {"sample_weight": weight})):
        model.compile("sgd", losses)
        model.fit(X, y, shuffle=False, verbose=0, **kwargs)
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        assert np.allclose(a, b, atol=1e-5)
    with pytest.raises(ValueError, match="kinds"):
        one.fit(X, y, class_weight={"kinds": {1: 2.0}}, verbose=0)


BAD = [
    (lambda: (X, Y[:-1]), {}, ShapeError, "x: 75, y: 74"),
    (lambda: (X[:0], Y[:0]), {}, ShapeError, "0 samples"),
    (lambda: (X, Y), {"batch_size": 0}, ArgumentError, "batch_size=0"),
    (lambda: (X, Y), {"batch_size": -3}, ArgumentError, "batch_size=-3"),
    (lambda: (X, Y), {"batch_size": 2.5}, ArgumentError, "batch_size=2.5"),
    (lambda: (X, Y), {"steps_per_epoch": 0}, ArgumentError, "number of steps"),
    (lambda: (X, Y), {"steps_per_epoch": 1.5}, ArgumentError, "number of steps"),
    (lambda: (generator,), {}, DTypeError, r"call it: generator\(\)"),
    (lambda: (iter([]),), {}, ArgumentError, "no batch"),
    (lambda: (iter([(X, Y), (X[:, 0], Y)]),), {}, ShapeError, r"Batch 1 .*: x"),
    (lambda: (iter([(X, Y), (X, None)]),), {}, ShapeError, r"Batch 1 .* other parts"),
    (lambda: (iter([(X, Y), (X, Y[:3])]),), {}, ShapeError, "y of batch 1: 3"),
    (lambda: (iter([(X, Y, None, None)]),), {}, ArgumentError, "4 parts"),
    (
        lambda: (iter([(np.array(["a", "b"]), Y[:2])]),),
        {},
        DTypeError,
        "x of batch 0 holds strings",
    ),
    (lambda: (iter([(X,)]),), {}, LaminaError, "target"),
    (lambda: (generator(), Y), {}, ArgumentError, "beside a generator"),
]


@pytest.mark.parametrize("case", range(len(BAD)))
def test_bad_data_is_named(case):
    make, kwargs, error, match = BAD[case]
    with pytest.raises(error, match=match):
        compiled().fit(*make(), verbose=0, shuffle=False, **kwargs)


def test_too_many_steps():
    with pytest.warns(UserWarning, match="data-ran-out"):
        compiled().fit(Batches(), steps_per_epoch=5, verbose=0)


def test_windows_of_a_series():
    series = np.arange(20)
    found = keras.utils.timeseries_dataset_from_array(
        series, series + 100, 4, sequence_stride=3, sampling_rate=2, batch_size=2, start_index=1
    )
    batches = list(found)
    assert len(batches) == len(found) == 3
    assert batches[0][0].tolist() == [[1, 3, 5, 7], [4, 6, 8, 10]]
    assert batches[0][1].tolist() == [101, 104]
    mixed = keras.utils.timeseries_dataset_from_array(
        series, None, 4, batch_size=None, shuffle=True, seed=1
    )
    assert sorted(window[0] for window in mixed) == list(range(17))
    for wrong in ({"sampling_rate": 0}, {"sequence_stride": 21}, {"start_index": 20},
                  {"end_index": 0}, {"start_index": -1}):  # fmt: skip
        with pytest.raises(ValueError, match=next(iter(wrong))):
            keras.utils.timeseries_dataset_from_array(series, None, 4, **wrong)


def test_split_data():
    left, right = keras.utils.split_dataset((X, Y), left_size=60, shuffle=True, seed=1)
    assert (len(left), len(right)) == (60, 15)
    assert len(compiled().fit(left, validation_data=right, verbose=0).history) == 4
    assert len(left.batch(32)) == 2 and left.batch(32)[1][0].shape == (28, 4)
    rows = np.concatenate([np.stack([x for x, _ in part]) for part in (left, right)])
    assert np.allclose(np.sort(rows, axis=0), np.sort(X, axis=0))
    left, right = keras.utils.split_dataset(Batches(), right_size=0.2)
    assert [len(y) for _, y in left] == [25, 25, 10] and len(right) == 1
    for wrong in ({}, {"left_size": 1.5}, {"left_size": 60, "right_size": 60}, {"left_size": -1}):
        with pytest.raises(ValueError):
            keras.utils.split_dataset(X, **wrong)
    with pytest.raises(TypeError):
        keras.utils.split_dataset(3, 0.5)


def test_packing():
    assert keras.utils.pack_x_y_sample_weight([1, 2]) == ([1, 2],)
    assert keras.utils.pack_x_y_sample_weight(1, 2, 3) == (1, 2, 3)
    assert keras.utils.unpack_x_y_sample_weight([1]) == (1, None, None)
    assert keras.utils.unpack_x_y_sample_weight({"a": 1}) == ({"a": 1}, None, None)
    with pytest.raises(ValueError, match="4 parts"):
        keras.utils.unpack_x_y_sample_weight((1, 2, 3, 4))
    assert isinstance(jax.tree.leaves(keras.utils.pack_x_y_sample_weight(X))[0], np.ndarray)
