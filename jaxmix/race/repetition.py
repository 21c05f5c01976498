"""A run made anew from its configuration alone: the fresh process of `jaxmix verify`."""

import json
import sys
from pathlib import Path

from jaxmix.race.entries import code_of, roots_of
from jaxmix.race.store import RunFolder
from jaxmix.race.working import make


def main() -> None:
    """Read a configuration from standard input, and run it into a folder."""
    files, place = map(Path, sys.argv[1:])
    config = json.load(sys.stdin)
    code = code_of(roots_of(config, files), files)
    make(config, code, files, RunFolder(place), lambda: None)


if __name__ == "__main__":
    main()
