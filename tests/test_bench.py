"""``densecore bench``, and the workloads that it shares with the comparison."""

import json
from pathlib import Path

import numpy as np
import pytest

import densecore as dc
from conftest import assert_refused
from densecore.cli import main
from densecore.cli.random_networks import KINDS, draw, expected_work, factor, neighbours
from densecore.cli.workloads import WORKLOADS, Workload

pytestmark = pytest.mark.usefixtures("in_empty_folder")


@pytest.mark.slow
def test_quick_table_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    before = dc.get_num_threads()
    assert main(["bench", "--quick", "--threads", "1", "--json", "speed.json"]) == 0
    assert dc.get_num_threads() == before
    printed = capsys.readouterr()
    assert printed.err == ""
    assert all(len(line) <= 80 for line in printed.out.splitlines())
    assert f"densecore {dc.__version__}" in printed.out
    found = json.loads(Path("speed.json").read_text())
    assert set(found["multiply_adds_per_second"]) == {"float32", "float64"}
    assert [step["name"] for step in found["steps"]] == ["note", "control", "digits"]
    for step in found["steps"]:
        assert 0 < step["fit"] < 0.1
        assert 0 < step["train_on_batch"] < 0.1
        assert 0 < step["share"] < 1.5
        assert f"{step['name']} " in printed.out


@pytest.mark.slow
def test_random_networks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--quick", "--threads", "1", "--random", "5", "--json", "r.json"]) == 0
    printed = capsys.readouterr().out
    assert "seed 5" in printed
    assert "neighbours: median" in printed
    found = json.loads(Path("r.json").read_text())
    assert [network["shape"] for network in found["networks"]] == [
        network.shape for network in draw(5, 2, ["tiny", "small"])
    ]
    for network in found["networks"]:
        assert network["seconds"] > 0
        assert {"a row more", "a unit more", "gelu"} <= set(network["factors"])


def test_a_seed_draws_the_same_networks_again() -> None:
    assert draw(3, 8) == draw(3, 8)
    assert draw(3, 8) != draw(4, 8)
    for network, kind in zip(draw(3, 8), 2 * list(KINDS), strict=True):
        low, high = KINDS[kind]
        assert low <= network.multiply_adds <= high
    base = draw(3, 1)[0]
    assert factor(2.0, base, 1.0, base) == 2
    for name, other in neighbours(base).items():
        assert other != base
        assert expected_work(other) >= 0.9 * expected_work(base), name


MISTAKES = [
    (["--random", "-1"], "--random: found -1, wanted a seed of at least 0"),
    (["--threads", "0"], "--threads: found 0, wanted 1 to 1024"),
    (["--threads", "many"], "argument --threads"),
    (["--json", "missing/speed.json"], "there is no directory missing"),
    (["--json", "."], ".: is a directory"),
]


@pytest.mark.parametrize(("arguments", "text"), MISTAKES, ids=[row[1][:30] for row in MISTAKES])
def test_mistakes(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(["bench", "--quick", *arguments], text, capsys)


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=list(WORKLOADS))
def test_workloads_are_what_they_say(workload: Workload) -> None:
    x, y = workload.data(2)
    assert x.shape == (2 * workload.batch, workload.inputs)
    assert x.dtype == workload.dtype
    assert len(y) == len(x)
    assert workload.batches() >= 1
    widths = [workload.inputs, *workload.units]
    assert workload.shape == "-".join(map(str, widths))
    if workload.parameter_count < 1_000_000:
        model = workload.model()
        assert model.count_params() == workload.parameter_count
        assert np.array_equal(model.parameters, workload.model().parameters)
        assert np.isfinite(model.train_on_batch(x[: workload.batch], y[: workload.batch]))


def test_multiply_adds_of_a_step() -> None:
    """Forward and weight gradient for both layers, the input gradient for the second."""
    digits = WORKLOADS["digits"]
    assert digits.multiply_adds == 32 * (2 * (64 * 128 + 128 * 10) + 128 * 10)
    assert digits.forward_multiply_adds == 64 * 128 + 128 * 10
