"""The lecture's notebooks run from top to bottom and show what they promise."""

import re
from pathlib import Path

import pytest

import lamina

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

ROOT = Path(__file__).resolve().parents[2]
LECTURES = sorted((ROOT / "examples" / "lecture").glob("*.ipynb"))


def cells(notebook, kind):
    return [cell for cell in notebook.cells if cell.cell_type == kind]


def without_comments(notebook):
    return [re.sub(r" *#.*", "", cell.source) for cell in cells(notebook, "code")]


def test_both_languages_are_there_and_say_the_same():
    ru, en = (
        nbformat.read(ROOT / "examples" / "lecture" / f"lecture_{language}.ipynb", as_version=4)
        for language in ("ru", "en")
    )
    assert [cell.cell_type for cell in ru.cells] == [cell.cell_type for cell in en.cells]
    texts = re.compile(r'f?"[^"\n]*"')
    for a, b in zip(without_comments(ru), without_comments(en), strict=True):
        assert texts.sub("", a) == texts.sub("", b)


@pytest.mark.parametrize("path", LECTURES, ids=lambda path: path.stem)
def test_no_outputs_are_kept(path):
    for cell in cells(nbformat.read(path, as_version=4), "code"):
        assert cell.outputs == [] and cell.execution_count is None
        assert not re.search(r"^\s*[!%]", cell.source, re.MULTILINE)


@pytest.mark.parametrize("path", LECTURES, ids=lambda path: path.stem)
def test_runs_with_pictures_and_learns(path, tmp_path, monkeypatch):
    # The kernel is to import the package that is tested, wherever it is.
    monkeypatch.setenv("PYTHONPATH", str(Path(lamina.__file__).parents[1]))
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=60, resources=resources).execute()
    outputs = [output for cell in cells(notebook, "code") for output in cell.outputs]
    shown = [set(output.data) for output in outputs if "data" in output]
    pictures = [kinds for kinds in shown if kinds & {"image/svg+xml", "image/png"}]
    assert len(pictures) == 5
    streams = [output for output in outputs if output.output_type == "stream"]
    assert not [output.text for output in streams if output.name == "stderr"]
    text = "".join(output.text for output in streams)
    reached = re.search(r"(?:accuracy on the test set|точность на тесте): ([\d.]+)", text)
    assert reached and float(reached[1]) >= 0.9
    assert "435" in text
    assert not list(tmp_path.iterdir())
