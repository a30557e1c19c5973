"""Columns of many texts: the mean target of each text is an input, and no row sees its own."""

from dataclasses import replace

import numpy as np
import pytest

from densecore.tabular import fit, problem_of, recipe_named, table_of
from densecore.tabular.features import CategoricalFeature, feature_from_dict
from densecore.tabular.folds import folds
from densecore.tabular.target_means import outside_means

RNG = np.random.default_rng(0)
N, TOWNS = 1200, 200
TOWN = RNG.integers(0, TOWNS, N)
EFFECT = RNG.normal(size=TOWNS)
SIZE = RNG.normal(size=N)
Y = 5 * EFFECT[TOWN] + SIZE + 0.5 * RNG.normal(size=N)
NAMES = np.array([f"Town {i}" for i in range(TOWNS)])


def problem(y, town=TOWN, **options):
    return problem_of(table_of({"size": SIZE, "town": NAMES[town], "y": y}), ["y"], **options)


def feature_of(made) -> CategoricalFeature:
    return next(f for f in made.preparation.features if isinstance(f, CategoricalFeature))


def means_of(made, x):
    place = made.preparation.places()[made.preparation.features.index(feature_of(made))]
    return x[:, place[-feature_of(made).mean_values.shape[1] :]]


def test_a_text_of_many_has_the_mean_of_its_rows() -> None:
    made = problem(Y, bins=4)
    feature = feature_of(made)
    assert set(feature.means) == set(NAMES[np.unique(TOWN)])
    assert any("the target's mean of each of" in note for note in made.notes)
    found = np.array([feature.means[name][0] for name in NAMES[np.unique(TOWN)]])
    assert np.corrcoef(found, EFFECT[np.unique(TOWN)])[0, 1] > 0.95
    assert feature_from_dict(feature.to_dict(), 2) == feature
    # Others, none, and other capital letters.
    table = table_of({"size": [0.0] * 4, "town": ["Town 3", "town 3", "elsewhere", None]})
    known, same, other, none = means_of(made, made.preparation.transform(table, "float64"))[:, 0]
    assert known == same == pytest.approx(feature.means["Town 3"][0])
    assert other == none == 0


def test_there_are_none_where_they_would_say_nothing() -> None:
    assert not feature_of(problem(Y, TOWN % 90, bins=4)).means  # few texts
    assert not feature_of(problem(RNG.permutation(Y), bins=4)).means  # they do not differ
    assert not feature_of(problem(Y)).means  # a linear model
    assert not feature_of(problem(TOWN % 12, task="classification", bins=4)).means


def test_no_row_sees_its_own_target() -> None:
    made = problem(Y, bins=4)
    parts = folds(N, 8, 0)
    before = means_of(made, outside_means(made, parts))
    changed = made.y.copy()
    changed[parts[2]] += 100.0
    after = means_of(made, outside_means(replace(made, y=changed), parts))
    # What rows of a part are given does not depend on that part.
    np.testing.assert_allclose(after[parts[2]], before[parts[2]], atol=1e-6)
    assert np.abs(after[parts[3]] - before[parts[3]]).max() > 0.1
    assert np.abs(means_of(made, made.x) - before).max() > 0.01
    # Rows that no part holds out do not see themselves either.
    assert np.abs(means_of(made, outside_means(made, parts[:1])) - means_of(made, made.x)).min() > 0


@pytest.mark.parametrize(("classes", "inputs"), [(2, 1), (3, 3)])
def test_classes_have_means(classes: int, inputs: int) -> None:
    cuts = np.quantile(Y, np.arange(1, classes) / classes)
    made = problem(np.digitize(Y, cuts), bins=4, task="classification")
    assert feature_of(made).mean_values.shape[1] == inputs
    first = feature_of(made).means
    found = np.array([first[name][-1] for name in NAMES[np.unique(TOWN)]])
    assert np.corrcoef(found, EFFECT[np.unique(TOWN)])[0, 1] > 0.7


def test_means_help_and_are_exported(tmp_path) -> None:
    made = problem(Y, bins=8)
    recipe = recipe_named("quick").with_options(epochs=8, hidden=(16,))
    trained = fit(made, recipe, 0)
    assert (
        trained.scores["y"]["rmse"] < 0.5 * trained.baselines["y"]["mean"]["rmse"]
        if ("y" in trained.baselines)
        else trained.scores["y"]["r2"] > 0.75
    )
    table = table_of({"size": SIZE[:5], "town": [*NAMES[TOWN[:3]], "TOWN 7", "elsewhere"]})
    wanted = trained.model.outputs(table)
    onnxruntime = pytest.importorskip("onnxruntime")
    trained.model.export(tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    towns = np.array([*NAMES[TOWN[:3]], "TOWN 7", "elsewhere"], object)[:, np.newaxis]
    said = session.run(None, {"size": SIZE[:5, np.newaxis].astype(np.float32), "town": towns})[0]
    assert np.abs(said - wanted).max() < 1e-3
