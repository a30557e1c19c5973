"""A linear model beside the networks of a table, and the epoch that they keep together."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import densecore as dc
from densecore.tabular import algebra, fit, load_table_model, problem_of, recipe_named, table_of
from densecore.tabular.blend import best_share, share_of_first
from densecore.tabular.linear import _RIDGES, fit_linear
from densecore.tabular.members import common_epoch
from densecore.tabular.targets import NumericTarget

RNG = np.random.default_rng(0)
X = RNG.normal(size=(160, 4))
COLOUR = RNG.choice(["red", "green", "blue"], 160)
LINE = 3 * X[:, 0] - 2 * X[:, 1] + (COLOUR == "red")


def problem(y, **options):
    table = {f"x{i}": X[:, i] for i in range(4)} | {"colour": COLOUR, "y": y}
    return problem_of(table_of(table), ["y"], bins=32, **options)


def linear_of(made, parts=8, **options):
    held_out = [np.arange(len(made.x))[i::parts] for i in range(parts)]
    return fit_linear(made.preparation, made.x, made.network_targets(),
                      made.preparation.target.outputs, made.classification, held_out,
                      made.weight, **options)  # fmt: skip


def answers(linear, x, classification):
    z = x.astype(np.float64) @ linear.kernel + linear.bias
    if not classification:
        return z
    raised = np.exp(z - z.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("simple", [True, False])
def test_a_line_is_found_of_bent_numbers(simple: bool) -> None:
    """Bent numbers are no line of their columns."""
    made = problem(LINE)
    linear = linear_of(made, simple=simple)
    assert linear is not None
    y = made.network_targets()
    assert np.abs(answers(linear, made.x, False) - y).max() < 1e-3
    assert np.abs(linear.outside - y).mean() < 0.02


def test_a_line_goes_on_beyond_the_training_rows(tmp_path: Path) -> None:
    """Spectra and many small tables are straight, and half of new tables have larger numbers."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(80, 3))
    x[::9, 1] = np.nan  # an indicator stands between the bins and the line
    far = np.vstack([x[1:20], [[4.0, 0.3, -4.0], [-4.0, -0.3, 4.0]]])

    def table(values, **more):
        return table_of({name: values[:, i] for i, name in enumerate("abc")} | more)

    def truth(values):
        return 2 * values[:, 0] + 3 * np.nan_to_num(values[:, 1]) - 0.5 * values[:, 2]

    made = problem_of(table(x, y=truth(x), more=10 * truth(x)), ["y"], bins=32, ignore=["more"])
    linear = linear_of(made)
    assert linear is not None
    inputs = made.preparation.transform(table(far), "float64")
    found = made.preparation.target.means + answers(linear, inputs, False) * np.array(
        made.preparation.target.scales
    )
    assert np.abs(found[:, 0] - truth(far)).max() < 0.02
    # Predictions may leave the targets' range as far as the linear model has a share in them.
    assert made.preparation.target.low == [truth(x).min()]
    model = fit(made, recipe_named("quick").with_options(epochs=1), 0).model
    assert model.ensemble.shares is not None
    target, low, high = model.preparation.target, truth(x).min(), truth(x).max()
    more = 0.5 * model.ensemble.shares[-1] * (high - low)
    assert np.allclose(target.low + target.high, [low - more, high + more])
    few = model.preparation.transform(table(far), "float32")
    assert model.outputs_of_few(few[-3:]).tobytes() == model.outputs(table(far))[-3:].tobytes()


def test_logistic_regression_is_scikit_learns() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    chance = 1 / (1 + np.exp(-LINE))
    labels = np.where(np.random.default_rng(1).random(160) < chance, "yes", "no")
    made = problem(labels)
    linear = linear_of(made, simple=True)
    assert linear is not None
    found = answers(linear, made.x, True)
    inputs = np.column_stack([X, *(c == COLOUR for c in ("red", "green", "blue"))])
    peer = linear_model.LogisticRegression(C=1.0, max_iter=1000).fit(inputs, labels)
    assert np.abs(found - peer.predict_proba(inputs)).mean() < 0.03
    assert np.allclose(linear.outside.sum(axis=1), 1)


def test_more_columns_than_rows_are_solved_for_in_rows() -> None:
    wide = RNG.normal(size=(40, 300))
    y = wide[:, 0]
    table = {f"x{i}": wide[:, i] for i in range(300)} | {"y": y}
    made = problem_of(table_of(table), ["y"])
    held_out = [np.arange(40)[i::4] for i in range(4)]
    linear = fit_linear(made.preparation, made.x, made.network_targets(), 1, False, held_out, None)
    assert linear is not None
    assert linear.kernel.shape == (made.preparation.inputs, 1)
    assert np.isfinite(linear.kernel).all()
    found = answers(linear, made.x, False)
    assert np.corrcoef(found[:, 0], y)[0, 1] > 0.5
    # It is a ridge regression in as many unknowns as there are columns.
    z = made.x.astype(np.float64)
    z = (z - z.mean(axis=0)) / z.std(axis=0)
    target = made.network_targets()
    middle = target.mean(axis=0)
    direct = [
        z @ np.linalg.solve(z.T @ z + ridge * np.eye(z.shape[1]), z.T @ (target - middle)) + middle
        for ridge in _RIDGES
    ]
    assert min(np.abs(found - each).max() for each in direct) < 1e-6


@pytest.mark.parametrize("n", [1, 5, 16, 17, 70])
def test_the_inverse_of_a_symmetric_matrix(n: int) -> None:
    z = RNG.normal(size=(2 * n + 3, n))
    square = z.T @ z + 1e-3 * np.eye(n)
    factor = algebra.inverse_factor(square)
    assert np.array_equal(factor, np.tril(factor))
    assert np.allclose(factor.T @ factor @ square, np.eye(n), atol=1e-9)
    right = RNG.normal(size=(2, n))
    assert np.allclose(algebra.solved(factor, right), np.linalg.solve(square, right.T).T)
    # Twice the same column: the second counts for little, and nothing is infinite.
    twice = z[:, [0] * 3].T @ z[:, [0] * 3]
    assert np.isfinite(algebra.inverse_factor(twice)).all()


def test_sines_and_cosines_of_all_quarters() -> None:
    turns = np.append(np.linspace(0, 1, 97), np.nextafter(1, 0))
    sine, cosine = algebra.sine_and_cosine(turns)
    assert np.abs(sine - np.sin(2 * np.pi * turns)).max() < 1e-15
    assert np.abs(cosine - np.cos(2 * np.pi * turns)).max() < 1e-15


@pytest.mark.slow
def test_models_have_the_same_bits_on_other_processors(tmp_path: Path) -> None:
    """NumPy's products and functions are told that the processor has less than it has."""
    days = np.datetime64("2021-01-01") + np.arange(160)
    lines = [f"{day},{a},{b},{c},{np.exp(y / 3)},{'uv'[int(y > 0)]}"
             for day, (a, b), c, y in zip(days, X[:, :2], COLOUR, LINE, strict=True)]  # fmt: skip
    (tmp_path / "t.csv").write_text("\n".join(["day,a,b,colour,y,label", *lines]) + "\n")
    less = {"OPENBLAS_CORETYPE": "Prescott", "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512_SKX"}
    for target, other in (("y", "label"), ("label", "y")):
        files = []
        for name, more in (("all", {}), ("less", less)):
            command = [sys.executable, "-W", "ignore", "-m", "densecore", "train", "t.csv",
                       "--target", target, "--ignore", other, "--recipe", "quick", "--epochs", "2",
                       "--save", f"{name}.safetensors"]  # fmt: skip
            subprocess.run(command, cwd=tmp_path, env=os.environ | more, check=True)
            files.append((tmp_path / f"{name}.safetensors").read_bytes())
        assert files[0] == files[1]


def test_a_share_goes_to_whom_the_rows_speak_for() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(400, 1))
    near, far = truth + 0.1 * rng.normal(size=(400, 1)), truth + rng.normal(size=(400, 1))
    none = np.zeros((400, 1))
    assert best_share(far, none, 0.0, near, truth, False, None) > 0.9
    assert best_share(near, none, 0.0, far, truth, False, None) < 0.05
    # The mean of many networks is better than the few that have not seen a row.
    few = truth + 0.5 * rng.normal(size=(400, 1))
    plain = best_share(few, none, 0.0, far, truth, False, None)
    assert best_share(few, none + 0.2, 0.0, far, truth, False, None) < plain
    assert best_share(few, none, 0.3, far, truth, False, None) > plain


@pytest.mark.slow
def test_a_linear_table_is_learnt_by_the_linear_model(tmp_path: Path) -> None:
    """It is a further member: in files, exports, for a few rows and many, for all threads."""
    made = problem(LINE)
    recipe = recipe_named("quick").with_options(epochs=3)
    threads = dc.get_num_threads()
    found = []
    try:
        for count in (1, 2):
            dc.set_num_threads(count)
            found.append(fit(made, recipe, 0))
    finally:
        dc.set_num_threads(threads)
    model = found[0].model
    share = model.ensemble.shares[-1]
    assert share > 0.95
    assert found[0].notes == [f"a linear model has a share of {share:.0%} in the predictions"]
    assert found[0].scores["y"]["r2"] > 0.999
    rows = table_of({f"x{i}": X[:, i] for i in range(4)} | {"colour": COLOUR})
    predicted = model.outputs(rows)
    assert predicted.tobytes() == found[1].model.outputs(rows).tobytes()
    inputs = model.preparation.transform(rows, "float32")
    assert model.outputs_of_few(inputs[:3]).tobytes() == predicted[:3].tobytes()
    model.save(tmp_path / "m.safetensors")
    again = load_table_model(tmp_path / "m.safetensors")
    assert again.ensemble.shares == model.ensemble.shares
    assert again.outputs(rows).tobytes() == predicted.tobytes()
    onnxruntime = pytest.importorskip("onnxruntime")
    model.export(tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    given = {f"x{i}": X[:, [i]].astype(np.float32) for i in range(4)}
    given["colour"] = COLOUR[:, np.newaxis].astype(object)
    said = session.run(None, given)[0]
    assert np.abs(said - predicted).max() < 1e-3


def test_shares_of_a_damaged_file_are_refused(tmp_path: Path) -> None:
    model = fit(problem(LINE), recipe_named("quick").with_options(epochs=1), 0).model
    tensors, config = model.state()
    for shares in ([0.5], [0.5, float("nan")], "half"):
        with pytest.raises((ValueError, TypeError)):
            type(model).from_state(tensors, {**config, "shares": shares})


def test_networks_of_few_rows_keep_one_epoch() -> None:
    """A part of a few rows tells its own best epoch by chance, and is praised for it."""
    made = problem(np.sin(3 * LINE) + 0.3 * np.random.default_rng(2).normal(size=160))
    trained = fit(made, recipe_named("quick"), 0)
    assert len(set(trained.history.kept_epochs.tolist())) == 1
    assert not recipe_named("quick").together(1001)
    curves = np.array([[3, 3], [2, 1], [1, 2], [1, 2], [4, np.nan]], float)
    assert common_epoch(curves, "val_loss") == 3
    assert common_epoch(1 - curves, "val_accuracy") == 3
    assert common_epoch(np.ones((4, 2)), "val_loss") == 4  # of those as good, the last


def test_kinds_of_networks_have_the_shares_that_rows_speak_for() -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(size=(400, 1))
    good, bad = (truth + s * rng.normal(size=truth.shape) for s in (0.1, 0.5))
    assert share_of_first(good, bad, truth, None) > 0.9
    assert share_of_first(bad, good, truth, None) < 0.1
    # Few rows, or two that are as good, leave it near a half.
    assert 0.4 < share_of_first(good[:1], bad[:1], truth[:1], None) < 0.7
    assert share_of_first(good, good, truth, None) == pytest.approx(0.5, abs=0.01)
    # A row without weight says nothing.
    weight = np.ones(400)
    weight[200:] = 0
    mixed = np.vstack([good[:200], bad[200:] + 9])
    assert share_of_first(mixed, bad, truth, weight) > 0.9


def test_shares_of_kinds_are_in_the_file(tmp_path: Path) -> None:
    """Steps are for bins, and not for waves."""
    y = np.floor(2 * X[:, 0]) + (X[:, 1] > 0.3) + 0.5 * (COLOUR == "red")
    recipe = recipe_named("default").with_options(epochs=12, hidden=(16,), folds=4)
    made = fit(problem(y), recipe, 0, linear=False)
    shares = made.model.ensemble.shares
    assert shares is not None
    assert len(shares) in (2, 3)
    assert sum(shares) == pytest.approx(1)
    made.model.save(tmp_path / "m.safetensors")
    again = load_table_model(tmp_path / "m.safetensors")
    assert again.ensemble.shares == shares
    table = table_of({f"x{i}": X[:, i] for i in range(4)} | {"colour": COLOUR})
    assert np.array_equal(again.outputs(table), made.model.outputs(table))


def test_answers_that_are_too_far_from_their_mean_are_drawn_in() -> None:
    rng = np.random.default_rng(4)
    truth = rng.normal(size=(5000, 2))
    answers = np.column_stack([1.25 * truth[:, 0] + 0.1, truth[:, 1]])
    target = NumericTarget(["a", "b"], [10.0, 0.0], [2.0, 1.0])
    before = target.scale(np.zeros((1, 2)))
    target = target.stretched(answers, truth, None)
    found = target.restore(answers)
    assert np.abs(found[:, 0] - (10 + 2 * truth[:, 0])).max() < 0.01
    assert np.abs(found[:, 1] - truth[:, 1]).max() < 1e-6
    assert not np.array_equal(target.scale(np.zeros((1, 2))), before)
    # Two rows say nothing, and answers that are all the same keep their units.
    one = NumericTarget(["a"], [0.0], [1.0])
    few = one.stretched(np.array([[1.0], [-1.0]]), np.array([[3.0], [-3.0]]), None)
    assert 1 < few.scales[0] < 1.1
    assert one.scales == [1.0]
    few = one.stretched(np.zeros((9, 1)), np.arange(9.0)[:, None], None)
    assert few.scales == [1.0]
