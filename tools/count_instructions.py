"""Count the instructions of some training steps, and compare them with those recorded.

    python tools/count_instructions.py [--update]

A count is the same on a busy machine and on a quiet one, so a loss of speed of a few percent shows
where a clock would not tell it from noise. It is blind to memory and to what runs in parallel: a
gain is still to be measured. Valgrind counts, at the level AVX2 (it knows no AVX-512).

tests/data/instruction_counts.json holds the counts by compiler. A count more than 2 % above is an
error; after a deliberate change --update writes the new ones.

The networks named ``NAME/CHANGE`` differ from NAME in one thing. One that takes more than CLIFF
times the instructions that its work says is an error whatever is recorded.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from checks_build import MACHINE, ROOT, MissingToolError, build, find

EXPECTED = ROOT / "tests" / "data" / "instruction_counts.json"
TOLERANCE = 0.02
# An activation or an update rule of thirty instructions a vector comes near it in a small network.
CLIFF = 2.0


def count(valgrind: str, program: Path, workload: str) -> int:
    """Instructions within the 100 measured steps of tests/cpp/training_steps.cc."""
    command = [valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command += ["--toggle-collect=densecore_measured_steps", str(program), workload]
    done = subprocess.run(
        command,
        env={**os.environ, "DENSECORE_ISA": "avx2"},
        capture_output=True,
        text=True,
        check=False,
    )
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or collected is None or collected[1] == "0":
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return int(collected[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--update", action="store_true", help="record what is counted now")
    update = parser.parse_args().update
    if MACHINE != "x86_64":
        sys.exit("counts are recorded for x86-64 only")
    try:
        valgrind = find("valgrind", "apt-get install valgrind")
        program = build(MACHINE, "training_steps")
    except MissingToolError as error:
        sys.exit(str(error))

    def output(*arguments: str) -> list[str]:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=True)
        return done.stdout.split()

    (compiler,) = output("--compiler")
    listed = output()
    work = dict(zip(listed[::2], map(float, listed[1::2]), strict=True))
    counts = {workload: count(valgrind, program, workload) for workload in work}
    recorded = json.loads(EXPECTED.read_text()) if EXPECTED.exists() else {}
    if update:
        recorded[compiler] = counts
        EXPECTED.parent.mkdir(exist_ok=True)
        EXPECTED.write_text(json.dumps(recorded, indent=2, sort_keys=True) + "\n")

    cliffs = []
    for workload, found in counts.items():
        base = workload.split("/")[0]
        beyond = found / counts[base] / (work[workload] / work[base])
        if workload != base:
            print(f"{workload:28}  {beyond:5.2f} times what its work says")
        if beyond > CLIFF:
            cliffs.append(workload)
    expected = recorded.get(compiler, {})
    worse = []
    for workload, found in counts.items():
        wanted = expected.get(workload)
        change = "not recorded" if wanted is None else f"{found / wanted - 1:+.1%}"
        print(f"{compiler}  {workload:28}  {found:12,}  {change}")
        if wanted is None or found > wanted * (1 + TOLERANCE):
            worse.append(workload)
    if worse:
        print(f"more than recorded, or not recorded: {', '.join(worse)}; if it is wanted: --update")
    if cliffs:
        print(f"more than {CLIFF} times what their work says: {', '.join(cliffs)}")
    return 1 if worse or cliffs else 0


if __name__ == "__main__":
    sys.exit(main())
