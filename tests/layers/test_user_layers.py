"""Layers as users write them: each works called, described, trained, and kept in a file."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from rows import ids, x

import lamina as keras
from lamina import layers, ops
from lamina.core.masking import get_mask

CASES: dict[str, tuple[Any, dict[str, Any], Any]] = {}


def case(inputs: Any, **arguments: Any) -> Any:
    """Make the class below it a case: its arguments, and what it is called with."""

    def keep(cls: type) -> type:
        CASES[cls.__name__] = cls, arguments, inputs
        return cls

    return keep


@case(x(4, 3))
class Nested(layers.Layer):
    """Sub-layers in lists in dicts."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.branches = {"a": [layers.Dense(2), layers.Dense(3)], "b": [[layers.Dense(3)]]}

    def call(self, inputs):
        a = inputs
        for layer in self.branches["a"]:
            a = layer(a)
        return a + self.branches["b"][0][0](inputs)


@case(x(4, 3), units=2)
class Linear(layers.Layer):
    """Weights made in build and in __init__, one of them by the older argument order."""

    def __init__(self, units=32, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.factor = self.add_weight(shape=(), initializer="ones", trainable=True, name="factor")

    def build(self, input_shape):
        self.w = self.add_weight((input_shape[-1], self.units), "random_normal", "float32", True)
        self.b = self.add_weight(name="b", shape=(self.units,), initializer="zeros")

    def call(self, inputs):
        return ops.matmul(inputs, self.w) * self.factor + self.b

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@case(x(4, 5, 3))
class MaskedMean(layers.Layer):
    """A training flag, and a mask that it uses up."""

    def __init__(self, rate=0.1, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.dropout = layers.Dropout(rate)
        self.supports_masking = True

    def call(self, inputs, mask=None, training=False):
        h = self.dropout(inputs, training=training)
        if mask is None:
            return ops.mean(h, axis=1)
        mask = ops.expand_dims(ops.cast(mask, h.dtype), -1)
        return ops.sum(h * mask, axis=1) / ops.sum(mask, axis=1)

    def compute_mask(self, inputs, mask=None):
        return None


@case(x(4, 3))
class TwoOutputs(layers.Layer):
    """A dict of outputs."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.head = layers.Dense(2)

    def call(self, inputs):
        return {"logits": self.head(inputs), "norm": ops.sum(ops.square(inputs), axis=-1)}


@case(x(4, 3))
class Counter(layers.Layer):
    """State that a call changes: a count, and a moving average."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.count = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False)

    def build(self, input_shape):
        self.average = self.add_weight(shape=(input_shape[-1],), trainable=False, name="average")

    def call(self, inputs, training=False):
        if training:
            self.count.assign_add(1)
            self.average.assign(0.9 * self.average + 0.1 * ops.mean(inputs, axis=0))
        return inputs - self.average


@case(x(4, 3))
class Penalised(layers.Layer):
    """A loss of its own."""

    def call(self, inputs):
        self.add_loss(1e-2 * ops.sum(inputs**2))
        return inputs * 2.0


@case(x(4, 5, 3), layer=layers.Dense(2, name="inner"))
class Residual(layers.Layer):
    """A layer around a layer, with its own config."""

    def __init__(self, layer, **kwargs):
        super().__init__(**kwargs)
        self.layer = layer

    def build(self, input_shape):
        self.layer.build(input_shape)
        self.back = layers.Dense(input_shape[-1])
        self.back.build(self.layer.compute_output_shape(input_shape))

    def call(self, inputs):
        return inputs + self.back(self.layer(inputs))

    def get_config(self):
        config = super().get_config()
        config["layer"] = keras.saving.serialize_keras_object(self.layer)
        return config

    @classmethod
    def from_config(cls, config):
        config["layer"] = keras.saving.deserialize_keras_object(config["layer"])
        return cls(**config)


@case(x(4, 3))
class Printing(layers.Layer):
    """Prints, in passing."""

    def call(self, inputs):
        print("shape", inputs.shape)
        return inputs + 1


@case([x(4, 3), x(4, 3) + 1])
class Between(layers.Layer):
    """Several arguments of call."""

    def build(self, a_shape, b_shape):
        self.share = self.add_weight(shape=(a_shape[-1],), initializer="zeros", name="share")

    def call(self, a, b):
        s = ops.sigmoid(self.share)
        return s * a + (1 - s) * b


@case([x(4, 3), x(4, 2)])
class Listed(layers.Layer):
    """A list of inputs."""

    takes_a_list = True

    def build(self, input_shape):
        self.dense = [layers.Dense(2) for _ in input_shape]
        for layer, shape in zip(self.dense, input_shape, strict=True):
            layer.build(shape)

    def call(self, inputs):
        return ops.add(*[layer(x) for layer, x in zip(self.dense, inputs, strict=True)])


@case(x(4, 3))
class Anything(layers.Layer):
    """*args and **kwargs."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.dense = layers.Dense(2)

    def call(self, inputs, *args, **kwargs):
        return self.dense(inputs)


@case(x(4, 3), depth=2)
class Stated(layers.Layer):
    """States its output shape."""

    def __init__(self, depth, **kwargs):
        super().__init__(**kwargs)
        self.depth = depth

    def call(self, inputs):
        return ops.tile(inputs, [1, self.depth])

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[1] * self.depth)


@case(ids(4, 5, below=6))
class OwnMask(layers.Layer):
    """Makes a mask, as an embedding does."""

    def build(self, input_shape):
        self.table = self.add_weight(shape=(6, 3), initializer="uniform", name="table")

    def call(self, inputs):
        return ops.take(self.table, ops.cast(inputs, "int32"), axis=0)

    def compute_mask(self, inputs, mask=None):
        return ops.not_equal(inputs, 0)


@case(x(4, 3))
class Lazy(layers.Layer):
    """Makes a sub-layer when it is first called."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = None

    def call(self, inputs):
        if self.dense is None:
            self.dense = layers.Dense(inputs.shape[-1], name="lazy")
        return self.dense(inputs)


@keras.saving.register_keras_serializable(package="mine")
@case(x(4, 3))
class Registered(layers.Layer):
    """Known to files by name."""

    def call(self, inputs):
        return keras.activations.gelu(inputs)


@case(x(4, 5, 8), embed_dim=8, num_heads=2, ff_dim=12)
class TransformerBlock(layers.Layer):
    """The block of many tutorials."""

    def __init__(self, embed_dim, num_heads, ff_dim, rate=0.1, **kwargs):
        super().__init__(**kwargs)
        self.embed_dim, self.num_heads, self.ff_dim, self.rate = embed_dim, num_heads, ff_dim, rate
        self.att = layers.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
        self.ffn = keras.Sequential([layers.Dense(ff_dim, "relu"), layers.Dense(embed_dim)])
        self.layernorm1 = layers.LayerNormalization(epsilon=1e-6)
        self.layernorm2 = layers.LayerNormalization(epsilon=1e-6)
        self.dropout1 = layers.Dropout(rate)
        self.dropout2 = layers.Dropout(rate)

    def call(self, inputs, training=False):
        attn_output = self.att(inputs, inputs)
        attn_output = self.dropout1(attn_output, training=training)
        out1 = self.layernorm1(inputs + attn_output)
        ffn_output = self.dropout2(self.ffn(out1), training=training)
        return self.layernorm2(out1 + ffn_output)


@case(ids(4, 5, below=9), maxlen=5, vocab_size=9, embed_dim=4)
class TokenAndPosition(layers.Layer):
    """Two embeddings, added."""

    def __init__(self, maxlen, vocab_size, embed_dim, **kwargs):
        super().__init__(**kwargs)
        self.given = maxlen, vocab_size, embed_dim
        self.token_emb = layers.Embedding(input_dim=vocab_size, output_dim=embed_dim)
        self.pos_emb = layers.Embedding(input_dim=maxlen, output_dim=embed_dim)

    def call(self, x):
        positions = ops.arange(0, ops.shape(x)[-1], 1)
        return self.token_emb(x) + self.pos_emb(positions)

    def get_config(self):
        names = ("maxlen", "vocab_size", "embed_dim")
        return {**super().get_config(), **dict(zip(names, self.given, strict=True))}


@case([x(4, 2), x(4, 2) * 0])
class Sampling(layers.Layer):
    """The draw of a variational autoencoder."""

    takes_a_list = True
    random = True

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs):
        z_mean, z_log_var = inputs
        batch, dim = ops.shape(z_mean)[0], ops.shape(z_mean)[1]
        epsilon = keras.random.normal(shape=(batch, dim), seed=self.seed_generator)
        return z_mean + ops.exp(0.5 * z_log_var) * epsilon


@case([x(6, 3), ids(6, 2, below=6)], units=2)
class GraphConv(layers.Layer):
    """Messages along edges, summed for each node."""

    takes_a_list = True

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.dense = layers.Dense(units)

    def call(self, inputs):
        nodes, edges = inputs
        messages = ops.take(self.dense(nodes), edges[:, 0], axis=0)
        return ops.segment_sum(messages, edges[:, 1], num_segments=ops.shape(nodes)[0])


@case(x(4, 3), units=2)
class UsesJax(layers.Layer):
    """jax.numpy on variables, and a constraint and regularizer given by name."""

    def __init__(self, units, activation="tanh", **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(int(input_shape[-1]), self.units),
            initializer=keras.initializers.HeNormal(seed=1),
            regularizer="l2",
            constraint="non_neg",
            name="kernel",
        )
        super().build(input_shape)

    def call(self, inputs):
        return self.activation(jnp.dot(inputs, self.kernel.value))


each_case = pytest.mark.parametrize(("cls", "arguments", "inputs"), CASES.values(), ids=CASES)


def called(layer: Any, inputs: Any, **kwargs: Any) -> Any:
    apart = isinstance(inputs, list) and not getattr(layer, "takes_a_list", False)
    return layer(*inputs, **kwargs) if apart else layer(inputs, **kwargs)


def alike(a: Any, b: Any) -> None:
    for one, other in zip(keras.tree.flatten(a), keras.tree.flatten(b), strict=True):
        assert_allclose(one, other, atol=1e-5)


@each_case
def test_user_layers(cls: Any, arguments: dict[str, Any], inputs: Any, tmp_path: Path) -> None:
    layer = cls(**arguments)
    several = isinstance(inputs, list)
    symbols = keras.tree.map_structure(lambda x: keras.Input(x.shape[1:], dtype=x.dtype), inputs)
    outputs = called(layer, symbols)
    model = keras.Model(symbols, outputs)
    random = getattr(cls, "random", False)
    results = model(inputs)
    if not random:
        alike(results, called(layer, inputs))  # as a step of a model, and by itself
        alike(results, model.predict(inputs, verbose=0, batch_size=6))
    for symbol, result in zip(
        keras.tree.flatten(outputs), keras.tree.flatten(results), strict=True
    ):
        assert symbol.shape[1:] == result.shape[1:]
    before = layer.get_weights()
    model.compile("sgd", "mse")
    targets = keras.tree.map_structure(lambda y: np.ones(y.shape, "float32"), results)
    history = model.fit(inputs, targets, epochs=1, batch_size=6, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    if before:
        pairs = zip(before, layer.get_weights(), strict=True)
        assert random or any((a != b).any() for a, b in pairs)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(
        tmp_path / "model.keras", custom_objects={cls.__name__: cls}, compile=False
    )
    for a, b in zip(loaded.weights, model.weights, strict=True):
        assert_array_equal(a.numpy(), b.numpy())
    alike(loaded(inputs), model(inputs))
    assert several == isinstance(loaded.input, list)


def test_state_changes_in_calls_and_in_fit() -> None:
    layer = Counter()
    for _ in range(2):
        layer(x(4, 3), training=True)
    layer(x(4, 3))
    assert int(layer.count) == 2
    model = keras.Sequential([layer])
    model.compile("sgd", "mse")
    model.fit(x(8, 3), x(8, 3), batch_size=2, epochs=1, verbose=0)
    assert int(layer.count) == 6


def test_masks_reach_user_layers() -> None:
    numbers = np.array([[1, 2, 0, 0, 0], [3, 0, 0, 0, 0]])
    vectors = OwnMask()(numbers)
    assert_array_equal(get_mask(vectors), numbers != 0)
    mean = MaskedMean()
    assert_allclose(mean(vectors)[1], vectors[1, 0], atol=1e-6)
    symbol = keras.Input((5,), dtype="int32")
    own = OwnMask()
    model = keras.Model(symbol, mean(own(symbol)))
    assert_allclose(model(numbers)[1], own(numbers)[1, 0], atol=1e-6)


def test_losses_of_user_layers_count() -> None:
    layer = Penalised()
    layer(np.ones((2, 3), "float32"))
    assert_allclose(layer.losses, [0.06], rtol=1e-5)
    model = keras.Sequential([layer])
    model.compile("sgd", "mse")
    ones = np.ones((2, 3), "float32")
    assert_allclose(model.evaluate(ones, 2 * ones, verbose=0), 0.06, rtol=1e-5)


def test_printing_and_conditions_work_outside_models(capsys: Any) -> None:
    Printing()(x(4, 3))
    assert "shape (4, 3)" in capsys.readouterr().out

    class Choosing(layers.Layer):
        def call(self, inputs):
            return inputs if ops.sum(inputs) > 0 else -inputs

    assert Choosing()(np.float32([-1, -2])).sum() == 3


def test_numpy_in_a_call_explains_itself() -> None:
    class Wrong(layers.Layer):
        def call(self, inputs):
            return np.log(inputs)

    class Choosing(layers.Layer):
        def call(self, inputs):
            return inputs if ops.sum(inputs) > 0 else -inputs

    for cls in (Wrong, Choosing):
        with pytest.raises(ValueError, match=r"jax.numpy or lamina.ops in call\(\)"):
            cls()(keras.Input((3,)))


def test_forgotten_and_misspelt_parts_explain_themselves() -> None:
    class NoSuper(layers.Layer):
        def __init__(self):
            self.dense = layers.Dense(2)

    class NoCall(layers.Layer):
        pass

    with pytest.raises(Exception, match="super"):
        NoSuper()(x(2, 3))
    with pytest.raises(Exception, match="call"):
        NoCall()(x(2, 3))
    with pytest.raises(ValueError, match="Did you mean 'units'"):
        Linear(unitz=3)
    with pytest.raises(ValueError, match="custom_objects"):
        keras.models.model_from_json(keras.Sequential([keras.Input((3,)), Linear(2)]).to_json())
