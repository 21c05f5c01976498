"""Every test runs in float64, with shapes and types checked at each call of the package."""

import gc
import os
import tempfile
import threading
from functools import cache
from pathlib import Path

import jax
import jaxtyping
import pytest
from beartype import BeartypeConf, beartype
from beartype.claw import beartype_packages
from hypothesis import settings
from jax._src.interpreters import mlir

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
"""The type checker of the import hook; a float may be given as an int, as everywhere in Python."""

PACKAGE = Path(__file__).parent / "jaxmix"


def plain(path: Path) -> bool:
    """Whether a module is plain Python: no shapes, no fields of modules, no types for checkers."""
    text = path.read_text()
    return not any(word in text for word in ("jaxtyping", "equinox", "if TYPE_CHECKING"))


def modules(in_plain_python: bool) -> list[str]:
    """Names of the package's modules that are `plain`, or that are not."""
    return [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in PACKAGE.rglob("*.py")
        if path.stem != "__init__" and plain(path) == in_plain_python
    ]


# For the whole session: modules load lazily, so that a with block would miss them. Where there are
# no shapes to compare, a call is checked in a twentieth of the time.
jaxtyping.install_import_hook(modules(in_plain_python=False), "conftest.checked")
PLAIN = BeartypeConf(
    is_pep484_tower=True, claw_is_pep526=False, violation_type=jaxtyping.TypeCheckError
)
beartype_packages(modules(in_plain_python=True), conf=PLAIN)

# As many workers as cores: more threads only wait for one another, at full speed.
for library in ("OMP", "OPENBLAS"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

# Compiled programs live long; looking through them for garbage again and again takes minutes.
gc.set_threshold(100_000, 50, 100)

# A program that one worker has compiled, the others and the subprocesses of tests need not.
CACHE = "JAX_COMPILATION_CACHE_DIR"
_folder = tempfile.TemporaryDirectory(prefix="jaxmix-tests-") if CACHE not in os.environ else None
if _folder is not None:
    os.environ[CACHE] = _folder.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

# Tests assert no times: a busy machine must not fail one.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

# Where an operation was written is noted in every program, a tenth of all the time of tests.
jax.config.update("jax_traceback_in_locations_limit", 0)
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_compilation_cache_dir", os.environ[CACHE])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

# JAX writes every program in a context of its own, whose making takes a fifth of a small program's
# time, a twelfth of all the time of tests: here a thread makes one for the tests of a module.
make_context = getattr(mlir, "make_ir_context", None)
context_of = cache(lambda thread: make_context())
if make_context is not None:  # JAX's own affair, which may go
    mlir.make_ir_context = lambda: context_of(threading.get_ident())

MEMORY_MAPS, MANY = Path("/proc/self/maps"), 40_000
"""Of this process, where the system counts them: Linux allows 65,530, a module adds 10,000."""


@pytest.fixture(autouse=True, scope="module")
def _room_for_programs():
    """Forget compiled programs before a worker has more memory maps than a process may have."""
    yield
    context_of.cache_clear()
    if MEMORY_MAPS.exists() and MEMORY_MAPS.read_bytes().count(b"\n") > MANY:
        jax.clear_caches()
