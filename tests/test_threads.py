"""What Linux allows a process of its processors, read from files of both versions."""

import pytest

from jaxmix.threads import quota


@pytest.mark.parametrize(
    ("group", "files", "expected"),
    [
        ("0::/a/b", {"a/cpu.max": "250000 100000", "a/b/cpu.max": "max 100000"}, 2.5),
        ("0::/a/b", {"a/cpu.max": "max 100000"}, None),
        ("0::/not/mounted", {"cpu.max": "50000 100000"}, 0.5),
        (
            "3:memory:/m\n2:cpu,cpuacct:/a",
            {"cpu/a/cpu.cfs_quota_us": "400000", "cpu/a/cpu.cfs_period_us": "100000"},
            4.0,
        ),
        ("1:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("1:memory:/", {}, None),
    ],
)
def test_the_quota_of_a_control_group(group, files, expected, tmp_path):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    (tmp_path / "groups").write_text(group + "\n")
    assert quota(tmp_path / "groups", tmp_path) == expected
    assert quota(tmp_path / "none", tmp_path) is None
