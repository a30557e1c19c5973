"""The rows of the comparison: which workload, how it is used, and what is wanted of it.

The workloads themselves are in densecore.cli.workloads, which `densecore bench` shares.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Goal:
    """A number to reach; `KINDS` says what it is a number of."""

    kind: str
    wanted: float

    @property
    def text(self) -> str:
        at_least, text = KINDS[self.kind]
        number = f"{self.wanted:.0%}" if self.kind == "peak" else f"{self.wanted:.3g}"
        return f"{text} {'≥' if at_least else '≤'} {number}"

    def reached(self, found: float) -> bool:
        return found >= self.wanted if KINDS[self.kind][0] else found <= self.wanted


# kind -> (whether more is better, what it is)
KINDS = {
    "peers": (True, "times the best peer's speed"),
    "peak": (True, "share of the multiply-add peak"),
    "floor": (False, "times the memory floor"),
    "one thread": (True, "times its own speed on one thread"),
    "busy": (False, "times one thread's time, a processor busy"),
    "accuracy": (True, "accuracy less the best peer's"),
}

# Each goal is a tuple of alternatives: one of them is enough.
Goals = dict[int, list[tuple[Goal, ...]]]
USES = ("train", "predict", "fit", "busy")


@dataclass(frozen=True)
class Row:
    """`goals`: by number of threads. `threads`: those that it is measured with; empty for any."""

    name: str
    use: str
    workload: str
    goals: Goals = field(default_factory=dict)
    threads: tuple[int, ...] = ()
    quick: bool = True
    batch: int = 0  # of CALLS, instead of the workload's


def _peers(times: float) -> list[tuple[Goal, ...]]:
    return [(Goal("peers", times),)]


# A second thread must never make a step slower: 3 % are for the noise.
_NOT_SLOWER = [(Goal("one thread", 1 / 1.03),)]
_TWO_THREADS = [(Goal("one thread", 1.9),), (Goal("peers", 1.35),)]


def _rows() -> list[Row]:
    rows = [
        Row("note", "train", "note", {1: _peers(10), 2: _NOT_SLOWER}),
        Row("control", "train", "control", {1: _peers(2), 2: _NOT_SLOWER}),
        Row("control-256", "train", "control-256", {1: _peers(1.6)}),
        Row("digits", "train", "digits", {1: _peers(1.9), 2: _NOT_SLOWER}),
        Row("mnist", "train", "mnist",
            {1: [*_peers(1.18), (Goal("peak", 0.93),)], 2: _TWO_THREADS}),
        Row("large", "train", "large",
            {1: [*_peers(1.12), (Goal("peak", 0.92),)], 2: _TWO_THREADS}, quick=False),
        Row("skinny", "train", "skinny", {1: [*_peers(1.3), (Goal("floor", 1.2),)]}),
        Row("full-batch", "train", "full-batch", {1: _peers(3.5)}),
        Row("f64-small", "train", "f64-small", {1: _peers(2)}),
        Row("f64-medium", "train", "f64-medium", {1: _peers(1.3)}),
        Row("adam-control", "train", "adam-control", {1: _peers(2)}),
        Row("adam-mnist", "train", "adam-mnist", {1: _peers(1.18)}),
        Row("predict-note", "predict", "note", {1: _peers(15)}, (1,)),
        Row("predict-control", "predict", "control", {1: _peers(12)}, (1,)),
        Row("predict-mnist", "predict", "mnist",
            {1: [(Goal("peers", 1.2), Goal("floor", 1.15))]}, (1,)),
        Row("fit-digits", "fit", "digits",
            {1: [*_peers(12), (Goal("accuracy", -0.015),)]}, (1,)),
    ]  # fmt: skip
    for name in ("note", "control", "digits", "mnist"):
        rows.append(Row(f"busy-{name}", "busy", name, {2: [(Goal("busy", 1.3),)]}, (2,)))
    return rows


ROWS: dict[str, Row] = {row.name: row for row in _rows()}

# Of overheads.py: networks whose arithmetic takes less time than most libraries' calls.
CALLS: dict[str, Row] = {
    f"{use}-{name}-{batch}": Row(f"{use}-{name}-{batch}", use, name, batch=batch)
    for name, batch in (("note", 1), ("control", 1), ("control", 32))
    for use in ("train", "predict")
}
