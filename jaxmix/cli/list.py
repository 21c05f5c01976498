"""`jaxmix list`: the names that a study's file may use."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class List:
    """List what a study may name: methods, data, families and kinds of starts."""

    json: bool = False
    """Print them as JSON."""

    def run(self) -> None:
        """Print a line a kind."""
        names = known_names()
        if self.json:
            print(json.dumps(names, indent=1))
            return
        width = max(map(len, names))
        for kind, known in names.items():
            print(f"{kind:{width}}  {', '.join(known)}")


def known_names() -> dict[str, list[str]]:
    """Names by what they name, as a study's file writes them."""
    from jaxmix.data import names
    from jaxmix.families import TEMPLATES
    from jaxmix.race.named_methods import KINDS, MINIBATCH, OPTIMIZERS
    from jaxmix.race.outside import COMPETITORS
    from jaxmix.race.problems import GENERATORS
    from jaxmix.race.study import PRECISIONS, RULES
    from jaxmix.starts import STARTS

    return {
        "methods": [*KINDS, *OPTIMIZERS, f"{MINIBATCH}-OPTIMIZER", "FILE.py:Class"],
        "competitors": list(COMPETITORS),
        "data": [*names(), *GENERATORS, "FILE.py:function", "a file of data"],
        "families": list(TEMPLATES),
        "starts": list(STARTS),
        "precisions": list(PRECISIONS),
        "stopping rules": list(RULES),
    }
