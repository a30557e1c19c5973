"""A training that is killed and resumed is, byte for byte, the training that was not killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import callbacks as cb
from densecore._saving import safetensors

SCRIPT = Path(__file__).with_name("resumed_training.py")

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")


def run(folder: Path, way: str, where: str, seed: int = 7) -> str:
    """What the training printed; empty when it was killed."""
    done = subprocess.run(
        [sys.executable, SCRIPT, folder, way, where, str(seed)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (0 if where == "never" else -signal.SIGKILL), done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_checkpoint_goes_on_to_the_bit(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    expected = run(whole, "checkpoint", "never")
    run(parts, "checkpoint", "epoch_begin:4")
    run(parts, "checkpoint", "epoch_end:6")  # before or after the file is written: both are right
    found = run(parts, "checkpoint", "never", seed=99)
    assert found.split()[0] == expected.split()[0]
    assert (parts / "model").read_bytes() == (whole / "model").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("kills", [
    ["epoch_begin:4"],
    ["epoch_begin:0", "epoch_begin:1", "epoch_end:1"],
    ["batch:17", "batch:17", "batch:30", "epoch_end:9"],
])  # fmt: skip
def test_a_backup_goes_on_to_the_bit(kills: list[str], tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    expected = run(whole, "backup", "never")
    seed = 7
    for where in kills:
        assert run(parts, "backup", where, seed) == ""
        # The seed is that of the backup, once there is one.
        seed = 99 if (parts / "backup" / "training.safetensors").exists() else 7
    assert run(parts, "backup", "never", seed) == expected
    for name in ("log.csv", "model"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes(), name
    # What is finished leaves nothing that the next training would resume.
    assert sorted(os.listdir(parts)) == sorted(os.listdir(whole)) == ["log.csv", "model"]


@pytest.mark.slow
def test_the_best_weights_outlive_the_process(tmp_path: Path) -> None:
    expected = run(tmp_path, "best", "never")
    run(tmp_path, "best", "epoch_begin:4")
    assert run(tmp_path, "best", "never") == expected


X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
Y = X.sum(axis=1)


def make(optimizer: Any = "adam", units: int = 5, seed: int = 3) -> dc.Sequential:
    model = dc.Sequential([dc.Input(4), dc.Dense(units, "tanh"), dc.Dense(1)], seed=seed)
    model.compile(optimizer, "mse")
    return model


def stopped(folder: Path, model: dc.Sequential, *others: cb.Callback) -> None:
    """Trains until an exception in the third epoch, with a backup."""

    def fail(epoch: int, logs: Any) -> None:
        if epoch == 2:
            raise ZeroDivisionError

    callbacks = [cb.BackupAndRestore(folder), *others, cb.LambdaCallback(on_epoch_begin=fail)]
    with pytest.raises(ZeroDivisionError):
        model.fit(X, Y, 10, 5, verbose=0, callbacks=callbacks)


@pytest.mark.parametrize(
    ("model", "others", "said"),
    [
        (make(units=6), [], "belongs to another model; give each training a backup_dir of its own"),
        (make("sgd"), [], "belongs to another model"),
        (
            make(),
            [cb.EarlyStopping()],
            "found the callbacks History, wanted those of this",
        ),
    ],
)
def test_a_backup_of_something_else_is_refused(
    model: dc.Sequential, others: list[Any], said: str, tmp_path: Path
) -> None:
    stopped(tmp_path / "b", make())
    before = model.parameters.tobytes()
    with pytest.raises(ValueError, match=said):
        model.fit(X, Y, 10, 5, verbose=0, callbacks=[
            cb.BackupAndRestore(tmp_path / "b"), cb.LambdaCallback(), *others])  # fmt: skip
    assert model.parameters.tobytes() == before


@pytest.mark.parametrize("content", [b"", b"nonsense", "model", "cut"])
def test_a_damaged_backup_is_refused(content: Any, tmp_path: Path) -> None:
    stopped(tmp_path / "b", make())
    path = tmp_path / "b" / "training.safetensors"
    if content == "model":
        make().save(path)
    else:
        path.write_bytes(path.read_bytes()[:-8] if content == "cut" else content)
    model = make()
    before = model.parameters.tobytes()
    with pytest.raises(ValueError, match=r"training\.safetensors: "):
        model.fit(X, Y, verbose=0, callbacks=[
            cb.BackupAndRestore(tmp_path / "b"), cb.LambdaCallback()])  # fmt: skip
    assert model.parameters.tobytes() == before


TRAINING = (
    '{"epoch": 1, "stopped": false, "callbacks": [{"class": "EarlyStopping", "state": %s}, '
    '{"class": "History", "state": %s}]}'
)
WAITING = '{"wait": 0, "stopped_epoch": 0, "best": 1.0, "best_epoch": 0, "best_weights": null}'
NUMBERS = '{"history": {"loss": [1.0, NaN]}, "epoch": [0, 1], "epochs": {"loss": [0, 1]}}'
DAMAGE = [
    ("progress", "{}"),
    ("progress", "[]"),
    ("progress", '{"steps": -5, "epochs": -7}'),
    ("progress", '{"steps": 9e99, "epochs": 1}'),
    ("progress", '{"steps": true, "epochs": 1}'),
    ("optimizer", "[1]"),
    ("optimizer", '{"learning_rate": -1}'),
    ("optimizer", '{"name": 5, "nonsense": 7}'),
    ("seed", "-1"),
    ("seed", str(2**70)),
    ("seed", "9" * 100_000),
    ("model", "[" * 900 + "]" * 900),
    ("training", "{}"),
    ("training", '{"epoch": -90, "stopped": 0, "callbacks": []}'),
    ("training", '{"epoch": 1, "stopped": 7, "callbacks": []}'),
    ("training", '{"epoch": 1, "stopped": 0, "callbacks": 5}'),
    ("training", '{"epoch": 1, "stopped": 0, "callbacks": [{"class": 1, "state": {}}]}'),
    ("training", TRAINING % ("5", NUMBERS)),
    ("training", TRAINING % ("{}", NUMBERS)),
    ("training", TRAINING % (WAITING.replace("0,", '"x",', 1), NUMBERS)),
    ("training", TRAINING % (WAITING.replace("1.0", "[]"), NUMBERS)),
    ("training", TRAINING % (WAITING.replace("null", "[1]"), NUMBERS)),
    ("training", TRAINING % (WAITING.replace("null", '{"tensors": ["nowhere"]}'), NUMBERS)),
    ("training", TRAINING % (WAITING, '{"history": 5, "epoch": 6}')),
    ("training", TRAINING % (WAITING, NUMBERS.replace("NaN", '"x"'))),
    ("training", TRAINING % (WAITING, NUMBERS.replace("[0, 1]", "[0, -1]"))),
]


@pytest.mark.parametrize("checked", [True, False], ids=["checksum", "0.1"])
@pytest.mark.parametrize(("key", "value"), [("training", TRAINING % (WAITING, NUMBERS)), *DAMAGE])
def test_entries_of_a_backup_are_checked(
    key: str, value: str, checked: bool, tmp_path: Path
) -> None:
    """Those of version 0.1 too, which have no checksum; the model is as it was."""
    stopped(tmp_path / "b", make(), cb.EarlyStopping("loss", patience=9))
    path = tmp_path / "b" / "training.safetensors"
    with safetensors.open_file(path) as file:
        metadata = {**file.metadata, key: value}
        tensors = {name: file.read(name) for name in file.tensors}
    if not checked:
        del metadata["checksum"]
        metadata["version"] = "1"
    safetensors.write(path, tensors, metadata)
    model, stop = make(), cb.EarlyStopping("loss", patience=9)
    before = model.parameters.tobytes(), model.progress, repr(model.optimizer), model.seed
    callbacks = [stop, cb.BackupAndRestore(tmp_path / "b"), cb.LambdaCallback()]
    if not checked and (key, value) not in DAMAGE:  # the entry itself is good
        assert model.fit(X, Y, 10, 5, verbose=0, callbacks=callbacks).epoch == [0, 1, 2, 3, 4]
        return
    with pytest.raises(ValueError, match=r"training\.safetensors: the training is damaged: "):
        model.fit(X, Y, 10, 5, verbose=0, callbacks=callbacks)
    after = model.parameters.tobytes(), model.progress, repr(model.optimizer), model.seed
    assert after == before
    assert (stop.wait, stop.best) == (0, None)


def test_a_byte_of_a_tensor_is_noticed(tmp_path: Path) -> None:
    stopped(tmp_path / "b", make())
    path = tmp_path / "b" / "training.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-5] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="its checksum is that of another file"):
        make().fit(X, Y, verbose=0, callbacks=[
            cb.BackupAndRestore(tmp_path / "b"), cb.LambdaCallback()])  # fmt: skip


def test_a_checkpoint_with_a_schedule_that_no_file_can_hold_warns_and_keeps_the_training(
    tmp_path: Path,
) -> None:
    class Mine(dc.schedules.LearningRateSchedule):
        def __call__(self, step: Any) -> Any:
            return 0.01 / (1 + step)

    model = make()
    model.compile(dc.optimizers.Adam(Mine()), "mse")
    with pytest.warns(UserWarning, match="the file holds the present rate") as caught:
        model.fit(X, Y, epochs=2, verbose=0, callbacks=[cb.ModelCheckpoint(tmp_path / "m")])
    assert len({str(each.message) for each in caught}) == 1  # of which Python shows one
    assert model.progress["epochs"] == 2
    assert dc.load_model(tmp_path / "m").progress["epochs"] == 2


def test_a_training_that_had_stopped_stays_stopped(tmp_path: Path) -> None:
    stop = cb.LambdaCallback(on_epoch_end=lambda e, logs: setattr(model, "stop_training", True))
    options: dict[str, Any] = {"verbose": 0, "epochs": 5}
    model = make()
    backup = cb.BackupAndRestore(tmp_path / "b", delete_checkpoint=False)
    model.fit(X, Y, 10, **options, callbacks=[backup, stop])
    again = make(seed=8)
    history = again.fit(X, Y, 10, **options, callbacks=[backup, stop])
    assert history.epoch == [0]
    assert again.parameters.tobytes() == model.parameters.tobytes()


def test_a_function_as_the_loss_is_resumed_too(tmp_path: Path) -> None:
    def loss(y_true: Any, y_pred: Any) -> tuple[float, Any]:
        difference = y_pred - y_true
        return float((difference**2).mean()), 2 * difference / difference.size

    def compiled(seed: int) -> dc.Sequential:
        model = make(seed=seed)
        model.compile("adam", loss)
        return model

    whole, first, second = compiled(3), compiled(3), compiled(4)
    whole.fit(X, Y, 10, 5, verbose=0)
    stopped(tmp_path / "b", first)
    # Callbacks without a state, the progress line among them, need not be the same.
    second.fit(X, Y, 10, 5, verbose=2, callbacks=cb.BackupAndRestore(tmp_path / "b"))
    assert second.parameters.tobytes() == whole.parameters.tobytes()
    assert not (tmp_path / "b").exists()


def test_a_backup_now_and_then(tmp_path: Path) -> None:
    seen: list[bool] = []
    look = cb.LambdaCallback(
        on_epoch_begin=lambda e, logs: seen.append((tmp_path / "b/training.safetensors").exists())
    )
    make().fit(X, Y, 10, 5, verbose=0, callbacks=[cb.BackupAndRestore(tmp_path / "b", 2), look])
    assert seen == [False, False, True, True, True]
    with pytest.raises(ValueError, match="save_freq: found 0, wanted 'epoch' or a number of epoch"):
        cb.BackupAndRestore(tmp_path, 0)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="is a file, wanted a directory"):
        make().fit(X, Y, verbose=0, callbacks=cb.BackupAndRestore(tmp_path / "file"))
