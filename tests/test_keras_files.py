"""Keras's HDF5 files that point to other files: they are not opened."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc

h5py = pytest.importorskip("h5py")


def weights_file(path: Path, bias: Any) -> Path:
    """Weights of a dense layer as Keras 3 writes them; `bias` writes the second array."""
    with h5py.File(path, "w") as file:
        group = file.create_group("layers/dense/vars")
        group["0"] = np.ones((2, 3), np.float32)
        bias(group)
    return path


def linked(group: Any) -> None:
    other = Path(group.file.filename).with_name("other.h5")
    with h5py.File(other, "w") as file:
        file["secret"] = np.ones(3, np.float32)
    group["1"] = h5py.ExternalLink(str(other), "secret")


def of_raw_bytes(group: Any) -> None:
    other = Path(group.file.filename).with_name("secret.bin")
    other.write_bytes(b"a secret that is long")
    group.create_dataset("1", (3,), "f4", external=[(str(other), 0, h5py.h5f.UNLIMITED)])


def virtual(group: Any) -> None:
    other = Path(group.file.filename).with_name("other.h5")
    with h5py.File(other, "w") as file:
        file["secret"] = np.ones(3, np.float32)
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource(str(other), "secret", (3,))
    group.create_virtual_dataset("1", layout)


@pytest.mark.parametrize(
    ("bias", "message"),
    [
        (linked, "found layers/dense/vars/1, a link to another file"),
        (of_raw_bytes, "/layers/dense/vars/1: found an array in another file"),
        (virtual, "/layers/dense/vars/1: found an array in another file"),
    ],
)
def test_arrays_in_other_files_are_refused(bias: Any, message: str, tmp_path: Path) -> None:
    model = dc.Sequential([dc.Input(2), dc.Dense(3)], seed=0)
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.load_weights(weights_file(tmp_path / "m.weights.h5", bias))
    for one, other in zip(before, model.get_weights(), strict=True):
        assert (one == other).all()


def test_links_within_a_file_are_followed(tmp_path: Path) -> None:
    def bias(group: Any) -> None:
        group.file["elsewhere"] = np.full(3, 2.0, np.float32)
        group["1"] = h5py.SoftLink("/elsewhere")

    model = dc.Sequential([dc.Input(2), dc.Dense(3)], seed=0)
    model.load_weights(weights_file(tmp_path / "m.weights.h5", bias))
    assert (model.get_weights()[1] == 2).all()


def test_a_file_with_lookups_that_keras_has_written() -> None:
    """tests/data/keras_lookups.py wrote it, with Keras 3.15, and printed these numbers."""
    model = dc.from_keras(Path(__file__).parent / "data" / "keras_lookups.keras")
    found = model.predict(
        {
            "size": np.array([[0, 1], [2, 5], [9, 9]], np.float32),
            "shop": np.array([[10], [30], [99]]),  # 99 is not in the vocabulary
            "city": np.array([["rome"], ["bonn"], ["oslo"]]),
        },
        verbose=0,
    )
    sales = [[-0.4728262424468994], [0.0520315021276474], [-0.27197709679603577]]
    kind = [[0.82541424, 0.17458576], [0.52512789, 0.47487217], [0.58104402, 0.41895598]]
    np.testing.assert_allclose(found["sales"], sales, atol=1e-6)
    np.testing.assert_allclose(found["kind"], kind, atol=1e-6)
