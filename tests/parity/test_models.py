"""Models against real Keras: order of layers and weights, configs, outputs, clones."""

import json

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import lamina  # noqa: E402

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")


def branches(k):
    i1, i2 = k.Input((4,), name="i1"), k.Input((4,), name="i2")
    d1, d2, d3, d4 = (k.layers.Dense(4, name=f"d{n}") for n in (1, 2, 3, 4))
    total = k.layers.Add(name="s")([d1(i1), d3(d2(i2))])
    return k.Model([i2, i1], [d1(total), d4(i1)], name="m")


def lecture(k):
    x = k.Input((4,), name="Input")
    one, two = (k.layers.Dense(4, name=f"Layer{n}")(x) for n in (1, 2))
    four = k.layers.Dense(4, name="Layer4")(k.layers.Dense(4, name="Layer3")(two))
    five = k.layers.Dense(4, name="Layer5")(two)
    total = k.layers.Add(name="SumLayer")([one, four, five])
    return k.Model(x, k.layers.Dense(4, name="Output")(total), name="m")


def with_ops(k):
    x = k.Input((4,), name="x")
    y = k.layers.Dense(6, name="d")(x)
    y = 2 * y + 1 - y / 3
    y = k.ops.concatenate([y, x], axis=-1)
    y = k.ops.reshape(y, (-1, 5, 2))[:, 1:]
    return k.Model(x, [k.ops.mean(y, axis=1), y], name="m")


def nested(k):
    inner = k.Sequential(
        [k.Input((4,), name="si"), k.layers.Dense(3, name="sd", activation="relu")], name="seq"
    )
    a = k.Input((4,), name="a")
    block = k.Model(a, k.layers.Dense(4, name="bd")(a), name="block")
    x = k.Input((4,), name="x")
    return k.Model({"x": x}, {"out": inner(block(block(x))), "mid": block(x)}, name="m")


def sequential(k):
    return k.Sequential(
        [k.Input((4,), name="i"), k.layers.Dense(5, activation="tanh", name="a"),
         k.layers.Dropout(0.3, name="drop"), k.layers.Dense(2, name="b")], name="m"
    )  # fmt: skip


def cut(k):
    model = lecture(k)
    return k.Model(model.input, model.get_layer("Layer4").output, name="m")


BUILDERS = [branches, lecture, with_ops, nested, sequential, cut]


def same(a, b, tol=1e-5):
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        return all(same(a[key], b[key], tol) for key in a)
    if isinstance(a, (list, tuple)):
        return all(same(x, y, tol) for x, y in zip(a, b, strict=True))
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), atol=tol)
    return True


def data_for(model):
    count = len(model.inputs)
    named = [x.name for x in model.inputs] == ["x"] and "block" in [la.name for la in model.layers]
    return {"x": X} if named else X if count == 1 else [X + i for i in range(count)]


@pytest.mark.parametrize("builder", BUILDERS)
def test_structure_weights_and_outputs(builder):
    theirs, ours = builder(keras), builder(lamina)
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    assert [w.path for w in ours.weights] == [w.path for w in theirs.weights]
    assert lamina.tree.flatten(ours.output_shape) == lamina.tree.flatten(theirs.output_shape)
    ours.set_weights(theirs.get_weights())
    same(theirs(data_for(theirs)), ours(data_for(ours)))


def normal(config):
    """A config without what may differ: marks of shared objects, arguments left at None."""
    if isinstance(config, dict):
        left_out = ("shared_object_id", "compile_config")
        kept = {k: normal(v) for k, v in config.items() if k not in left_out}
        kept["kwargs"] = {k: v for k, v in kept.get("kwargs", {}).items() if v not in (None, False)}
        if config.get("class_name") == "Dropout":  # built in its constructor, there
            kept.pop("build_config", None)
        return kept
    return [normal(v) for v in config] if isinstance(config, (list, tuple)) else config


@pytest.mark.parametrize("builder", BUILDERS)
def test_configs_are_equal_and_travel_both_ways(builder):
    keras.utils.clear_session()
    lamina.utils.clear_session()
    theirs, ours = builder(keras), builder(lamina)
    left, right = json.loads(theirs.to_json()), json.loads(ours.to_json())
    assert normal(right) == normal(left)
    from_theirs = lamina.models.model_from_json(theirs.to_json())
    from_ours = keras.models.model_from_json(ours.to_json())
    weights = theirs.get_weights()
    for model in (from_theirs, from_ours):
        model.set_weights(weights)
        same(theirs(data_for(theirs)), model(data_for(theirs)))


@pytest.mark.parametrize("builder", BUILDERS)
def test_clones(builder):
    ours = builder(lamina)
    clone = lamina.models.clone_model(ours)
    theirs = keras.models.clone_model(builder(keras))
    assert [layer.name for layer in clone.layers] == [layer.name for layer in theirs.layers]
    assert not set(map(id, clone.layers)) & set(map(id, ours.layers))
    clone.set_weights(ours.get_weights())
    same(ours(data_for(ours)), clone(data_for(ours)))


def test_subclassed_weights_come_in_the_same_order():
    def make(k):
        class Net(k.Model):
            def __init__(self, **kwargs):
                super().__init__(**kwargs)
                self.blocks = []
                self.head = k.layers.Dense(2, name="head")
                for n in range(2):
                    self.blocks.append(k.layers.Dense(4, name=f"block{n}"))
                self.extra = {"b": k.layers.Dense(4, name="eb"), "a": k.layers.Dense(4, name="ea")}

            def call(self, x):
                for block in self.blocks:
                    x = block(x)
                return self.head(self.extra["a"](self.extra["b"](x)))

        model = Net(name="net")
        model(X)
        return model

    theirs, ours = make(keras), make(lamina)
    assert [w.path for w in ours.weights] == [w.path for w in theirs.weights]
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    ours.set_weights(theirs.get_weights())
    same(theirs(X), ours(X))
