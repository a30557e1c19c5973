"""Kill trainings while they save, at random moments, and look at what they leave behind.

    python tools/kill_check.py [--kills N] [--seed N]

Two checks, each with N kills (300 by default, about 3 minutes together). First a process that saves
a model over and over to one path: after every `kill -9` the file must be there, load, and hold one
of the models whole. Then trainings with checkpoints or a backup are killed and started again until
they end: parameters, optimizer state, history and files must be those of a training that was
not killed. Anything else is reported and gives status 1. Runs the densecore that is installed.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import densecore as dc

SCRIPT = Path(__file__).parents[1] / "tests" / "resumed_training.py"

SAVER = """
import sys
import densecore as dc
model = dc.Sequential([dc.Input(300), dc.Dense(400), dc.Dense(10)], seed=0)
model.compile("adam", "mse")
number = 0
while True:
    number += 1
    model.parameters[:] = number
    model._network.optimizer_states()["m"][:] = number
    model.metadata = {"number": number}
    model.save(sys.argv[1])
    if number == 1:
        print("saved", flush=True)
"""


def kill_after(command: list[str], seconds: float, wait_for_output: bool = False) -> bool:
    """Whether the process was killed; False when it had ended by itself."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    if wait_for_output:
        process.stdout.readline()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def check_saving(kills: int, chance: random.Random, folder: Path) -> list[str]:
    """What is wrong after kills of a process that saves over and over."""
    path, wrong, in_between = folder / "model", [], 0
    for kill in range(kills):
        kill_after([sys.executable, "-c", SAVER, str(path)], chance.uniform(0, 0.1), True)
        rest = [name for name in os.listdir(folder) if name != "model"]
        in_between += bool(rest)
        for name in rest:
            os.unlink(folder / name)
        try:
            model = dc.load_model(path)
        except (OSError, ValueError) as error:
            wrong.append(f"kill {kill}: {error}")
            continue
        number = model.metadata["number"]
        arrays = [model.parameters, model._network.optimizer_states()["m"]]
        if not all((array == number).all() for array in arrays):
            wrong.append(f"kill {kill}: the model is a mixture")
    print(f"saving: {kills} kills, {in_between} of them while a file was being written")
    return wrong


def check_resuming(kills: int, chance: random.Random, folder: Path) -> list[str]:
    """What is wrong with trainings that were killed and resumed."""
    wrong = []
    expected, length = {}, 0.0
    for way in ("backup", "checkpoint"):
        whole = folder / way
        whole.mkdir()
        start = time.perf_counter()
        expected[way] = finish(whole, way)
        length = time.perf_counter() - start
    done = trainings = 0
    while done < kills:
        way = ("backup", "checkpoint")[trainings % 2]
        trainings += 1
        parts = folder / f"{trainings}"
        parts.mkdir()
        for _ in range(5):
            command = [sys.executable, str(SCRIPT), str(parts), way, "never", "7"]
            # Before that only Python and NumPy are loaded.
            done += kill_after(command, chance.uniform(0.5 * length, 1.1 * length))
        found = finish(parts, way)
        same = found == expected[way] if way == "backup" else same_end(found, expected[way])
        if not same:
            wrong.append(f"training {trainings} ({way}): {found} instead of {expected[way]}")
        for name in os.listdir(folder / way):
            if (parts / name).read_bytes() != (folder / way / name).read_bytes():
                wrong.append(f"training {trainings} ({way}): {name} differs")
    print(f"resuming: {trainings} trainings with {done} kills")
    return wrong


def finish(folder: Path, way: str) -> str:
    """What a training says that is left alone."""
    command = [sys.executable, SCRIPT, folder, way, "never", "7"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def same_end(found: str, expected: str) -> bool:
    """A checkpoint keeps no history: the digests of what was trained."""
    return found.split()[0] == expected.split()[0]


def main() -> int:
    """Both checks; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=300, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "saving").mkdir()
        wrong = check_saving(options.kills, chance, folder / "saving")
        (folder / "resuming").mkdir()
        wrong += check_resuming(options.kills, chance, folder / "resuming")
    for text in wrong:
        print(text)
    print("wrong: " + str(len(wrong)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
