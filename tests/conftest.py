"""For all tests: they are about the installed package wherever there is one.

A folder of the same name in the working directory hides it when Python puts that directory on its
path (`python -m pytest` does, the `pytest` command does not). Nobody would notice a file that the
wheel lacks; so such a run stops here.
"""

import importlib.metadata
import importlib.util
import json
from pathlib import Path

import pytest

import lamina

CHECKOUT = Path(__file__).resolve().parents[1]


def installed_copy() -> Path | None:
    """Where the installed package is, or None where tests run from the checkout on purpose."""
    try:
        distribution = importlib.metadata.distribution("lamina")
    except importlib.metadata.PackageNotFoundError:
        return None
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        return None
    return Path(str(distribution.locate_file("lamina"))).resolve()


def tested_copy() -> Path:
    return Path(next(iter(lamina.__path__))).resolve()


def pytest_configure() -> None:
    installed = installed_copy()
    if installed is not None and installed != tested_copy():
        raise pytest.UsageError(
            f"lamina is installed in {installed}, but these tests would run {tested_copy()}. "
            "Start them with `pytest`, not with `python -m pytest`."
        )


def pytest_report_header() -> list[str]:
    where = "the checkout" if tested_copy() == CHECKOUT / "lamina" else tested_copy()
    oracle = "installed" if importlib.util.find_spec("keras") else "missing, so no parity tests"
    return [f"lamina: {where}", f"keras: {oracle}"]
