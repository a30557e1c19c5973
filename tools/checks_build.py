"""Builds the programs of the long checks, for this processor or for another one."""

import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MACHINE = {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())


class MissingToolError(Exception):
    """A program that is not installed; the text says how to get it."""


def find(program: str, package: str) -> str:
    # Beside the interpreter, too: a virtual environment need not be active.
    found = shutil.which(program) or shutil.which(program, path=Path(sys.executable).parent)
    if found is None:
        raise MissingToolError(f"{program} is missing: {package}")
    return found


def build(machine: str, target: str) -> Path:
    """Builds one program for a processor such as "x86_64"; returns its path."""
    cmake = find("cmake", "pip install cmake, or apt-get install cmake")
    folder = ROOT / "build" / "checks" / machine
    configure = [cmake, "-S", str(ROOT), "-B", str(folder), "-DDENSECORE_CHECKS=ON"]
    # Only errors are shown: a warning once said that a program would loop for ever.
    configure += ["-DDENSECORE_WERROR=ON"]
    if machine != MACHINE:
        compiler = f"{machine}-linux-gnu-g++"
        find(compiler, f"apt-get install g++-{machine.replace('_', '-')}-linux-gnu")
        configure += ["-DCMAKE_SYSTEM_NAME=Linux", f"-DCMAKE_SYSTEM_PROCESSOR={machine}"]
        configure += [f"-DCMAKE_CXX_COMPILER={compiler}"]
    for command in (configure, [cmake, "--build", str(folder), "--target", target]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return folder / target
