"""Other people's tools, called as their users call them; each test needs the tool's package."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc

pytest.importorskip("sklearn")
from densecore.sklearn import MLPClassifier, MLPRegressor
from densecore.tabular import TabularClassifier

X = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float32)
Y = (2 * X[:, :1] - X[:, 1:2]).astype(np.float32)
CLASSES = (X[:, 0] > 0).astype(int)

# Other people's packages warn of each other's.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def trained(epochs: int = 3, **fit: Any) -> dc.Sequential:
    model = dc.Sequential([dc.Input(4), dc.Dense(8, "tanh"), dc.Dense(1)], seed=0)
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, Y, epochs=epochs, verbose=0, **fit)
    return model


@pytest.mark.parametrize("what", ["model", "predict", "estimator", "table"])
def test_shap_values_add_up(what: str) -> None:
    shap = pytest.importorskip("shap")
    model: Any = trained()
    function: Any = {"model": model, "predict": model.predict}.get(what)
    if what == "estimator":
        function = MLPRegressor(random_state=0, max_iter=3).fit(X, Y.ravel()).predict
    elif what == "table":
        function = TabularClassifier("quick", random_state=0).fit(X, CLASSES).predict_proba
    for explainer in (shap.explainers.Permutation(function, X[:8]),
                      shap.KernelExplainer(function, X[:8])):  # fmt: skip
        found = explainer(X[:2])
        wanted = np.asarray(function(X[:2]))
        sums = found.values.sum(axis=1).reshape(len(wanted), -1)
        bases = np.asarray(found.base_values).reshape(len(wanted), -1)
        assert (sums + bases).reshape(wanted.shape) == pytest.approx(wanted, abs=1e-4)


def test_optuna_prunes_trials() -> None:
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: Any) -> float:
        class Report(dc.callbacks.Callback):
            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                trial.report(logs["val_loss"], epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned

        model = dc.Sequential(
            [dc.Input(4), dc.Dense(trial.suggest_int("units", 1, 8)), dc.Dense(1)]
        )
        model.compile(dc.optimizers.Adam(trial.suggest_float("rate", 1e-4, 0.1, log=True)), "mse")
        history = model.fit(X, Y, validation_split=0.2, epochs=4, verbose=0, callbacks=[Report()])
        return float(history.history["val_loss"][-1])

    study = optuna.create_study(
        pruner=optuna.pruners.MedianPruner(n_startup_trials=2),
        sampler=optuna.samplers.RandomSampler(seed=0),
    )
    study.optimize(objective, n_trials=8)
    states = [trial.state.name for trial in study.trials]
    assert set(states) == {"COMPLETE", "PRUNED"}


def test_mlflow_keeps_models_and_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")

    class Log(dc.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            mlflow.log_metrics(logs, step=epoch)

    class Predictor(mlflow.pyfunc.PythonModel):  # type: ignore[misc,name-defined]
        def load_context(self, context: Any) -> None:
            self.model = dc.load_model(context.artifacts["model"])

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return self.model.predict(model_input, verbose=0)

    with mlflow.start_run() as run:
        model = trained(callbacks=[Log()])
        model.save("model.safetensors")
        logged = mlflow.pyfunc.log_model(
            name="network", python_model=Predictor(), artifacts={"model": "model.safetensors"}
        )
        estimator = MLPClassifier(random_state=0, max_iter=3).fit(X, CLASSES)
        fitted = mlflow.sklearn.log_model(
            estimator, name="estimator", serialization_format="cloudpickle"
        )
    assert (mlflow.pyfunc.load_model(logged.model_uri).predict(X) == model.predict(X)).all()
    again = mlflow.sklearn.load_model(fitted.model_uri)
    assert (again.predict_proba(X) == estimator.predict_proba(X)).all()
    assert set(mlflow.get_run(run.info.run_id).data.metrics) == {"loss", "mae"}


@pytest.mark.parametrize("kind", ["model", "classifier", "table", "ensemble"])
def test_skops_and_joblib_write_and_read(kind: str, tmp_path: Path) -> None:
    skops = pytest.importorskip("skops.io")
    joblib = pytest.importorskip("joblib")
    make: Any = {
        "model": trained,
        "classifier": lambda: MLPClassifier(random_state=0, max_iter=3).fit(X, CLASSES),
        "table": lambda: TabularClassifier("quick", random_state=0).fit(X, CLASSES),
        "ensemble": lambda: dc.Ensemble(trained(), 2),
    }
    thing = make[kind]()
    skops.dump(thing, tmp_path / "a.skops")
    trusted = skops.get_untrusted_types(file=tmp_path / "a.skops")
    joblib.dump(thing, tmp_path / "a.joblib")
    read = [skops.load(tmp_path / "a.skops", trusted=trusted), joblib.load(tmp_path / "a.joblib")]
    for again in read:
        assert (np.asarray(again.predict(X)) == np.asarray(thing.predict(X))).all()
    for found in joblib.Parallel(n_jobs=2)(joblib.delayed(thing.predict)(X[:4]) for _ in range(2)):
        assert (np.asarray(found) == np.asarray(thing.predict(X[:4]))).all()


def test_torch_data_loaders_are_data() -> None:
    data = pytest.importorskip("torch.utils.data")
    torch = pytest.importorskip("torch")
    pairs = data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    found, wanted = trained(1), trained(1)
    found.fit(data.DataLoader(pairs, batch_size=16), epochs=2, verbose=0,
              validation_data=data.DataLoader(pairs, batch_size=64))  # fmt: skip
    wanted.fit(X, Y, batch_size=16, epochs=2, verbose=0, shuffle=False)
    assert (found.parameters == wanted.parameters).all()
    assert found.evaluate(data.DataLoader(pairs, batch_size=64), verbose=0)[0] == pytest.approx(
        wanted.evaluate(X, Y, verbose=0)[0], rel=1e-6
    )

    class Rows(data.Dataset):  # type: ignore[misc,name-defined]
        def __len__(self) -> int:
            return len(X)

        def __getitem__(self, row: int) -> Any:
            return {"left": X[row, :2], "right": X[row, 2:]}, Y[row]

    left, right = dc.Input(2, name="left"), dc.Input(2, name="right")
    joined = dc.layers.concatenate([left, right])
    model = dc.Model({"left": left, "right": right}, dc.Dense(1)(joined), seed=0)
    model.compile("sgd", "mse")
    history = model.fit(data.DataLoader(Rows(), batch_size=16), epochs=2, verbose=0)
    assert history.history["loss"][1] < history.history["loss"][0]


def test_tensorboard_reads_the_log(tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    trained(validation_split=0.2, callbacks=[dc.callbacks.TensorBoard(tmp_path)])
    found: dict[str, list[Any]] = {}
    for folder, _, files in os.walk(tmp_path):
        for name in files:
            log = events.EventAccumulator(os.path.join(folder, name))
            log.Reload()
            for tag in log.Tags()["scalars"]:
                found.setdefault(tag, []).append([each.step for each in log.Scalars(tag)])
    assert found["epoch_loss"] == [[0, 1, 2], [0, 1, 2]]  # of training and validation


USERS_SCRIPT = """
import numpy as np
import densecore as dc
from densecore.sklearn import MLPClassifier
from densecore.tabular import TabularClassifier

x = np.ones((8, 4), np.float32)
y = np.zeros(8)
model = dc.Sequential([dc.Input(4), dc.layers.Dense(8, activation="relu"), dc.Dense(1)], seed=0)
model.compile(dc.optimizers.Adam(1e-3), loss="mse", metrics=["mae"])
history = model.fit(x, y, epochs=2, callbacks=[dc.callbacks.EarlyStopping(patience=2)])
losses: list[float] = history.history["loss"]
out: np.ndarray = model.predict(x)
loss: float = float(model.train_on_batch(x, y))
value, error = model.evaluate(x, y)
inputs = dc.Input(4)
graph = dc.Model(inputs, dc.Dense(2)(dc.Dense(3, "tanh")(inputs)))
graph.compile("adam", "mse")
model.save("a.safetensors")
dc.load_model("a.safetensors").summary()
labels: np.ndarray = MLPClassifier(hidden_layer_sizes=(8,), random_state=0).fit(x, y).predict(x)
table = TabularClassifier("quick").fit({"a": [1.0, 2.0]}, ["u", "v"])
message: str = model.export("m.onnx")
ensemble = dc.Ensemble(model, 3)
"""


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_type_checkers_accept_a_users_script(checker: str, tmp_path: Path) -> None:
    pytest.importorskip(checker)
    (tmp_path / "script.py").write_text(USERS_SCRIPT)
    package = Path(dc.__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": str(package)}
    if package.name != "site-packages":  # where mypy finds what is installed, and wants no path
        environment["MYPYPATH"] = str(package)
    options = ["--strict", "--cache-dir", str(tmp_path)] if checker == "mypy" else []
    command = [sys.executable, "-m", checker, *options, "script.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


NOTEBOOK = """
import numpy as np, densecore as dc
x = np.ones((64, 4), np.float32)
model = dc.Sequential([dc.Input(4), dc.Dense(8, "tanh"), dc.Dense(1)], seed=0)
model.compile("adam", "mse")
history = model.fit(x, x[:, :1], epochs=3)
"""


def test_a_notebook_shows_progress_models_and_histories(tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    cells = [nbformat.v4.new_code_cell(text) for text in (NOTEBOOK, "model", "history")]
    book = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    progress, model, history = (cell.outputs for cell in book.cells)
    text = "".join(each.get("text", "") for each in progress)
    assert "Epoch 3/3" in text
    assert "\x1b[" not in text  # colours are for terminals
    assert "text/html" in model[-1]["data"]
    assert "text/html" in history[-1]["data"]
