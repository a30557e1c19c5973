"""Short scripts in the styles of tutorials, books and answers run with their import changed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "examples" / "keras" / "short"
NAMES = sorted(path.stem for path in SCRIPTS.glob("*.py"))

pytestmark = pytest.mark.skipif(not SCRIPTS.is_dir(), reason="needs the source tree")


def test_there_are_scripts() -> None:
    assert len(NAMES) >= 50


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_script(name: str, tmp_path: Path) -> None:
    """Each ends with assertions of what it should have learnt."""
    text = (SCRIPTS / f"{name}.py").read_text()
    if "from sklearn" in text:
        pytest.importorskip("sklearn")
    assert "assert " in text
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_only_the_import_differs(name: str) -> None:
    """With the name replaced in its import lines, nothing of densecore is left in a script."""
    code = (SCRIPTS / f"{name}.py").read_text()
    lines = r"^(import densecore as keras|from densecore[.\w]* import .*)$"
    assert "densecore" not in re.sub(lines, "", code, flags=re.M)
