"""Weights in several files of limited size, with an index ``*.weights.json`` beside them."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from lamina.core.errors import FileError
from lamina.core.files import replacing
from lamina.core.layer import Layer
from lamina.saving import archive, state
from lamina.saving.hdf5 import Writer
from lamina.saving.refusing import refusal


def write(model: Layer, index: Path, size: float, skip: Any = ()) -> None:
    """Write a model's variables to shards of at most ``size`` GB, then the index.

    The shards of an older save are replaced when all the new ones are whole, the index last.
    """
    with contextlib.ExitStack() as stack:
        names: list[str] = []

        def create(number: int) -> IO[bytes]:
            names.append(f"{_base(index)}_{number:05}.weights.h5")
            return stack.enter_context(replacing(index.with_name(names[-1])))

        top = stack.enter_context(replacing(index))
        writer = Writer(create, size * 1024**3)
        try:
            state.write(model, writer, skip)
        finally:
            writer.close()
        places = {place: [names[n] for n in numbers] for place, numbers in writer.places.items()}
        weight_map = {place: each[0] if len(each) == 1 else each for place, each in places.items()}
        content = {"metadata": {"total_size": writer.total}, "weight_map": weight_map}
        top.write(json.dumps(content, indent=4).encode())


@contextlib.contextmanager
def opened(index: Path) -> Iterator[list[IO[bytes]]]:
    """The shards that an index names, open; all lie in its folder.

    Raises:
        FileError: when the index is damaged, or names something that is no shard of its own.
    """
    folder = archive.Folder(index.parent)
    try:
        content = json.loads(archive.text(folder, index.name))
        entries = content["weight_map"].values()
        names = {name for each in entries for name in ([each] if isinstance(each, str) else each)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FileError(f"'{index}' is no index of shards: {error}") from error
    own = f"{_base(index)}_"
    for name in names:
        rest = name.removeprefix(own) if isinstance(name, str) else ""
        if rest == name or not rest.removesuffix(".weights.h5").isdigit():
            raise refusal(
                f"'{index}' is refused: it names {name!r}.",
                rule=f"its shards are called {own}00000.weights.h5 and so on, in its folder",
            )
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(folder.binary(name)) for name in sorted(names)]


def _base(index: Path) -> str:
    return index.name.removesuffix(".json").removesuffix(".weights")
