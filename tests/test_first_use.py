"""Packages whose names load their modules on first use."""

import inspect
import pkgutil

import pytest

import jaxmix as jm
from jaxmix import first_use


@pytest.mark.parametrize(
    "package", [jm, jm.race, jm.teaching], ids=lambda package: package.__name__
)
def test_a_name_is_no_module_which_would_take_its_place_once_imported(package):
    modules = {module.name for module in pkgutil.iter_modules(package.__path__)}
    for module, names in package._HOMES.items():
        assert module in modules
        for name in names:
            assert name not in modules
            assert not inspect.ismodule(getattr(package, name))


def test_other_names_are_said_to_be_missing():
    load = first_use.on_first_use("jaxmix", {"matching": ("match",)}, ("scores",))
    assert load("match") is jm.match
    assert load("scores") is jm.scores
    with pytest.raises(AttributeError, match="module 'jaxmix' has no attribute 'fit'"):
        load("fit")
