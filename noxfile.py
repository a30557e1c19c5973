"""Chores, one command each: `nox -s NAME`, and `nox -l` lists them.

They run in the environment that nox was started from, with what CONTRIBUTING.md installs there: a
chore starts at once. What takes longer than a coffee says so.
"""

import os
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "quick"]
PYTHON_FILES = ["python", "tests", "tools", "examples", "benchmarks", "noxfile.py"]


def cpp_files() -> list[str]:
    return sorted(str(path) for ending in ("h", "cc") for path in Path().glob(f"*/**/*.{ending}")
                  if path.parts[0] in ("cpp", "tests"))  # fmt: skip


@nox.session
def build(session: nox.Session) -> None:
    """Build the extension into this environment; warnings are errors."""
    options = ["--no-build-isolation", "-Ccmake.define.DENSECORE_WERROR=ON"]
    session.run("pip", "install", *options, "-e", ".", external=True)


@nox.session
def quick(session: nox.Session) -> None:
    """Run the first case of every test that is not slow: half a minute."""
    session.run("pytest", "-q", "-m", "quick", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests: five minutes."""
    session.run("pytest", "-q", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types, spelling and the format of Python and C++."""
    session.run("ruff", "check", *PYTHON_FILES)
    session.run("ruff", "format", "--check", *PYTHON_FILES)
    session.run("mypy")
    session.run("codespell")
    session.run("clang-format", "--dry-run", "-Werror", *cpp_files(), external=True, log=False)


@nox.session
def format(session: nox.Session) -> None:
    """Put Python and C++ into their format."""
    session.run("ruff", "check", "--fix", *PYTHON_FILES)
    session.run("ruff", "format", *PYTHON_FILES)
    session.run("clang-format", "-i", *cpp_files(), external=True, log=False)


@nox.session
def tidy(session: nox.Session) -> None:
    """Run clang-tidy (needs Clang); ten minutes."""
    session.run("cmake", "--preset", "tidy", external=True)
    session.run("cmake", "--build", "--preset", "tidy", external=True)


@nox.session
def sanitize(session: nox.Session) -> None:
    """Run the tests under AddressSanitizer and UndefinedBehaviorSanitizer; an hour."""
    session.run("python", "tools/sanitize.py", *session.posargs)


@nox.session
def threads(session: nox.Session) -> None:
    """Train, predict and fork in many threads under ThreadSanitizer; ten minutes."""
    session.run("python", "tools/sanitize.py", "--threads", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz files, calls, networks, ranks and exports."""
    session.run("python", "tools/fuzz_files.py", *session.posargs)
    session.run("python", "tools/fuzz_core.py", *session.posargs)
    session.run("python", "tools/fuzz_calls.py", *session.posargs)
    session.run("python", "tools/fuzz_networks.py")
    session.run("python", "tools/fuzz_ranks.py")
    session.run("python", "tools/fuzz_exports.py")


@nox.session
def faults(session: nox.Session) -> None:
    """Kill, interrupt, starve and fill the disk of trainings that save; ten minutes."""
    session.run("python", "tools/kill_check.py")
    session.run("python", "tools/starve_check.py")
    kills = "tests/test_distributed_mpi.py::test_kills_at_random_moments"  # 100, with mpi4py
    session.run("pytest", kills, env={"DENSECORE_KILLS": "50"})


@nox.session
def soak(session: nox.Session) -> None:
    """Do everything for half an hour, with flat memory; `-- --minutes N`."""
    session.run("python", "tools/soak_check.py", *session.posargs)


@nox.session
def math(session: nox.Session) -> None:
    """Compare every float32 of every function with its oracle; half an hour (`-- --stride 127`)."""
    session.run("python", "tools/sweep_math.py", *session.posargs)


@nox.session
def levels(session: nox.Session) -> None:
    """Run every kernel on every instruction set, emulated where need be; two minutes."""
    session.run("python", "tools/check_isa_levels.py", *session.posargs)


@nox.session
def keras(session: nox.Session) -> None:
    """Train random graphs here and with Keras 3 from the same weights; some seconds for each."""
    session.run("python", "tools/compare_with_keras.py", *session.posargs)


@nox.session
def count(session: nox.Session) -> None:
    """Count the instructions of training steps and functions, and compare; two minutes."""
    session.run("python", "tools/count_instructions.py", *session.posargs)


@nox.session
def site(session: nox.Session) -> None:
    """Build the documentation as a site in build/site; warnings are errors. A minute."""
    session.run("sphinx-build", "-W", "--keep-going", "-q", "docs", "build/site")


@nox.session
def trial(session: nox.Session) -> None:
    """Run the README's own test command in an environment of its own."""
    session.run(".ci/run", external=True, env=dict(os.environ))
