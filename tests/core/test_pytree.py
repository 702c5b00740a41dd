"""A model is a JAX value: shown with dropout and moving statistics inside."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lamina as keras
from lamina import layers
from lamina.core.errors import ArgumentError, ShapeError

X = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
Y = np.random.default_rng(1).normal(size=(8, 2)).astype("float32")


def build():
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(6, activation="tanh"),
            layers.BatchNormalization(),
            layers.Dropout(0.25),
            layers.Dense(2),
        ]
    )


def loss(model, x=X, y=Y):
    return jnp.mean((model(x, training=True) - y) ** 2)


def test_flatten_gives_every_array_with_its_path():
    model = build()
    leaves, structure = jax.tree.flatten(model)
    assert len(leaves) == len(model.variables) == 9
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(model)]
    assert paths[0] == ".layers/0/kernel"
    again = jax.tree.unflatten(structure, leaves)
    np.testing.assert_array_equal(again(X), model(X))


def test_models_built_alike_have_equal_structures_and_share_a_program():
    a, b = build(), build()
    assert jax.tree.structure(a) == jax.tree.structure(b)
    traces = []

    @jax.jit
    def forward(model, x):
        traces.append(1)
        return model(x)

    assert np.allclose(forward(a, X), a(X), atol=1e-6)
    assert np.allclose(forward(b, X), b(X), atol=1e-6)
    assert len(traces) == 1
    b.layers[0].activation = jnp.sin
    assert jax.tree.structure(a) != jax.tree.structure(b)
    assert np.allclose(forward(b, X), b(X), atol=1e-6)


def test_jit_returns_the_changed_model_as_a_view():
    model = build()

    @jax.jit
    def advance(model, x):
        model(x, training=True)
        return model

    moved = model.layers[1].moving_mean.numpy()
    seed = model.layers[2].seed_generator.state.numpy()
    view = advance(model, X)
    assert np.array_equal(model.layers[1].moving_mean.numpy(), moved)
    model.update(view)
    assert not np.array_equal(model.layers[1].moving_mean.numpy(), moved)
    assert model.layers[2].seed_generator.state.numpy()[1] == seed[1] + 1


def test_split_and_merge():
    model = build()
    params, rest = model.split()
    assert set(params) & set(rest) == set()
    assert all(jnp.issubdtype(a.dtype, jnp.floating) for a in params.values())
    assert [k for k in rest if "seed" in k] == ["layers/2/seed_generator_state"] or len(rest) == 3
    zeroed = model.merge(jax.tree.map(jnp.zeros_like, params), rest)
    assert np.allclose(zeroed(X), 0)
    assert not np.allclose(model(X), 0)
    with pytest.raises(ArgumentError, match="Did you mean"):
        model.merge({"layers/0/kernle": params["layers/0/kernel"]})


def test_grad_is_over_trainables_and_writes_back_the_rest():
    model = build()
    before = model.layers[1].moving_mean.numpy()
    value, grads = keras.value_and_grad(loss)(model)
    assert set(grads) == set(model.split()[0])
    assert np.isfinite(float(value))
    assert not np.array_equal(before, model.layers[1].moving_mean.numpy())
    assert np.any(np.asarray(grads["layers/0/kernel"]) != 0)
    model.layers[0].trainable = False
    assert "layers/0/kernel" not in keras.grad(loss)(model)


def test_gradients_equal_finite_differences():
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, activation="tanh"), layers.Dense(2)]
    )
    grads = keras.grad(lambda m: jnp.mean((m(X) - Y) ** 2))(model)
    kernel = model.layers[0].kernel
    start, step = kernel.numpy(), 1e-2
    for place in [(0, 0), (3, 2)]:
        ends = []
        for sign in (1, -1):
            moved = start.copy()
            moved[place] += sign * step
            kernel.assign(moved)
            ends.append(float(jnp.mean((model(X) - Y) ** 2)))
        kernel.assign(start)
        slope = (ends[0] - ends[1]) / (2 * step)
        assert np.isclose(slope, grads["layers/0/kernel"][place], atol=2e-3)


def test_a_bare_jax_grad_works_where_every_leaf_is_a_float():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    grads = jax.grad(lambda m: jnp.sum(m(X)))(model)
    assert np.allclose(grads.layers[0].kernel, np.tile(X.sum(0)[:, None], 2), atol=1e-5)
    for transform in (jax.grad, jax.value_and_grad):
        with pytest.raises(ArgumentError, match=r"model.split\(\)"):
            transform(lambda m: jnp.sum(m(X)))(build())
    inside = jax.grad(lambda x: jnp.sum(jax.jit(lambda m, x: m(x))(build(), x)))(jnp.asarray(X))
    assert inside.shape == X.shape


def test_an_ensemble_built_in_a_loop_vmaps():
    models = [build() for _ in range(3)]
    stacked = jax.tree.map(lambda *arrays: jnp.stack(arrays), *models)
    outputs = jax.vmap(lambda model: model(X))(stacked)
    assert outputs.shape == (3, 8, 2)
    for model, output in zip(models, outputs, strict=True):
        assert np.allclose(model(X), output, atol=1e-5)
    losses, grads = jax.vmap(
        lambda params, rest: jax.value_and_grad(lambda p: loss(models[0].merge(p, rest)))(params)
    )(*jax.tree.map(lambda *a: jnp.stack(a), *[model.split() for model in models]))
    assert losses.shape == (3,)
    assert grads["layers/0/kernel"].shape == (3, 4, 6)


def test_an_optax_loop_learns():
    model = build()
    params, rest = model.split()
    optimizer = optax.adam(1e-2)
    state = optimizer.init(params)

    @jax.jit
    def step(params, rest, state):
        def objective(params):
            view = model.merge(params, rest)
            return loss(view), view.split()[1]

        (value, rest), grads = jax.value_and_grad(objective, has_aux=True)(params)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), rest, state, value

    values = []
    for _ in range(60):
        params, rest, state, value = step(params, rest, state)
        values.append(float(value))
    assert np.mean(values[-5:]) < 0.7 * np.mean(values[:5])
    model.update(params, rest)
    assert np.array_equal(model.layers[0].kernel, params["layers/0/kernel"])


def test_update_is_all_or_nothing():
    model = build()
    before = model.get_weights()
    params, _ = model.split()
    broken = {**{k: v + 1 for k, v in params.items()}, "layers/0/bias": jnp.zeros(3)}
    with pytest.raises(ShapeError, match="no variable was changed"):
        model.update(broken)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_seed_makes_weights_independent_of_what_was_built_before():
    first = build().seed(3).get_weights()
    layers.Dense(3).build((None, 2))
    second = build().seed(3).get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], build().seed(4).get_weights()[0])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_equal_and_independent(copied):
    model = build()
    twin = copied(model)
    assert np.array_equal(model(X), twin(X))
    twin.layers[0].kernel.assign(twin.layers[0].kernel.value * 0)
    assert not np.array_equal(model(X), twin(X))


def test_a_functional_model_with_ops_is_a_pytree_too():
    def make():
        x = keras.Input((4,))
        h = layers.Dense(3)(x)
        return keras.Model(x, [h * 2 + 1, layers.BatchNormalization()(h)])

    a, b = make(), make()
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for out, want in zip(jax.jit(lambda m, x: m(x))(a, X), a(X), strict=True):
        assert np.allclose(out, want, atol=1e-6)
