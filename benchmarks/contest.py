"""One row of the comparison: check that all compute the same, then time them in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from busy import Spinner
from contestant import (
    LIMITS,
    LeftOutError,
    Problem,
    expected_output,
    expected_step,
    output_error,
    step_error,
)
from densecore import roofline
from densecore.cli.workloads import WORKLOADS
from rows import Goal, Row
from timing import Call, in_turn


@dataclass
class Settings:
    threads: int = 1
    rounds: int = 5
    seconds: float = 0.2  # of a measurement
    multiply_adds: float = 2e9  # of an epoch, which is what is repeated
    compile: bool = True  # whether contestants that take long to start take part


@dataclass
class Result:
    """What a row found; JSON-able by `vars`."""

    name: str
    use: str
    workload: str
    shape: str
    dtype: str
    batch: int
    threads: int
    unit: str = "step"
    errors: dict[str, float] = field(default_factory=dict)  # of those that agree
    wrong: dict[str, str] = field(default_factory=dict)  # those that compute something else
    left_out: dict[str, str] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)  # the best round
    rounds: dict[str, list[float]] = field(default_factory=dict)
    multiply_adds: int = 0
    peak: float | None = None  # multiply-adds per second
    floor: float | None = None  # seconds
    accuracy: dict[str, float] = field(default_factory=dict)
    goals: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ours(self) -> str | None:
        """The densecore contestant that the goals are about: the first."""
        return next((name for name in self.times if is_ours(name)), None)

    @property
    def best_peer(self) -> str | None:
        peers = {name: spent for name, spent in self.times.items() if not is_ours(name)}
        return min(peers, key=peers.__getitem__) if peers else None


def is_ours(name: str) -> bool:
    return name.startswith("densecore")


def run_row(row: Row, modules: dict[str, ModuleType], settings: Settings) -> Result:
    """Check and time one row."""
    workload = WORKLOADS[row.workload]
    result = Result(
        row.name, row.use, workload.name, workload.shape, workload.dtype, workload.batch,
        settings.threads,
    )  # fmt: skip
    {"train": _train, "predict": _predict, "fit": _fit, "busy": _busy}[row.use](
        result, modules, settings
    )
    judge(result, row)
    return result


def judge(result: Result, row: Row) -> None:
    """Compare what was found with the row's goals."""
    for alternatives in row.goals.get(result.threads, []):
        found = [(goal, _found(result, goal)) for goal in alternatives]
        known = [(goal, number) for goal, number in found if number is not None]
        result.goals.append(
            {
                "goal": " or ".join(goal.text for goal in alternatives),
                "found": [number for _, number in found],
                "reached": any(goal.reached(number) for goal, number in known) if known else None,
            }
        )


def _found(result: Result, goal: Goal) -> float | None:
    if result.ours is None:
        return None
    own, one = result.times[result.ours], result.times.get("densecore fit, 1 thread")
    if goal.kind == "peers":
        return result.times[result.best_peer] / own if result.best_peer else None
    if goal.kind == "peak":
        return result.multiply_adds / own / result.peak if result.peak else None
    if goal.kind == "floor":
        return own / result.floor if result.floor else None
    if goal.kind == "one thread":
        return one / own if one else None
    if goal.kind == "busy":
        return own / one if one else None
    others = [value for name, value in result.accuracy.items() if not is_ours(name)]
    return result.accuracy[result.ours] - max(others) if others else None


def contestants_of(
    modules: dict[str, ModuleType], kind: str, result: Result, settings: Settings
) -> Iterator[tuple[str, type[Any]]]:
    """Those of the modules' `trainings` or `predictions` that take part."""
    for module in modules.values():
        for contestant in getattr(module, kind):
            if getattr(contestant, "slow_to_start", False) and not settings.compile:
                result.left_out[contestant.name] = "compilation takes too long for a quick run"
            else:
                yield contestant.name, contestant


def check(result: Result, name: str, error: Callable[[], float]) -> bool:
    """Whether a contestant computes what it should; if not, the result says why not."""
    limit = LIMITS[result.dtype]
    try:
        found = error()
    except LeftOutError as reason:
        result.left_out[name] = str(reason)
        return False
    except Exception as problem:
        # Whatever a library raises must not lose the others' numbers; it is no success either.
        result.wrong[name] = f"raised {type(problem).__name__}: {problem}"
        return False
    if found > limit:
        result.wrong[name] = f"found an error of {found:.1e}, wanted at most {limit:.0e}"
        return False
    result.errors[name] = found
    return True


def time_all(result: Result, calls: dict[str, Any], settings: Settings, units: int = 1) -> None:
    """Time in turn and keep every round, and the best one."""

    def between(name: str) -> None:
        # A pool of threads spins for a while after its work, and would take the next one's core.
        time.sleep(0.02 if settings.threads > 1 else 0)

    result.rounds = {
        name: [spent / units for spent in times]
        for name, times in in_turn(calls, settings.rounds, settings.seconds, between).items()
    }
    result.times = {name: min(times) for name, times in result.rounds.items()}


def _measure_peak(result: Result, settings: Settings) -> None:
    found = roofline.multiply_adds_per_second(result.dtype, settings.threads)
    result.peak = max(result.peak or 0.0, found)


def _train(result: Result, modules: dict[str, ModuleType], settings: Settings) -> None:
    workload = WORKLOADS[result.workload]
    problem = Problem.of(workload, settings.threads, workload.batches(settings.multiply_adds))
    step = problem.first_batch()
    expected = expected_step(step)
    result.multiply_adds = workload.multiply_adds
    calls = {}

    def one_step(contestant: type[Any]) -> float:
        trained = contestant(step)
        trained.epoch()
        return step_error(step, expected, trained.parameters())

    candidates = dict(contestants_of(modules, "trainings", result, settings))
    if settings.threads > 1 and "densecore" in modules:
        one_thread = modules["densecore"].FitOneThread
        candidates[one_thread.name] = one_thread
    for name, contestant in candidates.items():
        if check(result, name, lambda contestant=contestant: one_step(contestant)):
            calls[name] = _epochs(contestant(problem))
    _measure_peak(result, settings)
    time_all(result, calls, settings, problem.batches)
    _measure_peak(result, settings)
    if settings.threads == 1:
        # The forward pass reads every weight, the input gradient all but the first layer's, and
        # the update reads and writes them.
        size = workload.parameter_count
        rest = size - (workload.inputs + 1) * workload.units[0]
        dtype = workload.dtype
        result.floor = roofline.read_seconds(size, dtype) + roofline.rewrite_seconds(size, dtype)
        result.floor += roofline.read_seconds(max(rest, 1), dtype)


def _epochs(contestant: Any) -> Callable[[int], None]:
    # Many epochs may be one call, where a library has that.
    def call(count: int) -> None:
        if hasattr(contestant, "epochs"):
            contestant.epochs(count)
            return
        for _ in range(count):
            contestant.epoch()

    return call


def _predict(result: Result, modules: dict[str, ModuleType], settings: Settings) -> None:
    workload = WORKLOADS[result.workload]
    problem = Problem.of(workload, settings.threads, batches=1)
    expected = expected_output(problem)
    result.unit, result.batch = "row", 1
    result.multiply_adds = workload.forward_multiply_adds
    calls: dict[str, Call] = {}
    for name, contestant in contestants_of(modules, "predictions", result, settings):

        def one_row(name: str = name, contestant: type[Any] = contestant) -> float:
            made = contestant(problem)
            made.repeat(1)
            calls[name] = made.repeat
            return output_error(expected, made.output())

        if not check(result, name, one_row):
            calls.pop(name, None)
    _measure_peak(result, settings)
    time_all(result, calls, settings)
    _measure_peak(result, settings)
    result.floor = roofline.read_seconds(workload.parameter_count, workload.dtype)


def _fit(result: Result, modules: dict[str, ModuleType], settings: Settings) -> None:
    from whole_fit import contestants  # needs scikit-learn's data

    result.unit = "fit"
    try:
        made = contestants(settings.threads)
    except ImportError as error:
        result.left_out["scikit-learn"] = f"not installed ({error})"
        return
    calls = {contestant.name: _fits(contestant) for contestant in made}
    time_all(result, calls, settings)
    result.accuracy = {contestant.name: contestant.accuracy() for contestant in made}


def _fits(contestant: Any) -> Callable[[int], None]:
    def call(count: int) -> None:
        for _ in range(count):
            contestant.fit()

    return call


def _busy(result: Result, modules: dict[str, ModuleType], settings: Settings) -> None:
    """As training, with another process that keeps the second processor busy; densecore's time on
    one thread is taken while that process is stopped."""
    workload = WORKLOADS[result.workload]
    problem = Problem.of(workload, settings.threads, workload.batches(settings.multiply_adds))
    step = problem.first_batch()
    expected = expected_step(step)
    own, calls = modules["densecore"], {}
    candidates = [own.Fit, own.FitOneThread]
    if "torch" in modules:
        candidates.append(modules["torch"].Eager)
    for contestant in candidates:

        def one_step(contestant: type[Any] = contestant) -> float:
            trained = contestant(step)
            trained.epoch()
            return step_error(step, expected, trained.parameters())

        if check(result, contestant.name, one_step):
            calls[contestant.name] = _epochs(contestant(problem))
    with Spinner() as spinner:

        def between(name: str) -> None:
            spinner.stop() if name == own.FitOneThread.name else spinner.go_on()
            time.sleep(0.02)

        rounds = in_turn(calls, settings.rounds, settings.seconds, between)
    result.rounds = {
        name: [spent / problem.batches for spent in times] for name, times in rounds.items()
    }
    result.times = {name: min(times) for name, times in result.rounds.items()}
