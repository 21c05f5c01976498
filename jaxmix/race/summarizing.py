"""What the results of a study come to, in plain numbers: the content of summary.json.

Keys are names, so that a note quotes a number by its path, such as
`methods.EM.default.faithful.targets.0.001.reached`; what chance leaves open is in intervals.py. A
failed run counts in every denominator, and one that degenerates reaches nothing, because its climb
passes every level on its way to infinity.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxmix.plain_values import nulls
from jaxmix.race.intervals import cost_model, median_band, wilson_interval
from jaxmix.race.judging import (
    USABLE,
    Run,
    contenders,
    final_gap,
    gap_at,
    label_of,
    of_study,
    references,
    to_reach,
    track_of,
)
from jaxmix.race.profiles import (
    data_profile,
    expected_running_time,
    performance_profile,
    runtime_distribution,
)

COSTS = ("passes", "seconds")


def summarized(content: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of a study that are quoted.

    Args:
        content: as `jaxmix.race.collecting.collected` returns it.

    Returns:
        `runs`, by outcome; `problems`, each with its reference; `methods`, by method, track
        ("default", "tuned" and "grid (name=value)") and problem; `tuning`, by method and problem;
        `beaten`, who came out above a reference; `profiles`, over problems x seeds;
        `measurements`. None where there is no number.
    """
    return nulls(
        {
            "schema": 1,
            "title": content["title"],
            "runs": _outcomes(content),
            "problems": {one["name"]: _problem(one) for one in content["problems"]},
            "methods": _methods(content),
            "tuning": _tuning(content),
            "beaten": [_beaten(one) for one in content["problems"] if one["beaten_by"]],
            "profiles": _profiles(content),
            "measurements": _measurements(content),
        }
    )


def value_at(summary: Any, path: str) -> Any:
    """The value at a path of keys joined by dots; keys may hold dots themselves.

    Args:
        summary: nested dictionaries and lists, whose keys are numbers from 0.
        path: at each level all keys that it begins with are tried, the longest first.

    Raises:
        ValueError: where it leads nowhere.

    >>> value_at({"targets": {"0.001": {"reached": 19}}}, "targets.0.001.reached")
    19
    """
    found = list(_reached(summary, path))
    if not found:
        raise ValueError(f"expected the path of a value, got {path!r}; see the keys of the file")
    return found[0]


def _reached(value: Any, path: str) -> Iterable[Any]:
    if not path:
        yield value
        return
    own = enumerate(value) if isinstance(value, list) else getattr(value, "items", tuple)()
    parts = {str(key): part for key, part in own}
    for key in sorted(parts, key=len, reverse=True):
        if path == key or path.startswith(f"{key}."):
            yield from _reached(parts[key], path[len(key) + 1 :])


def _outcomes(content: Mapping[str, Any]) -> dict[str, Any]:
    """Every run once; a tuned one is one of its grid."""
    runs = [run for run in content["runs"] if run["track"] != "tuned"]
    counts = Counter(run["outcome"] for run in runs)
    failed = sum(number for outcome, number in counts.items() if outcome not in USABLE)
    return {
        "finished": len(runs),
        "failed": failed,
        "left": content["left"],
        "total_seconds": content["total_seconds"],
        "outcomes": dict(sorted(counts.items())),
    }


def _problem(one: Mapping[str, Any]) -> dict[str, Any]:
    rate = one["em_rate"]
    return {
        **{name: one[name] for name in ("k", "family", "start", "rows", "num_parameters")},
        **{name: one[name] for name in ("reference", "dedicated")},
        "em_rate": rate,
        "em_steps_per_digit": -np.log(10) / np.log(rate) if rate and 0 < rate < 1 else None,
        "beaten_by_nats": one["beaten_by"]["nats"] if one["beaten_by"] else None,
    }


def _beaten(one: Mapping[str, Any]) -> dict[str, Any]:
    return {"problem": one["name"], "dedicated": one["dedicated"], **one["beaten_by"]}


def _methods(content: Mapping[str, Any]) -> dict[str, Any]:
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in of_study(content):
        groups.setdefault((run["method"], track_of(run), run["problem"]), []).append(run)
    known, found = references(content), {}
    for (method, track, problem), runs in groups.items():
        numbers = _summary(runs, known[problem], content["targets"])
        found.setdefault(method, {}).setdefault(track, {})[problem] = numbers
    return found


def _summary(
    runs: Sequence[Run], reference: float | None, targets: Sequence[float]
) -> dict[str, Any]:
    """The numbers of one method on one track and problem."""
    counts = Counter(run["outcome"] for run in runs)
    compiled = [r["compile_seconds"] for r in runs if r["compile_seconds"] is not None]
    return {
        "settings": runs[0]["settings"],
        "runs": len(runs),
        "failed": sum(run["outcome"] not in USABLE for run in runs),
        "outcomes": dict(sorted(counts.items())),
        "final_gap": banded([final_gap(run, reference) for run in runs]),
        "targets": _targets(runs, reference, targets),
        "own_stop": _own_stop(runs, reference),
        "cost_model": _cost_model(runs),
        "compile_seconds": float(np.median(compiled)) if compiled else None,
    }


def banded(values: Sequence[float]) -> dict[str, float]:
    """The median of numbers, one a run, with the ends of its bootstrap interval."""
    median, low, high = (float(ends[0]) for ends in median_band(np.reshape(values, (-1, 1))))
    return {"median": median, "low": low, "high": high}


def _targets(
    runs: Sequence[Run], reference: float | None, targets: Sequence[float]
) -> dict[str, Any]:
    costs = {
        cost: np.array([to_reach(run, reference, targets, cost) for run in runs]) for cost in COSTS
    }
    spent = {cost: [max([0.0, *run["trace"][cost]]) for run in runs] for cost in COSTS}
    found = {}
    for j, target in enumerate(targets):
        reached = int(np.isfinite(costs["passes"][:, j]).sum())
        low, high = wilson_interval(reached, len(runs))
        numbers = {"reached": reached, "share": reached / len(runs), "low": low, "high": high}
        for cost in COSTS:
            own = costs[cost][:, j]
            # Runs that never reach it count as infinite: half of all must, for a number.
            numbers[f"median_{cost}"] = float(np.median(own))
            numbers[f"expected_{cost}"] = expected_running_time(own, spent[cost])
        found[repr(target)] = numbers
    return found


def _own_stop(runs: Sequence[Run], reference: float | None) -> dict[str, Any]:
    """Where methods would have ended by themselves, and the gap last seen by then."""
    there = [run for run in runs if run["own_stop"] is not None]
    passes = [run["own_stop"]["passes"] for run in there]
    gaps = [gap_at(run, reference, at) for run, at in zip(there, passes)]
    return {
        "runs": len(there),
        "median_passes": float(np.median(passes)) if there else None,
        "median_gap": float(np.median(gaps)) if there else None,
    }


def _cost_model(runs: Sequence[Run]) -> dict[str, float] | None:
    """Seconds = a + b passes through the evaluations of all runs."""
    passes, seconds = (
        np.concatenate([np.zeros(0), *(np.asarray(run["trace"][cost], float) for run in runs)])
        for cost in COSTS
    )
    if len(np.unique(passes)) < 2:
        return None
    a, b, spread = cost_model(passes, seconds)
    return {"seconds": a, "seconds_per_pass": b, "spread_seconds": spread}


def _tuning(content: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for choice in content["tuning"]:
        rest = {name: v for name, v in choice.items() if name not in ("method", "problem")}
        found.setdefault(choice["method"], {})[choice["problem"]] = rest
    return found


def _profiles(content: Mapping[str, Any]) -> dict[str, Any]:
    """Shares of problems x seeds by passes: those with a reference that every contender has run."""
    who, known = contenders(content), references(content)
    runs = {(r["problem"], r["seed"], r["method"], r["track"]): r for r in of_study(content)}
    pairs = dict.fromkeys(key[:2] for key in runs if known[key[0]] is not None)
    pairs = [pair for pair in pairs if all((*pair, *one) in runs for one in who)]
    if not who or not pairs:
        return {"pairs": 0, "runtime": {}, "performance": {}, "data": {}}
    targets = content["targets"]
    costs = np.array(
        [
            [to_reach(runs[(*pair, *one)], known[pair[0]], targets, "passes") for pair in pairs]
            for one in who
        ]
    )
    labels = [label_of(*one) for one in who]
    sizes = {one["name"]: one["num_parameters"] for one in content["problems"]}
    parameters = [sizes[problem] for problem, _ in pairs]
    runtime = {}
    for label, own in zip(labels, costs):
        at, shares = runtime_distribution(own)
        runtime[label] = {"passes": at.tolist(), "shares": shares.tolist()}
    performance, data = {}, {}
    for j, target in enumerate(targets):
        performance[repr(target)] = _shares("ratios", performance_profile(costs[..., j]), labels)
        if None not in parameters:
            profile = data_profile(costs[..., j], parameters)
            data[repr(target)] = _shares("budgets", profile, labels)
    return {"pairs": len(pairs), "runtime": runtime, "performance": performance, "data": data}


def _shares(name: str, profile: tuple[Any, Any], labels: Sequence[str]) -> dict[str, Any]:
    at, shares = profile
    return {name: at.tolist(), "shares": dict(zip(labels, shares.tolist()))}


def _measurements(content: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in content["measurements"]:
        found.setdefault(one["name"], {})[one["problem"]] = one["measured"]
    return found
