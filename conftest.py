"""Every test runs in float64, with shapes and types checked at each call of the package."""

import jax
import jaxtyping
from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
"""The type checker of the import hook; a float may be given as an int, as everywhere in Python."""

# For the whole session: modules load lazily, so that a with block would miss them.
jaxtyping.install_import_hook("jaxmix", "conftest.checked")
jax.config.update("jax_enable_x64", True)
