"""Gradients of tapes, against those of JAX for the formula written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

X = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")


def test_variables_and_constants(tf):
    x, c = tf.Variable(3.0), tf.constant(2.0)
    with tf.GradientTape() as tape:
        y = c * x**2 + tf.sin(x)
    dx, dc = tape.gradient(y, [x, c])
    assert dx.numpy() == pytest.approx(12 + np.cos(3)) and dc is None
    with tf.GradientTape() as tape:
        tape.watch(c)
        y = c * x
    assert {k: float(v) for k, v in tape.gradient(y, {"x": x, "c": c}).items()} == {"x": 2, "c": 3}


def test_what_a_tape_refuses_and_what_it_gives_for_nothing(tf):
    x, frozen = tf.Variable(3.0), tf.Variable(1.0, trainable=False)
    with tf.GradientTape() as tape:
        y = x * frozen
    assert tape.watched_variables() == (x,)
    assert tape.gradient(y, frozen, unconnected_gradients="zero").numpy() == 0
    with pytest.raises(RuntimeError, match="persistent=True"):
        tape.gradient(y, x)
    with tf.GradientTape(persistent=True) as tape:
        y, z = x * x, x + x
    assert (float(tape.gradient(y, x)), float(tape.gradient(z, x))) == (6, 2)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        y = x * x
    assert tape.gradient(y, x) is None
    with tf.GradientTape() as tape:
        y = tf.constant(np.sin(x))
    assert tape.gradient(y, x) is None


def test_several_targets_and_output_gradients(tf):
    x = tf.Variable([1.0, 2.0])
    with tf.GradientTape(persistent=True) as tape:
        y, z = x * x, 3.0 * x
    assert tape.gradient([y, z], x).numpy().tolist() == [5, 7]
    assert tape.gradient(y, x, output_gradients=tf.constant([0.0, 1.0])).numpy().tolist() == [0, 4]


def test_outputs_that_are_no_floats(tf):
    x = tf.Variable([1.0, 5.0, 3.0])
    with tf.GradientTape() as tape:
        values, places = tf.math.top_k(x, k=2)
        y = tf.reduce_sum(values * tf.cast(places, tf.float32))
    assert tape.gradient(y, x).numpy().tolist() == [0, 1, 2]


@pytest.mark.parametrize("order", [2, 3])
def test_higher_orders(tf, order):
    x = tf.Variable(1.5)

    def derivative(n):
        if n == 0:
            return x**4
        with tf.GradientTape() as tape:
            y = derivative(n - 1)
        return tape.gradient(y, x)

    assert float(derivative(order)) == pytest.approx({2: 12 * 1.5**2, 3: 24 * 1.5}[order])


def test_second_order_through_a_model(tf, keras):
    model = keras.Sequential([keras.layers.Dense(3, activation="tanh"), keras.layers.Dense(1)])
    x = tf.constant(X)
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = model(x)
        penalty = tf.reduce_sum(inner.gradient(y, x) ** 2)
    found = outer.gradient(penalty, model.trainable_variables)

    def formula(ws):
        f = lambda x: (jnp.tanh(x @ ws[0] + ws[1]) @ ws[2] + ws[3]).sum()  # noqa: E731
        return (jax.grad(f)(X) ** 2).sum()

    expected = jax.grad(formula)([w.numpy() for w in model.trainable_variables])
    for a, b in zip(found[:3], expected[:3], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("own", [False, True])
def test_layers_losses_and_regularizers(tf, keras, own):
    class Own(keras.layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(shape[-1], 3), regularizer=keras.regularizers.L2(0.1))

        def call(self, x):
            return tf.nn.tanh(tf.matmul(x, self.w))

    first = Own() if own else keras.layers.Dense(
        3, activation="tanh", use_bias=False, kernel_regularizer=keras.regularizers.L2(0.1)
    )  # fmt: skip
    model = keras.Sequential([first, keras.layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    y = np.arange(8) % 2
    with tf.GradientTape() as tape:
        value = loss(y, model(X, training=True)) + tf.add_n(model.losses)
    found = tape.gradient(value, model.trainable_variables)

    def formula(ws):
        logits = jnp.tanh(X @ ws[0]) @ ws[1] + ws[2]
        nll = -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1).mean()
        return nll + 0.1 * (ws[0] ** 2).sum()

    expected = jax.grad(formula)([w.numpy() for w in model.trainable_variables])
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_dropout_is_pulled_back_through_the_mask_that_was_used(tf, keras):
    layer, x = keras.layers.Dropout(0.5, seed=1), tf.Variable(np.ones((4, 4), "float32"))
    with tf.GradientTape() as tape:
        y = layer(x, training=True)
    np.testing.assert_array_equal(tape.gradient(y, x), y)
    assert not np.array_equal(layer(x, training=True), y)
    with tf.GradientTape() as tape:
        y = keras.layers.Dense(1, kernel_initializer="ones")(x)
    assert tape.gradient(y, x).numpy().tolist() == [[1.0] * 4] * 4


def test_a_training_loop(tf, keras):
    keras.utils.set_random_seed(0)
    y = (X[:, 0] > 0).astype("int32")
    model = keras.Sequential([keras.layers.Dense(8, activation="relu"), keras.layers.Dense(2)])
    loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer, accuracy = keras.optimizers.Adam(0.05), keras.metrics.SparseCategoricalAccuracy()
    data = tf.data.Dataset.from_tensor_slices((X, y)).shuffle(8, seed=0).batch(4).prefetch(1)

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            logits = model(x, training=True)
            loss = loss_fn(y, logits)
        grads = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(grads, model.trainable_variables, strict=True))
        accuracy.update_state(y, logits)
        return loss

    losses = [float(step(x, y)) for _ in range(30) for x, y in data]
    assert losses[-1] < 0.1 * losses[0]
    accuracy.reset_state()
    accuracy.update_state(y, model(X))
    assert accuracy.result().numpy() == 1.0
