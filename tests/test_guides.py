"""The README and the guides tell the truth: their Python runs, and prints what they say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```python\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
EXAMPLE = re.compile(r"^```python\n(.*?)^```\n\nprints\n\n```text\n(.*?)```", re.DOTALL | re.M)

# How many blocks of Python a page has, so that a changed fence or a renamed page is noticed, and
# how many of those are followed by what they print.
PAGES = {
    "README.md": (3, 0),
    "docs/data-and-metrics.md": (2, 2),
    "docs/derivatives-and-solvers.md": (5, 5),
    "docs/ensembles.md": (4, 4),
    "docs/examples.md": (1, 0),
    "docs/from-keras.md": (8, 8),
    "docs/from-scikit-learn.md": (3, 3),
    "docs/layers.md": (1, 1),
    "docs/many-machines.md": (3, 3),
    "docs/other-programs.md": (7, 4),
    "docs/own-loops.md": (5, 5),
    "docs/reinforcement-learning.md": (3, 3),
    "docs/start.md": (1, 1),
    "docs/tables.md": (2, 2),
    "docs/the-note.md": (2, 0),
    "docs/training.md": (10, 0),
}
ELSEWHERE = {
    "README.md": "test_readme.py runs the first one",
    "docs/the-note.md": "test_the_note.py",
    "docs/training.md": "test_training_page.py",
}

# Blocks without an output go on from something: what comes before them, by page and by how the
# block starts.
TRAINED = """
import numpy as np
import densecore as dc
rng = np.random.default_rng(0)
x, y = rng.normal(size=(64, 4)).astype("f4"), rng.normal(size=(64, 2)).astype("f4")
model = dc.Sequential([dc.Input(4), dc.Dense(8, "tanh"), dc.Dense(2)], seed=0)
model.compile("adam", "mse")
"""
FRAGMENTS = {
    ("README.md", "loss = model.train_on_batch"): TRAINED
    + "buffer, direction = np.empty((64, 2), 'f4'), np.ones(4, 'f4')\n"
    "grad_output, vector = np.ones((64, 2), 'f4'), np.ones_like(model.parameters)\n",
    ("README.md", "ensemble = dc.Ensemble"): TRAINED,
    ("docs/other-programs.md", "import numpy as np\nimport torch"): "",
    ("docs/other-programs.md", "import torch\nfrom torch"): "",
    ("docs/other-programs.md", "import jax"): "",
    ("docs/examples.md", "target.parameters"): TRAINED + "network, target = model, model\n",
}


def blocks(page: str) -> list[str]:
    return FENCE.findall((ROOT / page).read_text())


def examples() -> list[tuple[str, str]]:
    return [found for page in PAGES for found in EXAMPLE.findall((ROOT / page).read_text())]


def fragments() -> list[tuple[str, str]]:
    return [
        (before, code)
        for (page, start), before in FRAGMENTS.items()
        for code in blocks(page)
        if code.startswith(start)
    ]


def run(code: str, folder: Path) -> str:
    for name, version in {
        "jax": None,
        "matplotlib": None,
        "onnxruntime": None,
        "pandas": None,
        "scipy": None,
        "sklearn": "1.6",
        "torch": None,
    }.items():
        if re.search(rf"\b{name}\b", code):
            pytest.importorskip(name, minversion=version)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_block_is_forgotten() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    with_code = {path.relative_to(ROOT).as_posix() for path in pages if "```py" in path.read_text()}
    assert with_code == PAGES.keys()
    for page, (count, printing) in PAGES.items():
        text = (ROOT / page).read_text()
        found = len(FENCE.findall(text)), len(EXAMPLE.findall(text))
        assert found == (count, printing), f"{page}: (blocks, blocks that print)"
        assert text.count("```py") == count, f"{page}: a fence that is no block of Python"
        started = sum(start_page == page for start_page, _ in FRAGMENTS)
        assert page in ELSEWHERE or started + printing == count, f"{page}: a block is never run"
    assert len(fragments()) == len(FRAGMENTS)


@pytest.mark.slow
@pytest.mark.parametrize(("code", "said"), examples())
def test_examples_print_what_they_say(code: str, said: str, tmp_path: Path) -> None:
    # Times differ, and so do the last digits between instruction sets.
    def in_short(text: str) -> str:
        return re.sub(r"\d+\.\ds\b", "", re.sub(r"(\d\.\d\d)\d+", r"\1", text))

    assert in_short(run(code, tmp_path)) == in_short(said)


@pytest.mark.parametrize(("before", "code"), fragments())
def test_fragments_run(before: str, code: str, tmp_path: Path) -> None:
    run(before + code, tmp_path)
