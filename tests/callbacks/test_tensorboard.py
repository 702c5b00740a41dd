"""TensorBoard's files, read back by the tensorboard package itself."""

import builtins
import json

import numpy as np
import pytest

import lamina as keras
from lamina import callbacks
from lamina.core.errors import ArgumentError, StateError

pytest.importorskip("tensorboard")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.graph import keras_util
from tensorboard.util import tensor_util

X = np.random.default_rng(0).random((40, 4), dtype="float32")
Y = X.sum(1, keepdims=True)


def run(tmp_path, made=None, epochs=2, **options):
    """A fit, and what is in the two folders: tag to ``[(step, value)]``."""
    layers = [keras.Input((4,)), keras.layers.Dense(3, name="first"), keras.layers.Dense(1)]
    made = made or keras.Sequential(layers, name="net")
    made.compile(keras.optimizers.SGD(0.01), "mse")
    board = callbacks.TensorBoard(tmp_path, **options)
    history = made.fit(X, Y, epochs=epochs, batch_size=10, validation_data=(X, Y), verbose=0,
                       callbacks=[board])  # fmt: skip
    found = []
    for folder in ("train", "validation"):
        events = EventAccumulator(str(tmp_path / folder), size_guidance={"tensors": 0})
        events.Reload()
        found.append({
            tag: [(e.step, tensor_util.make_ndarray(e.tensor_proto)) for e in events.Tensors(tag)]
            for tag in events.Tags()["tensors"]
        })  # fmt: skip
    return history.history, *found, made


def test_epochs(tmp_path):
    history, train, test, made = run(tmp_path)
    assert set(train) == {"keras", "epoch_loss", "epoch_learning_rate"}
    assert set(test) == {"epoch_loss", "evaluation_loss_vs_iterations"}
    np.testing.assert_allclose([v for _, v in train["epoch_loss"]], history["loss"], rtol=1e-6)
    np.testing.assert_allclose([v for _, v in test["epoch_loss"]], history["val_loss"], rtol=1e-6)
    assert [step for step, _ in train["epoch_loss"]] == [0, 1]
    assert [step for step, _ in test["evaluation_loss_vs_iterations"]] == [4, 8]
    stored = train["keras"][0][1].item()
    assert json.loads(stored) == json.loads(made.to_json())
    assert len(keras_util.keras_model_to_graph_def(json.loads(stored)).node) == 3


def test_batches_weights_and_pictures(tmp_path):
    options = {"update_freq": 2, "write_steps_per_second": True}
    _, train, _, made = run(tmp_path, histogram_freq=2, write_images=True, epochs=3, **options)
    assert [step for step, _ in train["batch_loss"]] == [2, 4, 6, 8, 10, 12]
    assert train["epoch_steps_per_second"][0][1] > 0 and len(train["batch_steps_per_second"]) == 6
    (first, _), (last, table) = train["net/first/kernel/histogram"]
    assert (first, last) == (0, 2) and table.shape == (30, 3) and table[:, 2].sum() == 12
    kernel = made.layers[0].kernel.numpy()
    np.testing.assert_allclose([table[0, 0], table[-1, 1]], [kernel.min(), kernel.max()])
    width, height, *pictures = train["net/first/kernel/image"][0][1]
    assert (width, height, len(pictures)) == (b"4", b"3", 1)
    image = pytest.importorskip("PIL.Image")
    import io

    with image.open(io.BytesIO(pictures[0])) as picture:
        assert picture.size == (4, 3) and picture.getextrema() == (0, 255)


def test_embeddings_for_the_projector(tmp_path):
    made = keras.Sequential([
        keras.Input((4,)), keras.layers.Embedding(5, 2, name="words"), keras.layers.Flatten(),
        keras.layers.Dense(1),
    ])  # fmt: skip
    run(tmp_path, made, embeddings_freq=1, embeddings_metadata={"words": "words.txt"})
    text = (tmp_path / "projector_config.pbtxt").read_text()
    assert 'metadata_path: "words.txt"' in text and 'tensor_path: "words.tsv"' in text
    table = np.loadtxt(tmp_path / "words.tsv")
    np.testing.assert_allclose(table, made.layers[0].embeddings.numpy(), rtol=1e-4)
    with pytest.raises(ArgumentError, match=r"no Embedding.*\n.*words"):
        run(tmp_path, made, embeddings_freq=1, embeddings_metadata={"word": "words.txt"})


def test_profile(tmp_path):
    run(tmp_path, profile_batch="2,3", epochs=1)
    assert list((tmp_path / "train" / "plugins" / "profile").rglob("*.xplane.pb"))
    for wrong in (-1, (3, 2), "a", (1, 2, 3)):
        with pytest.raises(ArgumentError, match="profile_batch"):
            callbacks.TensorBoard(tmp_path, profile_batch=wrong)


def test_evaluate_alone_and_several_rates(tmp_path):
    made = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    choice = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1, name="slow"))
    made.compile(keras.optimizers.MultiOptimizer(choice), "mse")
    made.evaluate(X, Y, verbose=0, callbacks=[callbacks.TensorBoard(tmp_path, write_graph=False)])
    assert list((tmp_path / "validation").iterdir()) and not (tmp_path / "train").exists()
    board = callbacks.TensorBoard(tmp_path, write_graph=False)
    board.set_model(made)
    assert list(board._collect_learning_rate({})) == ["learning_rate_slow"]


def test_without_the_package(tmp_path, monkeypatch):
    true = builtins.__import__

    def absent(name, *args, **kwargs):
        if name.startswith("tensorboard"):
            raise ImportError(name)
        return true(name, *args, **kwargs)

    import sys

    from lamina.core import registry

    registry.late.cache_clear()
    monkeypatch.delitem(sys.modules, "lamina.callbacks.events", raising=False)
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(StateError, match="pip install tensorboard"):
        callbacks.TensorBoard(tmp_path)
