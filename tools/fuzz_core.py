"""Fuzz the C++ code that reads a file's bytes, with libFuzzer and two sanitizers.

    python tools/fuzz_core.py [--seconds N | --runs N] [--seed N] [--keep]

Of what is read, only delimited text reaches the core as bytes (tests/cpp/fuzz_tables.cc): models,
weights and backups are opened in Python, and `fuzz_files.py` damages those. The program is built by
Clang with AddressSanitizer and UndefinedBehaviorSanitizer. Texts that make the code go a new way
are kept in build/fuzz/tables, where the next run goes on; `--keep` records the short ones in
tests/data/fuzz_tables.hex (a text a line), with which every run begins. A text that fails is saved
in build/fuzz, the sanitizer's report with its name is printed, and the status is 1.
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from checks_build import ROOT, MissingToolError, find
from sanitize import build

NAME = "tables"
CORPUS, WORK = ROOT / "tests" / "data" / f"fuzz_{NAME}.hex", ROOT / "build" / "fuzz"
# Longer texts cost more, and what a reader does with a cell is done within a few bytes of it. Nor
# are comparisons traced (preset `fuzz` counts branches only), which would take half of the time:
# WORDS holds what they would find.
LONGEST = 64
LONGEST_KEPT = 32
WORDS = ["NA", "#N/A", "<na>", "inf", "1e308", "1.000,5", "12:30", "2020-01-05", "january", "utc",
         '""', "\\x0d\\x0a", "\\xe2\\x88\\x92", "\\xc2\\xa0", "\\xe2\\x82\\xac"]  # fmt: skip


def run(program: Path, options: list[str], folders: list[Path]) -> tuple[int, str]:
    """Status and the report of libFuzzer, which goes to its error output."""
    command = [str(program), *options, f"-max_len={LONGEST}", *map(str, folders)]
    # Without stacks of allocations, a quarter of the time: a text that fails is run again alone.
    environment = {**os.environ, "ASAN_OPTIONS": "malloc_context_size=0"}
    done = subprocess.run(
        command, env=environment, stderr=subprocess.PIPE, text=True, errors="replace", check=False
    )
    return done.returncode, done.stderr


def texts_of(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def unpack(folder: Path) -> None:
    """Puts the recorded texts into a folder that a run starts with, under libFuzzer's names."""
    folder.mkdir(parents=True, exist_ok=True)
    for line in CORPUS.read_text().splitlines() if CORPUS.exists() else []:
        text = bytes.fromhex(line)
        (folder / hashlib.sha1(text).hexdigest()).write_bytes(text)


def keep(program: Path, found: Path) -> int:
    """Records the short ones of the texts that go all ways that any of them goes."""
    with tempfile.TemporaryDirectory() as folder:
        status, report = run(program, ["-merge=1"], [Path(folder), found])
        if status != 0:
            sys.exit(report)
        texts = {text.hex() for text in texts_of(Path(folder)) if len(text) <= LONGEST_KEPT}
    CORPUS.write_text("".join(f"{text}\n" for text in sorted(texts)))
    return len(texts)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, metavar="N")
    parser.add_argument("--runs", type=int, metavar="N", help="so many instead of --seconds")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="0: another one each time")
    parser.add_argument("--keep", action="store_true", help="record the short texts")
    args = parser.parse_args()
    try:
        find("clang++", "apt-get install clang")
        program = build("fuzz", f"fuzz_{NAME}") / f"fuzz_{NAME}"
    except MissingToolError as error:
        sys.exit(str(error))
    found, words = WORK / NAME, WORK / f"{NAME}.dict"
    unpack(found)
    words.write_text("".join('"{}"\n'.format(word.replace('"', '\\"')) for word in WORDS))
    options = [f"-artifact_prefix={WORK}/{NAME}-", f"-dict={words}", f"-seed={args.seed}"]
    # Without entropic schedules twice as many texts are run in the same time.
    options += ["-entropic=0", "-print_final_stats=1", "-timeout=5"]
    options += [f"-runs={args.runs}"] if args.runs else [f"-max_total_time={args.seconds}"]
    status, report = run(program, options, [found])
    if status != 0:
        print(report)
        return 1
    runs = re.search(r"number_of_executed_units: *(\d+)", report)
    ways = re.findall(r"cov: (\d+)", report)
    print(f"{NAME}: {int(runs[1]) if runs else 0:,} texts, {ways[-1] if ways else 0} branches, "
          f"{len(list(found.iterdir()))} texts kept, none wrong")  # fmt: skip
    if args.keep:
        print(f"{keep(program, found)} texts recorded in {CORPUS.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
