"""What could go wrong in silence: stale programs, shared layers, state inside grad, threads."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina as keras
from lamina import layers
from lamina.core.errors import LeakError, StateError

X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)


def fresh(model):
    """The output of the same computation without any program made before."""
    for layer in model._flatten_layers():
        layer._lamina.forget()
    return np.asarray(model(X))


def mlp():
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(5, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(2),
        ]
    )


CHANGES = {
    "activation": lambda m: setattr(m.layers[0], "activation", jnp.tanh),
    "weights by assign": lambda m: m.layers[0].kernel.assign(jnp.ones((4, 5))),
    "weights by set_weights": lambda m: m.set_weights([w * 0 + 1 for w in m.get_weights()]),
    "use_bias": lambda m: (
        m.layers[0].bias.assign(jnp.ones(5)),
        m.layers[0].__setattr__("use_bias", False),
    ),
    "add a layer": lambda m: m.add(layers.Dense(2, bias_initializer="ones")),
    "pop a layer": lambda m: m.pop(),
    "policy": lambda m: setattr(m.layers[0], "dtype_policy", "mixed_bfloat16"),
    "seeded anew": lambda m: m.seed(7),
}


@pytest.mark.parametrize("change", CHANGES)
def test_no_change_leaves_a_stale_program(change):
    model = mlp()
    before = np.asarray(model(X))
    np.asarray(model(X))
    CHANGES[change](model)
    after = np.asarray(model(X))
    assert after.shape != before.shape or not np.array_equal(after, before)
    np.testing.assert_array_equal(after, fresh(model))


def test_changes_of_a_layer_inside_a_list_are_seen():
    class Tower(keras.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [layers.Dense(4, kernel_initializer="identity") for _ in range(2)]
            self.scales = {
                "out": layers.Rescaling(1.0) if hasattr(layers, "Rescaling") else layers.Identity()
            }

        def call(self, x):
            for block in self.blocks:
                x = block(x)
            return self.scales["out"](x)

    model = Tower()
    assert np.allclose(model(X), X)
    model.blocks.append(layers.Dense(1, kernel_initializer="ones"))
    assert model(X).shape == (3, 1)
    model.blocks[0].activation = jnp.abs
    assert np.allclose(model(X)[:, 0], np.abs(X).sum(1), atol=1e-6)
    model.blocks[-1] = layers.Dense(2, kernel_initializer="ones")
    assert model(X).shape == (3, 2)
    model.scales["out"] = layers.Activation("softmax")
    assert np.allclose(model(X).sum(1), 1)
    assert len(model.weights) == 6


def test_a_users_python_runs_each_time():
    calls = []

    class Noisy(keras.layers.Layer):
        def call(self, x):
            calls.append(1)
            return x * 2 if float(jnp.sum(x)) > 0 else x

    layer = Noisy()
    assert np.allclose(layer(np.ones((1, 2))), 2)
    assert np.allclose(layer(-np.ones((1, 2))), -1)
    assert len(calls) == 2


def test_attributes_written_inside_call_do_not_recompile_the_inner_layers():
    class Counting(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)
            self.calls = 0

        def call(self, x):
            self.calls += 1
            return self.dense(x)

    layer = Counting()
    for _ in range(5):
        layer(X)
    assert layer.calls == 5
    programs = list(layer.dense._lamina.programs.values())
    assert len(programs) == 1
    assert programs[0].traces == 1


def test_building_another_model_does_not_recompile_this_one():
    model = mlp()
    model(X)
    program = model._lamina.fast[1]
    mlp()(X)
    model(X)
    assert model._lamina.fast[1] is program
    assert program.traces == 1


def test_two_threads_see_their_own_change():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(4, kernel_initializer="identity")])
    model(X)
    wrong = []

    def work(factor):
        own = keras.models.clone_model(model)
        own.layers[0].activation = lambda y, f=factor: y * f
        for _ in range(20):
            if not np.allclose(own(X), X * factor, atol=1e-6):
                wrong.append(factor)

    threads = [threading.Thread(target=work, args=(factor,)) for factor in (2.0, 3.0)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        model.layers[0].activation = jnp.abs
        assert np.allclose(model(X), np.abs(X), atol=1e-6)
        model.layers[0].activation = jnp.negative
        assert np.allclose(model(X), -X, atol=1e-6)
    for thread in threads:
        thread.join()
    assert not wrong


def test_weights_are_made_once_when_two_threads_read_first():
    for _ in range(10):
        layer = layers.Dense(64)
        layer.build((None, 64))
        seen = []

        def read(kernel=layer.kernel, seen=seen):
            seen.append(kernel.numpy())

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(np.array_equal(each, seen[0]) for each in seen)


def test_a_shared_layer_trains_its_one_kernel():
    x = keras.Input((4,))
    dense = layers.Dense(4, name="shared")
    model = keras.Model(x, dense(dense(x)))
    assert len(model.weights) == 2
    grads = keras.grad(lambda m: (m(X) ** 2).sum())(model)
    assert len(grads) == 2


def test_state_written_under_a_transformation_is_an_error_not_a_leak():
    model = mlp()
    model(X)
    with pytest.raises(LeakError, match="stateless_call"):
        jax.jit(lambda x: model(x, training=True))(X)
    assert np.isfinite(np.asarray(model(X, training=True))).all()


def test_a_model_closed_over_by_jit_still_works_at_inference():
    model = mlp()
    want = model(X)
    assert np.allclose(jax.jit(lambda x: model(x))(X), want, atol=1e-6)
    unbuilt = keras.Sequential([layers.Dense(3)])
    assert jax.jit(lambda x: unbuilt(x))(X).shape == (3, 3)
    assert not isinstance(unbuilt.layers[0].kernel.value, jax.core.Tracer)


def test_a_forgotten_super_init_is_named():
    class Bad(keras.layers.Layer):
        def __init__(self):
            self.dense = layers.Dense(2)

        def call(self, x):
            return self.dense(x)

    for use in (lambda layer: layer(X), lambda layer: keras.Sequential([layer])(X)):
        with pytest.raises(StateError, match=r"super\(\).__init__"):
            use(Bad())

    class Later(keras.layers.Layer):
        def __init__(self):
            self.units = 3

        def call(self, x):
            return x

    with pytest.raises(StateError, match=r"super\(\).__init__"):
        Later()(X)


def test_many_shapes_are_noted_and_bounded(caplog):
    layer = layers.Dense(2)
    for rows in range(1, 12):
        layer(np.ones((rows, 3), np.float32))
    assert sum("compiled for 8 input shapes" in record.message for record in caplog.records) == 1


def test_what_is_not_compiled_is_not_noted(caplog):
    layer = layers.Dense(2)
    with jax.disable_jit():
        for _ in range(12):
            layer(X)
    assert not caplog.records


def test_leaks_nothing_when_models_are_built_in_a_loop():
    import gc
    import weakref

    alive = []
    for _ in range(5):
        model = mlp()
        model(X)
        alive.append(weakref.ref(model))
    del model
    gc.collect()
    assert sum(ref() is not None for ref in alive) == 0
