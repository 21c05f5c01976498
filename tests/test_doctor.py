"""`jaxmix doctor`: what is there, what is broken and what to do, and nothing left behind."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import ml_dtypes
import numpy as np
import pytest

from jaxmix import arithmetic
from jaxmix.cli import diagnosis
from jaxmix.cli.cache import FOLDER
from jaxmix.cli.doctor import _anonymous
from jaxmix.cli.main import main

WORKS = {
    "x64": False,
    "matmul_precision": None,
    "devices": [{"platform": "gpu", "kind": "H", "memory_bytes": 2**31, "number": 4}],
    "float64_sum": True,
    "float32_product": "float32",
    "float32_product_error": 3e-7,
}
"""What JAX answers where it works."""


@pytest.fixture
def answers(monkeypatch):
    """JAX answers so, without a process."""
    known = dict(WORKS)
    monkeypatch.setattr(diagnosis, "ask_jax", lambda: known)
    return known


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The command in an empty folder and an empty home: its outcome, and where it ran."""
    home = tmp_path_factory.mktemp("home")
    (home / "here").mkdir()
    left_out = (FOLDER, "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    environment |= {"HOME": str(home), "JAX_DEFAULT_MATMUL_PRECISION": "highest"}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-m", "jaxmix.cli.main", "doctor", "--json"]
    return home, subprocess.run(
        command, capture_output=True, text=True, cwd=home / "here", env=environment, timeout=300
    )


def test_json_is_all_that_is_printed_and_its_keys_are_documented(real):
    home, done = real
    found = json.loads(done.stdout)
    assert (done.returncode, found["ok"], found["problems"]) == (0, True, [])
    named = set(re.findall(r"`(\w+)`", diagnosis.diagnosis.__doc__))
    device = found["jax"]["devices"][0]
    parts = (found[part] for part in ("threads", "jax", "cache", "folder"))
    assert {key for part in (found, device, *parts) for key in part} <= named
    assert str(home) not in done.stdout
    assert found["cache"]["folder"].startswith("~/")


def test_the_command_leaves_nothing_behind(real):
    home, _ = real
    assert [path.name for path in home.rglob("*")] == ["here"]


def test_versions_and_devices_are_those_of_this_installation(real):
    found = json.loads(real[1].stdout)
    versions, asked = found["versions"], importlib.metadata.requires("jaxmix")
    assert versions.pop("python") == ".".join(map(str, sys.version_info[:3]))
    names = {re.match(r"[\w-]+", line)[0] for line in asked}
    assert versions.keys() == names | {"jaxmix"}
    for name, version in versions.items():
        assert version is None or version == importlib.metadata.version(name)
    assert set(found["missing"]) == set(re.findall(r"extra == '(\w+)'", " ".join(asked)))
    assert found["jax"]["devices"][0]["kind"] == jax.local_devices()[0].device_kind
    assert found["jax"]["matmul_precision"] == "highest"
    assert found["jax"]["float64_sum"]
    assert found["jax"]["float32_product"] == "float32"
    assert found["environment"]["JAX_DEFAULT_MATMUL_PRECISION"] == "highest"


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (
            "raise ImportError('no libcuda\\nhere')",
            "jax cannot be imported: ImportError: no libcuda h",
        ),
        ("import os; os.abort()", "jax ends Python by SIGABRT"),
        ("import os; os._exit(3)", "jax ends Python by exit code 3"),
        ("import time; time.sleep(60)", "jax does not answer within 1 s"),
    ],
)
def test_a_broken_jax_is_a_line_and_no_traceback(program, words, tmp_path, monkeypatch, capsys):
    (tmp_path / "jax.py").write_text(program)
    path = f"{tmp_path}{os.pathsep}{Path(__file__).parents[1]}"
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setattr(diagnosis, "LONGEST", 1 if "sleep" in program else 100)
    assert main(["doctor", "--folder", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert f"PROBLEM    {words}" in said
    assert "Traceback" not in said
    assert "all that is needed" not in said


def test_what_jax_cannot_do_is_told_up_to_there(monkeypatch):
    def no_device():
        raise AssertionError

    monkeypatch.setattr(jax, "local_devices", no_device)
    found = arithmetic.probe()
    assert found["x64"] is True
    assert found["error"].startswith("jax finds no device: AssertionError; unset JAX_PLATFORMS")


def test_coarse_products_and_sums_show_themselves(monkeypatch):
    def tf32(a):
        bits = (a.view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)
        return bits.view(np.float32).astype(float)

    def bfloat16(a):
        return a.astype(ml_dtypes.bfloat16).astype(float)

    for held, name in ((np.float32, "float32"), (tf32, "tf32"), (bfloat16, "bfloat16")):
        error = arithmetic.product_error(lambda a, b, held=held: held(a) @ held(b))
        assert arithmetic.rounded_as(error) == name
    assert arithmetic.rounded_as(arithmetic.product_error(lambda a, b: a @ b * np.nan)) == "wrong"
    assert arithmetic.sums_in_float64()
    with_switch = jax.enable_x64
    monkeypatch.setattr(jax, "enable_x64", lambda on: with_switch(False))
    assert not arithmetic.sums_in_float64()


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        ({"float32_product": "tf32"}, 0, "advice     products of float32 data are rounded as tf32"),
        ({"float32_product": "wrong"}, 1, "PROBLEM    products of matrices are wrong"),
        ({"float64_sum": False}, 1, "PROBLEM    float64 is not float64"),
        ({}, 0, "device     4 of kind H (gpu), 2.0 GiB each for JAX"),
    ],
)
def test_answers_of_jax_on_the_screen(answer, code, words, answers, capsys, tmp_path):
    answers.update(answer)
    assert main(["doctor", "--folder", str(tmp_path)]) == code
    said = capsys.readouterr()
    assert words in said.out
    assert said.err == ""
    assert len(said.out.splitlines()) < 40
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_problem(answers, tmp_path, capsys):
    (tmp_path / "file").write_text("no folder")
    assert main(["doctor", "--json", "--folder", f"{tmp_path}/file/below"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["folder"]["fault"] == "nothing can be made in it (Not a directory)"
    assert "name another folder by --folder" in found["problems"][0]


def refuse(*_):
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize(
    ("name", "does", "words"),
    [
        ("replace", refuse, "a file cannot be replaced in it"),
        ("link", refuse, "a file cannot be linked there by one process alone (Operation not"),
        ("link", lambda *_: None, "a file cannot be linked there by one process alone"),
    ],
)
def test_a_file_system_without_what_results_need(name, does, words, tmp_path, monkeypatch):
    assert diagnosis.fault(tmp_path) is None
    monkeypatch.setattr(os, name, does)
    assert diagnosis.fault(tmp_path).startswith(words)
    assert list(tmp_path.iterdir()) == []


def test_packages_missing_or_too_old(answers, monkeypatch, capsys):
    known = {"pyarrow": None, "submitit": None, "numpy": "1.26.4", "optax": None}
    version, asked = importlib.metadata.version, importlib.metadata.requires("jaxmix")
    extra = {*re.findall(r"extra == '(\w+)'", " ".join(asked)), "cluster"}

    def pretended(name):
        if known.get(name, "") is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return known.get(name) or version(name)

    class Metadata(dict):
        def get_all(self, _):
            return sorted(extra)

    monkeypatch.setattr(importlib.metadata, "version", pretended)
    monkeypatch.setattr(
        importlib.metadata, "metadata", lambda _: Metadata({"Requires-Python": ">=4"})
    )
    others = [one for one in asked if not one.startswith("submitit")]
    needs_cluster = [*others, "submitit>=1.5; extra == 'cluster'"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: needs_cluster)
    assert main(["doctor", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["missing"]["cluster"] == ["submitit>=1.5"]
    assert found["missing"]["parquet"] == ["pyarrow>=17"]
    assert found["versions"]["pyarrow"] is None
    problems = " ".join(found["problems"])
    assert (
        "numpy is 1.26.4, which jaxmix cannot use: python -m pip install 'numpy>=2.0'" in problems
    )
    assert "optax is missing: python -m pip install 'optax>=" in problems
    assert "is not python>=4" in problems
    assert "pyarrow" not in problems
    main(["doctor"])
    assert "cluster lacks submitit>=1.5" in " ".join(capsys.readouterr().out.split())


def test_an_installation_without_metadata(answers, monkeypatch, capsys):
    def nothing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "metadata", nothing)
    assert main(["doctor"]) == 1
    assert "PROBLEM    jaxmix is not installed" in capsys.readouterr().out
    monkeypatch.delitem(sys.modules, "jaxmix.installation")
    monkeypatch.setitem(sys.modules, "packaging.requirements", None)
    assert main(["doctor"]) == 1
    assert "PROBLEM    requirements cannot be read" in capsys.readouterr().out


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="a system without affinity")
def test_threads_are_those_that_the_process_may_use(answers, monkeypatch):
    allowed = os.sched_getaffinity(0)
    monkeypatch.delenv("PJRT_NPROC", raising=False)
    assert diagnosis.diagnosis()["threads"]["product"] == len(allowed)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        threads = diagnosis.diagnosis()["threads"]
    finally:
        os.sched_setaffinity(0, allowed)
    assert (threads["product"], threads["processors"]) == (1, 1)
    assert threads["machine"] == os.cpu_count()
    monkeypatch.setenv("PJRT_NPROC", "7")
    monkeypatch.setattr(diagnosis, "quota", lambda: 2.5)
    found = diagnosis.diagnosis()
    assert found["threads"]["product"] == 7
    assert found["environment"]["PJRT_NPROC"] == "7"
    assert "set PJRT_NPROC=3" in found["advice"][0]
    assert found["ok"]


def test_published_texts_name_neither_home_nor_user(monkeypatch):
    for name, value in (("HOME", "/home/ada"), ("LOGNAME", "ada"), ("USER", "ada")):
        monkeypatch.setenv(name, value)
    given = {"a": ["--dump=/home/ada/x:/data/ada/y", "/mnt/home/adam"], "ada": 1}
    assert _anonymous(given) == {"a": ["--dump=~/x:/data/user/y", "/mnt/home/adam"], "ada": 1}
