"""``tf.data.Dataset``: sources of samples or batches that can be read again and again."""

import copy
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np

from lamina.compat import tape
from lamina.compat.tensor import unwrap
from lamina.core import nest, random
from lamina.core.errors import ArgumentError, StateError


class Dataset:
    """Elements made anew by each iteration.

    >>> data = Dataset.from_tensor_slices(([1, 2, 3], [4, 5, 6])).batch(2)
    >>> [y.numpy().tolist() for x, y in data], len(data)
    ([[4, 5], [6]], 2)
    """

    def __init__(self, make: Callable[[], Iterator[Any]], length: int | None) -> None:
        self._make = make
        self._length = length

    @classmethod
    def from_tensor_slices(cls, tensors: Any, name: Any = None) -> "Dataset":
        """A sample for each place on the first axis of all arrays in a nest."""
        arrays = _arrays(tensors)
        sizes = {len(each) for each in nest.flatten(arrays)}
        if len(sizes) != 1:
            raise ArgumentError(f"The arrays have different numbers of samples: {sorted(sizes)}.")
        size = sizes.pop()
        samples = functools.partial(map, lambda i: nest.map_structure(lambda x: x[i], arrays))
        return cls(lambda: samples(range(size)), size)

    @classmethod
    def range(cls, *args: int, **_: Any) -> "Dataset":
        """The numbers of Python's range."""
        numbers = np.arange(*args)
        return cls(lambda: iter(numbers), len(numbers))

    @classmethod
    def zip(cls, *datasets: Any) -> "Dataset":
        """Tuples of elements of several datasets, as long as all have some."""
        parts = datasets[0] if len(datasets) == 1 else datasets
        lengths = [each._length for each in parts]
        shortest = None if None in lengths else min(lengths)
        return cls(lambda: zip(*(each._make() for each in parts), strict=False), shortest)

    def batch(self, batch_size: int, drop_remainder: bool = False, **_: Any) -> "Dataset":
        """Elements stacked, so many at a time; the last batch may be smaller."""

        def make() -> Iterator[Any]:
            source = self._make()
            while rows := list(itertools.islice(source, batch_size)):
                if len(rows) == batch_size or not drop_remainder:
                    yield nest.map_structure(lambda *parts: np.stack(parts), *rows)

        length = self._length
        if length is not None:
            length = length // batch_size if drop_remainder else -(-length // batch_size)
        return Dataset(make, length)

    def map(self, map_func: Callable[..., Any], *_: Any, **__: Any) -> "Dataset":
        """``map_func`` of each element; of its parts when it is a tuple."""

        def make() -> Iterator[Any]:
            for each in self._make():
                shown = tape.wrap(_arrays(each, jnp.asarray))
                yield unwrap(map_func(*shown) if isinstance(shown, tuple) else map_func(shown))

        return Dataset(make, self._length)

    def shuffle(
        self, buffer_size: int, seed: Any = None, reshuffle_each_iteration: bool = True, **_: Any
    ) -> "Dataset":
        """Elements in random order, each drawn from the next ``buffer_size`` ones."""
        start = np.random.default_rng(random.creation_key().tolist() if seed is None else seed)

        def make() -> Iterator[Any]:
            rng = start if reshuffle_each_iteration else copy.deepcopy(start)
            source = self._make()
            buffer = list(itertools.islice(source, buffer_size))
            for each in source:
                place = rng.integers(len(buffer))
                buffer[place], drawn = each, buffer[place]
                yield drawn
            rng.shuffle(buffer)  # type: ignore[arg-type]
            yield from buffer

        return Dataset(make, self._length)

    def repeat(self, count: int | None = None, name: Any = None) -> "Dataset":
        """The elements over and over, or so many times."""
        times = None if count is None or count < 0 else count
        length = None if times is None or self._length is None else self._length * times

        def make() -> Iterator[Any]:
            for _ in itertools.repeat(None) if times is None else range(times):
                yield from self._make()

        return Dataset(make, length)

    def take(self, count: int, name: Any = None) -> "Dataset":
        """The first elements."""
        length = count if self._length is None else min(count, self._length)
        return Dataset(lambda: itertools.islice(self._make(), count), length)

    def prefetch(self, buffer_size: Any = None, name: Any = None) -> "Dataset":
        """The same elements."""
        return self

    def cache(self, filename: str = "", name: Any = None) -> "Dataset":
        """The same elements, computed once."""
        kept: list[Any] = []

        def make() -> Iterator[Any]:
            if not kept:
                kept.extend(self._make())
            return iter(kept)

        return Dataset(make, self._length)

    def as_numpy_iterator(self) -> Iterator[Any]:
        """Elements as NumPy arrays."""
        return (_arrays(each) for each in self._make())

    def __iter__(self) -> Iterator[Any]:
        return (tape.wrap(_arrays(each, jnp.asarray)) for each in self._make())

    def __len__(self) -> int:
        if self._length is None:
            raise StateError("The number of elements of this dataset is not known.")
        return self._length


def _arrays(structure: Any, convert: Callable[[Any], Any] = np.asarray) -> Any:
    """A nest as arrays; lists of numbers are arrays too."""
    if isinstance(structure, tuple):
        return tuple(_arrays(each, convert) for each in structure)
    if isinstance(structure, dict):
        return {key: _arrays(each, convert) for key, each in structure.items()}
    return convert(unwrap(structure))
