"""Writes notes/performance.md from the numbers of experiments/results, and from nothing else.

Run: python experiments/benchmarks/report.py
A section a result file, with the claim that it is about; a file that is not there is named as not
measured. The scripts that write the files are those of the same names beside this one.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS, PAGE = ROOT / "experiments" / "results", ROOT / "notes" / "performance.md"

HEAD = """# How fast, and in how much memory

Every number here stands in a file of `experiments/results`, written by the script of the same name
in `experiments/benchmarks`; `experiments/benchmarks/report.py` writes this page from them. What is
compared ran in turn in one process, to the end of its results, with compilation apart. Numbers are
medians.
"""

Report = dict[str, Any]
Cells = Iterable[Any]


def table(head: Cells, rows: Iterable[Cells]) -> str:
    """A Markdown table, numbers to the right."""
    lines = [list(map(str, row)) for row in (head, *rows)]
    lines.insert(1, ["---:"] * len(lines[0]))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def seconds_of(about: Report) -> str:
    """Where the numbers of a file were taken."""
    versions = about["versions"]
    return (
        f"On {about['device']} with {about['threads']} threads, jax {versions['jax']}, "
        f"NumPy {versions['numpy']}, Python {versions['python']}.\n"
    )


def em_step(report: Report) -> str:
    head = ("n", "d", "k", "precision", "ms a step", "scikit-learn, ms", "times", "in the runs")
    head += ("share of limit", "at best", "gradient", "autodiff", "Hessian product")
    rows = [em_step_row(alike) for alike in zip(*(run["sizes"] for run in report["runs"]))]
    means = [run["mean_times_sklearn"] for run in report["runs"]]
    said = "; ".join(
        f"{', '.join(str(mean[dtype]) for mean in means)} times in {dtype}" for dtype in means[0]
    )
    return (
        "An EM step against scikit-learn's, and as a share of what two matrix products of the same "
        "size allow at their best: the median step, then the best step, as both shared the machine "
        "with others; then a gradient by Fisher's identity, one by plain autodiff and a Hessian-"
        f"vector product, in EM steps. Medians of {len(means)} runs, and where these differ most "
        f"the least and most of them. Geometric means of the runs: {said}.\n\n" + table(head, rows)
    )


def em_step_row(runs: Sequence[Report]) -> list[Any]:
    """What several runs say of one size in one precision."""
    first, times = runs[0], [run["times_sklearn"] for run in runs]
    shares = ("share_of_limit", "share_of_limit_at_best")
    steps = ("gradient_in_steps", "autodiff_in_steps", "hessian_product_in_steps")
    return [
        *(f"{first[name]:,}" for name in "ndk"),
        first["dtype"],
        *(
            round(median(run["milliseconds"][name] for run in runs), 3)
            for name in ("em_step", "sklearn")
        ),
        round(median(times), 2),
        f"{min(times)} to {max(times)}",
        *(round(median(run[name] for run in runs), 3) for name in (*shares, *steps)),
    ]


def small(report: Report) -> str:
    head = ("k", "tolerance", "steps", "ms a fit", "scikit-learn, ms", "at its best, ms", "times")
    rows = [
        (
            row["k"],
            f"{row['tol']:g}",
            row["steps"],
            row["milliseconds"]["fit"],
            row["milliseconds"]["sklearn"],
            min(ms for name, ms in row["milliseconds"].items() if name.startswith("sklearn")),
            row["times_sklearn"],
        )
        for row in report["fits"]
    ]
    slowest = max(row["first_call_seconds"]["fit"] for row in report["fits"])
    counts = report["compiled_by_another_n"]
    return (
        "A whole warm fit of Old Faithful, from one start to the same mean tolerance, against "
        "scikit-learn's as it comes, and at its best: one thread, nothing checked. A first call "
        f"takes at most {slowest} seconds; {', '.join(counts)} rows after 272 compile "
        f"{', '.join(map(str, counts.values()))} programs.\n\n" + table(head, rows)
    )


def restarts(report: Report) -> str:
    head = ("k", "tolerance", "starts", "seconds", "scikit-learn, s", "times", "times at its best")
    rows = [
        (
            row["k"],
            f"{row['tol']:g}",
            row["starts"],
            row["seconds"]["restarts"],
            row["seconds"]["sklearn"],
            row["times_sklearn"],
            row["times_sklearn_at_best"],
        )
        for row in report["restarts"]
    ]
    timed = {row["peer_starts"] for row in report["restarts"]}
    return (
        "Many starts on Old Faithful, drawn and run to their ends, against scikit-learn's "
        f"`n_init={max(timed)}`, scaled to as many; at its best it has one thread.\n\n"
        + table(head, rows)
    )


def peers(report: Report) -> str:
    names = [name for name in report["sizes"][0]["milliseconds"] if name != "jaxmix"]
    head = ("n", "d", "k", "jaxmix, ms", *(f"{name}, ms" for name in names))
    rows = [
        (
            *(f"{row[name]:,}" for name in "ndk"),
            row["milliseconds"]["jaxmix"],
            *(f"{row['milliseconds'][name]} ({row['times'][name]} times)" for name in names),
        )
        for row in report["sizes"]
    ]
    return "An EM step in float32 against other implementations.\n\n" + table(head, rows)


def memory(report: Report) -> str:
    head = ("fit", "n", "d", "k", "data, MB", "imports, MB", "peak, MB", "counted, MB", "limit, MB")
    rows = [
        (
            name,
            *(f"{row[key]:,}" for key in ("n", "d", "k", "data_mb", "imports_mb", "peak_mb")),
            *(f"{row[key]:,}" for key in ("counted_mb", "limit_mb")),
        )
        for name, row in ((name, report[name]) for name in ("array", "stream"))
    ]
    return (
        "The peak of a process that fits float32 data, a few EM steps: an array, which should add "
        "less than two copies of the data and 400 MB to what the imports take, and a file as a "
        "stream, of which the whole process counts.\n\n" + table(head, rows)
    )


def scaling(report: Report) -> str:
    parts = []
    for one in report["tables"]:
        at = ", ".join(f"{name} = {value:,}" for name, value in one["at"].items())
        name = one["varied"]
        rows = [(f"{int(size):,}", ms) for size, ms in one["milliseconds"].items()]
        title = f"{one['dtype']}, {at}: time grows as {name}^{one['exponent']}.\n\n"
        parts.append(title + table((name, "ms a step"), rows))
    return "An EM step where n, d and k vary, each alone.\n\n" + "\n".join(parts)


def cold_start(report: Report) -> str:
    rows = [(name, values[len(values) // 2]) for name, values in report["seconds"].items()]
    return (
        "What a user waits for, in seconds; `again` finds programs that the same command has "
        "compiled before.\n\n" + table(("command", "seconds"), rows)
    )


def gpu(report: Report) -> str:
    head = ("n", "d", "k", "precision", "ms a step", "share of limit", "limit", "PyTorch, ms")
    rows = [
        (
            *(f"{row[name]:,}" for name in "ndk"),
            row["dtype"],
            row["milliseconds"]["em_step"],
            row["share_of_limit"]["em_step"],
            row["limit"],
            row["milliseconds"].get("torch", "-"),
        )
        for row in report["sizes"]
    ]
    return "An EM step on a GPU, products at full precision.\n\n" + table(head, rows)


SECTIONS: dict[str, tuple[str, Callable[[Report], str]]] = {
    "em_step": ("One EM step", em_step),
    "scaling": ("Against n, d and k", scaling),
    "small": ("Small problems", small),
    "restarts": ("Many starts", restarts),
    "peers": ("Other implementations", peers),
    "memory": ("Memory", memory),
    "cold_start": ("The command line", cold_start),
    "gpu": ("On a GPU", gpu),
}
"""By result file: the title of its section, and what writes it."""


def page() -> str:
    """The whole page, from the result files that are there."""
    parts, absent = [HEAD], []
    for name, (title, write) in SECTIONS.items():
        path = RESULTS / f"{name}.json"
        if not path.exists():
            absent.append(f"`{name}`")
            continue
        report = json.loads(path.read_text())
        parts.append(f"## {title}\n\n{write(report)}\n{seconds_of(report['circumstances'])}")
    if absent:
        parts.append(f"Not measured here: {', '.join(absent)}.\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
