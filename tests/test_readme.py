"""The README tells the truth: its example runs, and prints what it says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"

pytestmark = pytest.mark.skipif(not README.exists(), reason="needs the source tree")


def block(after: str, kind: str) -> str:
    """The first fenced block of a kind after some text."""
    found = re.search(rf"```{kind}\n(.*?)```", README.read_text().split(after, 1)[1], re.DOTALL)
    assert found, after
    return found[1]


@pytest.mark.slow
def test_example_is_the_file_and_prints_what_it_says(tmp_path: Path) -> None:
    code = block("<!-- example: examples/ring.py -->", "python")
    assert code == (ROOT / "examples" / "ring.py").read_text()
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    # Times differ, and so do the last digits between instruction sets.
    said = block("<!-- example: examples/ring.py -->", "text")

    def without_times(text: str) -> str:
        return re.sub(r"\d+\.\ds\b", "", re.sub(r"(\d\.\d\d)\d+", r"\1", text))

    assert without_times(done.stdout) == without_times(said)


@pytest.mark.parametrize(
    "marker", ["<!-- main command -->", "<!-- test command -->", "<!-- ranks command -->"]
)
def test_commands_name_what_exists(marker: str) -> None:
    command = block(marker, "sh")
    extra = re.search(r"\.\[(\w+)\]", command)
    assert extra
    assert re.search(rf"^{extra[1]} = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    for path in re.findall(r"examples/\S+", command):
        assert (ROOT / path).exists()


def test_links_lead_somewhere() -> None:
    for path in sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text()):
            there = path.parent / target
            assert there.exists(), f"{path.name}: {target}"
            # A link to a folder leads nowhere on the site.
            assert there.is_file() or path.parent == ROOT, f"{path.name}: {target}"
