"""What a release needs: pinned actions, settings for every platform, a check of wheels."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / ".github" / "workflows" / "wheels.yml"
pytestmark = pytest.mark.skipif(not WORKFLOW.exists(), reason="needs the repository")


def test_actions_are_pinned_by_hash_and_only_publishing_may_sign() -> None:
    text = WORKFLOW.read_text()
    uses = re.findall(r"uses: (\S+)(.*)", text)
    assert uses
    for action, comment in uses:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v[\d.]+", comment), action
    publish = text[text.index("  publish:") :]
    assert text.count("id-token: write") == publish.count("id-token: write") == 1
    assert "secrets." not in text
    assert "attestations: true" in publish


def test_wheels_are_built_for_every_python_that_is_supported() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    builds = settings["tool"]["cibuildwheel"]["build"]
    for classifier in settings["project"]["classifiers"]:
        found = re.fullmatch(r"Programming Language :: Python :: 3\.(\d+)", classifier)
        if found:
            assert f"cp3{found[1]}-*" in builds
    assert any("t-" in build for build in builds)
    # No runner of the workflow could test it.
    assert "*-win_arm64" in settings["tool"]["cibuildwheel"]["skip"]


def checked(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "check_wheels.py"), str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def wheel(folder: Path, *more: str, stuffing: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "densecore-0.0-cp311-abi.whl"
    names = ["densecore/_core.so", "densecore/_core.pyi", "densecore/py.typed",
             "densecore-0.0.dist-info/licenses/LICENSE", *more]  # fmt: skip
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), bytes(stuffing if name.endswith(".so") else 1))
    return path


@pytest.mark.slow
def test_the_check_of_wheels_finds_what_is_wrong(tmp_path: Path) -> None:
    wheel(tmp_path / "good")
    assert checked(tmp_path / "good").returncode == 0
    wheel(tmp_path / "twin")
    assert checked(tmp_path / "good", "--same-as", str(tmp_path / "twin")).returncode == 0
    wheel(tmp_path / "other", "densecore/more.py")
    done = checked(tmp_path / "good", "--same-as", str(tmp_path / "other"))
    assert (done.returncode, "other bytes than" in done.stdout) == (1, True)
    wheel(tmp_path / "large", stuffing=2_450_001)
    assert "more than the budget of 2,450,000" in checked(tmp_path / "large").stdout
    wheel(tmp_path / "stray", "tests/test_x.py")
    assert "do not belong there" in checked(tmp_path / "stray").stdout
    assert checked(tmp_path).returncode == 1
