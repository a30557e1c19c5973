"""Run out of disk, of memory and of patience, and look at what is left.

    python tools/starve_check.py [--times N] [--seed N]

- *Disk*: a process may write only so many bytes to a file (RLIMIT_FSIZE; and, where mounting is
  allowed, a file system of one megabyte). Saving must fail with OSError, leave the file that was
  there whole, and no other one beside it.
- *Memory*: a process may use only so many bytes (RLIMIT_AS, at random). Whatever it does must work
  or raise MemoryError; the model is then as it was, and works once there is memory.
- *Ctrl-C*: SIGINT at random moments, during anything that takes time. KeyboardInterrupt must arrive
  soon, and the model must hold finite numbers and go on.

Each is tried N times (40 by default, five minutes together). A signal that ends a process, a file
that is half written, or another exception is printed and gives status 1. Linux; runs the densecore
that is installed.
"""

import argparse
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

MOST_SECONDS = 2.0  # a busy machine; a quiet one takes 0.1

START = """
import os, resource, sys, tempfile
import numpy as np
import densecore as dc

def model(width=200):
    made = dc.Sequential([dc.Input(50), dc.Dense(width, "relu"), dc.Dense(width, "tanh"),
                          dc.Dense(3, "softmax")], seed=0)
    made.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    return made

rng = np.random.default_rng(0)
x, y = rng.normal(size=(3000, 50)).astype("f4"), rng.integers(0, 3, 3000)
"""

# A limit of a file's size in bytes as the argument, then the folder; with "-" a folder that is full
# by itself.
DISK = """
folder = sys.argv[2]
path = os.path.join(folder, "model.safetensors")
small = model(4)
small.save(path)
before = open(path, "rb").read()
if sys.argv[1] != "-":
    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
large = model(600)
calls = {
    "save": lambda: large.save(path, overwrite=True),
    "save_weights": lambda: large.save_weights(path, overwrite=True),
    "ensemble": lambda: dc.Ensemble(large, 2).save(path),
    "checkpoint": lambda: large.fit(x, y, verbose=0, callbacks=[
        dc.callbacks.ModelCheckpoint(path)]),
    "backup": lambda: large.fit(x, y, verbose=0, callbacks=[
        dc.callbacks.BackupAndRestore(folder)]),
}
for name, call in calls.items():
    try:
        call()
    except OSError as error:
        assert error.errno is not None, name
    else:
        raise AssertionError(f"{name}: nothing was said")
    assert open(path, "rb").read() == before, f"{name}: the file that was there is not whole"
    left = os.listdir(folder)
    assert left == ["model.safetensors"], f"{name}: left {left}"
assert dc.load_model(path).count_params() == small.count_params()
large.fit(x[:100], y[:100], verbose=0)
"""

# A limit of the memory, in bytes more than are in use now.
MEMORY = """
def in_use():
    return int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()

trained = model()
trained.fit(x[:64], y[:64], verbose=0)
calls = [
    lambda: trained.fit(x, y, verbose=0),
    lambda: trained.predict(np.zeros((200_000, 50), "f4")),
    lambda: trained.predict(x, verbose=0),
    lambda: trained.evaluate(x, y, verbose=0),
    lambda: trained.forward(x),
    lambda: trained.jacobian(x),
    lambda: trained.freeze()(x),
    lambda: dc.Ensemble(trained, 50).fit(x, y, epochs=1, batch_size=64, verbose=0),
    lambda: model(2000).fit(x, y, verbose=0),
    lambda: dc.Sequential([dc.Input(10_000), dc.Dense(10_000)]).build(),
    lambda: trained.parameter_jacobian(x),
    lambda: [trained.make_tape() for _ in range(100)],
]
limit = in_use() + int(sys.argv[1])
failed = 0
for call in calls:
    before = trained.parameters.copy()
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    try:
        call()
    except MemoryError:
        failed += 1
        same = (trained.parameters == before).all()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
    assert np.isfinite(trained.parameters).all()
    trained.predict(x[:3], verbose=0)
print(failed, "of", len(calls), "calls had too little memory")
"""

CTRL_C = """
import threading, time
trained = model()
frozen = trained.freeze()
ensemble = dc.Ensemble(model(16), 30)
big = rng.normal(size=(60_000, 50)).astype("f4")
calls = [
    lambda: trained.fit(x, y, epochs=1000, verbose=0),
    lambda: trained.fit(x, y, 1, epochs=1000, verbose=0),
    lambda: [trained.predict(big, verbose=0) for _ in range(100)],
    lambda: [trained.evaluate(x, y, verbose=0) for _ in range(1000)],
    lambda: [trained.train_on_batch(x[:32], y[:32].astype("i4")) for _ in range(100_000)],
    lambda: [frozen(big) for _ in range(100)],
    lambda: ensemble.fit(x, y, epochs=1000, batch_size=1, verbose=0),
    lambda: [trained.jacobian(x) for _ in range(100)],
    lambda: [trained.save(sys.argv[2] + "/model", overwrite=True) for _ in range(10_000)],
]
call = calls[int(sys.argv[1]) % len(calls)]
print("started", flush=True)
try:
    call()
    print("ended by itself")
except KeyboardInterrupt:
    print("at", time.monotonic(), flush=True)
assert np.isfinite(trained.parameters).all()
trained.fit(x[:100], y[:100], verbose=0)
ensemble.predict(x[:3])
if os.path.exists(sys.argv[2] + "/model"):
    dc.load_model(sys.argv[2] + "/model")
assert set(os.listdir(sys.argv[2])) <= {"model"}, os.listdir(sys.argv[2])
print("interrupted well", flush=True)
"""


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", START + code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def complaint(what: str, done: "subprocess.CompletedProcess[str]") -> list[str]:
    if done.returncode == 0:
        return []
    said = done.stderr.strip().splitlines()
    return [f"{what}: status {done.returncode}: {said[-1] if said else 'nothing was said'}"]


def check_disk(times: int, chance: random.Random) -> list[str]:
    wrong = []
    for _ in range(times):
        with tempfile.TemporaryDirectory() as folder:
            limit = str(chance.randrange(5000, 1_400_000))
            wrong += complaint(f"disk, files of {limit} bytes", run(DISK, limit, folder))
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
        if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
            try:
                wrong += complaint("a disk that is full", run(DISK, "-", folder))
            finally:
                subprocess.run(["umount", folder], check=True)
        else:
            print("a disk of one megabyte: skipped, mounting is not allowed")
    return wrong


def check_memory(times: int, chance: random.Random) -> list[str]:
    wrong = []
    for _ in range(times):
        limit = int(2 ** chance.uniform(20, 29))
        wrong += complaint(f"{limit >> 20} MB more memory", run(MEMORY, str(limit)))
    return wrong


def check_ctrl_c(times: int, chance: random.Random) -> list[str]:
    wrong = []
    for number in range(times):
        with tempfile.TemporaryDirectory() as folder:
            process = subprocess.Popen(
                [sys.executable, "-c", START + CTRL_C, str(number), folder],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.uniform(0, 1))
            start = time.monotonic()
            process.send_signal(signal.SIGINT)
            out, said = process.communicate(timeout=120)
            arrived = re.search(r"at ([\d.]+)", out)
            seconds = float(arrived[1]) - start if arrived else 0.0
            if "well" not in out and "ended by itself" not in out:
                last = said.strip().splitlines()[-1:] or ["nothing was said"]
                wrong.append(f"Ctrl-C in call {number}: status {process.returncode}: {last[0]}")
            elif seconds > MOST_SECONDS:
                wrong.append(f"Ctrl-C in call {number}: came after {seconds:.1f} s")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=40, metavar="N", help="tries of each kind")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    args = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    chance, wrong = random.Random(args.seed), []
    checks: dict[str, Callable[[int, random.Random], list[str]]] = {
        "disk": check_disk,
        "memory": check_memory,
        "Ctrl-C": check_ctrl_c,
    }
    for name, check in checks.items():
        found = check(args.times, chance)
        print(f"{name}: {args.times} tries, {len(found)} wrong", flush=True)
        wrong += found
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
