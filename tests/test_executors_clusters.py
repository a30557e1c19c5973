"""Members and grid searches on Dask and Ray, where these are installed; their workers die."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import densecore as dc
from test_executors import GRID, data, model

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # of Dask and Ray, about themselves
]


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    module = pytest.importorskip("ray")
    module.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield module
    module.shutdown()


def expected() -> Any:
    x, y = data()
    return dc.sweep(model(), x, y, GRID, epochs=2, repeats=4).rows


def test_dask(client: Any) -> None:
    x, y = data()
    with client.get_executor() as executor:
        found = dc.sweep(model(), x, y, GRID, epochs=2, repeats=4, executor=executor)
    assert found.rows == expected()


def dying_once(flag: str) -> Any:
    """A task that kills its worker the first time; workers need not import this file for it."""

    def work() -> int:
        import os

        if not os.path.exists(flag):
            open(flag, "w").close()
            os._exit(9)
        return os.getpid()

    return work


def test_dask_with_a_worker_that_dies(client: Any, tmp_path: Any) -> None:
    x, y = data()
    with client.get_executor() as executor:
        dying = executor.submit(dying_once(str(tmp_path / "flag")))
        found = dc.sweep(model(), x, y, GRID, epochs=2, repeats=4, executor=executor)
        assert dying.result(timeout=60) > 0
    assert found.rows == expected()


def test_ray(ray: Any) -> None:
    x, y = data()
    found = dc.sweep(model(), x, y, GRID, epochs=2, repeats=4, executor=ray)
    assert found.rows == expected()


def test_ray_with_a_worker_that_dies(ray: Any, tmp_path: Any) -> None:
    x, y = data()
    work = dying_once(str(tmp_path / "flag"))
    dying = ray.remote(work).options(max_retries=2).remote()
    found = dc.sweep(model(), x, y, GRID, epochs=2, repeats=4, executor=ray)
    assert ray.get(dying, timeout=120) > 0
    assert found.rows == expected()


@pytest.mark.parametrize("backend", ["dask", "ray"])
def test_a_grid_search(backend: str, request: pytest.FixtureRequest) -> None:
    joblib = pytest.importorskip("joblib")
    selection = pytest.importorskip("sklearn.model_selection")
    from densecore.sklearn import MLPClassifier

    if backend == "dask":
        request.getfixturevalue("client")
    else:
        request.getfixturevalue("ray")
        pytest.importorskip("ray.util.joblib").register_ray()

    def threads(estimator: Any, x: Any, y: Any) -> float:
        return float(dc.get_num_threads())

    x, y = data()
    search = selection.GridSearchCV(
        MLPClassifier((8,), max_iter=5, random_state=0), {"alpha": [1e-4, 1e-1]}, cv=2,
        scoring={"score": "accuracy", "threads": threads}, refit="score",
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with joblib.parallel_backend(backend):
            search.fit(x, y)
        alone = selection.GridSearchCV(search.estimator, search.param_grid, cv=2).fit(x, y)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"]
    )
    assert set(search.cv_results_["mean_test_threads"]) == {1.0}
