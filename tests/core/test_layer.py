"""The contract of Layer: nests, masks, training, dtypes, building, freezing, names, losses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina as keras
from lamina import layers
from lamina.core import binding, nest
from lamina.core.errors import ArgumentError, LaminaError, ShapeError
from lamina.core.masking import get_mask, set_mask

X = np.ones((2, 3), np.float32)


class Scale(layers.Layer):
    def build(self, input_shape):
        self.factor = self.add_weight((input_shape[-1],), "ones", name="factor")

    def call(self, x):
        return x * self.factor


def test_nested_inputs_and_outputs_as_arrays_and_symbols():
    class Pair(layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, inputs, *, bias=None, scale=1.0):
            total = self.dense(inputs["a"]) + self.dense(inputs["b"][0])
            total = total if bias is None else total + bias
            return {"sum": total * scale, "both": [total, inputs["a"]]}

    layer = Pair()
    data = {"a": X, "b": [X * 2]}
    out = layer(data, bias=np.ones(2, np.float32), scale=2.0)
    assert out["sum"].shape == (2, 2)
    assert np.allclose(out["sum"], 2 * out["both"][0])
    x, y, b = keras.Input((3,)), keras.Input((3,)), keras.Input((2,))
    model = keras.Model([x, y, b], layer({"a": x, "b": [y]}, bias=b, scale=2.0))
    assert np.allclose(model([X, X * 2, np.ones((2, 2))])["sum"], out["sum"], atol=1e-6)


def test_training_comes_from_the_argument_then_from_the_enclosing_call():
    seen = []

    class Spy(layers.Layer):
        def call(self, x, training=False):
            seen.append(training)
            return x

    class Outer(layers.Layer):
        def __init__(self, forced=None):
            super().__init__()
            self.spy, self.forced = Spy(), forced

        def call(self, x):
            return self.spy(x) if self.forced is None else self.spy(x, training=self.forced)

    Outer()(X)
    Outer()(X, training=True)
    Outer(forced=False)(X, training=True)
    keras.Sequential([Outer()])(X, training=True)
    assert [seen[0], seen[1], seen[2], seen[-1]] == [False, True, False, True]


def test_masks_pass_from_embedding_to_where_they_are_used():
    class Count(layers.Layer):
        supports_masking = True

        def call(self, x, mask=None):
            return jnp.sum(mask, axis=1) if mask is not None else jnp.full(x.shape[0], -1)

    ids = np.array([[1, 2, 0], [3, 0, 0]])
    embedding, count = layers.Embedding(5, 4, mask_zero=True), Count()
    assert count(embedding(ids)).tolist() == [2, 1]
    chain = keras.Sequential([embedding, layers.Dense(3), layers.Dropout(0.5), count])
    assert chain(ids).tolist() == [2, 1]
    x = keras.Input((3,), dtype="int32")
    assert keras.Model(x, count(layers.Dense(2)(embedding(x))))(ids).tolist() == [2, 1]
    assert count(np.ones((2, 3, 4)), mask=np.ones((2, 3), bool)).tolist() == [3, 3]


def test_a_lost_mask_is_said_once():
    class Deaf(layers.Layer):
        def call(self, x):
            return x + 0

    x = jnp.ones((2, 3))
    set_mask(x, jnp.ones((2, 3), bool))
    layer = Deaf()
    with pytest.warns(UserWarning, match="mask-lost"):
        layer(x)
    assert get_mask(layer(x)) is None


def test_autocast_reads_variables_and_inputs_in_the_compute_dtype():
    seen = {}

    class Spy(Scale):
        def call(self, x, ids=None):
            seen.update(x=x.dtype, ids=ids.dtype, w=self.factor.value.dtype, name=self.factor.dtype)
            return x * self.factor

    layer = Spy(dtype="mixed_bfloat16")
    out = layer(X, ids=np.arange(2))
    assert out.dtype == "bfloat16"
    assert seen == {"x": "bfloat16", "ids": "int32", "w": "bfloat16", "name": "bfloat16"}
    assert layer.factor.dtype == "float32"
    assert Scale(dtype="mixed_float16", autocast=False)(X).dtype == "float32"


def test_build_gets_shapes_by_the_names_of_the_calls_arguments():
    class Attend(layers.Layer):
        def build(self, query_shape, value_shape):
            self.shapes = (query_shape, value_shape)

        def call(self, query, value):
            return query

    layer = Attend()
    layer(np.ones((2, 3)), np.ones((2, 4)))
    assert [tuple(s) for s in layer.shapes] == [(2, 3), (2, 4)]
    nested = {}

    class Nest(layers.Layer):
        def build(self, input_shape):
            nested.update(input_shape)

        def call(self, inputs):
            return inputs["a"]

    Nest()({"a": np.ones((2, 3)), "b": [np.ones((2, 5))]})
    assert nested == {"a": (2, 3), "b": [(2, 5)]}


def test_sublayers_are_found_in_attributes_lists_tuples_and_dicts():
    class Deep(layers.Layer):
        def __init__(self):
            super().__init__()
            self.one = layers.Dense(2)
            self.many = [[layers.Dense(2)], (layers.Dense(2), {"k": layers.Dense(2)})]
            self.table = {"x": layers.Dense(2)}
            self.own = keras.Variable(np.ones(2, np.float32), name="own")

        def call(self, x):
            x = self.table["x"](self.one(x))
            return self.many[1][1]["k"](self.many[1][0](self.many[0][0](x))) + self.own

    layer = Deep()
    layer(X)
    assert len(layer.weights) == 11
    assert layer.weights[0] is layer.own
    assert len(layer._flatten_layers()) == 6
    layer.late = layers.Dense(2)
    layer.many[0].append(layers.Dense(7))
    assert len(layer._flatten_layers()) == 8
    del layer.own
    assert len(layer.weights) == 10


@pytest.mark.parametrize("depth", [1, 3])
def test_freezing_at_any_depth(depth):
    inner = keras.Sequential([layers.Dense(2), layers.BatchNormalization()])
    model = inner
    for _ in range(depth):
        model = keras.Sequential([model, layers.Dense(2)])
    model(X)
    total = len(model.weights)
    inner.trainable = False
    assert len(model.trainable_weights) == 2 * depth
    assert len(model.weights) == total
    inner.trainable = True
    assert len(model.trainable_weights) == 2 * depth + 4
    model.trainable = False
    assert not model.trainable_weights
    assert not layers.Dense(2, trainable=False).trainable


def test_names_and_paths():
    keras.utils.clear_session()
    assert [layers.Dense(1).name for _ in range(2)] == ["dense", "dense_1"]
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="head")], name="net")
    assert [w.path for w in model.weights] == ["net/head/kernel", "net/head/bias"]
    with pytest.raises(ArgumentError, match="without '/'"):
        layers.Dense(1, name="a/b")


def test_losses_of_calls_weights_and_activities():
    class Penal(layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1, kernel_initializer="ones", kernel_regularizer="l2",
                                      activity_regularizer="l1")  # fmt: skip

        def call(self, x):
            self.add_loss(jnp.sum(x))
            return self.dense(x)

    layer = Penal()
    for _ in range(2):
        layer(X)
        assert sorted(np.round([float(v) for v in layer.losses], 5)) == [0.03, 0.03, 6.0]
    _, _, losses = layer.stateless_call(
        [v.value for v in layer.trainable_variables], [], X, return_losses=True
    )
    assert len(losses) == 3


def test_stateless_call_leaves_the_layer_as_it_was():
    layer = layers.BatchNormalization()
    layer(X)
    kept = layer.moving_mean.numpy()
    trained = [v.value for v in layer.trainable_variables]
    rest = [v.value for v in layer.non_trainable_variables]
    out, new = jax.jit(lambda t, r, x: layer.stateless_call(t, r, x, training=True))(
        trained, rest, X + 5
    )
    assert out.shape == (2, 3)
    assert not np.allclose(new[0], rest[0])
    assert np.array_equal(layer.moving_mean.numpy(), kept)
    with pytest.raises(ArgumentError, match="another number of arrays"):
        layer.stateless_call([], [], X)


def test_remat_gives_the_same_values_gradients_and_updates():
    def make():
        keras.utils.set_random_seed(0)
        return keras.Sequential(
            [keras.Input((3,)), layers.Dense(4, activation="tanh"), layers.BatchNormalization(),
             layers.Dropout(0.5), layers.Dense(1)]
        )  # fmt: skip

    for mode in ("full", "activations", "larger_than", "list_of_layers"):
        with keras.RematScope(mode, output_size_threshold=1, layer_names=["dense"]):
            model = make()
        loss = lambda m: jnp.sum(m(X, training=True) ** 2)  # noqa: E731
        plain = make()
        got, want = keras.grad(loss)(model), keras.grad(loss)(plain)
        for key, value in want.items():
            assert np.allclose(got[key], value, atol=1e-6), (mode, key)
        for a, b in zip(model.variables, plain.variables, strict=True):
            assert np.allclose(a.value, b.value), (mode, a.path)
        if mode == "full":
            text = str(jax.make_jaxpr(lambda m: m(X))(model))
            assert "remat" in text or "checkpoint" in text


def test_configs_come_from_constructors_and_follow_attributes():
    class Mine(layers.Layer):
        def __init__(self, units, dropout=0.5, *, act="relu", **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.dropout = layers.Dropout(dropout)
            self.act = keras.activations.get(act)

        def call(self, x):
            return self.dropout(self.act(x))

    layer = Mine(3, act="tanh", name="mine")
    config = layer.get_config()
    assert (config["units"], config["dropout"], config["act"]) == (3, 0.5, "tanh")
    assert {"name", "trainable", "dtype"} <= config.keys()
    layer.units = 9
    twin = Mine.from_config(layer.get_config())
    assert (twin.units, twin.dropout.rate, twin.name) == (9, 0.5, "mine")


def test_output_shapes_come_from_the_code():
    class Odd(layers.Layer):
        def call(self, x):
            return jnp.reshape(x, (x.shape[0] * 2, -1)), jnp.sum(x)

    assert Odd().compute_output_shape((None, 4, 6)) == ((None, 12), ())
    assert Odd().compute_output_shape((5, 4, 6)) == ((10, 12), ())
    assert layers.Dense(3).compute_output_shape((None, 7, 4)) == (None, 7, 3)


def test_a_hand_written_shape_may_build_on_the_inferred_one():
    class Wide(layers.Layer):
        def call(self, x):
            return jnp.concatenate([x, x], -1)

        def compute_output_shape(self, input_shape):
            return super().compute_output_shape(input_shape)

    assert Wide()(keras.Input((3,))).shape == (None, 6)


def test_sublayers_in_a_described_layer_are_built_for_unknown_sizes():
    class Block(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = keras.Sequential([layers.Dense(4), layers.Dense(4)])

        def call(self, x):
            return self.inner(jnp.concatenate([x, x], axis=1)[:, ::2])

    x = keras.Input((None, 3))
    model = keras.Model(x, Block()(x))
    assert model.output_shape[0] is None
    assert model.output_shape[2] == 4
    for length in (4, 7):
        assert model(np.ones((2, length, 3))).shape == (2, length, 4)


def test_a_built_layer_takes_an_unknown_size_for_one_its_weights_fix():
    norm = layers.LayerNormalization(axis=1)
    norm(np.ones((2, 4, 5)))
    assert norm(keras.Input((None, 5))).shape == (None, 4, 5)


BAD = {
    "wrong shape": (lambda: layers.Dense(2).build((None, 3)) or None, None, None),
    "unknown argument": (lambda: layers.Dense(2, unist=3), ArgumentError, "Did you mean 'units'"),
    "unknown activation": (lambda: layers.Dense(2, activation="relo"), LaminaError, "'relu'"),
    "weights of another model": (
        lambda: layers.Dense(2, name="d").set_weights([np.ones(3)]), ShapeError, "Dense 'd'",
    ),
    "one row": (lambda: layers.Dense(2)(np.ones(3)), ShapeError, "at least 2 axes"),
    "symbolic to NumPy": (lambda: np.mean(keras.Input((3,))), TypeError, "lamina.ops.mean"),
    "symbolic to jax": (lambda: jnp.sin(keras.Input((3,))), LaminaError, "Lambda layer"),
    "symbolic condition": (lambda: bool(keras.Input((3,)) > 0), TypeError, "ops.where"),
}  # fmt: skip


@pytest.mark.parametrize("case", [k for k in BAD if BAD[k][1]])
def test_bad_input_is_explained(case):
    run, error, text = BAD[case]
    with pytest.raises(error, match=text.replace("(", r"\(")):
        run()


def test_a_layer_built_for_another_shape_says_so():
    layer = layers.Dense(2, name="head")
    layer(np.ones((1, 3)))
    with pytest.raises(ShapeError, match=r"Dense 'head'[\s\S]*axis -1 of the input has size 3"):
        layer(np.ones((1, 4)))


def test_variables_are_arrays_to_functions_of_jax():
    v, w = keras.Variable([1.0, 2.0]), keras.Variable(3.0)
    total = jax.jit(lambda state: (state[0] * state[1]["w"]).sum())
    assert total([v, {"w": w}]) == 9.0
    assert jax.grad(lambda v: (v**2).sum())(v).tolist() == [2.0, 4.0]
    assert jax.tree.leaves([v])[0].tolist() == [1.0, 2.0]
    assert nest.flatten([v, {"w": w}]) == [v, w]


def test_a_variable_bound_to_itself_or_another_stands_for_its_array():
    v, w = keras.Variable(1.0), keras.Variable(2.0)
    with binding.bind([(v, v)]) as inner:
        v.assign_add(1.0)
    assert (v.numpy(), inner.values[v]) == (1.0, 2.0)
    with binding.bind({v: w}):
        assert v.numpy() == 2.0


def test_variables_given_to_a_call_are_read_each_time():
    layer, state = layers.Add(), keras.Variable(np.ones((2, 3), "float32"))
    x = np.zeros((2, 3), "float32")
    assert layer([x, state]).sum() == 6.0
    state.assign(2 * np.ones((2, 3)))
    assert layer([x, state]).sum() == 12.0


def test_a_layer_may_return_its_variable():
    class Total(layers.Layer):
        def __init__(self):
            super().__init__()
            self.total = self.add_weight(shape=(2,), initializer="zeros", trainable=False)

        def call(self, x):
            self.total.assign_add(x.sum(0))
            return self.total

    layer = Total()
    layer(np.zeros((3, 2)))
    outputs, rest = layer.stateless_call([], layer.non_trainable_variables, np.ones((3, 2)))
    assert outputs.tolist() == rest[0].tolist() == [3.0, 3.0]
    assert layer(np.ones((3, 2))).numpy().tolist() == [3.0, 3.0]


def test_a_layer_that_computes_masks_supports_them(recwarn):
    class Halves(layers.Layer):
        def call(self, x):
            return x[:, :2]

        def compute_mask(self, x, mask=None):
            return None if mask is None else mask[:, :2]

    assert Halves().supports_masking and not layers.Layer().supports_masking
    x = layers.Masking()(np.float32([[[1], [0], [1], [0]]]))
    assert layers.GlobalAveragePooling1D()(Halves()(x)).tolist() == [[1.0]]
    assert not recwarn.list


def test_a_build_may_call_that_of_the_base_class():
    class Around(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = layers.Dense(2)

        def build(self, input_shape):
            super().build(input_shape)
            self.shift = self.add_weight((2,), "ones")

        def call(self, x):
            return self.inner(x) + self.shift

    assert keras.Sequential([Around()])(X).shape == (2, 2)
    assert len(Around()(keras.Input((3,))).shape) == 2


def test_layers_may_be_set_before_the_base_class_is_initialised(tmp_path):
    @keras.saving.register_keras_serializable("tests")
    class Early(keras.Model):
        def __init__(self, units=2, **kwargs):
            self.inner = layers.Dense(units)
            self.several = [layers.Dense(3)]
            super().__init__(**kwargs)

        def call(self, x):
            return self.inner(self.several[0](x))

    model = Early()
    assert model(X).shape == (2, 2)
    assert len(model.weights) == 4
    assert [layer.units for layer in model.layers] == [2, 3]
    model.save(tmp_path / "early.keras")
    again = keras.saving.load_model(tmp_path / "early.keras")
    np.testing.assert_array_equal(again(X), model(X))
