"""The command line: ``lamina demo | summary | plot | inspect | diff | doctor``."""

import argparse
import importlib.metadata
import platform
import sys
import time
from pathlib import Path
from typing import Any


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="lamina", description="Neural networks, the Keras way.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="describe, draw, train, save and load small models")
    demo.add_argument("--folder", type=Path, default=Path("lamina-demo"), help="where files go")
    demo.add_argument("--epochs", type=int, default=30)
    summary = commands.add_parser("summary", help="print the layers of a .keras file")
    summary.add_argument("file", type=Path)
    for name, (text, _) in _SHOWN.items():
        summary.add_argument(f"--{name}", action="store_true", help=f"show {text}")
    summary.add_argument("--all", action="store_true", help="show all of these")
    summary.add_argument("--batch", type=int, default=1, help="samples that costs are given for")
    summary.add_argument("--width", type=int, help="characters of a line")
    plot = commands.add_parser("plot", help="draw the model of a .keras file")
    plot.add_argument("file", type=Path)
    plot.add_argument("-o", "--output", type=Path, help="the picture; its ending says the format")
    plot.add_argument("--detail", choices=["names", "shapes", "full"], help="how much is shown")
    plot.add_argument("--shapes", action="store_true", help="show the shapes of tensors")
    inspect = commands.add_parser("inspect", help="write a page to look around in a .keras file")
    inspect.add_argument("file", type=Path)
    inspect.add_argument("-o", "--output", type=Path, help="an .html file")
    inspect.add_argument("--open", action="store_true", help="open it in a browser")
    diff = commands.add_parser("diff", help="say what changed from one .keras file to another")
    diff.add_argument("files", type=Path, nargs=2, metavar="FILE")
    diff.add_argument("-o", "--output", type=Path, help="a .svg, .png or .pdf file: both, drawn")
    diff.add_argument("--no-weights", action="store_true", help="compare no values of weights")
    diff.add_argument("--width", type=int, help="characters of a line")
    commands.add_parser("doctor", help="say what is installed and what JAX runs on")
    given = parser.parse_args(arguments)
    try:
        return _COMMANDS[given.command](given)
    except (ValueError, OSError) as error:
        print(f"lamina: {error}", file=sys.stderr)
        return 2 if given.command == "diff" else 1  # 1 says that files differ


# --- demo ---------------------------------------------------------------------------------------


def _demo(given: argparse.Namespace) -> int:
    start = time.perf_counter()
    folder: Path = given.folder
    folder.mkdir(parents=True, exist_ok=True)
    import lamina as keras

    _say("1. A layer by itself")
    _one_layer(keras)
    _say("2. A chain of layers: Sequential")
    chain = _chain(keras)
    chain.summary()
    _draw(keras, chain, folder / "chain.png", show_shapes=True)
    _say("3. The same without an input: shapes are not known yet, and that is no error")
    _chain(keras, with_input=False).summary()
    _say("4. A graph of layers: the functional way")
    graph, tensors = _graph(keras)
    graph.summary()
    _draw(keras, graph, folder / "graph.png")
    cut = keras.Model(graph.input, tensors["Layer4"])
    _draw(keras, cut, folder / "graph-cut.png", show_shapes=True)
    several = keras.Model(graph.input, [tensors[f"Layer{n}"] for n in (4, 5, 1)])
    _draw(keras, several, folder / "graph-three-outputs.png")
    _say("5. Training on real data: 1,797 handwritten digits")
    accuracy = _train(keras, folder, given.epochs)
    _say(f"Done in {time.perf_counter() - start:.1f} s. Pictures and the model are in {folder}/")
    return 0 if accuracy >= 0.9 else 1


def _say(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def _draw(keras: Any, model: Any, path: Path, **options: Any) -> None:
    keras.utils.plot_model(model, path, show_layer_names=True, **options)
    print(f"drawn: {path}", flush=True)


def _one_layer(keras: Any) -> None:
    import numpy as np

    x = np.ones((4, 3), np.float32)
    dense = keras.layers.Dense(2)
    output = dense(x)
    w, b = dense.get_weights()
    print(f"Dense(2) on 4 rows of 3 features gives shape {output.shape}")
    print(f"the same by hand, x @ w + b: {np.allclose(output, x @ w + b, atol=1e-6)}")


def _chain(keras: Any, with_input: bool = True) -> Any:
    layers = keras.layers
    model = keras.Sequential(name="chain" if with_input else "chain_without_input")
    if with_input:
        model.add(keras.Input((10,)))
    model.add(layers.Dense(10, activation="relu"))
    twos = keras.initializers.Constant(2.0)
    model.add(layers.Dense(20, activation="relu", bias_initializer=twos))
    model.add(layers.Dense(5, activation="softmax"))
    return model


def _graph(keras: Any) -> tuple[Any, dict[str, Any]]:
    dense = keras.layers.Dense
    inputs = keras.Input((10,), name="Input")
    made = {"Layer1": dense(10, name="Layer1")(inputs), "Layer2": dense(10, name="Layer2")(inputs)}
    made["Layer3"] = dense(10, name="Layer3")(made["Layer2"])
    made["Layer4"] = dense(10, name="Layer4")(made["Layer3"])
    made["Layer5"] = dense(10, name="Layer5")(made["Layer2"])
    total = keras.layers.Add(name="SumLayer")([made[f"Layer{n}"] for n in (1, 4, 5)])
    return keras.Model(inputs, dense(10, name="Output")(total), name="graph"), made


def _train(keras: Any, folder: Path, epochs: int) -> float:
    import numpy as np

    keras.utils.set_random_seed(1)
    (x, y), (x_test, y_test) = keras.datasets.digits.load_data()
    x, x_test = (images.reshape(-1, 64).astype("float32") / 16 for images in (x, x_test))
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(10, activation="softmax"),
        ],
        name="digits",
    )
    _draw(keras, model, folder / "digits.png", show_shapes=True, show_layer_activations=True)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=32, epochs=epochs, validation_data=(x_test, y_test), verbose=2)
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"test loss {loss:.4f}, test accuracy {accuracy:.4f}")
    path = folder / "digits.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    same = np.array_equal(model.predict(x_test, verbose=0), loaded.predict(x_test, verbose=0))
    print(f"saved to {path} and loaded: predictions are {'equal' if same else 'DIFFERENT'}")
    if not same:
        raise ValueError("the loaded model predicts something else")
    return float(accuracy)


# --- the other commands -------------------------------------------------------------------------


def _load(path: Path) -> Any:
    from lamina.models import load_model

    return load_model(path, compile=False)


def _summary(given: argparse.Namespace) -> int:
    shown = {option: given.all or getattr(given, name) for name, (_, option) in _SHOWN.items()}
    model = _load(given.file)
    model.summary(given.width, expand_nested=True, batch_size=given.batch, **shown)
    return 0


_SHOWN = {
    "dtype": ("dtypes", "show_dtype"),
    "trainable": ("which layers are trained", "show_trainable"),
    "share": ("shares of the parameters, as bars", "show_share"),
    "macs": ("multiply-adds", "show_macs"),
    "flops": ("floating-point operations", "show_flops"),
    "memory": ("bytes of outputs", "show_memory"),
}


def _plot(given: argparse.Namespace) -> int:
    from lamina.view.plot import plot_model

    output = given.output or given.file.with_suffix(".png")
    plot_model(_load(given.file), output, show_shapes=given.shapes, show_layer_names=True,
               detail=given.detail)  # fmt: skip
    print(f"drawn: {output}")
    return 0


def _inspect(given: argparse.Namespace) -> int:
    from lamina.core.errors import FileError
    from lamina.view.explorer import explore
    from lamina.view.explorer.stored import stored_graph

    output, note = given.output or given.file.with_suffix(".html"), ""
    try:
        model = _load(given.file)
    except FileError as error:
        config = _described(given.file, error)
        why = str(error).splitlines()[0]
        note = f"Shown as its file describes it, without weights. It cannot be built: {why}"
        model = stored_graph(config, str(given.file))
        print(f"lamina: {note}", file=sys.stderr)
    path = explore(model, output, note=note)
    print(f"written: {path}")
    if given.open:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
    return 0


def _described(path: Path, error: Exception) -> dict[str, Any]:
    """The config in a file; the error that is there already, when it has none."""
    from lamina.saving import archive
    from lamina.saving.configs import parsed

    try:
        with archive.opened(path) as source:
            return parsed(archive.text(source, archive.CONFIG), source.name)
    except (ValueError, OSError):
        raise error from None


def _diff(given: argparse.Namespace) -> int:
    from lamina.view.diff import diff

    found = diff(*given.files, weights=not given.no_weights)
    if given.output:
        print(f"drawn: {found.picture.save(given.output)}")
    if found:
        found.table.show(given.width)
    return int(bool(found))


def _doctor(given: argparse.Namespace) -> int:
    import jax

    import lamina

    print(f"Python {platform.python_version()} on {platform.platform()}")
    print(f"lamina {lamina.__version__}")
    for package in ("jax", "jaxlib", "numpy", "h5py", "resvg-py", "optax"):
        try:
            print(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            print(f"{package} is not installed")
    print("devices: " + ", ".join(str(device) for device in jax.devices()))
    return 0


_COMMANDS = {
    "demo": _demo,
    "summary": _summary,
    "plot": _plot,
    "inspect": _inspect,
    "diff": _diff,
    "doctor": _doctor,
}

if __name__ == "__main__":
    sys.exit(main())
