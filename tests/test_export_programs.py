"""The whole programs of examples/export: a CSV's row to its class, and a control loop."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples" / "export"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not EXAMPLES.exists(), reason="needs the examples"),
]
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-O2"]


def prepared(script: str, folder: Path) -> str:
    """Run a script in a folder with the C programs; what it prints."""
    for source in EXAMPLES.glob("*.c"):
        shutil.copy(source, folder)
    done = subprocess.run(
        [sys.executable, EXAMPLES / script], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def needs(program: str) -> str:
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}")
    return program


def test_rows_of_a_csv_become_classes(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    cc = needs("gcc")
    assert "fruit.h: C99" in prepared("classify.py", tmp_path)
    subprocess.run([cc, *STRICT, "-o", "classify", "classify.c", "-lm"], cwd=tmp_path, check=True)
    rows = "7.4,GREEN,181\n2.1,red,8\n5.6,yellow,\n"
    done = subprocess.run(
        [tmp_path / "classify"], input=rows, capture_output=True, text=True, check=True
    )
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["apple", "cherry", "lemon"]


def test_a_control_loop_holds_a_pendulum_and_fits_a_microcontroller(tmp_path: Path) -> None:
    cc = needs("gcc")
    assert "controller.h: C99" in prepared("controller.py", tmp_path)
    subprocess.run(
        [cc, *STRICT, "-DSIMULATED", "-o", "loop", "control_loop.c", "-lm"],
        cwd=tmp_path, check=True,
    )  # fmt: skip
    done = subprocess.run([tmp_path / "loop"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    arm = needs("arm-none-eabi-gcc")
    board = ["-Os", "-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"]
    subprocess.run(
        [arm, *STRICT, *board, "-ffp-contract=off", "-ffunction-sections", "-Wl,--gc-sections",
         "--specs=nosys.specs", "-o", "loop.elf", "control_loop.c", "-lm"],
        cwd=tmp_path, check=True,
    )  # fmt: skip
    sizes = subprocess.run(
        ["arm-none-eabi-size", "loop.elf"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    text, data, bss = map(int, sizes.stdout.splitlines()[1].split()[:3])
    print(f"Cortex-M4: {text} bytes of flash, {data + bss} of memory")
    assert text + data < 16_000


def test_the_guide_says_what_whole_numbers_cost(tmp_path: Path) -> None:
    """The digits of the figures are this machine's; sizes are any machine's."""
    needs("gcc")
    said = prepared("int8.py", tmp_path).splitlines()
    guide = (EXAMPLES.parents[1] / "docs" / "other-programs.md").read_text()
    shown = [line for line in guide.splitlines() if line.startswith(("digits: ", "concrete: "))]
    assert [line.split(" bytes")[0] for line in said] == [line.split(" bytes")[0] for line in shown]
    before, after = (
        float(part.split("%")[0]) for part in said[0].split(" bytes, ")[1].split(" -> ")
    )
    assert before > 96
    assert abs(after - before) < 1
    before, after = (float(part.split()[0]) for part in said[1].split("error ")[1].split(" -> "))
    assert after < 1.03 * before < 7
