"""densecore.sklearn: estimators around build functions, under SciKeras's parameter names."""

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

pytest.importorskip("sklearn", minversion="1.7")

import scipy.sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import densecore as dc
from densecore.sklearn import KerasClassifier, KerasRegressor

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 5)).astype(np.float32)
REAL = np.sin(X[:, 0]) + X[:, 1]
PAIR = np.where(REAL > 0, "yes", "no")
CLASSES = np.digitize(REAL, [-1, 1]) * 10
LABELS = np.c_[REAL > 0, X[:, 2] > 0].astype(int)


def classifier(meta: dict[str, Any], hidden: int = 8, activation: str = "relu") -> dc.Sequential:
    kind = meta["target_type_"]
    units = {"binary": 1, "multilabel-indicator": meta["n_outputs_"]}.get(kind, meta["n_classes_"])
    last = "softmax" if kind.startswith("multiclass") else "sigmoid"
    layers = [dc.Input(meta["n_features_in_"]), dc.Dense(hidden, activation), dc.Dense(units, last)]
    return dc.Sequential(layers)


def regressor(meta: dict[str, Any], hidden: int = 8) -> dc.Sequential:
    layers = [dc.Input(meta["n_features_in_"]), dc.Dense(hidden, "relu")]
    return dc.Sequential([*layers, dc.Dense(meta["n_outputs_"])])


def small(kind: Any = KerasClassifier, **settings: Any) -> Any:
    build = classifier if kind is KerasClassifier else regressor
    defaults = {"epochs": 3, "random_state": 0, "verbose": 0, "optimizer": "adam"}
    return kind(**{"model": build, **defaults, **settings})


# The contract ---------------------------------------------------------------------------------

ADAM = dc.optimizers.Adam(0.05)
ROWS_ARE_SHUFFLED = {
    f"check_sample_weight_equivalence_on_{kind}_data": "batches are drawn by chance"
    for kind in ("dense", "sparse")
} | {"check_regressor_multioutput": "predictions have the model's dtype, float32"}


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [small(optimizer=ADAM, epochs=60), small(KerasRegressor, optimizer=ADAM, epochs=60)],
    expected_failed_checks=lambda estimator: ROWS_ARE_SHUFFLED,
)
def test_scikit_learn_is_content(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


@pytest.mark.parametrize("y", [PAIR, CLASSES, LABELS, np.eye(3)[CLASSES // 10]])
def test_classifiers_learn_targets_of_all_kinds(y: Any) -> None:
    model = small(epochs=150, optimizer__learning_rate=0.02).fit(X, y)
    assert model.score(X, y) > 0.8
    found, probabilities = model.predict(X), model.predict_proba(X)
    assert found.shape == y.shape
    assert probabilities.shape == (120, 2 if y is PAIR or y is LABELS else 3)
    if y is not LABELS:
        assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert set(np.unique(found)) <= set(np.unique(y))


def test_one_output_or_one_for_each_class() -> None:
    two = dc.Sequential([dc.Input(5), dc.Dense(8, "relu"), dc.Dense(2, "softmax")], seed=1)
    for loss in ("sparse_categorical_crossentropy", "categorical_crossentropy"):
        model = small(model=two, loss=loss, epochs=150).fit(X, PAIR)
        assert model.score(X, PAIR) > 0.8
        assert model.predict_proba(X).shape == (120, 2)
    logits = dc.Sequential([dc.Input(5), dc.Dense(3)], seed=1)
    loss = dc.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = small(model=logits, loss=loss).fit(X, CLASSES)
    scores = model.model_.predict(X)
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert_allclose(model.predict_proba(X), expected, rtol=1e-5)


def test_regressors_learn_one_output_or_several() -> None:
    for y in (REAL, np.c_[REAL, X[:, 2]]):
        model = small(KerasRegressor, epochs=150, optimizer__learning_rate=0.02).fit(X, y)
        assert model.predict(X).shape == y.shape
        assert model.score(X, y) > 0.8
    with pytest.raises(ValueError, match="y: found 1 outputs, wanted 2 as in the first fit"):
        model.partial_fit(X, REAL)


def test_rows_may_be_sparse_frames_or_pictures() -> None:
    dense = small().fit(X, PAIR).predict_proba(X)
    sparse = small().fit(scipy.sparse.csr_array(X), PAIR)
    assert_allclose(sparse.predict_proba(scipy.sparse.csr_array(X)), dense, rtol=1e-5)
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcde"))
    model = small().fit(frame, pandas.Series(PAIR))
    assert_allclose(model.predict_proba(frame), dense, rtol=1e-5)
    assert list(model.feature_names_in_) == list("abcde")

    def pictures(meta: dict[str, Any]) -> dc.Sequential:
        return dc.Sequential(
            [dc.Input(meta["X_shape_"][1:]), dc.layers.Flatten(), dc.Dense(1, "sigmoid")]
        )

    shape = (120, 5, 1)
    assert small(model=pictures).fit(X.reshape(shape), PAIR).predict(X.reshape(shape)).shape == (
        120,
    )


# Parameters -----------------------------------------------------------------------------------


def test_arguments_reach_the_build_function() -> None:
    for given in ({"hidden": 3}, {"model__hidden": 3}):
        model = small(**given).fit(X, PAIR)
        assert model.model_.layers[0].units == 3
        assert model.get_params()[next(iter(given))] == 3
        assert clone(model).get_params() == model.get_params()
    model.set_params(model__hidden=5, model__activation="tanh").fit(X, PAIR)
    assert model.model_.layers[0].units == 5
    assert str(model.model_.layers[0].activation) == "tanh"
    with pytest.raises(ValueError, match=r"depth: found no such argument .* activation, hidden"):
        small(depth=2).fit(X, PAIR)
    with pytest.raises(ValueError, match=r"Invalid parameter 'hiden'.* KerasClassifier\(hiden="):
        small(hidden=3).set_params(hiden=4)
    with pytest.raises(ValueError, match="model: found None, wanted a function"):
        KerasClassifier().fit(X, PAIR)
    with pytest.raises(TypeError, match="a build function that returns list, wanted a densecore"):
        small(model=list).fit(X, PAIR)


def test_build_functions_are_told_what_there_is() -> None:
    seen: dict[str, Any] = {}

    def build(meta: Any, compile_kwargs: Any, params: Any, width: int = 2) -> dc.Sequential:
        seen.update(meta=meta, params=params)
        model = dc.Sequential([dc.Input(5), dc.Dense(width), dc.Dense(3, "softmax")])
        model.compile(**compile_kwargs)
        seen["optimizer"] = model.optimizer
        return model

    model = small(model=build, width=4, optimizer__beta_1=0.5).fit(X, CLASSES)
    assert seen["meta"]["n_classes_"] == 3
    assert seen["meta"]["n_features_in_"] == 5
    assert seen["meta"]["X_shape_"] == (120, 5)
    assert seen["meta"]["target_type_"] == "multiclass"
    assert_array_equal(seen["meta"]["classes_"], [0, 10, 20])
    assert seen["params"]["width"] == 4
    assert model.model_.optimizer is seen["optimizer"]
    assert model.model_.optimizer.beta_1 == 0.5
    assert model.model_.loss.kind == "sparse_categorical_crossentropy"


def test_a_compiled_model_stays_compiled_so() -> None:
    def build() -> dc.Sequential:
        model = dc.Sequential([dc.Dense(1)])
        model.compile(dc.optimizers.SGD(0.01), "mae", metrics=["mse"])
        return model

    model = small(KerasRegressor, model=build, optimizer="adam", loss="huber").fit(X, REAL)
    assert model.model_.optimizer.name == "sgd"
    assert model.model_.loss.kind == "mean_absolute_error"
    assert list(model.history_) == ["loss", "mse"]


@pytest.mark.parametrize("optimizer", ["sgd", dc.optimizers.SGD])
def test_options_make_the_optimizer(optimizer: Any) -> None:
    model = small(optimizer=optimizer, optimizer__learning_rate=0.3, optimizer__momentum=0.5)
    model.fit(X, PAIR)
    assert model.model_.optimizer.learning_rate == 0.3
    assert model.model_.optimizer.momentum == 0.5
    with pytest.raises(ValueError, match=r"optimizer__momentum: found .* an object, wanted"):
        small(optimizer=dc.optimizers.SGD(), optimizer__momentum=0.5).fit(X, PAIR)
    with pytest.raises(TypeError, match="momentun"):
        small(optimizer="sgd", optimizer__momentun=0.5).fit(X, PAIR)


def test_options_make_losses_metrics_and_callbacks() -> None:
    stops = dc.callbacks.EarlyStopping
    model = small(
        loss=dc.losses.BinaryCrossentropy,
        loss__label_smoothing=0.2,
        metrics=[dc.metrics.AUC, "accuracy"],
        metrics__0__name="area",
        callbacks={"stop": stops, "time": dc.callbacks.TimeLimit(100)},
        callbacks__stop__patience=2,
        callbacks__stop__monitor="loss",
        callbacks__stop__min_delta=10.0,
        epochs=50,
    ).fit(X, PAIR)
    assert model.model_.loss.label_smoothing == 0.2
    assert list(model.history_) == ["loss", "area", "accuracy"]
    assert model.current_epoch == 3
    one = small(callbacks=stops, callbacks__patience=1, callbacks__monitor="loss",
                callbacks__min_delta=10.0, epochs=50)  # fmt: skip
    assert one.fit(X, PAIR).current_epoch == 2
    two = clone(one).set_params(callbacks=[stops, stops], callbacks__1__patience=4)
    assert two.fit(X, PAIR).current_epoch == 2
    with pytest.raises(ValueError, match="callbacks__patience: found no callbacks to give it to"):
        small(callbacks__patience=1).fit(X, PAIR)


def test_options_of_fit_and_predict() -> None:
    model = small(fit__batch_size=7, fit__validation_split=0.25, batch_size=50, epochs=2)
    model.fit(X, PAIR)
    assert model.model_.progress["steps"] == 2 * -(-90 // 7)
    assert len(model.history_["val_loss"]) == 2
    held_out = small(KerasRegressor).fit(X, REAL, epochs=4, validation_data=(X[:9], REAL[:9]))
    assert len(held_out.history_["val_loss"]) == 4
    assert_array_equal(model.predict(X, batch_size=3), model.predict(X))
    with pytest.raises(TypeError, match="batchsize"):
        model.fit(X, PAIR, batchsize=3)


@pytest.mark.slow
def test_searches_and_pipelines() -> None:
    pipeline = make_pipeline(StandardScaler(), small())
    grid = {
        "kerasclassifier__model__hidden": [2, 8],
        "kerasclassifier__optimizer": ["adam", "sgd"],
        "kerasclassifier__optimizer__learning_rate": [0.001, 0.1],
    }
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, PAIR)
    assert search.best_params_["kerasclassifier__optimizer__learning_rate"] == 0.1
    assert search.best_score_ > 0.8
    assert len(set(search.cv_results_["mean_test_score"])) > 3
    shared = GridSearchCV(pipeline, grid, cv=2, n_jobs=2).fit(X, PAIR)
    assert_array_equal(shared.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"])
    assert cross_val_score(small(KerasRegressor, epochs=30), X, REAL, cv=3).shape == (3,)


# Training -------------------------------------------------------------------------------------


def test_a_random_state_fixes_all() -> None:
    first = small(random_state=3).fit(X, PAIR).predict_proba(X)
    np.random.seed(1)  # noqa: NPY002 - which must not matter
    assert_array_equal(small(random_state=3).fit(X, PAIR).predict_proba(X), first)
    assert abs(small(random_state=4).fit(X, PAIR).predict_proba(X) - first).max() > 1e-3
    found = []
    for _ in range(2):
        np.random.seed(1)  # noqa: NPY002
        found.append(small(random_state=None).fit(X, PAIR).predict_proba(X))
    assert_array_equal(found[0], found[1])
    state = np.random.RandomState(0)
    one, two = (small(random_state=state).fit(X, PAIR).predict_proba(X) for _ in range(2))
    assert abs(one - two).max() > 1e-3
    outside = dc.Sequential([dc.Dense(2)]).seed
    small(random_state=3).fit(X, PAIR)
    assert dc.Sequential([dc.Dense(2)]).seed != outside


def test_fits_begin_anew_and_partial_fits_go_on() -> None:
    model = small(epochs=2)
    with pytest.raises(NotFittedError):
        model.predict(X)
    assert not model.initialized_
    model.fit(X, CLASSES).fit(X, CLASSES)
    assert model.current_epoch == len(model.history_["loss"]) == 2
    first = model.model_
    model.partial_fit(X, CLASSES)
    assert model.model_ is first
    assert model.current_epoch == 3
    model.set_params(warm_start=True).fit(X, CLASSES)
    assert model.model_ is first
    assert model.current_epoch == 5
    whole = small(epochs=5).fit(X, CLASSES)
    assert_array_equal(whole.predict_proba(X), model.predict_proba(X))
    assert whole.history_ == model.history_
    with pytest.raises(ValueError, match="classes not in"):
        model.partial_fit(X, CLASSES + 1)
    later = small().partial_fit(X[:2], [0, 10], classes=[0, 10, 20]).partial_fit(X, CLASSES)
    assert_array_equal(later.classes_, [0, 10, 20])


def test_a_model_can_be_made_without_training() -> None:
    model = small().initialize(X, PAIR)
    assert model.initialized_
    assert model.current_epoch == 0
    assert model.model_.built
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_a_given_model_is_copied() -> None:
    given = dc.Sequential([dc.Input(5), dc.Dense(1)], seed=0)
    before = given.parameters.copy()
    model = small(KerasRegressor, model=given).fit(X, REAL)
    assert_array_equal(given.parameters, before)
    assert abs(model.model_.parameters - before).max() > 0
    with pytest.raises(ValueError, match="model__hidden: found a model that is built already"):
        small(KerasRegressor, model=given, model__hidden=3).fit(X, REAL)


def test_weights_of_rows_and_classes() -> None:
    kept = small(epochs=60).fit(X, PAIR, (PAIR == "yes") * 1.0)
    assert kept.predict_proba(X)[:, 1].mean() > 0.6
    factors = {"no": 1.0, "yes": 4.0}
    weighted = small(class_weight=factors).fit(X, PAIR)
    same = small().fit(X, PAIR, np.where(PAIR == "yes", 4.0, 1.0))
    assert_array_equal(weighted.predict_proba(X), same.predict_proba(X))
    balanced = small(class_weight="balanced").fit(X, CLASSES)
    assert abs(balanced.predict_proba(X) - small().fit(X, CLASSES).predict_proba(X)).max() > 1e-4


def test_copies_predict_the_same() -> None:
    model = small(hidden=4, callbacks=dc.callbacks.EarlyStopping, callbacks__monitor="loss")
    model.fit(X, PAIR)
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert_array_equal(twin.predict_proba(X), model.predict_proba(X))
        assert twin.partial_fit(X, PAIR).current_epoch == 4
    assert model.current_epoch == 3


def test_subclasses_build_by_a_method() -> None:
    class Wide(KerasClassifier):
        def __init__(self, width: int = 16, epochs: int = 2, **others: Any) -> None:
            super().__init__(epochs=epochs, **others)
            self.width = width

        def _keras_build_fn(self, compile_kwargs: dict[str, Any]) -> dc.Sequential:
            layers = [dc.Input(self.n_features_in_), dc.Dense(self.width, "relu")]
            model = dc.Sequential([*layers, dc.Dense(1, "sigmoid")])
            model.compile(**compile_kwargs)
            return model

    model = Wide(width=7, verbose=0, random_state=0).fit(X, PAIR)
    assert model.model_.layers[0].units == 7
    assert clone(model).set_params(width=3).fit(X, PAIR).model_.layers[0].units == 3
    assert repr(model).startswith("Wide(")


def test_strings_and_numbers_are_not_mixed() -> None:
    with pytest.raises(TypeError, match="y: found classes of the types int, str"):
        small().fit(X, ["1", 1] * 60)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert small().fit(X, ["1", "01"] * 60).classes_.tolist() == ["01", "1"]


def build_for_wrapper(X: Any, y: Any, units: int = 8) -> Any:
    model = dc.Sequential([dc.Input((X.shape[1],)), dc.Dense(units, "relu"), dc.Dense(y.shape[1])])
    model.compile(dc.optimizers.Adam(0.02), "mse", ["mae"])
    return model


def test_keras_s_own_wrappers() -> None:
    from densecore import wrappers

    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 3))
    labels = np.array(["a", "b", "c"])[x.argmax(1)]
    kind = wrappers.SKLearnClassifier(
        build_for_wrapper, model_kwargs={"units": 5}, fit_kwargs={"epochs": 40}
    )
    fitted = clone(kind).fit(x, labels)
    assert fitted.score(x, labels) > 0.8
    assert fitted.predict_proba(x).shape == (90, 3)
    assert fitted.model_.layers[0].units == 5
    assert len(fitted.history_["mae"]) == 40
    assert len(fitted.partial_fit(x, labels, epochs=1).history_["mae"]) == 1
    with pytest.raises(ValueError, match="found the class d"):
        fitted.partial_fit(x, np.full(90, "d"))
    given = build_for_wrapper(x, x[:, :1])
    before = given.get_weights()
    values = wrappers.SKLearnRegressor(given, fit_kwargs={"epochs": 30}).fit(x, x[:, 0])
    assert values.predict(x).shape == (90,)
    assert values.score(x, x[:, 0]) > 0.5
    assert all((a == b).all() for a, b in zip(before, given.get_weights(), strict=True))
    made = wrappers.SKLearnTransformer(build_for_wrapper).fit(x, x[:, :2]).transform(x)
    assert made.shape == (90, 2)
    with pytest.raises(TypeError, match="SKLearnRegressor: model: found str"):
        wrappers.SKLearnRegressor("model").fit(x, x[:, 0])
