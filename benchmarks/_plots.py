"""SVG plots of throughput, memory, pacing and slots (needs matplotlib)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks._pairs import Paired

OURS, THEIRS, LIMIT = "#0b6e4f", "#9aa5b1", "#c0392b"
AVAILABLE = find_spec("matplotlib") is not None


def _axes(rows: int = 1, *, height: float = 4.0) -> tuple[Any, Any]:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "lipsync"  # the same figures make the same file
    from matplotlib import pyplot as plt

    return plt.subplots(rows, 1, figsize=(8, height), squeeze=False, layout="constrained")


def _save(figure: Any, path: Path) -> None:
    from matplotlib import pyplot as plt

    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def throughput(found: Mapping[str, Paired], path: Path) -> None:
    """Ratios to the base, with their quartiles."""
    figure, ((axes,),) = _axes(height=5.0)
    names = list(found)[::-1]
    medians = [found[name].median for name in names]
    spread = [[abs(found[name].median - found[name].quartiles[side]) for name in names] for side in (0, 1)]
    colours = [OURS if name.startswith("ours") else THEIRS for name in names]
    axes.barh(names, medians, xerr=spread, color=colours, ecolor="#444444")
    axes.axvline(1.0, color=LIMIT, linewidth=1)
    axes.set_xlabel("jobs a CPU second over those of a bare aiohttp loop, 64 in flight (more is better)")
    _save(figure, path)


def memory(found: Mapping[str, Mapping[int, float]], path: Path) -> None:
    """MB of growth by the number of jobs."""
    figure, ((axes,),) = _axes()
    for way, by_size in found.items():
        style = {"color": OURS, "linewidth": 2.5} if way.endswith("stream") else {}
        axes.plot(
            list(by_size), [max(megabytes, 0.1) for megabytes in by_size.values()], marker="o", label=way, **style
        )
    axes.set(xscale="log", yscale="log", xlabel="jobs", ylabel="MB of growth")
    axes.legend()
    _save(figure, path)


def pacing(curves: Mapping[str, Sequence[tuple[float, float, float]]], path: Path) -> None:
    """The learned rate over the true limit, by time."""
    figure, rows = _axes(len(curves), height=2.2 * len(curves))
    for (axes,), (name, points) in zip(rows, curves.items(), strict=True):
        seconds, learned, limit = zip(*points, strict=True)
        axes.plot(seconds, [pace / most for pace, most in zip(learned, limit, strict=True)], color=OURS, linewidth=1)
        axes.axhline(1.0, color=LIMIT, linewidth=0.8)
        axes.set(title=name, ylim=(0, 2), ylabel="learned / true")
    rows[-1][0].set_xlabel("seconds (virtual)")
    _save(figure, path)


def slots(found: Mapping[str, Mapping[str, Sequence[Sequence[float]]]], freshness: Sequence[float], path: Path) -> None:
    """Slots used over requests a task (creates and queries), by freshness and by what is told."""
    from matplotlib import pyplot as plt

    _axes()
    figure, rows = plt.subplots(
        len(found), len(freshness), figsize=(11, 3 * len(found)), squeeze=False, layout="constrained", sharey=True
    )
    for row, (name, table) in zip(rows, found.items(), strict=True):
        for place, axes in enumerate(row):
            for number, (way, figures) in enumerate(table.items()):
                used, waste, queries, _ = figures[place]
                style = {"color": OURS, "marker": "osD^v"[number]} if way.startswith(("Pacer", "the same")) else {
                    "color": THEIRS, "marker": f"${way.split()[-2]}$", "s": 60
                }  # fmt: skip
                axes.scatter(queries + 1 / max(0.01, 1 - waste / 100), used, label=way, **style)
            axes.set(xscale="log", xlim=(1, 700), ylim=(0, 102), title=f"{name}, F = {freshness[place]:g} s")
        row[0].set_ylabel("slots used, %")
    for axes in rows[-1]:
        axes.set_xlabel("requests a task")
    rows[0][-1].legend(fontsize=6, loc="lower right")
    _save(figure, path)
