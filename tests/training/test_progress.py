"""Progress: in a pipe, a terminal, a notebook; `Progbar` by hand."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import lamina as keras
from lamina.core.errors import ArgumentError
from lamina.training import progress
from lamina.training.progress import Plain, Progbar, Terminal

X = np.linspace(-1, 1, 40, dtype="float32")[:, None]
SCRIPT = """
import time, sys
import numpy as np
import lamina as keras
made = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
made.compile("sgd", "mse")
def slow(batch, logs):
    time.sleep(0.03)
def note(epoch, logs):
    print("noted")
watch = keras.callbacks.LambdaCallback(on_train_batch_end=slow, on_epoch_end=note)
X = np.linspace(-1, 1, 40, dtype="float32")[:, None]
made.fit(X, X, epochs=2, batch_size=2, callbacks=[watch], validation_data=(X, X), verbose=VERBOSE)
"""


def model():
    made = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    made.compile("sgd", "mse")
    return made


def in_a_terminal(verbose):
    """What a program writes to a terminal of 80 columns."""
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    script = SCRIPT.replace("VERBOSE", str(verbose))
    environment = {**os.environ, "COLUMNS": "80", "JAX_PLATFORMS": "cpu"}
    with subprocess.Popen([sys.executable, "-c", script], stdout=slave, env=environment):
        os.close(slave)
        parts = []
        while True:
            try:
                part = os.read(master, 1 << 16)
            except OSError:
                break
            if not part:
                break
            parts.append(part)
    os.close(master)
    return b"".join(parts).decode()


def test_a_live_line_in_a_terminal():
    text = in_a_terminal(1)
    lines = [line.split("\x1b[K")[-1].split("\r")[-1] for line in text.split("\r\n")]
    assert [line[:9] for line in lines] == ["noted", "Epoch 1/2", "noted", "Epoch 2/2", ""]
    assert "20 steps" in lines[1] and "val_loss" in lines[1]
    live = [part.split("\x1b[K")[0] for part in text.split("\r") if "left" in part]
    assert live and all(len(each) < 80 for each in live)
    assert all("steps/s" in each and "loss" in each for each in live)
    assert "20 ━" not in lines[1]


def test_one_line_an_epoch_in_a_terminal():
    text = in_a_terminal(2)
    assert "\x1b" not in text and text.count("\n") == 4


def test_a_pipe_gets_one_line_an_epoch(capsys):
    made = model()
    made.fit(X, X, epochs=2, batch_size=10, verbose=1)
    made.evaluate(X, X)
    made.predict(X)
    made.fit(X, X, verbose=0)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" - ")[0] for line in lines] == [
        "Epoch 1/2", "Epoch 2/2", "Evaluate", "Predict",
    ]  # fmt: skip
    assert "4 steps" in lines[0] and "ms a step - loss: " in lines[0]


def test_a_notebook_gets_one_output():
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.v4.new_notebook()
    script = SCRIPT.replace("VERBOSE", "1").replace('print("noted")', "pass")
    notebook.cells = [nbformat.v4.new_code_cell(script + "made.history")]
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    shown, history = notebook.cells[0].outputs[-2:]
    lines = shown["data"]["text/plain"].splitlines()
    assert [line[:9] for line in lines] == ["Epoch 1/2", "Epoch 2/2"]
    assert set(history["data"]) == {"text/plain", "image/svg+xml"}
    assert len(json.dumps(shown)) < 600


def test_long_notebooks_show_the_last_lines(monkeypatch):
    drawn = []
    notebook = progress.Notebook()
    monkeypatch.setattr(notebook, "_draw", lambda lines: drawn.append(list(lines)))
    for number in range(progress.LINES + 2):
        notebook.end(str(number))
    notebook.show("live")
    assert drawn[-1][0] == "2" and drawn[-1][-2:] == [str(progress.LINES + 1), "live"]


class Screen(io.StringIO):
    def isatty(self):
        return True


def test_prints_go_above_the_live_line(monkeypatch):
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    bar = Progbar(3, interval=0.0)
    assert isinstance(bar.outlet, Terminal) and type(progress.outlet()) is Terminal
    bar.update(1, [("loss", 2.0)])
    print("mine")
    bar.update(2, [("loss", 4.0)])
    bar.update(3)
    assert sys.stdout is screen
    text = screen.getvalue()
    assert "loss: 2.0000" in text and "\r\x1b[Kmine\n" in text and "loss: 3.0000" in text
    assert text.endswith("loss: 3.0000\n") and "2/3 ━" in text


def test_a_run_that_was_broken_off(monkeypatch):
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    Progbar(3, interval=0.0).update(1)
    assert isinstance(sys.stdout, Terminal)
    print("mine")
    bar = Progbar(3, interval=0.0)
    bar.update(1)
    print("yours")
    bar.update(3)
    assert sys.stdout is screen and screen.getvalue().count("\r\x1b[K") == 2


def test_progbar_means_and_lines(capsys):
    bar = Progbar(4, stateful_metrics=["rate"], unit_name="file")
    bar.update(1, [("size", 1.0), ("rate", 1.0)])
    bar.add(2, [("size", 4.0), ("rate", 7.0)])
    assert capsys.readouterr().out == ""
    bar.add(1, [("size", np.array([3.0, 5.0]))])
    assert capsys.readouterr().out.endswith("ms a file - size: 3.2500 - rate: 7.0000\n")
    bar = Progbar(None, stateless_metrics=["a"], interval=0)
    bar.update(1, [("a", 0.0), ("b", 0.0)])
    bar.update(3, [("a", 3.0), ("b", 3.0)])
    assert "a: 2.0000 - b: 3.0000" in capsys.readouterr().out
    bar.update(3, [("a", 9.0)], finalize=True)
    assert "a: 9.0000" in capsys.readouterr().out
    Progbar(2, verbose=0).update(2)
    Progbar(0).update(0, finalize=True)
    assert capsys.readouterr().out.count("\n") == 1
    with pytest.raises(ArgumentError, match="not both"):
        Progbar(1, stateful_metrics=[], stateless_metrics=[])


def test_interactive_logging_can_be_off(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Screen())
    keras.config.disable_interactive_logging()
    try:
        assert type(progress.outlet()) is Plain
    finally:
        keras.config.enable_interactive_logging()
