"""Many models in other processes: executors of several libraries, and the log of what is done."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc


def model(optimizer: str = "adam") -> dc.Sequential:
    made = dc.Sequential([dc.Input(4), dc.Dense(8, "relu"), dc.layers.BatchNormalization(),
                          dc.Dense(3, "softmax")], seed=2)  # fmt: skip
    made.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return made


def data(rows: int = 120) -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    return random.normal(size=(rows, 4)).astype("float32"), random.integers(0, 3, rows)


class Inline(futures.Executor):
    """Does at once what it is given, through pickles as a real one."""

    def __init__(self, most: int | None = None) -> None:
        self.given = 0
        self.most = most

    def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Any:
        import pickle

        made: futures.Future[Any] = futures.Future()
        self.given += 1
        if self.most is not None and self.given > self.most:
            made.set_exception(ConnectionError("the machine is gone"))
        else:
            function, arguments = pickle.loads(pickle.dumps((function, arguments)))
            made.set_result(pickle.loads(pickle.dumps(function(*arguments))))
        return made


@pytest.fixture(params=["inline", "threads", "processes", "loky"])
def executor(request: pytest.FixtureRequest) -> Iterator[Any]:
    kind = request.param
    if kind == "inline":
        yield Inline()
    elif kind == "threads":
        with futures.ThreadPoolExecutor(2) as pool:
            yield pool
    elif kind == "processes":
        import multiprocessing

        context = multiprocessing.get_context("spawn")
        with futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            yield pool
    else:
        loky = pytest.importorskip("joblib.externals.loky")
        pool = loky.ProcessPoolExecutor(2, context=loky.backend.get_context("loky"))
        yield pool
        # Loky asks pgrep for the workers, which hangs when a sanitizer is loaded into it.
        pool.shutdown(kill_workers="DENSECORE_SANITIZED" not in os.environ)


GRID = {"learning_rate": [0.001, 0.01, 0.1]}


def test_a_sweep_has_the_same_numbers_everywhere(executor: Any) -> None:
    x, y = data()
    how: dict[str, Any] = {"epochs": 2, "repeats": 2, "folds": 3}
    here = dc.sweep(model(), x, y, GRID, **how)
    there = dc.sweep(model(), x, y, GRID, **how, executor=executor)
    assert here.rows == there.rows
    assert here.best_settings() == there.best_settings()
    np.testing.assert_array_equal(here.history["val_loss"], there.history["val_loss"])
    np.testing.assert_array_equal(here.history.completed, there.history.completed)


def test_members_come_back_with_their_state() -> None:
    x, y = data()
    here, there = dc.Ensemble(model(), 5), dc.Ensemble(model(), 5)
    for ensemble, executor in ((here, None), (there, Inline())):
        for _ in range(2):
            ensemble.fit(x, y, epochs=2, verbose=0, bootstrap=True, validation_data="rest",
                         restore_best_weights=True, executor=executor)  # fmt: skip
    np.testing.assert_array_equal(here.parameters, there.parameters)
    assert here.progress == there.progress
    for member in range(5):
        first, second = here.member(member), there.member(member)
        for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    assert there.history is not None
    assert here.history is not None
    np.testing.assert_array_equal(here.history.kept_epochs, there.history.kept_epochs)


def test_a_killed_sweep_goes_on_from_its_log(tmp_path: Path) -> None:
    x, y = data()
    how: dict[str, Any] = {"epochs": 2, "repeats": 20, "log": tmp_path / "sweep.jsonl"}
    with pytest.raises(ConnectionError) as raised:
        dc.sweep(model(), x, y, GRID, **how, executor=Inline(most=2))
    assert "members" in raised.value.__notes__[0]
    lines = (tmp_path / "sweep.jsonl").read_text().splitlines()
    assert 0 < len(lines) < 60
    with open(tmp_path / "sweep.jsonl", "a") as file:
        file.write('{"key": "half a li')
    executor = Inline()
    found = dc.sweep(model(), x, y, GRID, **how, executor=executor)
    whole = dc.sweep(model(), x, y, GRID, epochs=2, repeats=20)
    assert found.rows == whole.rows
    again = Inline()
    assert dc.sweep(model(), x, y, GRID, **how, executor=again).rows == whole.rows
    assert again.given == 0
    # Other data, or another setting, is another training.
    dc.sweep(model(), x + 1, y, GRID, **how, executor=again)
    assert again.given > 0
    for line in (tmp_path / "sweep.jsonl").read_text().splitlines():
        if "half a li" not in line:
            assert json.loads(line)["epochs"] == 2


def test_cross_validation_with_a_log_and_no_executor(tmp_path: Path) -> None:
    x, y = data()
    log = tmp_path / "folds.jsonl"
    here = dc.cross_validate(model(), x, y, folds=4, epochs=2)
    assert dc.cross_validate(model(), x, y, folds=4, epochs=2, log=log).rows == here.rows
    assert len(log.read_text().splitlines()) == 4
    assert dc.cross_validate(model(), x, y, folds=4, epochs=2, log=log).rows == here.rows
    assert len(log.read_text().splitlines()) == 4


@pytest.mark.parametrize("other", [3, "dask", futures.ThreadPoolExecutor, object()])
def test_what_is_no_executor_is_refused(other: Any) -> None:
    x, y = data()
    with pytest.raises(TypeError, match="executor: found"):
        dc.sweep(model(), x, y, GRID, executor=other)


KILLED = """
import os, signal, sys
from concurrent.futures import ProcessPoolExecutor
import multiprocessing
sys.path.insert(0, sys.argv[2])
import densecore as dc
from test_executors import GRID, data, model

if __name__ == "__main__":
    x, y = data(4000)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        dc.sweep(model(), x, y, GRID, epochs=40, repeats=8, log=sys.argv[1], executor=pool)
"""


@pytest.mark.slow
def test_a_sweep_that_is_killed_outright(tmp_path: Path) -> None:
    script, log = tmp_path / "killed.py", tmp_path / "log"
    script.write_text(KILLED)
    package = str(Path(dc.__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, str(script), str(log), str(Path(__file__).parent)],
        env={**os.environ, "PYTHONPATH": package}, start_new_session=True,
    )  # fmt: skip
    import time

    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        if log.exists() and log.read_text().count("\n") >= 2:
            break
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=30)
    done = log.read_text().count("\n")
    x, y = data(4000)
    found = dc.sweep(model(), x, y, GRID, epochs=40, repeats=8, log=log)
    assert 2 <= done <= log.read_text().count("\n") == 24
    assert found.rows == dc.sweep(model(), x, y, GRID, epochs=40, repeats=8).rows


@pytest.mark.slow
def test_a_grid_search_does_not_take_more_threads_than_there_are_processors() -> None:
    selection = pytest.importorskip("sklearn.model_selection")
    from densecore.sklearn import MLPClassifier

    x, y = data()
    search = selection.GridSearchCV(
        MLPClassifier((8,), max_iter=2, random_state=0), {"alpha": [1e-4, 1e-2]}, cv=2, n_jobs=2,
        scoring=_threads,
    )  # fmt: skip
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(x, y)
    processors = len(os.sched_getaffinity(0))
    assert set(search.cv_results_["mean_test_score"]) <= set(range(1, max(1, processors // 2) + 1))


def _threads(estimator: Any, x: Any, y: Any) -> float:
    return float(dc.get_num_threads())


def test_ranks_share_the_members_of_an_ensemble() -> None:
    from densecore.distributed import Threads, run_threads

    x, y = data()
    how: dict[str, Any] = {"epochs": 3, "verbose": 0, "bootstrap": True, "validation_data": "rest",
                           "restore_best_weights": True, "patience": 1}  # fmt: skip
    alone = dc.Ensemble(model(), 5)
    expected = alone.fit(x, y, **how)

    def train(comm: Threads) -> tuple[dc.Ensemble, Any]:
        ensemble = dc.Ensemble(model(), 5)
        return ensemble, ensemble.fit(x, y, comm=comm, **how)

    for ranks in (1, 3, 8):
        for ensemble, history in run_threads(ranks, train, 30):
            np.testing.assert_array_equal(ensemble.parameters, alone.parameters)
            np.testing.assert_array_equal(history["val_loss"], expected["val_loss"])
            np.testing.assert_array_equal(history.kept_epochs, expected.kept_epochs)
            assert ensemble.progress == alone.progress


@pytest.mark.slow
def test_tables_by_an_executor() -> None:
    pytest.importorskip("sklearn")
    from densecore.tabular import TabularClassifier

    x, y = data(200)
    here = TabularClassifier("quick", random_state=0).fit(x, y)
    there = TabularClassifier("quick", random_state=0).fit(x, y, executor=Inline())
    np.testing.assert_array_equal(here.predict_proba(x), there.predict_proba(x))
