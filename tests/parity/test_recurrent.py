"""Recurrent layers against real Keras: outputs, states and gradients over options and masks."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from rows import x

import lamina

keras = pytest.importorskip("keras")

S = x(2, 4, 3)
MASK = np.array([[True, False, True, True], [False, True, True, False]])
OPTIONS = ("return_sequences", "return_state", "go_backwards", "unroll", "stateful")


def pairwise(number: int) -> list[tuple[bool, ...]]:
    """Settings of ``number`` switches in which each pair of switches has each pair of values."""
    places = list(itertools.combinations(range(number), 2))
    every = list(itertools.product((False, True), repeat=number))
    pairs = {each: {(i, j, each[i], each[j]) for i, j in places} for each in every}
    wanted, chosen = set().union(*pairs.values()), []
    while wanted:
        chosen.append(max(every, key=lambda each, wanted=wanted: len(pairs[each] & wanted)))
        wanted = wanted - pairs[chosen[-1]]
    return chosen


@pytest.fixture
def names_anew() -> None:
    """Both libraries count the names of layers from the beginning."""
    keras.utils.clear_session()
    lamina.utils.clear_session()


def made(build: Any, shape: Any = S.shape) -> tuple[Any, Any]:
    """The layer of both libraries, with the same weights."""
    pair = [build(library.layers) for library in (lamina, keras)]
    for layer in pair:
        layer.build(shape)
    rng = np.random.default_rng(0)
    weights = [rng.uniform(-0.7, 0.7, w.shape).astype("float32") for w in pair[1].get_weights()]
    for layer in pair:
        layer.set_weights(weights)
    return pair[0], pair[1]


def flat(outputs: Any) -> list[np.ndarray]:
    return [np.asarray(each) for each in jax.tree.leaves(outputs)]


def agree(ours: Any, theirs: Any, **given: Any) -> None:
    for a, b in zip(flat(ours), flat(theirs), strict=True):
        assert a.dtype == b.dtype
        assert_allclose(a, b, **{"atol": 1e-5, **given})


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
@pytest.mark.parametrize("switches", pairwise(7), ids=lambda s: "".join("01"[i] for i in s))
def test_options(name: str, switches: tuple[bool, ...]) -> None:
    options = dict(zip(OPTIONS, switches, strict=False))
    ours, theirs = made(lambda layers: getattr(layers, name)(3, **options))
    states = 2 if name == "LSTM" else 1
    given: dict[str, Any] = {"mask": jnp.asarray(MASK)} if switches[5] else {}
    if switches[6] and not (switches[5] and options["unroll"]):
        # Keras puts out 0 at first, masked steps of an unrolled layer, and h otherwise.
        given["initial_state"] = [jnp.asarray(x(2, 3) + i) for i in range(states)]
    for _ in range(2):
        agree(ours(S, **given), theirs(S, **given))
    if options["stateful"]:
        agree([v.value for v in ours.states], [v.value for v in theirs.states])
        assert any(np.any(np.asarray(v.value)) for v in ours.states)
        for layer in (ours, theirs):
            layer.reset_state()
        agree(ours(S, **given), theirs(S, **given))
        return

    def gradients(layer: Any) -> Any:
        trainable = [jnp.asarray(v.value) for v in layer.trainable_variables]
        rest = [jnp.asarray(v.value) for v in layer.non_trainable_variables]

        def loss(trainable: Any, inputs: Any, given: Any) -> Any:
            outputs, _ = layer.stateless_call(trainable, rest, inputs, **given)
            return sum(jnp.sum(jnp.sin(each)) for each in jax.tree.leaves(outputs))

        arrays = {key: value for key, value in given.items() if key != "mask"}
        masks = {key: value for key, value in given.items() if key == "mask"}
        return jax.grad(lambda t, i, a: loss(t, i, {**a, **masks}), (0, 1, 2))(
            trainable, jnp.asarray(S), arrays
        )

    agree(gradients(ours), gradients(theirs))


BOTH_WAYS = [
    ("concat", False, {}), ("concat", True, {"return_sequences": True}),
    ("sum", True, {"return_state": True}), ("sum", False, {"return_sequences": True}),
    ("mul", True, {}), ("ave", False, {"return_state": True}),
    (None, True, {"return_sequences": True}), (None, False, {"return_state": True}),
]  # fmt: skip


@pytest.mark.parametrize(("merge_mode", "masked", "options"), BOTH_WAYS)
def test_bidirectional(merge_mode: Any, masked: bool, options: dict[str, bool]) -> None:
    ours, theirs = made(
        lambda layers: layers.Bidirectional(layers.GRU(3, **options), merge_mode=merge_mode)
    )
    given = {"mask": jnp.asarray(MASK)} if masked else {}
    agree(ours(S, **given), theirs(S, **given))
    states = [jnp.asarray(x(2, 3)), jnp.asarray(x(2, 3) + 1)]
    agree(ours(S, initial_state=states, **given), theirs(S, initial_state=states, **given))
    assert [v.name for v in ours.weights] == [v.name for v in theirs.weights]
    mine, keras_own = ours.get_config(), theirs.get_config()
    assert mine.keys() == keras_own.keys()
    for key in ("layer", "backward_layer"):
        assert mine[key]["config"].keys() == keras_own[key]["config"].keys()
        assert mine[key]["config"]["go_backwards"] == keras_own[key]["config"]["go_backwards"]
    again = type(ours).from_config(mine)
    for way in ("forward_layer", "backward_layer"):
        assert getattr(again, way).get_config() == getattr(ours, way).get_config()


def test_a_backward_layer_of_its_own() -> None:
    ours, theirs = made(
        lambda layers: layers.Bidirectional(
            layers.LSTM(3, return_sequences=True),
            backward_layer=layers.GRU(3, go_backwards=True, return_sequences=True),
        )
    )
    agree(ours(S), theirs(S))


@pytest.mark.parametrize(
    ("rank", "options"),
    [
        (1, {"return_sequences": True, "activation": "relu", "use_bias": False}),
        (1, {"strides": 2, "padding": "same", "go_backwards": True}),
        (1, {"dilation_rate": 2, "return_state": True, "unit_forget_bias": False}),
        (2, {"data_format": "channels_first", "padding": "same", "return_sequences": True}),
        (2, {"dropout": 0.3, "recurrent_dropout": 0.4, "seed": 3}),
        (3, {"kernel_size": (1, 2, 1), "kernel_regularizer": "l2"}),
    ],
)
@pytest.mark.usefixtures("names_anew")
def test_convolutional(rank: int, options: dict[str, Any]) -> None:
    sizes = (5, 4, 3)[:rank]
    first = options.get("data_format") == "channels_first"
    inputs = x(2, 3, *((2, *sizes) if first else (*sizes, 2)))
    options = {"kernel_size": 2, **options}
    ours, theirs = made(
        lambda layers: getattr(layers, f"ConvLSTM{rank}D")(2, **options), inputs.shape
    )
    training = {"training": "dropout" in options}
    agree(ours(inputs, **training), theirs(inputs, **training))
    agree(ours.losses, theirs.losses)
    assert [v.path for v in ours.weights] == [v.path for v in theirs.weights]
    mine, keras_own = ours.get_config(), theirs.get_config()
    assert mine.keys() == keras_own.keys()
    described = ours(lamina.Input((None, *inputs.shape[2:])))
    wanted = theirs.compute_output_shape((None, *inputs.shape[1:]))
    shapes = [each.shape for each in jax.tree.leaves(described)]
    wanted = [wanted] if isinstance(wanted[0], (int, type(None))) else list(wanted)
    assert [s[2:] if options.get("return_sequences") else s for s in shapes] == [
        tuple(w[2:] if options.get("return_sequences") else w) for w in wanted
    ]


@pytest.mark.usefixtures("names_anew")
def test_stacked_cells() -> None:
    def build(layers: Any) -> Any:
        cells = [layers.LSTMCell(3, dropout=0.3, seed=1), layers.GRUCell(2), layers.LSTMCell(4)]
        return layers.RNN(cells, return_sequences=True, return_state=True)

    ours, theirs = made(build)
    for training in (True, False):  # the generators of Keras move on at inference too
        agree(ours(S, training=training), theirs(S, training=training))
    agree(ours(S, mask=jnp.asarray(MASK))[1:], theirs(S, mask=jnp.asarray(MASK))[1:])
    assert [v.path for v in ours.weights] == [v.path for v in theirs.weights]
    assert ours.state_size == theirs.state_size


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.usefixtures("names_anew")
def test_time_distributed(masked: bool) -> None:
    ours, theirs = made(lambda layers: layers.TimeDistributed(layers.Dense(2, activation="relu")))
    given = {"mask": jnp.asarray(MASK)} if masked else {}
    agree(ours(S, **given), theirs(S, **given))
    assert [v.path for v in ours.weights] == [v.path for v in theirs.weights]


def test_time_distributed_steps_follow_one_another() -> None:
    norms = made(lambda layers: layers.TimeDistributed(layers.BatchNormalization(momentum=0.5)))
    agree(*(layer(S, training=True) for layer in norms))
    agree(*([v.value for v in layer.weights] for layer in norms))
    drops = [layers.TimeDistributed(layers.Dropout(0.5, seed=1)) for layers in
             (lamina.layers, keras.layers)]  # fmt: skip
    assert_array_equal(*(np.asarray(layer(S, training=True)) for layer in drops))


@pytest.mark.parametrize("name", ["LSTM", "GRU", "Bidirectional", "TimeDistributed"])
def test_files_travel_both_ways(name: str, tmp_path: Any) -> None:
    def model(library: Any) -> Any:
        layers = library.layers
        inner = {"Bidirectional": layers.LSTM(3), "TimeDistributed": layers.Dense(2)}.get(name)
        layer = getattr(layers, name)(3 if inner is None else inner)
        return library.Sequential([library.Input((4, 3)), layer, layers.Dense(1)])

    for writer, reader in ((lamina, keras), (keras, lamina)):
        written = model(writer)
        path = str(tmp_path / f"{writer.__name__}.keras")
        written.save(path)
        read = (reader.models if reader is keras else lamina.saving).load_model(path)
        agree(read.predict(S, verbose=0), written.predict(S, verbose=0))
