"""docs/training.md tells the truth: its examples run, and print what it says."""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "training.md"

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="needs the source tree")


@pytest.mark.slow
def test_examples_print_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    found = re.findall(r"```(python|text)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    printed = None
    for kind, block in found:
        if kind == "text":
            # Times differ, and so do the last digits between instruction sets.
            assert masked(printed or "") == masked(block)
            printed = ""
        else:
            assert not printed, f"the page does not say that this is printed: {printed}"
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(block, names)
            printed = out.getvalue()
    assert not printed
    assert (tmp_path / "curves.png").exists()
    assert (tmp_path / "network.png").exists()


def masked(text: str) -> str:
    text = re.sub(r"\d\.\d+s\b", "", re.sub(r"(\d\.\d\d)\d+", r"\1", text))
    return re.sub(r" +$", "", text, flags=re.MULTILINE).rstrip()
