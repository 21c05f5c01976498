"""How fast a pass over a file goes, and how much memory it takes, by type of file.

Run: python experiments/benchmarks/stream_files.py [FOLDER]
Prints JSON, a line a file: `mb_a_second` of the file on the disk, in the opening pass and the next,
with `ahead` where one thread reads while another sums; `memory_mb` above that of the imports.
The folder needs 7 GB; files are made once, and stay in the system's cache if they fit.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from jaxmix import data
from jaxmix.data.reading_ahead import ReadAhead

N, D, BLOCK = 16_000_000, 16, 2**16
N_TEXT = N // 16
NAMES = [f"x{column + 1}" for column in range(D)]


def blocks(n: int) -> list[tuple[int, int]]:
    return [(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK)]


def sample(start: int, stop: int) -> np.ndarray:
    return np.random.default_rng(start).normal(size=(stop - start, D))


def write_npy(path: Path) -> None:
    with path.open("wb") as file:
        about = {"descr": "<f8", "fortran_order": False, "shape": (N, D)}
        np.lib.format.write_array_header_1_0(file, about)
        for at in blocks(N):
            sample(*at).tofile(file)


def write_csv(path: Path) -> None:
    with path.open("w") as file:
        file.write(",".join(NAMES) + "\n")
        for at in blocks(N_TEXT):
            file.writelines(",".join(map(repr, row)) + "\n" for row in sample(*at).tolist())


def write_parquet(path: Path, rows_a_group: int = 2**20) -> None:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    schema = pa.schema([(name, pa.float64()) for name in NAMES])
    with ParquetWriter(path, schema, use_dictionary=False) as writer:
        for start in range(0, N // 4, rows_a_group):
            x = sample(start, min(start + rows_a_group, N // 4))
            writer.write_table(pa.table(dict(zip(NAMES, x.T, strict=True))), rows_a_group)


WRITERS = {
    "rows.npy": write_npy,
    "rows.parquet": write_parquet,
    "one_group.parquet": lambda path: write_parquet(path, N // 4),
    "rows.csv": write_csv,
}


def peak() -> float:
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1000


def measure(path: Path) -> None:
    if path.suffix == ".parquet":
        import pyarrow.parquet  # noqa: F401
    megabytes, before, passes = path.stat().st_size / 1e6, peak(), {}
    for name in ("opening", "next", "ahead"):
        began = time.perf_counter()
        if name == "opening":
            stream = data.stream(path)
        ranges = blocks(len(stream))
        if name == "ahead":
            with ReadAhead(lambda at, stream=stream: stream.rows(*at)) as ahead:
                for at, following in zip(ranges, ranges[1:] + ranges[:1], strict=True):
                    ahead.read(at, following).sum()
        else:
            for at in ranges:
                stream.rows(*at).sum()
        passes[name] = round(megabytes / (time.perf_counter() - began))
    about = {"file": path.name, "mb": round(megabytes), "memory_mb": round(peak() - before)}
    print(json.dumps(about | {"mb_a_second": passes}))


def main(folder: Path) -> None:
    for name, write in WRITERS.items():
        if not (folder / name).exists():
            write(folder / name)
        # A process each, because the peak of memory is that of a process.
        subprocess.run([sys.executable, __file__, str(folder / name)], check=True)


if __name__ == "__main__":
    if len(sys.argv) > 1 and Path(sys.argv[1]).is_file():
        measure(Path(sys.argv[1]))
    elif len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
