"""The training loops of examples/loops run, and learn what they should."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "examples" / "loops"
SHARED = {"comparison", "learners"}

# A line of each seed with two numbers, and the bounds of both. A loop of thousands of steps goes
# other ways on other processors: the bounds are those that ten seeds keep well.
RESULTS = {
    "policy_gradient": (r"return (-\d+) -> (-\d+) in", (-2000, -900), (-500, 0)),
    "q_learning": (r": (\d+) -> (\d+) of 500 steps", (0, 80), (150, 500)),
    "ppo": (r"return (-\d+) -> (-\d+) in", (-2000, -900), (-500, 0)),
    "sac": (r"return (-\d+) -> (-\d+) in", (-2000, -900), (-500, 0)),
    "dqn": (r": (\d+) -> (\d+) of 500 steps", (0, 80), (150, 500)),
    "oscillator": (r"error ([\d.]+), friction ([\d.]+)", (0, 0.15), (1.5, 3)),
}

pytestmark = pytest.mark.skipif(not SCRIPTS.is_dir(), reason="needs the source tree")


def test_every_script_is_run() -> None:
    assert {path.stem for path in SCRIPTS.glob("*.py")} == set(RESULTS) | SHARED


@pytest.mark.slow
@pytest.mark.parametrize("name", RESULTS)
def test_loop_learns(name: str, tmp_path: Path) -> None:
    pattern, first, second = RESULTS[name]
    command = [sys.executable, "-W", "error", str(SCRIPTS / f"{name}.py"), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    printed = done.stdout
    found = re.findall(pattern, printed)
    assert len(found) == 2, printed
    for one, two in found:
        assert first[0] <= float(one) <= first[1], printed
        assert second[0] <= float(two) <= second[1], printed
    if name == "oscillator":  # the measurements alone do not say how it goes on
        plain = re.search(r"without the equation: error ([\d.]+)", printed)
        assert plain
        assert float(plain[1]) > 0.3


@pytest.mark.slow
@pytest.mark.parametrize("name", RESULTS)
def test_picture(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, after a training too short to learn from."""
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(str(SCRIPTS))
    module = __import__(name)
    trained = {
        "policy_gradient": {"rollouts": 8},
        "q_learning": {"steps": 400},
        "ppo": {"rollouts": 5},
        "sac": {"steps": 210},
        "dqn": {"steps": 400},
    }
    network, learnt = module.train(**trained.get(name, {"steps": 100}))
    path = tmp_path / "picture.png"
    if name == "oscillator":
        module.draw(str(path), network, network, {0: learnt})
    else:
        module.draw(str(path), {0: learnt}, network)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_twin_computes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a loop is compared with goes the same way: outputs, derivatives and steps."""
    pytest.importorskip("torch")
    import numpy as np

    monkeypatch.syspath_prepend(str(SCRIPTS))
    comparison = __import__("comparison")
    widths = [3, 8, 8, 2]
    own = comparison.densecore_network(widths, 1e-2, 3)
    twin = comparison.torch_network(widths, 1e-2, 3)
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=(7, 3)).astype("f4"), rng.normal(size=(7, 2)).astype("f4")
    for _ in range(5):
        np.testing.assert_allclose(own.forward(x), twin.forward(x), rtol=1e-4, atol=1e-5)
        for network in (own, twin):
            network.backward(g)
            network.apply_gradients()
    x, along = x[:, :1].copy(), np.array([2.0], "f4")
    own, twin = (
        make([1, 8, 1], 1e-2, 3)
        for make in (comparison.densecore_network, comparison.torch_network)
    )
    for _ in range(5):
        for ours, theirs in zip(
            own.input_derivatives(x, along), twin.input_derivatives(x, along), strict=True
        ):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
        for network in (own, twin):
            network.backward_derivatives(*(g[:, :1].copy() for _ in range(3)))
            network.apply_gradients()


@pytest.mark.parametrize("name", ["ppo", "sac", "dqn"])
def test_the_agent_in_pytorch_learns_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both start from the same weights, and an update moves them the same way."""
    pytest.importorskip("torch")
    import numpy as np

    monkeypatch.syspath_prepend(str(SCRIPTS))
    module = __import__(name)
    ours, theirs = module.DensecoreAgent(3), module.torch_agent(3)
    rng = np.random.default_rng(0)
    states = rng.normal(size=(64, 4 if name == "dqn" else 3)).astype("f4")
    batch = {
        "ppo": [states, *rng.normal(size=(1, 64, 1)), *rng.normal(size=(3, 64)) * 0.1 - 0.5],
        "sac": [
            states,
            *rng.uniform(-1, 1, (1, 64, 1)),
            rng.normal(size=64),
            -states,
            states[:, 0] > 0,
        ],
        "dqn": [
            states,
            rng.integers(0, 2, 64),
            rng.normal(size=64),
            -states,
            states[:, 0] > 0,
            1e-3,
        ],
    }[name]
    batch = [a.astype("f4") if getattr(a, "dtype", None) == "f8" else a for a in batch]
    choose = "values" if name == "dqn" else "best"
    np.testing.assert_allclose(
        getattr(ours, choose)(states), getattr(theirs, choose)(states), atol=1e-5
    )
    before = getattr(ours, choose)(states).copy()
    for _ in range(3):
        ours.update(*batch)
        theirs.update(*batch)
    found, wanted = getattr(ours, choose)(states), getattr(theirs, choose)(states)
    if name == "sac":  # its samples are its own
        assert np.abs(wanted - before).max() > 1e-4
        assert np.abs(found - before).max() > 1e-4
        return
    np.testing.assert_allclose(found - before, wanted - before, rtol=0.02, atol=2e-5)


@pytest.mark.parametrize("name", RESULTS)
def test_the_page_shows_it(name: str) -> None:
    docs = SCRIPTS.parents[1] / "docs"
    page = (docs / "examples.md").read_text()
    command = re.search(rf"python examples/loops/{name}\.py --plot ([\w-]+\.png)", page)
    assert command
    assert f"(images/{command[1]})" in page
    assert 0 < (docs / "images" / command[1]).stat().st_size < 60_000
    assert command[1] in (SCRIPTS / f"{name}.py").read_text()
