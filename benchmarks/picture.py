"""The picture: every contestant's speed relative to the best peer, a line per workload."""

from __future__ import annotations

from typing import Any

from report import best_peer, time_text

# Colours that are told apart with every kind of colour vision; densecore's is the strong one.
COLOURS = {
    "densecore": "#d9480f",
    "PyTorch": "#1c7ed6",
    "JAX": "#7048e8",
    "NumPy": "#2b8a3e",
    "scikit-learn": "#e0a100",
    "ONNX Runtime": "#0b7285",
}
INK, FAINT, GRID = "#212529", "#868e96", "#dee2e6"


def best_of_libraries(row: dict[str, Any]) -> dict[str, float]:
    """Library -> its quickest contestant's time, of the libraries in COLOURS."""
    found: dict[str, float] = {}
    for name, spent in row["times"].items():
        library = next((known for known in COLOURS if name.startswith(known)), None)
        if library is not None and not name.endswith(", 1 thread"):
            found[library] = min(spent, found.get(library, spent))
    return found


def draw(report: dict[str, Any], path: str) -> None:
    """Write a PNG (or whatever the name says)."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    rows = [row for row in report["rows"] if best_peer(row) and row["use"] != "busy"]
    if not rows:
        raise ValueError("--plot: found no row with both densecore and a peer, wanted at least one")
    several = len({row["threads"] for row in rows}) > 1
    height = 1.5 + 0.42 * len(rows)
    figure, axes = pyplot.subplots(figsize=(9.5, height), dpi=160)
    smallest, largest = 1.0, 1.0
    for place, row in enumerate(rows):
        times = best_of_libraries(row)
        best = row["times"][best_peer(row)]
        speeds = {library: best / spent for library, spent in times.items()}
        smallest = min(smallest, *speeds.values())
        largest = max(largest, *speeds.values())
        for library, speed in speeds.items():
            own = library == "densecore"
            axes.scatter(speed, place, s=95 if own else 42, zorder=4 if own else 3,
                         color=COLOURS[library], edgecolor="white", linewidth=0.8)  # fmt: skip
        if "densecore" in speeds:
            _draw_own(axes, place, row, times["densecore"], speeds["densecore"])
    axes.axvline(1, color=INK, lw=1, zorder=1)
    axes.set_xscale("log")
    axes.set_xlim(smallest / 1.4, largest * 2)  # room for its label
    ticks = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    axes.set_yticks(range(len(rows)), [_label(row, several) for row in rows], fontsize=9)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="x", color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelcolor=INK)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_xlabel("speed relative to the best other library (right of the line is faster)",
                    color=INK, fontsize=9)  # fmt: skip
    shown = [lib for lib in COLOURS if any(lib in best_of_libraries(row) for row in rows)]
    handles = [
        pyplot.Line2D([], [], marker="o", ls="", color=COLOURS[library], label=library)
        for library in shown
    ]
    figure.legend(handles=handles, loc="upper center", ncols=len(handles), frameon=False,
                  fontsize=9, handletextpad=0.1, columnspacing=1.4)  # fmt: skip
    machine = report["machine"]
    threads = sorted({row["threads"] for row in rows})
    count = " and ".join(map(str, threads)) + (" thread" if threads == [1] else " threads")
    figure.text(0.99, 0.008, f"{machine['processor']}, {machine['densecore']['isa']}, {count}, "
                f"{machine['date'][:10]}", ha="right", color=FAINT, fontsize=7)  # fmt: skip
    figure.tight_layout(rect=(0, 0.015, 1, 1 - 0.38 / height))
    figure.savefig(path)
    pyplot.close(figure)


def _draw_own(axes: Any, place: int, row: dict[str, Any], spent: float, speed: float) -> None:
    """A bar from the best peer to densecore, its ratio on the far side, its time in a column."""
    colour = COLOURS["densecore"]
    axes.plot([1, speed], [place, place], color=colour, lw=7, alpha=0.25,
              solid_capstyle="butt", zorder=2)  # fmt: skip
    axes.annotate(f"{speed:.3g}×", (max(speed, 1), place), (9, 0), va="center",
                  textcoords="offset points", color=colour, weight="bold", fontsize=9)  # fmt: skip
    axes.annotate(f"{time_text(spent)} per {row['unit']}", (1, place), (70, 0),
                  xycoords=("axes fraction", "data"), textcoords="offset points",
                  ha="right", va="center", color=FAINT, fontsize=8)  # fmt: skip


def _label(row: dict[str, Any], several: bool) -> str:
    threads = f", {row['threads']} thr." if several else ""
    return f"{row['name']}  ({row['shape']}{threads})"
