"""Code as it is written for tf.keras and for Keras 2."""

import numpy as np
import pytest

import lamina

RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("int32")


def test_layers_return_tensors_and_take_them(tf, keras):
    layer = keras.layers.Dense(3)
    output = layer(tf.constant(X))
    assert isinstance(output, tf.Tensor) and isinstance(layer([[1.0] * 4]), tf.Tensor)
    assert isinstance(layer.get_weights()[0], np.ndarray)
    np.testing.assert_allclose(output, X @ layer.kernel.numpy(), rtol=1e-4, atol=1e-5)
    first, second = keras.layers.LSTM(2, return_state=True)(X[:, None])[:2] if hasattr(
        keras.layers, "LSTM") else (output, output)  # fmt: skip
    assert isinstance(first, tf.Tensor) and isinstance(second, tf.Tensor)


def test_functional_models_with_functions_of_tf(tf, keras):
    inputs = keras.Input(shape=(4,))
    x = tf.nn.relu(keras.layers.Dense(3)(inputs)) + tf.constant(1.0)
    outputs = tf.reduce_mean(tf.concat([x, x], axis=-1), axis=1, keepdims=True)
    model = tf.keras.Model(inputs, outputs)
    assert model.output_shape == (None, 1) and model(X).shape == (32, 1)
    kernel = model.get_weights()[0]
    expected = np.maximum(X @ kernel, 0).mean(1, keepdims=True) + 1
    np.testing.assert_allclose(model(X), expected, rtol=1e-4)


def test_a_layer_of_ones_own_trains_and_is_saved(tf, keras, tmp_path):
    @keras.utils.register_keras_serializable("own")
    class Linear(keras.layers.Layer):
        def __init__(self, units=3, **kwargs):
            super().__init__(**kwargs)
            self.units = units

        def build(self, input_shape):
            self.w = self.add_weight(shape=(input_shape[-1], self.units), trainable=True)
            self.b = self.add_weight(shape=(self.units,), initializer="zeros")

        def call(self, inputs):
            return tf.matmul(inputs, self.w) + self.b

    model = keras.Sequential([keras.Input((4,)), Linear(8), keras.layers.Dense(2, tf.nn.softmax)])
    model.compile(keras.optimizers.Adam(lr=0.05), "sparse_categorical_crossentropy")
    history = model.fit(tf.constant(X), tf.constant(Y), epochs=20, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert isinstance(model.predict(tf.constant(X), verbose=0), np.ndarray)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(again(X), model(X), rtol=1e-6)
    assert again.layers[1].get_config()["activation"] == "softmax"


def test_fit_on_a_dataset(tf, keras):
    data = tf.data.Dataset.from_tensor_slices((X, Y))
    data = data.map(lambda x, y: (tf.cast(x, tf.float32) * 2, y)).shuffle(32).batch(8)
    model = keras.Sequential([keras.layers.Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    history = model.fit(data, validation_data=data, epochs=2, verbose=0).history
    assert len(history["val_loss"]) == 2 and isinstance(history["loss"][0], float)
    assert np.isfinite(model.evaluate(data, verbose=0))


def test_losses_and_metrics_of_ones_own_in_fit(tf, keras):
    def loss(y_true, y_pred):
        return tf.reduce_mean(tf.square(tf.cast(y_true, tf.float32) - y_pred), axis=-1)

    class Count(keras.metrics.Metric):
        def __init__(self):
            super().__init__(name="count")
            self.total = self.add_weight(name="total", initializer="zeros")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.total.assign_add(tf.reduce_sum(tf.ones_like(y_pred)))

        def result(self):
            return self.total * 1.0

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", loss, metrics=[Count()])
    history = model.fit(X, Y[:, None], batch_size=8, epochs=1, verbose=0).history
    assert history["count"] == [32.0]
    count = Count()
    count.update_state(X, tf.ones((3, 1)))
    assert count.result().numpy() == 3.0


@pytest.mark.parametrize("eager", [False, True])
def test_a_train_step_of_ones_own(tf, keras, eager):
    class Custom(keras.Model):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                y_pred = self(x, training=True)
                loss = self.compute_loss(y=y, y_pred=y_pred)
            grads = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply_gradients(zip(grads, self.trainable_variables, strict=True))
            for metric in self.metrics:
                if metric.name == "loss":
                    metric.update_state(loss)
                else:
                    metric.update_state(y, y_pred)
            return {m.name: m.result() for m in self.metrics}

    def trained(cls):
        keras.utils.set_random_seed(3)
        inputs = keras.Input((4,))
        hidden = keras.layers.Dense(8, activation="relu")(inputs)
        hidden = keras.layers.BatchNormalization()(hidden)
        model = cls(inputs, keras.layers.Dense(2, activation="softmax")(hidden))
        model.compile("adam", "sparse_categorical_crossentropy", run_eagerly=eager)
        history = model.fit(X, Y, batch_size=8, epochs=3, shuffle=False, verbose=0).history
        return history["loss"], model.get_weights()

    (losses, weights), (expected, expected_weights) = trained(Custom), trained(keras.Model)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    for a, b in zip(weights, expected_weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_arguments_of_keras_2(tf, keras):
    dense = keras.layers.Dense(2, input_dim=4, weights=[np.ones((4, 2)), np.array([1.0, 2.0])])
    model = keras.Sequential([dense])
    np.testing.assert_allclose(model(X), X.sum(1, keepdims=True) + [[1, 2]], rtol=1e-4, atol=1e-5)
    table = np.arange(6.0).reshape(3, 2)
    embedding = keras.layers.Embedding(3, 2, weights=[table], trainable=False)
    assert embedding(np.array([[1]])).numpy().tolist() == [[[2, 3]]]
    with pytest.raises(ValueError, match="does not fit 'kernel'"):
        keras.layers.Dense(2, weights=[np.ones((5, 2))])(X)


def test_old_learning_rates(keras):
    assert float(keras.optimizers.SGD(lr=0.5).learning_rate) == 0.5
    optimizer = keras.optimizers.SGD(lr=0.5, decay=0.1)
    v = lamina.Variable(1.0)
    for _ in range(3):
        optimizer.apply_gradients([(np.float32(1.0), v)])
    assert float(v.numpy()) == pytest.approx(1 - 0.5 * (1 + 1 / 1.1 + 1 / 1.2))
    again = keras.optimizers.SGD.from_config(optimizer.get_config())
    assert again.get_config() == optimizer.get_config() and "lr" not in again.get_config()


def test_what_lamina_does_itself_stays_its_own(tf, keras):
    model = lamina.Sequential([lamina.Input((4,)), lamina.layers.Dense(2)])
    model.seed(1)
    params, _ = model.split()
    assert not any(isinstance(each, type(tf.ones(1))) for each in params.values())
    value, grads = lamina.value_and_grad(lambda m: (m(X) ** 2).mean())(model)
    assert float(value) > 0 and len(grads) == 2
    assert lamina.models.clone_model(model).count_params() == 10
