"""Modules under the names that they had in version 0.1."""

import importlib
import pickle
import sys
import warnings

import pytest

import densecore as dc
from densecore._base.moved import MOVED


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_old_modules_are_the_new_ones(old: str, new: str) -> None:
    if old.startswith("sklearn"):
        pytest.importorskip("sklearn")
    sys.modules.pop(f"densecore.{old}", None)
    with pytest.warns(DeprecationWarning, match=f"densecore.{new}; the old name") as said:
        found = importlib.import_module(f"densecore.{old}")
    assert found is importlib.import_module(f"densecore.{new}")
    assert found.__name__ == f"densecore.{new}"
    assert found.__spec__ is not None
    assert found.__spec__.name == f"densecore.{new}"
    assert all(each.filename != importlib.__file__ for each in said)


def test_the_warning_names_the_line_of_the_import() -> None:
    sys.modules.pop("densecore.history", None)
    with pytest.warns(DeprecationWarning, match="callbacks.history") as said:
        from densecore.history import History  # type: ignore[import-not-found]
    assert History is dc.History
    assert [each.filename for each in said] == [__file__]


def test_pickles_of_old_names_load() -> None:
    sys.modules.pop("densecore.losses.errors", None)
    old = pickle.dumps(dc.losses.Huber(delta=2), protocol=0).replace(
        b"densecore.losses.regression", b"densecore.losses.errors"
    )
    assert b"losses.errors" in old
    with pytest.warns(DeprecationWarning, match="losses.regression"):
        assert pickle.loads(old).get_config() == dc.losses.Huber(delta=2).get_config()


def test_estimators_that_0_1_has_pickled_are_refused_by_name() -> None:
    with pytest.raises(ModuleNotFoundError, match="found an estimator that version 0"):
        pickle.loads(b"cdensecore.sklearn._tasks\nTask\n.")


def test_other_unknown_modules_are_as_unknown_as_before() -> None:
    with warnings.catch_warnings(), pytest.raises(ModuleNotFoundError, match="histories"):
        importlib.import_module("densecore.histories")
