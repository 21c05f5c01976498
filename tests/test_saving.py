"""Saved mixtures come back bit for bit, and every other file is refused in one sentence."""

import json
import os

import equinox as eqx
import jax
import numpy as np
import pytest
from helpers import FAMILIES, random_mixture

import jaxmix as jm
from jaxmix import families, precision, saving


def bits(mixture):
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(mixture)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("family", FAMILIES)
def test_mixtures_come_back_bit_for_bit(family, dtype, tmp_path):
    mixture = jax.tree.map(lambda leaf: leaf.astype(dtype), random_mixture(7, family, k=3, d=2))
    mixture.save(tmp_path / "saved")
    assert os.listdir(tmp_path) == ["saved"]
    loaded = jm.load_mixture(str(tmp_path / "saved"))
    assert jax.tree.structure(loaded) == jax.tree.structure(mixture)
    assert bits(loaded) == bits(mixture)
    assert loaded.means.dtype == dtype


def test_without_64_bits_what_is_loaded_is_rounded_with_a_word(tmp_path, monkeypatch):
    mixture = random_mixture(7, "full", k=3, d=2)
    mixture.save(tmp_path / "saved")
    monkeypatch.setattr(precision, "_said", [])
    with jax.enable_x64(False), pytest.warns(UserWarning, match="computing in float32"):
        loaded = jm.load_mixture(tmp_path / "saved")
    np.testing.assert_array_equal(loaded.family.means, np.float32(mixture.means))


def test_the_format_is_what_the_module_documents(tmp_path):
    mixture = random_mixture(1, "tied", k=3, d=2)
    mixture.save(tmp_path / "one.npz")
    with np.load(tmp_path / "one.npz", allow_pickle=False) as archive:
        header = json.loads(str(archive["header"]))
        stored = {name: archive[name] for name in archive.files if name != "header"}
    assert header == {
        "format": "jaxmix mixture",
        "version": 1,
        "family": "tied",
        "shape": [3, 2],
        "settings": {},
    }
    assert set(stored) == {"log_weights", "family.means", "family.structure.factor"}
    np.testing.assert_array_equal(np.exp(stored["log_weights"]), mixture.weights)
    factor = stored["family.structure.factor"]
    np.testing.assert_allclose(factor @ factor.T, mixture.covariances, rtol=1e-14)
    mixture.save(tmp_path / "two.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "mixture.npz"
    random_mixture(2, "full", k=2, d=2).save(path)
    return path


def rewritten(path, header=None, **arrays):
    """The file with changed header entries and arrays; None leaves an array out."""
    with np.load(path) as archive:
        content = {name: archive[name] for name in archive.files}
    known = json.loads(str(content.pop("header"))) | (header or {})
    content |= arrays
    kept = {name: array for name, array in content.items() if array is not None}
    np.savez(path, header=np.array(json.dumps(known)), **kept)


def cut(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def flip(path):
    content = bytearray(path.read_bytes())
    content[content.index(b"<f8", content.index(b"family.means.npy"))] ^= 1
    path.write_bytes(bytes(content))


def save_one_array(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def without_arrays(path):
    with np.load(path) as archive:
        header = archive["header"]
    np.savez(path, header=header)


ONE = np.float64(1.0)
DAMAGES = {
    "missing": (lambda path: path.unlink(), "No such file"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "directory"),
    "empty": (lambda path: path.write_bytes(b""), "not a complete file"),
    "text": (lambda path: path.write_text("weights,means\n"), "not a complete file"),
    "half": (lambda path: cut(path, 0.5), "not a complete file"),
    "all but the end": (lambda path: cut(path, 0.99), "not a complete file"),
    "a flipped bit": (flip, "not a complete file"),
    "one array": (save_one_array, "not a complete file"),
    "objects": (
        lambda path: np.savez(path, header=np.array([{}, 1], dtype=object), allow_pickle=True),
        "not a complete file",
    ),
    "another npz": (lambda path: np.savez(path, x=np.zeros(3)), "mixture.save wrote"),
    "another format": (lambda path: rewritten(path, {"format": "x"}), "mixture.save wrote"),
    "another header": (lambda path: np.savez(path, header=np.array("[1]")), "mixture.save wrote"),
    "newer": (lambda path: rewritten(path, {"version": 2}), "version 2.*update jaxmix"),
    "no version": (lambda path: rewritten(path, {"version": None}), "version"),
    "another family": (lambda path: rewritten(path, {"family": "fulll"}), "did you mean 'full'"),
    "a family that is a list": (lambda path: rewritten(path, {"family": ["full"]}), "full"),
    "no shape": (lambda path: rewritten(path, {"shape": None}), "describes no mixture"),
    "a negative shape": (lambda path: rewritten(path, {"shape": [-1, 2]}), ">= 1, got -1"),
    "another shape": (lambda path: rewritten(path, {"shape": [3, 2]}), r"of shape \(3,\), got"),
    "an array too many": (lambda path: rewritten(path, more=ONE), "expected arrays log_weights"),
    "an array missing": (lambda path: rewritten(path, **{"family.means": None}), "expected arrays"),
    "no arrays": (without_arrays, "expected arrays"),
    "a wrong shape": (
        lambda path: rewritten(path, **{"family.means": np.zeros((2, 3))}),
        r"family.means must be float64 of shape \(2, 2\), got float64 \(2, 3\)",
    ),
    "integers": (lambda path: rewritten(path, **{"family.means": np.eye(2, dtype=int)}), "int64"),
    "weights of text": (lambda path: rewritten(path, log_weights=np.array(["a", "b"])), "<U1"),
    "NaN": (
        lambda path: rewritten(path, **{"family.means": np.full((2, 2), np.nan)}),
        "family.means holds NaN",
    ),
    "weights": (lambda path: rewritten(path, log_weights=np.zeros(2)), "sum to 2 instead of 1"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_any_other_file_is_refused_in_one_sentence_with_its_name(damage, saved):
    spoil, said = DAMAGES[damage]
    spoil(saved)
    with pytest.raises(ValueError, match=said) as caught:
        jm.load_mixture(saved)
    message = str(caught.value)
    assert str(saved) in message
    assert "\n" not in message


def test_what_is_not_saved(tmp_path, saved, monkeypatch):
    mixture, kept = random_mixture(2, "full", k=2, d=2), saved.read_bytes()
    with pytest.raises(ValueError, match="holds NaN"):
        mixture.affine(np.nan, 0.0).save(saved)
    with pytest.raises(ValueError, match="one at a time"):
        jax.tree.map(lambda leaf: leaf[None], mixture).save(saved)
    with pytest.raises(ValueError, match="float16"):
        jax.tree.map(lambda leaf: leaf.astype("float16"), mixture).save(saved)
    with pytest.raises(ValueError, match=r"no/mixture.npz: No such file"):
        mixture.save(tmp_path / "no" / "mixture.npz")
    monkeypatch.setattr(saving, "BLANKS", {"diag": families.BLANKS["diag"]})
    with pytest.raises(ValueError, match="unknown family of a saved mixture 'full'"):
        mixture.save(saved)
    assert saved.read_bytes() == kept


def test_an_interrupted_save_leaves_the_old_file(saved, monkeypatch):
    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    kept = saved.read_bytes()
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(ValueError, match="No space left"):
        random_mixture(3, "full", k=2, d=2).save(saved)
    assert saved.read_bytes() == kept
    assert os.listdir(saved.parent) == [saved.name]


def test_a_family_says_itself_how_it_is_rebuilt(tmp_path, monkeypatch):
    class Named(families.Gaussian):
        """Spherical Gaussians with a word to remember."""

        word: str = eqx.field(static=True)

        @property
        def name(self):
            return "named"

        @property
        def settings(self):
            return {"word": self.word}

    def blank(k, d, settings):
        plain = families.BLANKS["spherical"](k, d, {})
        return Named(plain.means, plain.structure, settings["word"])

    monkeypatch.setitem(families.BLANKS, "named", blank)
    plain = random_mixture(4, "spherical", k=2, d=2)
    mixture = jm.Mixture(
        plain.log_weights, Named(plain.family.means, plain.family.structure, "here")
    )
    mixture.save(tmp_path / "named.npz")
    loaded = jm.load_mixture(tmp_path / "named.npz")
    assert (type(loaded.family), loaded.family.word) == (Named, "here")
    assert bits(loaded) == bits(mixture)
