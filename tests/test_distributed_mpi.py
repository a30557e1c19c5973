"""One model on the processes of MPI, where mpi4py and an mpiexec are installed."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc

pytest.importorskip("mpi4py")
CASES = Path(__file__).with_name("mpi_cases.py")
BESIDE = Path(sys.executable).with_name("mpiexec")
MPIEXEC = str(BESIDE) if BESIDE.exists() else shutil.which("mpiexec")
pytestmark = [
    pytest.mark.skipif(MPIEXEC is None, reason="needs mpiexec"),
    pytest.mark.slow,  # every test starts processes
]


def run(ranks: int, *case: str) -> subprocess.CompletedProcess[str]:
    """A case on so many processes."""
    return start(ranks, str(CASES), *case)


def start(
    ranks: int, *program: str, limit: float = 60.0, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """A program on so many processes, within a time limit."""
    package = str(Path(dc.__file__).parents[1])
    path = os.pathsep.join([package, *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    # Open MPI runs as root, and more ranks than there are processors, only if it is told to.
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
        "DENSECORE_NUM_THREADS": "1",
    }
    assert MPIEXEC is not None
    return subprocess.run(
        [MPIEXEC, "-n", str(ranks), sys.executable, *program],
        capture_output=True,
        text=True,
        timeout=limit,
        env=environment,
        cwd=folder,
        check=False,
    )


def result(ranks: int, *case: str) -> str:
    done = run(ranks, *case)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("units", ["24", "300"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_processes_have_the_same_bits(units: str, dtype: str) -> None:
    assert result(1, "bits", units, dtype) == result(2, "bits", units, dtype)


def test_four_processes_have_the_bits_of_one() -> None:
    assert result(4, "bits", "300", "float32") == result(1, "bits", "300", "float32")


def test_ranks_agree_on_the_lowest_instruction_set() -> None:
    if "sse2" not in dc._core.available_isa_levels():
        pytest.skip("needs two levels without fused multiply-add")
    assert result(2, "levels") == "scalar"


def test_unequal_and_empty_parts() -> None:
    assert result(3, "own_rows") == "10"


def test_an_exception_of_one_rank_is_one_of_all() -> None:
    said = result(3, "raises").splitlines()
    assert sorted(said) == [f"rank {rank} has: rank 1: the disk is gone" for rank in range(3)]


def test_another_kind_of_communicator_on_one_rank() -> None:
    said = result(3, "other_comm").splitlines()
    assert len(said) == 3
    assert all("rank 1: comm: found 'world'" in line for line in said)


@pytest.mark.parametrize("how", ["ends", "raises", "alone", "sleeps"])
def test_no_rank_waits_for_ever(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "sleeps":
        monkeypatch.setenv("DENSECORE_COMM_TIMEOUT", "4")
    done = run(3, "goes_its_own_way", how)
    assert done.returncode != 0
    wanted = "has waited for the others for" if how == "sleeps" else "waits in fit for rank"
    assert wanted in done.stderr, done.stderr
    if how == "raises":
        assert "outside of fit" in done.stderr


@pytest.mark.parametrize(("first", "other", "named"), [
    ("step", "fit", ("train_on_batch", "fit")), ("fit", "step", ("fit", "train_on_batch")),
    ("step", "gradients", ("train_on_batch", "loss_and_gradients")),
])  # fmt: skip
def test_ranks_that_make_other_calls_are_named(
    first: str, other: str, named: tuple[str, str]
) -> None:
    done = run(3, "other_calls", first, other)
    assert done.returncode != 0
    assert f"rank 0 of 3 waits in {named[0]}, and rank 2 in {named[1]}" in done.stderr, done.stderr


def test_calls_that_differ_at_their_beginning_are_an_error_on_all_ranks() -> None:
    done = run(2, "other_calls", "gradients", "fit")
    wanted = 'rank 1: call: found "fit", wanted "loss_and_gradients'
    assert all(f"rank {rank}: comm: {wanted}" in done.stderr for rank in range(2)), done.stderr


def test_a_communicator_that_is_freed_leaves_nothing() -> None:
    """MPICH has numbers for about two thousand at a time."""
    assert result(1, "freed", "1100") == "1"
    assert result(2, "freed", "3") == "2"  # the program's thread, and that of the communicator left


NEVER = ("SIGTERM", "0", "1000000")


@pytest.mark.parametrize(("number", "ranks", "then"), [("SIGKILL", 2, 1), ("SIGTERM", 4, 2),
                                                       ("SIGINT", 2, 2)])  # fmt: skip
def test_an_ended_training_goes_on_to_the_same_bits(
    tmp_path: Any, number: str, ranks: int, then: int
) -> None:
    undisturbed = result(1, "ended", *NEVER, str(tmp_path / "none"))
    place = str(tmp_path / "backup")
    done = run(ranks, "ended", number, "1", "47", place)  # in the middle of the third epoch
    assert done.returncode != 0
    assert undisturbed not in done.stdout
    assert os.path.exists(place), done.stderr
    if number == "SIGTERM":
        assert done.returncode == 143, done.stderr
    assert result(then, "ended", *NEVER, place) == undisturbed


@pytest.fixture(params=["arrays", "files"])
def rows(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """What tells a case where its rows are: nothing, or a folder of Parquet files."""
    if request.param == "arrays":
        return []
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    random = np.random.default_rng(3)
    for number in range(2):
        x, y = random.normal(size=(320, 6)).astype("float32"), random.integers(0, 3, 320)
        columns = {f"c{i}": x[:, i] for i in range(6)} | {"y": y}
        path = tmp_path / f"{number}.parquet"
        pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=90)
    return [str(tmp_path)]


def test_kills_at_random_moments(rows: list[str], tmp_path: Path) -> None:
    undisturbed = result(1, "ended", *NEVER, str(tmp_path / "none"), *rows)
    random = np.random.default_rng(0)
    for trial in range(int(os.environ.get("DENSECORE_KILLS", "5"))):
        place = str(tmp_path / str(trial))
        for _ in range(2):
            rank, step = str(random.integers(2)), str(random.integers(1, 120))
            run(2, "ended", "SIGKILL", rank, step, place, *rows)
        ranks = int(random.choice([1, 2, 4]))
        assert result(ranks, "ended", *NEVER, place, *rows) == undisturbed


@pytest.mark.parametrize("which", ["all", "halves"])
def test_no_message_is_left_when_the_ranks_end(which: str) -> None:
    """MPICH kills programs that end with one, now and then, and mpiexec's status says so."""
    done = run(4, "leaves_no_message", which)
    assert done.returncode == 0, done.stdout + done.stderr
    # mpiexec may put one rank's line within another's.
    assert sorted(re.findall(r"rank \d: \d+ left", done.stderr)) == [
        f"rank {i}: 0 left" for i in range(4)
    ]


def test_the_command_line_trains_the_same_model_on_several_ranks(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    table = random.normal(size=(300, 3))
    lines = [f"{a:.3f},{b:.3f},{c:.3f},{a * b > 0}" for a, b, c in table]
    (tmp_path / "t.csv").write_text("a,b,c,y\n" + "\n".join(lines) + "\n")
    for ranks in (1, 3):
        model = tmp_path / f"{ranks}.safetensors"
        done = start(ranks, "-m", "densecore", "train", str(tmp_path / "t.csv"), "--target", "y",
                     "--recipe", "quick", "--save", str(model))  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("model saved to") == 1
    assert (tmp_path / "1.safetensors").read_bytes() == (tmp_path / "3.safetensors").read_bytes()
    done = start(2, "-m", "densecore", "train", str(tmp_path / "none.csv"), "--target", "y")
    assert done.returncode == 2
    assert done.stderr.count("none.csv") == 1


def test_the_bench_of_a_communicator(tmp_path: Path) -> None:
    place = tmp_path / "comm.json"
    done = start(2, "-m", "densecore", "bench", "--comm", "--quick", "--network", "20-16-4",
                 "--batch", "256", "--json", str(place))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "here, 2 ranks: a step takes" in done.stdout
    found = json.loads(place.read_text())
    assert found["ranks"] == 2
    assert [row["ranks"] for row in found["predictions"][:3]] == [1, 2, 4]
    assert all(0 < row["weak"] <= 1 for row in found["predictions"])


def test_the_commands_of_the_readme(tmp_path: Path) -> None:
    root = Path(__file__).parents[1]
    readme = root / "README.md"
    if not readme.exists():
        pytest.skip("needs the source tree")
    for command in re.findall(r"\.venv/bin/mpiexec -n 2 (.*)", readme.read_text()):
        program = command.replace(".venv/bin/python ", "").replace(
            ".venv/bin/densecore", "-m densecore"
        )
        given = [str(root / part) if part.startswith("examples/") else part
                 for part in program.split()]  # fmt: skip
        done = start(2, *given, limit=120, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "2 processes" in done.stdout or "model saved" in done.stdout
