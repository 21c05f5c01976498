"""Files written whole: what is on the disk when, and what links and kills leave."""

import errno
import os
import stat
import uuid

import pytest

from jaxmix import whole_files
from jaxmix.report.writers import write_files
from jaxmix.whole_files import tidy, write_whole


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "kept.json"
    path.write_bytes(b"old")
    return path


def test_content_then_name_are_on_the_disk(file, monkeypatch):
    synced = []

    def fsync(descriptor):
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        synced.append((kind, file.read_bytes()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(file, b"new")
    assert synced == [("file", b"old"), ("folder", b"new")]
    assert os.listdir(file.parent) == [file.name]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EIO])
def test_a_folder_that_cannot_be_synced_is_no_error_but_a_broken_disk_is(file, code, monkeypatch):
    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fsync)
    if code == errno.EINVAL:
        write_whole(file, b"new")
    else:
        with pytest.raises(ValueError, match=r"cannot write to .*kept\.json: Input/output error"):
            write_whole(file, b"new")
    assert file.read_bytes() == b"new"


def test_a_link_stays_and_what_it_names_is_written(file, tmp_path):
    link = tmp_path / "elsewhere" / "link.json"
    link.parent.mkdir()
    link.symlink_to(file)
    write_whole(link, b"new")
    assert link.is_symlink()
    assert file.read_bytes() == b"new"


def test_tidy_removes_what_kills_left_of_this_file_alone(file):
    left = [f".{file.name}.{uuid.uuid4().hex}", f".other.json.{uuid.uuid4().hex}", ".kept.json.old"]
    for name in left:
        (file.parent / name).touch()
    tidy(file)
    assert sorted(os.listdir(file.parent)) == sorted([file.name, *left[1:]])


def test_a_folder_of_results_keeps_a_file_that_cannot_be_written_anew(file, monkeypatch):
    def full_disk(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(whole_files.os, "fsync", full_disk)
    with pytest.raises(ValueError, match="No space left"):
        write_files({file.name: "new"}, file.parent)
    assert file.read_bytes() == b"old"
