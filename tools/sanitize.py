"""Build the extension with sanitizers, and run the tests on it.

    python tools/sanitize.py [--leaks | --threads] [PYTEST ARGUMENTS]

AddressSanitizer and UndefinedBehaviorSanitizer find stores out of bounds, memory that is used after
it was freed, and what C++ leaves undefined, in the kernels, the core and the bindings: every test
of Python runs on an extension that is built with both (preset `asan`), in a copy of the package in
build/preset/asan, beside the one in use. Tests that measure time or memory are left out, as the
sanitizers take both.

`--leaks` runs each example of the guides instead, and looks with LeakSanitizer for memory that
the extension has lost when the interpreter ends. `--threads` builds tests/cpp/thread_check.cc
with ThreadSanitizer: Python itself is not instrumented, so threads are tested in C++.

Needs GCC, CMake and Ninja, and what the tests need. Status 1 when anything is found.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from checks_build import ROOT, MissingToolError, find

PACKAGE = ROOT / "python" / "densecore"
sys.path.insert(0, str(ROOT / "tests"))


def build(preset: str, target: str) -> Path:
    cmake = find("cmake", "pip install cmake")
    folder = ROOT / "build" / "preset" / preset
    python = f"-DPython_EXECUTABLE={sys.executable}"
    for command in (
        [cmake, "--preset", preset, python],
        [cmake, "--build", str(folder), "--target", target],
    ):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return folder


def package_with(folder: Path) -> Path:
    """The package's Python files, by links, with the extension that was built; its parent."""
    parent = folder / "python"
    shutil.rmtree(parent, ignore_errors=True)
    for source in PACKAGE.rglob("*"):
        target = parent / "densecore" / source.relative_to(PACKAGE)
        if source.suffix in (".py", ".pyi", ".typed"):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)
    for extension in folder.glob("_core*.so"):
        shutil.copy(extension, parent / "densecore")
    return parent


def library(name: str) -> str:
    gcc = find("gcc", "apt-get install gcc")
    done = subprocess.run(
        [gcc, f"-print-file-name={name}"], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def environment(parent: Path, leaks: bool) -> dict[str, str]:
    libraries = [library("libasan.so"), library("libstdc++.so")]
    return {
        **os.environ,
        "PYTHONPATH": str(parent),
        "LD_PRELOAD": " ".join(libraries),
        # Python's own allocator would hide what happens within its blocks.
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": f"detect_leaks={int(leaks)}:allocator_may_return_null=1",
        "LSAN_OPTIONS": "report_objects=1:max_leaks=100000",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        "DENSECORE_SANITIZED": "1",  # see tests/conftest.py
    }


def run_tests(arguments: list[str]) -> int:
    parent = package_with(build("asan", "_core"))
    # A sanitizer writes to the process's own standard error and ends it: pytest must not keep that.
    command = [sys.executable, "-m", "pytest", "-q", "--capture=sys", "-p", "no:cacheprovider"]
    command += arguments or [str(ROOT / "tests")]
    return subprocess.run(command, env=environment(parent, False), cwd=ROOT, check=False).returncode


def leaks_of(report: str) -> list[str]:
    """The leaks whose allocation has a function of the extension on its stack."""
    blocks = re.split(r"\n(?=(?:Direct|Indirect) leak of)", report)
    return [block for block in blocks if "leak of" in block and "densecore" in block]


def run_leaks() -> int:
    from test_guides import examples

    parent = package_with(build("asan", "_core"))
    found = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, (code, _) in enumerate(examples()):
            done = subprocess.run(
                [sys.executable, "-c", code],
                env=environment(parent, True),
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            leaks = leaks_of(done.stderr)
            failed = "Error" in done.stderr and "LeakSanitizer" not in done.stderr
            print(f"example {number}: {len(leaks)} leaks" + (", and it failed" if failed else ""))
            if leaks or failed:
                found += 1
                print("\n".join(leaks) or done.stderr)
    return 1 if found else 0


def run_threads() -> int:
    folder = build("tsan", "thread_check")
    options = {"TSAN_OPTIONS": "die_after_fork=0:halt_on_error=0:exitcode=66"}
    return subprocess.run(
        [folder / "thread_check"], env={**os.environ, **options}, check=False
    ).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--leaks", action="store_true", help="LeakSanitizer on the guides")
    parser.add_argument("--threads", action="store_true", help="ThreadSanitizer on the core")
    args, rest = parser.parse_known_args()
    try:
        if args.threads:
            return run_threads()
        return run_leaks() if args.leaks else run_tests(rest)
    except MissingToolError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    sys.exit(main())
