"""Code identity: what a run imports and nothing else, hashed by what it says and not how."""

import json
import os
import shutil
import subprocess
import sys
from importlib import import_module
from inspect import CO_OPTIMIZED
from itertools import chain
from modulefinder import ModuleFinder
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxmix as jm
from jaxmix.race import closure
from jaxmix.race.closure import changed, code_hashes
from jaxmix.race.names import Names

ROOT = closure.PACKAGE.parent
ROOTS = tuple(f"jaxmix.{name}" for name in ("methods.em", "methods.newton", "loop", "data.load"))


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, source in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(source)
    return folder


def names(folder: Path, *roots: str) -> list[str]:
    return list(code_hashes(roots or ("main.py",), folder))


def of_source(folder: Path, source: str) -> set[str]:
    """The package's modules that such a file uses, without jaxmix."""
    found = names(written(folder, {"main.py": source}))
    return {name.removeprefix("jaxmix.") for name in found if name != "main.py"}


def test_methods_do_not_need_each_other():
    em, newton = code_hashes(["jaxmix.methods.em"]), code_hashes(["jaxmix.methods.newton"])
    assert "jaxmix.methods.newton" not in em
    assert {"jaxmix.methods.newton", "jaxmix.trust_region"} <= newton.keys()
    assert em.items() <= newton.items() | {("jaxmix.methods.em", em["jaxmix.methods.em"])}
    assert "jaxmix.families" in em, "it has code of its own"
    assert not {"jaxmix", "jaxmix.methods", "jaxmix.data"} & em.keys(), "they only pass names on"


def test_no_module_that_is_not_imported():
    for root in ROOTS:
        # The standard library's finder follows the whole of every `__init__`, and TYPE_CHECKING.
        finder = ModuleFinder(path=[str(ROOT)])
        finder.import_hook(root)
        assert code_hashes([root]).keys() <= finder.modules.keys()


def test_every_function_that_runs_is_in_the_closure(tmp_path):
    source = (
        "import jax\nimport jaxmix as jm\nstop = jm.Stop('gap', 1e-3, 3)\n"
        "start = jm.gaussian_mixture([0.5, 0.5], [[5.5, -3.0], [6.0, -2.0]], 4.0, 'diag')\n"
        "def run(x):\n    return jm.fit(x, start, jm.SQUAREM(), stop=stop, prior=jm.Prior())\n"
    )
    known = of_source(tmp_path, source)
    ran = set()

    def record(frame, event, argument):
        # Functions and methods; bodies of modules and classes run wherever a package loads them.
        code = frame.f_code
        if code.co_flags & CO_OPTIMIZED and not code.co_name.startswith(("<", "__")):
            ran.add(code.co_filename)

    before = sys.getprofile()
    sys.setprofile(record)
    try:
        scope: dict = {}
        exec(source, scope)
        jax.eval_shape(lambda x: scope["run"](x).num_steps, np.zeros((30, 2)))
    finally:
        sys.setprofile(before)
    code = Names(closure.PACKAGE, None, ())
    called = {
        code.label(file).removeprefix("jaxmix.") for file in map(Path, ran) if code.is_ours(file)
    }
    # What loads a public name on first use is no part of what it names.
    called -= {"first_use"}
    assert {"loop", "methods.squarem", "constructors", "prior", "families.diag"} <= called <= known
    assert not {"methods.newton", "optima", "race.comparison"} & known


PASSING = ("jaxmix", "jaxmix.methods", "jaxmix.data", "jaxmix.inference", "jaxmix.families")


def test_public_names_stand_for_the_modules_that_define_them():
    code = Names(closure.PACKAGE, None, ())
    for package in map(import_module, PASSING):
        for name in chain(*package._HOMES.values()) if package is jm else package.__all__:
            home = getattr(getattr(package, name), "__module__", "")
            if home.startswith("jaxmix."):
                (end,) = code.look(Path(package.__file__), name)
                assert (code.label(end.module), end.name) == (home, name)


def test_everything_where_only_running_could_tell(tmp_path):
    everything = {"data.image", "data.load", "data.parquet", "data.generate", "data.stream"}
    for source in (
        "import jaxmix.data as d\ngetattr(d, input())",
        "import jaxmix.data as d\nprint(d)",
        "from jaxmix.data import *",
        "import importlib\nimportlib.import_module(name='jaxmix.data')",
        "import jaxmix.data as d\nd.not_there",
    ):
        assert everything <= of_source(tmp_path, source), source


@pytest.mark.parametrize("table", ["{'f': 'a', 'g': 'b'}", "{'a': ['f'], 'b': (*('g',), 'h')}"])
def test_lazy_tables_of_users(tmp_path, table):
    init = (
        "from importlib import import_module\nfrom typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from pkg.a import f\n    from pkg.b import g\n"
        f"_HOMES = {table}\n_FOLDERS = ('c',)\n__all__ = [*_HOMES, *_FOLDERS]\n"
        "def __getattr__(name):\n    return import_module(f'pkg.{_HOMES[name]}')"
    )
    written(tmp_path, {"pkg/__init__.py": init, "pkg/c.py": "", "pkg/d.py": ""})
    written(tmp_path, {"pkg/a.py": "f = 1", "pkg/b.py": "g = 2"})
    assert of_source(tmp_path, "import pkg\npkg.f(pkg.c)") == {"pkg/a.py", "pkg/c.py"}
    assert of_source(tmp_path, "from pkg import g") == {"pkg/b.py"}
    assert of_source(tmp_path, "import pkg as p\nprint(p)") == {
        *("pkg/__init__.py", "pkg/a.py", "pkg/b.py", "pkg/c.py")
    }


def test_packages_are_followed_by_attributes(tmp_path):
    load = {name.removeprefix("jaxmix.") for name in code_hashes(["jaxmix.data.load"])}
    assert of_source(tmp_path, "import jaxmix as jm\njm.data.load('faithful').x") == load
    assert of_source(tmp_path, "from jaxmix import data as d\nd.load") == load
    assert of_source(tmp_path, "import jaxmix.data.load") == load
    assert of_source(tmp_path, "from importlib import import_module as _\nimport jaxmix") == set()
    assert of_source(tmp_path, "import jaxmix as jm\njm.__version__") == set()
    assert {"data.image", *load} < of_source(tmp_path, "from jaxmix import data\nprint(data)")


def test_users_files(tmp_path):
    files = {
        "main.py": (
            "import os, numpy, helper\nfrom lib.inner import deep\nfrom plain.space import here\n"
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import for_checkers\n"
            "def f():\n    import late\n    import jaxmix.suggestions\n"
            "__import__('literal')\n"
        ),
        "helper.py": "from . import beside\nimport loop",
        "beside.py": "import main  # a cycle",
        "loop.py": "",  # a name that the package has too
        "jaxmix/suggestions.py": "",
        "for_checkers.py": "",
        "late.py": "",
        "literal.py": "",
        "lib/__init__.py": "from .other import thing\nfrom .inner import deep",
        "lib/inner/__init__.py": "from ..inner.core import depth as deep",
        "lib/inner/core.py": "from .. import side\ndepth = 1",
        "lib/side.py": "",
        "lib/other.py": "thing = 1",
        "plain/space/here.py": "",
        "unused.py": "",
    }
    unused = {"jaxmix/suggestions.py", "for_checkers.py", "lib/__init__.py"}
    unused |= {"lib/inner/__init__.py", "lib/other.py", "unused.py"}
    used = {"jaxmix.suggestions", *files} - unused
    assert names(written(tmp_path, files)) == sorted(used)
    assert names(tmp_path, "jaxmix.suggestions", str(tmp_path / "late.py")) == [
        "jaxmix.suggestions",
        "late.py",
    ]
    written(tmp_path, {"sub/run.py": "import near, helper2", "sub/near.py": "", "helper2.py": ""})
    assert names(tmp_path, "sub/run.py") == ["helper2.py", "sub/near.py", "sub/run.py"]


def test_names_that_helpers_pass_on(tmp_path):
    written(tmp_path, {"helper.py": "import jaxmix as jm\ntry:\n    import other as o\nexcept: 1"})
    written(tmp_path, {"other.py": "from jaxmix import data"})
    assert "methods.em" in of_source(tmp_path, "from helper import jm\njm.EM()")
    assert "methods.em" in of_source(tmp_path, "from helper import *\njm.EM()")
    assert "methods.em" in of_source(tmp_path, "import helper\nhelper.jm.EM()")
    assert "data.load" in of_source(tmp_path, "import helper as h\nh.o.data.load()")
    assert of_source(tmp_path, "import helper as h\nh.o") == {"helper.py", "other.py"}


def test_modules_that_change_others_belong_to_their_package(tmp_path):
    assert {"jaxmix.dual.rules", "jaxmix.dual.pytree"} <= code_hashes(["jaxmix.dual.core"]).keys()
    files = {"__init__": "from pkg.core import run\nfrom pkg.more import tan, sine\n"}
    files |= {"core": "TABLE = {}\ndef run(): ...", "sine": "LOCAL = {}\nLOCAL['x'] = 1"}
    files |= {"more": "from pkg.core import TABLE\ndef tan(): ...\nTABLE['tan'] = tan"}
    written(tmp_path, {f"pkg/{name}.py": source for name, source in files.items()})
    assert of_source(tmp_path, "from pkg import run") == {"pkg/core.py", "pkg/more.py"}


def test_code_of_an_init_counts_with_what_it_uses(tmp_path):
    files = {
        "pkg/__init__.py": (
            "import numpy as np\nfrom .a import f, unused\nfrom .b import g\nfrom .c import h\n"
            "from . import _hook\nTABLE = {'g': g}\ndef own(): return TABLE[np.pi]\nh()\n"
        ),
        **{f"pkg/{name}.py": f"{value} = 1" for name, value in zip("abc", "fgh", strict=True)},
        "pkg/_hook.py": "",
    }
    written(tmp_path, files)
    always = {"pkg/__init__.py", "pkg/_hook.py", "pkg/c.py"}
    assert of_source(tmp_path, "import pkg") == always
    assert of_source(tmp_path, "from pkg.a import f") == always | {"pkg/a.py"}
    assert of_source(tmp_path, "from pkg import own") == always | {"pkg/b.py"}
    assert of_source(tmp_path, "import pkg\nprint(pkg)") == always | {"pkg/a.py", "pkg/b.py"}


SOURCE = """
import lib
def f(x, *rest, **others):
    match x:
        case None | 3: return f"{x!r:>{rest}} z"
    return lambda y: {**others, 'a': [1, 2.5, -1j, b'b', x[1:]]}
"""


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ("import lib\n", '"""A docstring."""\nimport lib  # comment\n\n\n', False),
        ("    match x:", '    "Does it."\n    match (x):', False),
        ("'a'", '"a"', False),
        ("\n", "\r\n", False),
        ("[1, 2.5", "[12, 0.5", True),
        ("[1, 2.5", "[True, 2.5", True),
        ("case None", "case False", True),
        ("z", "Z", True),
        ("**others", "**more", True),
        ("!r", "!s", True),
        ("import lib", "import lib as lib2", True),
    ],
)
def test_only_code_counts(tmp_path, old, new, counts):
    assert old in SOURCE
    before = code_hashes(["main.py"], written(tmp_path, {"main.py": SOURCE, "lib.py": "1"}))
    (tmp_path / "main.py").write_bytes(SOURCE.replace(old, new).encode())
    now = code_hashes(["main.py"], tmp_path)
    assert changed(before, now) == (["main.py changed"] if counts else [])


def test_another_meaning_of_an_imported_name_counts(tmp_path):
    files = {"a.py": "f = 1", "b.py": "f = 2", "__init__.py": "from .a import f\nfrom . import b"}
    written(tmp_path, {f"pkg/{name}": source for name, source in files.items()})
    written(tmp_path, {"main.py": "from pkg import f\nimport pkg.a, pkg.b"})
    before = code_hashes(["main.py"], tmp_path)
    assert list(before) == ["main.py", "pkg/a.py", "pkg/b.py"]
    written(tmp_path, {"pkg/__init__.py": "from .b import f\nfrom . import b"})
    assert changed(before, code_hashes(["main.py"], tmp_path)) == ["main.py changed"]
    written(tmp_path, {"pkg/__init__.py": "from numpy import sin as f"})
    before = code_hashes(["main.py"], tmp_path)
    written(tmp_path, {"pkg/__init__.py": "from numpy import cos as f"})
    assert changed(before, code_hashes(["main.py"], tmp_path)) == ["main.py changed"]


def test_an_edit_changes_the_roots_that_use_it_and_no_others(tmp_path, monkeypatch):
    copy = tmp_path / "jaxmix"
    shutil.copytree(closure.PACKAGE, copy, ignore=shutil.ignore_patterns("*.csv", "__pycache__"))
    original = {root: code_hashes([root]) for root in ROOTS}
    monkeypatch.setattr(closure, "PACKAGE", copy)
    assert {root: code_hashes([root]) for root in ROOTS} == original
    files = {name: copy / f"{name.replace('.', '/')}.py" for name in ("free", "data.text_parts")}
    sources = {name: file.read_text() for name, file in files.items()}
    for name, file in files.items():
        file.write_text(sources[name] + "\n# a comment\n'a string alone'\n")
    assert {root: code_hashes([root]) for root in ROOTS} == original
    for name, file in files.items():
        file.write_text(sources[name] + "\nMORE = 1\n")
        lines = {root: changed(original[root], code_hashes([root])) for root in ROOTS}
        says = {
            root: [f"jaxmix.{name} changed"] * (f"jaxmix.{name}" in original[root])
            for root in ROOTS
        }
        assert lines == says
        assert 0 < sum(map(len, lines.values())) < len(ROOTS)
        file.write_text(sources[name])
    # A new method: its file, its line in the package, its public name.
    written(copy, {"methods/fresh.py": "class Fresh: pass"})
    for init, old, new in (
        ("methods/__init__.py", "__all__", "from jaxmix.methods.fresh import Fresh\n__all__"),
        ("__init__.py", '"DAAREM", ', '"DAAREM", "Fresh", '),
    ):
        text = (copy / init).read_text()
        assert old in text
        (copy / init).write_text(text.replace(old, new, 1))
    assert {root: code_hashes([root]) for root in ROOTS} == original
    assert "methods.fresh" in of_source(tmp_path / "study", "import jaxmix as jm\njm.Fresh")


def test_hashes_are_the_same_in_other_processes_and_folders(tmp_path, monkeypatch):
    files = {"main.py": "import jaxmix as jm, helper\njm.EM, jm.fit, jm.dual.sin", "helper.py": ""}
    here = code_hashes(["main.py"], written(tmp_path / "here", files))
    monkeypatch.chdir(written(tmp_path / "there", files))
    assert code_hashes(["main.py"], ".") == here
    script = (
        "import json, sys, types\n"
        "race = sys.modules['jaxmix.race'] = types.ModuleType('jaxmix.race')\n"
        "race.__path__ = [sys.argv[1]]\n"  # without its `__init__`
        "from jaxmix.race.closure import code_hashes\n"
        "assert 'jax' not in sys.modules\n"
        "print(json.dumps(code_hashes(['main.py'], sys.argv[2])))\n"
    )
    command = [sys.executable, "-c", script, str(closure.PACKAGE / "race"), str(tmp_path / "here")]
    surroundings = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)}
    output = subprocess.run(command, env=surroundings, capture_output=True, check=True).stdout
    assert json.loads(output) == here


def test_mistakes(tmp_path):
    written(tmp_path / "study", {"main.py": "import helper", "helper.py": "x = 1\ny = = 2\n"})
    written(tmp_path, {"outside.py": ""})
    for roots, folder, match in (
        (["main.py"], tmp_path / "study", r"helper\.py, line 2: invalid syntax"),
        (["none.py"], tmp_path / "study", r"there is no file .*none\.py"),
        (["../outside.py"], tmp_path / "study", "outside of the study's folder"),
        (["main.py"], None, "needs the study's folder"),
        (["jaxmix.methods.ems"], None, "did you mean 'jaxmix.methods.em'"),
        (["numpy"], None, "unknown module 'numpy'"),
    ):
        with pytest.raises(ValueError, match=match):
            code_hashes(roots, folder)
