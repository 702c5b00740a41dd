"""OrbaxCheckpoint, and loading from its folders; state trees."""

import numpy as np
import pytest

import lamina as keras
from lamina import callbacks
from lamina.core.errors import ArgumentError, FileError, ShapeError

pytest.importorskip("orbax.checkpoint")

X = np.linspace(-1, 1, 20, dtype="float32")[:, None]
Y = 3 * X


def model(units=1):
    made = keras.Sequential([keras.Input((1,)), keras.layers.Dense(units, name="head")], name="net")
    made.compile(keras.optimizers.Adam(0.1, name="opt"), "mse")
    return made


@pytest.mark.parametrize("background", [False, True])
def test_training_goes_on_from_a_checkpoint(tmp_path, background):
    keep = callbacks.OrbaxCheckpoint(tmp_path, save_on_background=background, max_to_keep=2)
    first = model()
    first.fit(X, Y, epochs=3, shuffle=False, verbose=0, callbacks=[keep])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2"]
    second = keras.models.load_model(tmp_path)
    assert int(second.optimizer.iterations) == 3 and second.compiled
    third = model()
    third.load_weights(tmp_path / "2")
    for each in (first, second, third):
        each.fit(X, Y, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_array_equal(first.get_weights()[0], second.get_weights()[0])
    np.testing.assert_array_equal(first.get_weights()[0], third.get_weights()[0])


def test_batches_and_weights_alone(tmp_path):
    keep = callbacks.OrbaxCheckpoint(
        tmp_path, save_freq=2, save_weights_only=True, max_to_keep=None
    )
    made = model()
    made.fit(X, Y, epochs=2, batch_size=5, verbose=0, callbacks=[keep])
    assert sorted(int(path.name) for path in tmp_path.iterdir()) == [2, 4, 6, 8]
    with pytest.raises(FileError, match="weights alone"):
        keras.models.load_model(tmp_path)
    other = model()
    other.load_weights(tmp_path)
    np.testing.assert_array_equal(made.get_weights()[0], other.get_weights()[0])
    with pytest.raises(FileError, match=r"does not fit.*head/bias"):
        model(units=2).load_weights(tmp_path)


def test_the_best_alone(tmp_path):
    keep = callbacks.OrbaxCheckpoint(tmp_path, "loss", save_best_only=True, mode="max")
    keep.set_model(model())
    for epoch, loss in enumerate([1.0, 3.0, 2.0]):
        keep.on_epoch_end(epoch, {"loss": loss})
    keep.wait_until_finished()
    keep.on_train_end()
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
    assert keep.is_primary_host() and not keep.is_multihost_enabled()


def test_state_trees():
    made, other = model(), model()
    made.fit(X, Y, verbose=0)
    tree = made.get_state_tree("numpy_array")
    assert tree["trainable_variables"]["net"]["head"]["kernel"].shape == (1, 1)
    assert tree["optimizer_variables"]["opt"]["iteration"] == 1
    other.optimizer.build(other.trainable_variables)
    other.set_state_tree({"trainable_variables": tree["trainable_variables"]})
    np.testing.assert_array_equal(made.get_weights()[0], other.get_weights()[0])
    with pytest.raises(ArgumentError, match=r"'net/head/kernl'.*'net/head/kernel'"):
        other.set_state_tree({"trainable_variables": {"net": {"head": {"kernl": 1.0}}}})
    with pytest.raises(ArgumentError, match="'trainable_variable'"):
        other.set_state_tree({"trainable_variable": {}})
    with pytest.raises(ShapeError, match="Nothing was changed"):
        wide = {"net": {"head": {"kernel": np.zeros((2, 2))}}}
        other.set_state_tree({"trainable_variables": wide})
