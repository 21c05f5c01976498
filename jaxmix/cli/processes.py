"""One fit by several processes that share the rows: started here, or joined from elsewhere.

All run the same command on the same data, each with `--coordinator`; `--processes` starts them on
this machine and watches over them. notes/scaling.md says what they send and when bits agree.
"""

import atexit
import contextlib
import dataclasses
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import IO, Any

from jaxmix.inputs import as_count
from jaxmix.threads import VARIABLE, processors

MISTAKE, LOST = 2, 3
"""Exit codes of a user's mistake, and of a process without the others."""

HEARTBEAT = 30
"""Seconds of silence, as of a machine without power, after which a process counts as dead. One that
is killed closes its connections, which the others notice at once."""

SHUTDOWN = 3600
"""Seconds that processes wait at their ends for the first, which writes the results."""


def launch(command: Any, checkpoint: Any) -> int:
    """Run a command in as many processes as it asks for, until all or one of them have ended.

    Args:
        command: a dataclass of the command line, with `processes`.
        checkpoint: its file, of which a message speaks.

    Returns:
        The exit code.
    """
    number = as_count(command.processes, "--processes")
    with contextlib.ExitStack() as stack:
        logs = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(number)]
        workers = _started(command, logs)
        stack.callback(_end, workers)
        ended: queue.SimpleQueue[int] = queue.SimpleQueue()
        for j, worker in enumerate(workers):
            threading.Thread(target=_report, args=(worker, j, ended), daemon=True).start()
        for _ in workers:
            j = ended.get()
            if workers[j].returncode:
                j = _cause(j, workers, ended)
                return _failed(j, number, workers[j].returncode, _text(logs[j]), checkpoint)
        print(_text(logs[0]), end="", file=sys.stderr)
    return 0


def _started(command: Any, logs: Sequence[IO[str]]) -> list[subprocess.Popen[bytes]]:
    words, number = arguments(command), len(logs)
    words += [f"--coordinator=127.0.0.1:{_free_port()}", f"--num-processes={number}"]
    return [
        subprocess.Popen(
            [sys.executable, "-P", "-m", "jaxmix.cli.main", *words, f"--process-id={j}"],
            env=environment(j, number),
            stdin=subprocess.DEVNULL,
            stdout=None if j == 0 else subprocess.DEVNULL,
            stderr=log,
        )
        for j, log in enumerate(logs)
    ]


def environment(j: int, number: int) -> dict[str, str]:
    """Of one of several processes: its share of the processors, unless the user has said how many
    threads each gets, and one GPU where there are any."""
    share = {VARIABLE: str(max(1, processors() // number))}
    return share | os.environ | {"JAX_LOCAL_DEVICE_IDS": str(j)}


def arguments(command: Any) -> list[str]:
    """The words of a command line that make this dataclass, `processes` left out."""
    words = [type(command).__name__.lower(), command.data]
    for field in dataclasses.fields(command):
        value, name = getattr(command, field.name), field.name.replace("_", "-")
        if field.name in ("data", "processes") or value == field.default:
            continue
        words.append(f"--{name}" if value is True else f"--{name}={value}")
    return words


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _report(worker: subprocess.Popen[bytes], j: int, ended: "queue.SimpleQueue[int]") -> None:
    worker.wait()
    ended.put(j)


def _cause(j: int, workers: list[subprocess.Popen[bytes]], ended: "queue.SimpleQueue[int]") -> int:
    """The process that ended for a reason of its own, where this one may have lost another."""
    while workers[j].returncode in (LOST, -signal.SIGABRT):
        try:
            j = ended.get(timeout=1)
        except queue.Empty:
            break
    return j


def _end(workers: list[subprocess.Popen[bytes]]) -> None:
    """Kill what still runs; no file is ever half written."""
    for worker in workers:
        worker.kill()
    for worker in workers:
        worker.wait()


def _text(log: IO[str]) -> str:
    log.seek(0)
    return log.read()


def _failed(j: int, number: int, code: int, said: str, checkpoint: Any) -> int:
    """Say which process ended first, and why; the exit code of them all."""
    if code == MISTAKE:
        print(said.rstrip().rpartition("\n")[2], file=sys.stderr)
        return MISTAKE
    if code > 0 and code != LOST:
        print(said, end="", file=sys.stderr)
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    print(
        f"jaxmix: process {j} of {number} {how}, and the others with it; {advice(checkpoint)}",
        file=sys.stderr,
    )
    return 1


def advice(checkpoint: Any) -> str:
    """How to go on after a process was lost."""
    if checkpoint is None:
        return "with --checkpoint FILE the same command would have gone on from there"
    return (
        f"the same command goes on from --checkpoint {checkpoint}, or begins anew if that was not "
        "written yet"
    )


@contextlib.contextmanager
def joining(
    coordinator: str | None, num_processes: int | None, process_id: int | None, checkpoint: Any
) -> Iterator[Any]:
    """Within it, this process is one of several; gives the mesh of their devices, None for one.

    Args:
        coordinator: HOST:PORT where the first of them listens; None for one process alone.
        num_processes, process_id: how many there are and which this is; found out if None, where a
            scheduler such as SLURM says so.
        checkpoint: of which a message speaks.
    """
    if coordinator is None:
        if num_processes is not None or process_id is not None:
            raise ValueError("--num-processes and --process-id need --coordinator HOST:PORT")
        yield None
        return
    import jax

    from jaxmix.devices import from_first
    from jaxmix.result import FitFailed

    try:
        with _without_announcements():
            jax.distributed.initialize(
                *(coordinator, num_processes, process_id),
                heartbeat_timeout_seconds=HEARTBEAT,
                shutdown_timeout_seconds=SHUTDOWN,
            )
            from_first(b"")
        yield jax.make_mesh((jax.device_count(),), ("rows",))
    except jax.errors.JaxRuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        print(f"jaxmix: lost another process ({reason}); {advice(checkpoint)}", file=sys.stderr)
        _leave(LOST)
    except BaseException as error:
        # Last in, first out: before this process waits at its end for others that do not come.
        mistake = isinstance(error, ValueError | TypeError | FitFailed)
        atexit.register(_leave, MISTAKE if mistake else 1)
        raise


def _leave(code: int) -> None:
    """End this process without waiting for the others."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@contextlib.contextmanager
def _without_announcements() -> Iterator[None]:
    """Gloo prints with whom it is connected, and standard output is for results."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
