"""Files and pickles of version 0.1.0, which `data/0.1.0/make.py` has made with that version."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc

FOLDER = Path(__file__).parent / "data" / "0.1.0"
EXPECTED = np.load(FOLDER / "expected.npz")

# Old modules' names warn, and only the first time.
pytestmark = pytest.mark.filterwarnings("ignore:.* is now .*:DeprecationWarning")


def unpickled(name: str) -> Any:
    return pickle.loads((FOLDER / name).read_bytes())


def close(found: Any, expected: Any) -> None:
    # Levels without fused multiply-adds differ in the last digits.
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "read",
    [lambda: dc.load_model(FOLDER / "model.safetensors"), lambda: unpickled("model.pickle")],
    ids=["file", "pickle"],
)
def test_a_model_goes_on_where_it_was(read: Callable[[], dc.Sequential]) -> None:
    model = read()
    assert model.name == "old"
    assert model.metadata == {"made by": "0.1.0"}
    assert model.progress == {"steps": 6, "epochs": 2}
    close(model.predict(EXPECTED["x"]), EXPECTED["predicted"])
    model.fit(EXPECTED["x"], EXPECTED["y"], epochs=1, batch_size=8, verbose=0)
    close(model.predict(EXPECTED["x"]), EXPECTED["after_another_epoch"])


def test_weights_are_read() -> None:
    model = dc.load_model(FOLDER / "model.safetensors")
    model.parameters[:] = 0
    model.load_weights(FOLDER / "model.weights.safetensors")
    close(model.predict(EXPECTED["x"]), EXPECTED["predicted"])


def test_a_frozen_model_is_read() -> None:
    close(unpickled("frozen.pickle")(EXPECTED["x"]), EXPECTED["after_another_epoch"])


@pytest.mark.parametrize(
    "read",
    [
        lambda: dc.Ensemble.load(FOLDER / "ensemble.safetensors"),
        lambda: unpickled("ensemble.pickle"),
    ],
    ids=["file", "pickle"],
)
def test_an_ensemble_is_read(read: Callable[[], dc.Ensemble]) -> None:
    ensemble = read()
    assert ensemble.progress["epochs"] == [1, 1, 1]
    close(ensemble.predict(EXPECTED["x"]), np.load(FOLDER / "ensemble.npy"))
