"""Scripts in Keras's manner run with their import changed, and learn what they should."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "examples" / "keras"

# What a script must have printed: a pattern with one number, and that number's bounds.
RESULTS = {
    "autoencoder": (r"mean squared error: ([\d.]+)", 0.005, 0.021),
    "breast_cancer": (r"test auc: ([\d.]+)", 0.98, 1),
    "cross_validation": (r"test accuracy: ([\d.]+)", 0.93, 1),
    "digits": (r"test accuracy: ([\d.]+)", 0.94, 1),
    "fraud": (r"ROC AUC: ([\d.]+)", 0.95, 1),
    "generators": (r"generator: test accuracy: ([\d.]+)", 0.93, 1),
    "house_prices": (r"mean absolute error: ([\d.]+)", 0.1, 0.2),
    "multilabel": (r"micro F1: ([\d.]+)", 0.9, 1),
    "old_style": (r"test accuracy: ([\d.]+)", 0.85, 1),
    "overfitting": (r"plain / l2: ([\d.]+)", 1.5, 5),
    "schedules_and_callbacks": (r"plateau: test accuracy: ([\d.]+)", 0.96, 1),
    "wine": (r"test accuracy: ([\d.]+)", 0.93, 1),
}

pytestmark = pytest.mark.skipif(not SCRIPTS.is_dir(), reason="needs the source tree")


def test_every_script_is_run() -> None:
    assert {path.stem for path in SCRIPTS.glob("*.py")} == set(RESULTS)


@pytest.mark.slow
@pytest.mark.parametrize("name", RESULTS)
def test_script(name: str, tmp_path: Path) -> None:
    text = (SCRIPTS / f"{name}.py").read_text()
    assert text.startswith("# Changed: ")
    for module in ("sklearn", "matplotlib"):
        if module in text:
            pytest.importorskip(module)
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    pattern, lowest, highest = RESULTS[name]
    found = re.search(pattern, done.stdout)
    assert found, done.stdout
    assert lowest < float(found[1]) <= highest


@pytest.mark.parametrize("name", RESULTS)
def test_only_the_import_differs(name: str) -> None:
    """With the name replaced in its import lines, nothing of densecore is left in a script."""
    code = (SCRIPTS / f"{name}.py").read_text().split("\n", 1)[1]
    body = re.sub(
        r"^(import densecore as keras|from densecore[.\w]* import .*)$", "", code, flags=re.M
    )
    assert "densecore" not in body
