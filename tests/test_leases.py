"""Leases, by processes that race, freeze and die, and by hosts whose clocks are a simulation."""

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from itertools import chain
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from jaxmix.race import holders, leases
from jaxmix.race.holders import this_process
from jaxmix.race.leases import Lease, LeaseLost, held, take

TAKER = """
import sys
from pathlib import Path
from jaxmix.race.leases import take

assert not {"jax", "numpy"} & set(sys.modules)
print("ready", flush=True)
sys.stdin.readline()
taken = [(folder, take(folder)) for folder in sys.argv[1:]]
print(*[Path(folder).name for folder, lease in taken if lease], flush=True)
sys.stdin.readline()
"""
"""Takes what it can of folders when it is told, and holds that until it is told again."""

ELSEWHERE = this_process()._replace(place="another host", host="elsewhere")


class Takers:
    """Processes that run TAKER."""

    def __init__(self, number, folders):
        command = [sys.executable, "-W", "error", "-c", TAKER, *map(str, folders)]
        pipe = subprocess.PIPE
        self.processes = [
            subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(number)
        ]

    def __enter__(self):
        assert [self.read(one) for one in self.processes] == ["ready"] * len(self.processes)
        for one in self.processes:
            self.go_on(one)
        self.taken = [self.read(one).split() for one in self.processes]
        return self

    def __exit__(self, *_):
        for one in self.processes:
            one.kill()
            one.communicate()

    def read(self, one):
        return one.stdout.readline().rstrip("\n")

    def go_on(self, one):
        one.stdin.write("\n")
        one.stdin.flush()


def names(folder):
    return sorted(os.listdir(folder))


def content(folder, number=1):
    return json.loads(Path(folder, f"lease.{number:06}").read_bytes())


def write(folder, holder):
    Path(folder, "lease.000001").write_bytes(holder.written())


def taken(folder):
    """The lease of a folder that must be free."""
    lease = take(folder)
    assert isinstance(lease, Lease)
    return lease


@pytest.fixture
def clock(monkeypatch):
    """What this process calls the time, in a list."""
    now = [1000.0]
    monkeypatch.setattr(leases, "monotonic", lambda: now[0])
    return now


def is_taken_after_silence(folder, clock):
    """Whether a folder is refused until STALE seconds have passed, in six looks, and then taken."""
    for _ in range(6):
        if take(folder) is not None:
            return False
        clock[0] += leases.STALE / 6 + 1
    with taken(folder) as lease:
        return lease.is_mine()


def test_of_processes_that_race_each_folder_has_one_and_dead_ones_have_none(tmp_path):
    folders = [tmp_path / f"run-{j}" for j in range(30)]
    for folder in folders:
        folder.mkdir()
    # Ended, but not waited for: a process that still has its number.
    with Takers(1, folders[:15]) as dead:
        assert dead.taken == [[folder.name for folder in folders[:15]]]
        dead.processes[0].kill()
        os.waitid(os.P_PID, dead.processes[0].pid, os.WEXITED | os.WNOWAIT)
        with Takers(8, folders) as race:
            every = sorted(chain(*race.taken))
            assert every == sorted(folder.name for folder in folders)
            assert [take(folder) for folder in folders] == [None] * 30
    for j, folder in enumerate(folders):
        assert names(folder) == ["lease.000001", "lease.000002"][: 2 if j < 15 else 1]
        assert held(folder) is None


def test_a_stopped_process_keeps_its_lease_for_as_long_as_it_lives(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "STALE", 0.0)
    with Takers(1, [tmp_path]) as other:
        pid = other.processes[0].pid
        os.kill(pid, signal.SIGSTOP)
        assert take(tmp_path) is None
        assert held(tmp_path) == f"process {pid} on {this_process().host} (alive)"
        os.kill(pid, signal.SIGKILL)
        other.processes[0].wait()
        assert held(tmp_path) is None
        with taken(tmp_path) as lease:
            assert lease.number == 2


def test_leases_of_another_host_are_free_once_they_are_silent_for_long(tmp_path, clock):
    write(tmp_path, ELSEWHERE)
    assert held(tmp_path) == f"process {os.getpid()} on elsewhere (unknown)"
    for beat in range(1, 30):
        assert take(tmp_path) is None
        clock[0] += leases.HEARTBEAT
        write(tmp_path, ELSEWHERE._replace(beat=beat))
    # A watcher that was frozen for a day has not watched.
    assert take(tmp_path) is None
    clock[0] += 86400.0
    assert take(tmp_path) is None
    write(tmp_path, ELSEWHERE._replace(beat=30))
    assert is_taken_after_silence(tmp_path, clock)
    other = tmp_path / "other"
    other.mkdir()
    write(other, ELSEWHERE._replace(state="released"))
    with taken(other) as lease:
        assert lease.number == 2


def test_a_number_alone_is_no_process(tmp_path, clock):
    """A pid may be that of a later process, and where no start is known, nobody's surely."""
    me = this_process()
    write(tmp_path, me)
    assert take(tmp_path) is None
    assert me.start is not None
    write(tmp_path, me._replace(start=me.start - 1))
    with taken(tmp_path):
        pass
    (tmp_path / "lease.000002").unlink()
    write(tmp_path, me._replace(start=None))
    assert is_taken_after_silence(tmp_path, clock)


def test_processes_of_other_users_live_and_numbers_never_given_do_not(monkeypatch):
    def forbidden(pid, number):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    me = this_process()
    assert me.lives() is True
    assert me._replace(pid=2**31 - 1).lives() is False
    monkeypatch.setattr(os, "kill", forbidden)
    assert me.lives() is True
    monkeypatch.setattr(holders, "_process", lambda pid: None)
    assert me.lives() is None


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\0" * 1024, b'{"owner": "', b"[1, 2]", b"[" * 10**5]
    + [json.dumps(ELSEWHERE._replace(pid=pid)._asdict()).encode() for pid in (0, -1, True, 2**40)]
    + [ELSEWHERE._replace(state="lost").written()],
    ids=range(10),
)
def test_a_lease_that_cannot_be_read_is_somebodys(garbage, tmp_path, clock):
    (tmp_path / "lease.000001").write_bytes(garbage)
    assert held(tmp_path) == "unknown: lease.000001 cannot be read"
    assert is_taken_after_silence(tmp_path, clock)
    assert (tmp_path / "lease.000001").read_bytes() == garbage


def test_a_lease_beats_until_it_is_released_whatever_happens(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "HEARTBEAT", 0.01)
    lease = taken(tmp_path)
    with suppress(KeyboardInterrupt), lease:
        assert set(content(tmp_path)) == {"owner", "host", "place", "pid", "start", "state", "beat"}
        give_up = time.monotonic() + 60
        while content(tmp_path)["beat"] < 5 and time.monotonic() < give_up:
            time.sleep(0.01)
        assert content(tmp_path)["beat"] >= 5
        assert not lease.lost
        assert take(tmp_path) is None
        raise KeyboardInterrupt
    assert content(tmp_path)["state"] == "released"
    assert not lease.is_mine()
    assert held(tmp_path) is None
    lease.release()
    lease.beat()
    assert content(tmp_path)["state"] == "released"
    with taken(tmp_path) as later:
        assert later.number == 2
    later.clear()
    assert names(tmp_path) == []


def test_who_wakes_up_late_learns_it_and_touches_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "HEARTBEAT", 0.01)
    with taken(tmp_path) as lease:
        lease.check()
        successor = tmp_path / "lease.000002"
        successor.write_bytes(ELSEWHERE.written())
        give_up = time.monotonic() + 60
        while not lease.lost and time.monotonic() < give_up:
            time.sleep(0.01)
        assert lease.lost
        with pytest.raises(LeaseLost, match="another process has taken over"):
            lease.check()
    lease.clear()
    assert names(tmp_path) == [successor.name]
    assert successor.read_bytes() == ELSEWHERE.written()
    assert held(tmp_path) == f"process {os.getpid()} on elsewhere (unknown)"


def test_a_name_used_anew_after_the_end_of_a_run_is_not_mine(tmp_path):
    lease = taken(tmp_path)
    (tmp_path / "lease.000001").unlink()
    assert not lease.is_mine()
    write(tmp_path, ELSEWHERE)
    assert not lease.is_mine()
    lease.beat()
    lease.release()
    assert (tmp_path / "lease.000001").read_bytes() == ELSEWHERE.written()


def test_mistakes_are_said_with_what_to_do(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.touch()
    for folder in (tmp_path / "none", file):
        for ask in (take, held):
            with pytest.raises(ValueError, match=r"there is no folder .*; make it"):
                ask(folder)

    def full_disk(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def forbidden(*_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as context:
        context.setattr(os, "fsync", full_disk)
        with pytest.raises(ValueError, match=r"No space left on device; .*room"):
            take(tmp_path)
    assert names(tmp_path) == ["file"]
    for owner, function in ((leases, "FileIO"), (Path, "read_bytes"), (os, "listdir")):
        write(tmp_path, this_process()._replace(state="released"))
        with monkeypatch.context() as context:
            context.setattr(owner, function, forbidden)
            with pytest.raises(ValueError, match=r"Permission denied; see that this user"):
                take(tmp_path)


class Host:
    """A process on a host of its own, with what it has seen."""

    def __init__(self, name):
        self.name, self.seen = name, {}
        self.lease, self.frozen = None, False


class Protocol(RuleBasedStateMachine):
    """Three hosts that share a folder; a model says who of them may hold its lease."""

    hosts = st.integers(0, 2)

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.all = [Host(f"host {j}") for j in range(3)]
        self.now, self.last_beat, self.owner = 0.0, 0.0, None

    def teardown(self):
        for host in self.all:
            if host.lease:
                host.lease.release()
        self.folder.cleanup()

    def as_host(self, host):
        return patch.multiple(
            leases,
            _seen=host.seen,
            monotonic=lambda: self.now,
            this_process=lambda: this_process()._replace(place=host.name),
        )

    def beat(self):
        if self.owner and not self.owner.frozen:
            self.owner.lease.beat()
            self.last_beat = self.now

    @rule(seconds=st.sampled_from([1.0, 15.0, 40.0]))
    def wait(self, seconds):
        self.now += seconds
        self.beat()

    @precondition(lambda self: self.owner and self.owner.frozen)
    @rule()
    def watch_for_long(self):
        for _ in range(13):
            for host in self.all:
                self.look(host)
            self.now += leases.HEARTBEAT
            self.beat()
        assert self.owner
        assert not self.owner.frozen or all(host.frozen for host in self.all)

    @rule(j=hosts)
    def come(self, j):
        self.look(self.all[j])

    def look(self, host):
        if host.frozen or host.lease:
            return
        with self.as_host(host):
            host.lease = take(self.folder.name)
        silence = self.now - self.last_beat
        if host.lease:
            assert self.owner is None or (self.owner.frozen and silence >= leases.STALE)
            self.owner, self.last_beat = host, self.now
        else:
            assert self.owner

    @rule(j=hosts)
    def freeze_or_wake(self, j):
        host = self.all[j]
        host.frozen = not host.frozen
        if host.lease and not host.frozen:
            host.lease.beat()
            if host is self.owner:
                self.last_beat = self.now
            else:
                with pytest.raises(LeaseLost):
                    host.lease.check()
                host.lease.release()
                host.lease = None

    @precondition(lambda self: self.owner and not self.owner.frozen)
    @rule(done=st.booleans())
    def end(self, done):
        self.owner.lease.check()
        self.owner.lease.clear() if done else self.owner.lease.release()
        self.owner.lease = self.owner = None

    @invariant()
    def one_lease_is_in_force(self):
        for host in self.all:
            if host.lease:
                assert host.lease.is_mine() == (host is self.owner)


@patch.object(os, "fsync", lambda descriptor: None)
def test_whoever_freezes_and_wakes_one_at_most_holds_the_lease():
    machine = Protocol.TestCase
    machine.settings = settings(max_examples=40, stateful_step_count=30)
    machine("runTest").runTest()
