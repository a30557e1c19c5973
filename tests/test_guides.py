"""The guides tell the truth: their examples run, and print what they say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = re.compile(r"```python\n(.*?)```\n\nprints\n\n```text\n(.*?)```", re.DOTALL)


def examples() -> list[tuple[str, str]]:
    names = [
        "data-and-metrics.md",
        "derivatives-and-solvers.md",
        "ensembles.md",
        "from-keras.md",
        "from-scikit-learn.md",
        "layers.md",
        "own-loops.md",
    ]
    paths = [ROOT / "docs" / name for name in names]
    return [found for path in paths if path.exists() for found in EXAMPLE.findall(path.read_text())]


@pytest.mark.parametrize(("code", "said"), examples())
def test_examples_print_what_they_say(code: str, said: str, tmp_path: Path) -> None:
    if "scipy" in code:
        pytest.importorskip("scipy")
    if "sklearn" in code:
        pytest.importorskip("sklearn", minversion="1.6")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr

    # Times differ, and so do the last digits between instruction sets.
    def in_short(text: str) -> str:
        return re.sub(r"\d+\.\ds\b", "", re.sub(r"(\d\.\d\d)\d+", r"\1", text))

    assert in_short(done.stdout) == in_short(said)
