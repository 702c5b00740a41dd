"""What holds for the house as a whole: its size, and what it may not need."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
STRANGERS = ["keras", "tensorflow", "torch", "flax", "optax", "matplotlib", "pandas", "IPython"]


@pytest.fixture(scope="module")
def loc():
    spec = importlib.util.spec_from_file_location("loc", CHECKOUT / "tools" / "loc.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["loc"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["loc"]


def run_python(code: str) -> str:
    # -P: the working directory stays off the path of the new process as of this one.
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path[:] = {sys.path}\n{code}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_room_is_under_its_ceiling(loc):
    assert loc.complaints(loc.measure_rooms(loc.PACKAGE)) == []


@pytest.mark.parametrize(
    ("source", "code", "tokens"),
    [
        ('"""Words."""\n', 0, 0),
        ("# why\n\nx = 1  # one\n", 1, 3),
        ('def f():\n    """Says.\n\n    More.\n    """\n    return 1\n', 2, 7),
        ('x = """a\n\nb"""\n', 3, 3),
        ("x = (\n    1,\n    # two\n\n    2,\n)\n", 4, 8),
    ],
)
def test_counting(loc, tmp_path, source, code, tokens):
    path = tmp_path / "some.py"
    path.write_text(source)
    measured = loc.measure(path, tmp_path)
    assert (measured.code, measured.tokens) == (code, tokens)


def test_counting_by_room(loc):
    assert loc.room_of("ops/fast/convolution.py") == "ops/fast"
    assert loc.room_of("ops/matrices.py") == "ops"
    assert loc.room_of("layers/preprocessing/text.py") == "layers/preprocessing"
    assert loc.room_of("activations.py") == "initializers, regularizers, constraints, activations"
    assert loc.room_of("backend.py") == loc.room_of("__init__.py") == "face"
    with pytest.raises(SystemExit, match="lamina/cellar/ has no ceiling"):
        loc.room_of("cellar/barrels.py")


def test_a_file_over_its_size_is_told(loc):
    files = [loc.File("layers/dense.py", 90, 46, 300), loc.File("layers/conv.py", 501, 300, 2000)]
    assert loc.complaints({"layers": loc.Room(files)}) == [
        "layers/dense.py: 46 code lines; it may have 45.",
        "layers/conv.py: 501 lines; has it one subject?",
    ]


def test_import_needs_no_other_framework():
    found = run_python(f"import lamina\nprint([n for n in {STRANGERS} if n in sys.modules])")
    assert found == "[]"


def test_no_module_needs_another_framework():
    found = run_python(
        "import importlib, pkgutil, lamina\n"
        "for m in pkgutil.walk_packages(lamina.__path__, 'lamina.'):\n"
        "    if not m.name.endswith('__main__'): importlib.import_module(m.name)\n"
        f"print([n for n in {STRANGERS} if n in sys.modules])"
    )
    assert found == "[]"


def test_every_room_has_a_page(loc):
    rooms = {path.stem for path in loc.PACKAGE.iterdir() if path.stem in loc.ROOM_OF}
    pages = {path.stem for path in (CHECKOUT / "docs" / "api").iterdir()}
    assert rooms - pages - {"face"} == set()
