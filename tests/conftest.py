"""For all tests: they are about the installed package wherever there is one.

Most of their time would go into compiling: programs are kept for the length of a run, so that tests
of one layer share them, and XLA optimises less than it does for users.

A folder of the same name in the working directory hides it when Python puts that directory on its
path (`python -m pytest` does, the `pytest` command does not). Nobody would notice a file that the
wheel lacks; so such a run stops here.
"""

import atexit
import gc
import importlib.metadata
import importlib.util
import json
import os
import shutil
import tempfile
import zlib
from pathlib import Path

import hypothesis
import pytest

import lamina

# The same examples in each run; `--hypothesis-profile=default` looks for new ones.
hypothesis.settings.register_profile("lamina", derandomize=True, deadline=None)
hypothesis.settings.load_profile("lamina")

if "LAMINA_TEST_PROGRAMS" not in os.environ:  # a worker has its parent's
    os.environ["LAMINA_TEST_PROGRAMS"] = tempfile.mkdtemp(prefix="lamina-programs-")
    atexit.register(shutil.rmtree, os.environ["LAMINA_TEST_PROGRAMS"], ignore_errors=True)
# A folder for each worker: JAX writes a program in place, where another might read half of it.
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(
    Path(os.environ["LAMINA_TEST_PROGRAMS"]) / os.environ.get("PYTEST_XDIST_WORKER", "alone")
)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
FLAGS = ["--xla_backend_optimization_level=0"]
if importlib.metadata.version("jaxlib").startswith("0.10."):  # XLA ends on a flag it does not know
    FLAGS.append("--xla_cpu_use_fusion_emitters=false")  # a quarter less time to compile
os.environ.setdefault("XLA_FLAGS", " ".join(FLAGS))

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


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Each test draws its own numbers, the same ones in each run and in any order."""
    lamina.utils.set_random_seed(zlib.crc32(item.nodeid.encode()))


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Let go of compiled programs before the process has too many.

    Each is mapped into memory in pieces, and Linux allows a process 65,530 of them; beyond, XLA
    crashes.
    """
    global _tests
    _tests += 1
    maps = Path("/proc/self/maps")
    if _tests % 100 == 0 and maps.exists() and maps.read_bytes().count(b"\n") > 25_000:
        import jax  # not before the settings above

        jax.clear_caches()
        gc.collect()


_tests = 0
