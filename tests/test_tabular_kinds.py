"""The kinds of networks of the recipe `best`, and their shares."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from densecore.tabular import fit, load_table_model, problem_of, recipe_named, table_of
from densecore.tabular.blend import shares_of_kinds
from densecore.tabular.recipe import Kind, Recipe

BEST = recipe_named("best")


@pytest.mark.parametrize("classification", [True, False])
def test_better_kinds_have_larger_shares(classification: bool) -> None:
    rng = np.random.default_rng(0)

    def kinds(rows: int):
        if not classification:
            truth = rng.normal(size=(rows, 1))
            return truth, [truth + rng.normal(size=truth.shape) * s for s in (0.3, 2, 0.3)]
        truth = rng.integers(0, 3, rows)
        logits = [rng.normal(size=(rows, 3)) + sure * np.eye(3)[truth] for sure in (3, 0.2, 3)]
        return truth, [np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) for z in logits]

    truth, made = kinds(2000)
    shares = shares_of_kinds(np.stack(made), truth, classification, None)
    assert sum(shares) == pytest.approx(1, abs=1e-3)
    assert shares[1] == 0
    assert abs(shares[0] - shares[2]) < 0.1
    truth, made = kinds(20)  # few rows are little evidence
    shares = shares_of_kinds(np.stack(made), truth, classification, None)
    assert min(shares) > 0.2
    # Rows without weight say nothing.
    truth, made = kinds(200)
    wrong = [np.concatenate([made[0][:100], made[1][100:]]), made[1], made[1]]
    shares = shares_of_kinds(np.stack(wrong), truth, classification, np.repeat([1.0, 0.0], 100))
    assert shares[0] > 0.7


def test_fewer_networks_are_of_as_many_kinds_as_can_be() -> None:
    assert BEST.networks == 10
    for count in range(1, 11):
        made = BEST.with_networks(count)
        assert 1 <= made.networks <= count
    assert BEST.with_networks(9).networks == 5
    assert [k[1] for k in BEST.with_networks(2).kinds_for(3)] == [False, True]
    default = recipe_named("default")
    assert default.with_networks(2) == default
    assert default.with_networks(1).networks == 1
    assert BEST.single().networks == 1


def test_what_is_asked_for_holds_for_all_kinds() -> None:
    asked = BEST.with_options(hidden=(8,), activation="tanh", folds=3)
    for own, _, each in asked.kinds_for(4):
        assert (own.hidden, own.settings(True).activation, each) == ((8,), "tanh", 2)
    assert {own.hidden for own, _, _ in BEST.for_rows(9999).kinds_for(4)} == {(192,) * 3, (256,)}
    assert len(BEST.kinds_for(0)) == 4  # nothing to embed
    assert len(replace(BEST, extras=False, hidden=()).kinds_for(4)) == 1


@pytest.mark.parametrize("classification", [True, False])
def test_a_model_of_many_kinds(tmp_path: Path, classification: bool) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(90, 3))
    y = np.sin(2 * x[:, 0]) + x[:, 1]
    table = {"a": x[:, 0], "b": x[:, 1], "c": np.where(x[:, 2] > 0, "u", "v"),
             "y": np.where(y > 0, "p", "q") if classification else y}  # fmt: skip
    recipe = Recipe(
        "small", folds=3, members=1, periodic=1, hidden=(8,), epochs=12,
        others=(Kind("relu", rate=0.4), Kind(dropout=0.0, label_smoothing=0.0)),
    )  # fmt: skip
    made = fit(problem_of(table_of(table), ["y"], bins=8), recipe, 0)
    shares = made.model.ensemble.shares
    assert shares is not None
    assert sum(shares) == pytest.approx(1, abs=1e-3)
    path = str(tmp_path / "m.safetensors")
    made.model.save(path)
    new = table_of({name: values[:9] for name, values in table.items()})
    np.testing.assert_array_equal(load_table_model(path).outputs(new), made.model.outputs(new))
    short = fit(problem_of(table_of(table), ["y"], bins=8), recipe, 0, time_limit=0.01)
    assert any("the time limit" in note for note in short.notes)
