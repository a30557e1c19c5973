"""Estimators in ONNX: alone, and as the last step of pipelines that skl2onnx converts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
runtime = pytest.importorskip("onnxruntime")

from densecore.sklearn import MLPClassifier, MLPRegressor, register_skl2onnx  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::Warning")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 5))
SMALL: dict[str, Any] = {"hidden_layer_sizes": (8,), "max_iter": 5, "random_state": 0}
CLASSES = {
    "two": np.where(X[:, 0] > 0, "yes", "no"),
    "three": np.digitize(X[:, 0], [-0.5, 0.5]),
    "booleans": X[:, 0] > 0,
    "labels": (X[:, :3] > 0).astype(int),
}
VALUES: dict[str, tuple[Any, dict[str, Any]]] = {
    "one": (3 * X[:, 0] + 100, {}),
    "two": (X[:, :2] * 5, {}),
    "scaled": (3 * X[:, 0] + 100, {"scale_targets": True, "scale_inputs": True}),
    "quantiles": (X[:, :2] * 5, {"loss": "quantile", "quantile": [0.1, 0.5]}),
    "deviations": (3 * X[:, 0], {"loss": "gaussian_nll"}),
    "counts": (np.abs(X[:, 0]).round(), {"loss": "poisson"}),
}


def run(content: Any, x: Any, name: str = "x") -> dict[str, np.ndarray]:
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, {name: x}), strict=True))


@pytest.mark.parametrize("members", [None, 3])
@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_classifiers(kind: str, members: int | None, dtype: Any, tmp_path: Path) -> None:
    x = X.astype(dtype)
    model = MLPClassifier(**SMALL, n_members=members).fit(x, CLASSES[kind])
    assert "ONNX opset" in model.export(tmp_path / "m.onnx")
    found = run(tmp_path / "m.onnx", x)
    assert found["probabilities"] == pytest.approx(model.predict_proba(x), abs=1e-6)
    wanted = model.predict(x)
    assert found["label"].shape == wanted.shape
    assert (found["label"].astype(wanted.dtype) == wanted).all()


@pytest.mark.parametrize("members", [None, 2])
@pytest.mark.parametrize("kind", VALUES)
def test_regressors(kind: str, members: int | None, tmp_path: Path) -> None:
    y, options = VALUES[kind]
    model = MLPRegressor(**SMALL, n_members=members, **options).fit(X, y)
    model.export(tmp_path / "m.onnx")
    wanted = model.predict(X)
    found = run(tmp_path / "m.onnx", X)["prediction"].reshape(wanted.shape)
    assert found == pytest.approx(wanted, rel=1e-9, abs=1e-9)


def test_mistakes_write_nothing(tmp_path: Path) -> None:
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        MLPRegressor().export(tmp_path / "m.onnx")
    with pytest.raises(ValueError, match=r"wanted a name that ends in \.onnx"):
        MLPRegressor(**SMALL).fit(X, X[:, 0]).export(tmp_path / "m.h")
    assert list(tmp_path.iterdir()) == []


def test_skl2onnx_converts_pipelines() -> None:
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    register_skl2onnx()
    x = X.astype(np.float32)
    for kind in ("two", "three"):
        model = make_pipeline(StandardScaler(), MLPClassifier(**SMALL)).fit(x, CLASSES[kind])
        made = skl2onnx.to_onnx(model, x[:1], options={"zipmap": False}, target_opset=17)
        label, probabilities = run(made.SerializeToString(), x, "X").values()
        assert probabilities == pytest.approx(model.predict_proba(x), abs=2e-6)
        assert (label == model.predict(x)).all()
    model = make_pipeline(StandardScaler(), MLPRegressor(**SMALL)).fit(x, X[:, 0])
    made = skl2onnx.to_onnx(model, x[:1], target_opset=17)
    (found,) = run(made.SerializeToString(), x, "X").values()
    assert found[:, 0] == pytest.approx(model.predict(x), abs=2e-6)
