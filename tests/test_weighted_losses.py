"""How weights enter the loss: Keras's reductions, the same in every way of training."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from data.keras_weights import results

KERAS = json.loads((Path(__file__).parent / "data" / "keras_weights.json").read_text())
REDUCTIONS = ["sum_over_batch_size", "mean_with_sample_weight", "sum", "sum_over_outputs"]
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(50, 3)), RNG.normal(size=(50, 2))
WEIGHT = RNG.uniform(0.2, 3, 50)
FACTORS = {"sum_over_batch_size": 0.1, "mean_with_sample_weight": 0.1}


def make(reduction: str, dtype: str = "float64", l2: float = 0.0, seed: int = 1) -> Any:
    hidden = dc.Dense(4, "tanh", kernel_regularizer=dc.regularizers.L2(l2) if l2 else None)
    model = dc.Sequential([dc.Input(3), hidden, dc.Dense(2)], dtype=dtype, seed=seed)
    rate = FACTORS.get(reduction, 0.002)
    model.compile(dc.optimizers.SGD(rate), dc.losses.MeanSquaredError(reduction=reduction))
    return model


def test_numbers_are_keras_s() -> None:
    """Its file is written by ``python tests/data/keras_weights.py`` with Keras itself."""
    found = results(dc)
    assert found.keys() == KERAS.keys()
    for case, expected in KERAS.items():
        np.testing.assert_allclose(found[case], expected, rtol=3e-5, atol=3e-6, err_msg=case)


def reduced(reduction: str, weight: Any, rows: Any) -> float:
    """A batch's loss from those of its rows: the definition, in NumPy."""
    total = float((weight * rows).sum())
    divisor = {
        "sum_over_batch_size": len(rows),
        "mean_with_sample_weight": weight.sum(),
        "sum": 1,
        "sum_over_outputs": 1 / 2,
    }
    return total / divisor[reduction]


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_weights_have_an_effect_in_every_batch(reduction: str) -> None:
    """Also in those of one row, where only a mean by weights has no use for them."""
    plain, weighted = make(reduction), make(reduction)
    plain.fit(X, Y, 1, shuffle=False, verbose=0)
    weighted.fit(X, Y, 1, shuffle=False, verbose=0, sample_weight=WEIGHT)
    same = np.allclose(plain.parameters, weighted.parameters, rtol=1e-10)
    assert same == (reduction == "mean_with_sample_weight")


@pytest.mark.parametrize("l2", [0.0, 0.3])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_epochs_are_means_of_batches_by_their_rows(reduction: str, l2: float) -> None:
    """Of the training, held-out rows and `evaluate`, with a last batch that is smaller."""
    model = make(reduction, l2=l2)
    before = [weights.copy() for weights in model.get_weights()]

    def expected(rows: slice) -> float:
        losses = ((model.predict(X[rows]) - Y[rows]) ** 2).mean(axis=1)
        penalty = l2 * float((model.layers[0].kernel ** 2).sum())
        return reduced(reduction, WEIGHT[rows], losses) + penalty

    batches = [slice(begin, min(begin + 16, 50)) for begin in range(0, 50, 16)]
    rows = [batch.stop - batch.start for batch in batches]
    trained = []
    for batch in batches:
        trained.append(expected(batch))
        model.train_on_batch(X[batch], Y[batch], WEIGHT[batch])
    held_out = np.average([expected(batch) for batch in batches], weights=rows)
    model.set_weights(before)
    history = model.fit(
        X, Y, 16, shuffle=False, verbose=0, sample_weight=WEIGHT, validation_data=(X, Y, WEIGHT)
    ).history
    assert history["loss"][0] == pytest.approx(np.average(trained, weights=rows), rel=1e-12)
    assert history["val_loss"][0] == pytest.approx(held_out, rel=1e-12)
    again = model.evaluate(X, Y, 16, sample_weight=WEIGHT)
    assert again == pytest.approx(held_out, rel=1e-12)
    assert model.evaluate(X, Y, 16, sample_weight=WEIGHT, callbacks=[dc.callbacks.Callback()]) == (
        pytest.approx(held_out, rel=1e-12)
    )


@pytest.mark.parametrize("size", [1, 16])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_way_of_training_is_the_same(dtype: str, reduction: str, size: int) -> None:
    x, y, weight = (array.astype(dtype) for array in (X, Y, WEIGHT))
    whole, steps, gradients, bound = (make(reduction, dtype) for _ in range(4))
    given: dict[str, Any] = {"shuffle": False, "verbose": 0, "sample_weight": weight}
    history = whole.fit(x, y, size, 2, **given).history
    ensemble = dc.Ensemble(make(reduction, dtype), seeds=[1, 2])
    ensemble.compile(dc.optimizers.SGD(FACTORS.get(reduction, 0.002)), whole.loss)
    together = ensemble.fit(x, y, batch_size=size, epochs=2, **given)
    batches = [slice(begin, begin + size) for begin in range(0, 50, size)] * 2
    for batch in batches:
        part = x[batch], y[batch], weight[batch]
        loss = steps.train_on_batch(*part)
        assert gradients.loss_and_gradients(*part) == pytest.approx(loss, rel=1e-6)
        gradients.apply_gradients()
        assert bound.make_train_step(*part)() == loss
    assert whole.parameters.tobytes() == steps.parameters.tobytes()
    assert whole.parameters.tobytes() == bound.parameters.tobytes()
    assert whole.parameters.tobytes() == ensemble.member(0).parameters.tobytes()
    np.testing.assert_allclose(gradients.parameters, steps.parameters, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(np.asarray(together.history["loss"])[:, 0], history["loss"])
    # The oracle.
    start = make(reduction, dtype).get_weights()
    oracle = dc.reference.Network(
        [(start[0].T, start[1], "tanh"), (start[2].T, start[3], "linear")]
    )
    rate = FACTORS.get(reduction, 0.002)
    for batch in batches:
        oracle.train_on_batch(
            x[batch], y[batch], "sgd", "mse", reduction, weight[batch], learning_rate=rate
        )
    found = np.concatenate([np.ravel(array) for array in whole.get_weights()])
    flat = [
        oracle.parameters[0].T,
        oracle.parameters[1],
        oracle.parameters[2].T,
        oracle.parameters[3],
    ]
    wanted = np.concatenate([np.ravel(array) for array in flat])
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 if dtype == "float32" else 1e-12)


def test_without_weights_the_two_means_have_the_same_bits() -> None:
    first, second = make("sum_over_batch_size"), make("mean_with_sample_weight")
    histories = [model.fit(X, Y, 7, 3, verbose=0).history["loss"] for model in (first, second)]
    assert histories[0] == histories[1]
    assert first.parameters.tobytes() == second.parameters.tobytes()


def test_estimators_mean_what_scikit_learn_means() -> None:
    """A common factor of all weights, and weights of batches of one row, change nothing."""
    pytest.importorskip("sklearn")
    from sklearn.exceptions import ConvergenceWarning

    from densecore.sklearn import MLPRegressor

    def fitted(**given: Any) -> Any:
        estimator = MLPRegressor(
            hidden_layer_sizes=8, max_iter=3, random_state=0, alpha=0.0, n_iter_no_change=9
        )
        return estimator.fit(X, Y, **given).coefs_[0]

    with pytest.warns(ConvergenceWarning):
        plain, scaled = fitted(), fitted(sample_weight=np.full(50, 7.0))
    np.testing.assert_allclose(plain, scaled, rtol=1e-9)


def test_a_loss_per_row_is_refused_where_one_number_is_wanted() -> None:
    loss = dc.losses.MeanSquaredError(reduction=None)
    assert loss.reduction == "none"
    rows = loss(Y, Y + 1.0, WEIGHT)
    np.testing.assert_allclose(rows, WEIGHT, rtol=1e-12)
    model = make("sum")
    kept = model.loss
    for compile_it in (model.compile, dc.Ensemble(make("sum"), 2).compile):
        with pytest.raises(ValueError, match="loss mean_squared_error: found reduction='none'"):
            compile_it("sgd", loss)
    assert model.loss is kept


def test_files_keep_the_reduction(tmp_path: Path) -> None:
    for reduction in REDUCTIONS:
        model = make(reduction)
        model.save(tmp_path / "m")
        assert dc.load_model(tmp_path / "m").loss.reduction == reduction


@pytest.mark.parametrize(
    ("old", "new"), [("mean", "mean_with_sample_weight"), ("sum", "sum_over_outputs")]
)
def test_models_of_version_0_1_mean_what_they_meant(old: str, new: str) -> None:
    """There, a mean was divided by the weights, and a sum was over the outputs, too."""
    config = make("sum").get_config()
    del config["compile"]["loss"]["batch_reduction"]
    config["compile"]["loss"]["reduction"] = old
    assert dc.Sequential.from_config(config).loss.reduction == new


def test_weights_may_be_a_column() -> None:
    rng = np.random.default_rng(0)
    x, y, weight = rng.normal(size=(20, 3)), rng.integers(0, 2, 20), rng.uniform(0, 2, 20)
    found = []
    for given in (weight, weight[:, None]):
        model = dc.Sequential([dc.Input(3), dc.Dense(1, "sigmoid")], seed=0)
        model.compile("sgd", "binary_crossentropy")
        model.fit(x, y, sample_weight=given, epochs=2, verbose=0)
        found.append((model.parameters.copy(), model.evaluate(x, y, sample_weight=given)))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]


@pytest.mark.parametrize("weighted", [False, True])
def test_class_weight_does_not_count_for_rows_held_out(weighted: bool) -> None:
    """As in Keras: the validation's loss and metrics are those of `evaluate` on these rows."""
    x, classes = X[:40], (Y[:40, 0] > 0).astype(np.int32)
    weight = WEIGHT[:40] if weighted else None
    model = dc.Sequential([dc.Input(3), dc.Dense(2, "softmax")], dtype="float64", seed=1)
    model.compile("sgd", "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    factors = {0: 0.1, 1: 5.0}
    given = {"epochs": 2, "verbose": 0, "sample_weight": weight, "class_weight": factors}
    history = model.fit(x, classes, validation_split=0.25, **given).history
    held_out = (x[30:], classes[30:], *([weight[30:]] if weight is not None else []))
    loss, accuracy = model.evaluate(*held_out[:2], sample_weight=(*held_out, None)[2], verbose=0)
    assert history["val_loss"][-1] == pytest.approx(loss, rel=1e-12)
    assert history["val_accuracy"][-1] == pytest.approx(accuracy, rel=1e-12)

    rows = np.arange(30)
    for how in (
        {"validation_split": 0.25},
        {"indices": [rows, rows], "validation_data": "rest"},
        {"indices": [rows, rows], "validation_indices": [np.arange(30, 40)] * 2},
    ):
        members = dc.Ensemble(model, 2)
        found = members.fit(x, classes, **given, **how)
        expected = members.evaluate(*held_out[:2], (*held_out, None)[2], return_dict=True)
        np.testing.assert_allclose(found.history["val_loss"][-1], expected["loss"], rtol=1e-12)
