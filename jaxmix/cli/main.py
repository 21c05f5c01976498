"""Entry point of the `jaxmix` command: reads arguments, and turns mistakes into one line.

Nothing here imports jax: a subcommand does so when it runs, so that `jaxmix --help` is quick.
"""

import contextlib
import io
import itertools
import os
import re
import sys
from collections.abc import Sequence
from typing import Any

import tyro

from jaxmix.cli.cache import keep_compiled
from jaxmix.cli.check import Check
from jaxmix.cli.compare import Compare
from jaxmix.cli.complete import Complete
from jaxmix.cli.demo import Demo
from jaxmix.cli.doctor import Doctor
from jaxmix.cli.fit import Fit
from jaxmix.cli.list import List
from jaxmix.cli.plan import Plan
from jaxmix.cli.quantize import Quantize
from jaxmix.cli.report import Report
from jaxmix.cli.run import Run
from jaxmix.cli.select import Select
from jaxmix.cli.status import Status
from jaxmix.cli.verify import Verify

COMMANDS = {
    "compare": Compare,
    "fit": Fit,
    "select": Select,
    "complete": Complete,
    "demo": Demo,
    "check": Check,
    "quantize": Quantize,
    "list": List,
    "plan": Plan,
    "run": Run,
    "status": Status,
    "report": Report,
    "verify": Verify,
    "doctor": Doctor,
}
"""Subcommands by name."""

MISTAKE, INTERRUPTED, NOT_READ = 2, 130, 141
"""Exit codes of a user's mistake, of Ctrl-C, and where nobody reads what is printed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        command = _parse(sys.argv[1:] if arguments is None else list(arguments))
        if not isinstance(command, Doctor):  # which leaves nothing behind
            keep_compiled()
        return command.run() or 0
    except (ValueError, TypeError) as error:
        return _complain(str(error))
    except RuntimeError as error:
        from jaxmix.result import FitFailed

        if not isinstance(error, FitFailed):
            raise
        return _complain(str(error))
    except BrokenPipeError:  # of who reads no further, as in `jaxmix plan ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOT_READ
    except OSError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        print("jaxmix: interrupted", file=sys.stderr)
        return INTERRUPTED


def _parse(arguments: list[str]) -> Any:
    """The subcommand's dataclass; a mistake becomes ValueError with the parser's first sentence."""
    said, arguments = io.StringIO(), [_not_an_option(argument) for argument in arguments]
    try:
        with contextlib.redirect_stderr(said):
            return tyro.extras.subcommand_cli_from_dict(COMMANDS, args=arguments, prog="jaxmix")
    except SystemExit as stop:
        if stop.code:
            raise ValueError(_first_sentence(said.getvalue())) from None
        raise


def _not_an_option(argument: str) -> str:
    """An expression that begins with a minus, set off from options by a space."""
    return argument if re.match(r"[^-]|--|-h$|$", argument) else f" {argument}"


def _first_sentence(box: str) -> str:
    """The message inside the parser's box: its title left out, down to the next rule."""
    lines = [line.strip("│|╭╮╰╯─- ") for line in box.splitlines()[1:]]
    words = itertools.takewhile(bool, itertools.dropwhile(lambda line: not line, lines))
    return " ".join(words) or "the arguments cannot be read; see jaxmix --help"


def _complain(message: str) -> int:
    print("jaxmix: " + re.sub(r"\s+", " ", message).strip(), file=sys.stderr)
    return MISTAKE


if __name__ == "__main__":
    sys.exit(main())
