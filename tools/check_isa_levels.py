"""Run every kernel on every ISA level, emulating the processors that are not here; compare bits.

    python tools/check_isa_levels.py [--skip-missing]

Builds tests/cpp/kernel_check.cc for this processor and the others, and runs it: here with all that
this processor supports; on an x86-64 without AVX, which must get along with SSE2; with AVX2; on
64-bit ARM. Then all levels with fused multiply-adds must have given the same results to the bit,
and all those without. Takes about two minutes. A tool that is not installed, or a level that no
processor here has, is an error unless --skip-missing.
"""

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from checks_build import MACHINE, MissingToolError, build, find

# The levels whose multiply-adds round once, and those that round twice: equals within each.
FUSED = {"avx512", "avx2", "neon"}
SEPARATE = {"sse2", "scalar"}
FUSED_PORTABLE = "scalar"  # on ARM, where the compiler always has the instruction


@dataclass
class Run:
    """One run of the check; `emulated` is the processor that QEMU is asked for."""

    title: str
    machine: str
    arguments: tuple[str, ...] = ()
    emulated: str = ""
    isa: str = ""

    @property
    def is_needed(self) -> bool:
        return bool(self.emulated) or self.machine == MACHINE

    def command(self, program: Path, *arguments: str) -> list[str]:
        command = [str(program), *arguments]
        if not self.emulated:
            return command
        emulator = find(f"qemu-{self.machine}", "apt-get install qemu-user (version 7.2 or newer)")
        libraries = f"/usr/{self.machine}-linux-gnu"
        where = [] if self.machine == MACHINE else ["-L", libraries]
        return [emulator, *where, "-cpu", self.emulated, *command]

    def output(self, target: str, *arguments: str) -> str:
        """What one of the programs prints. Fails with it; raises MissingToolError."""
        command = self.command(build(self.machine, target), *arguments)
        environment = {k: v for k, v in os.environ.items() if k != "DENSECORE_ISA"}
        if self.isa:
            environment["DENSECORE_ISA"] = self.isa
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, text=True, check=False
        )
        if done.returncode != 0:
            sys.exit(f"{self.title}: failed with status {done.returncode}: {' '.join(command)}")
        return done.stdout

    def hashes(self) -> dict[str, dict[str, str]]:
        """By level, then kernel."""
        # The rest of the core is compiled for any processor: that it runs there is all that counts.
        self.output("training_steps", "5-4-3-2")
        found: dict[str, dict[str, str]] = {}
        for line in self.output("kernel_check", *self.arguments).splitlines():
            level, dtype, named = line.split(maxsplit=2)
            kernel, value = named.rsplit(maxsplit=1)  # a name may have spaces
            found.setdefault(level, {})[f"{kernel} {dtype}"] = value
        return found


RUNS = [
    Run("this processor", MACHINE),
    # The oldest x86-64 there is: any instruction beyond SSE2 and SSE3, wherever it is, stops it.
    Run("x86-64 without AVX", "x86_64", ("--active", "sse2"), "Opteron_G1"),
    # QEMU loads whole vectors whatever their mask; here only results are of interest.
    Run(
        "x86-64 with AVX2",
        "x86_64",
        ("--active", "avx2", "--allow-loads-outside", "avx2"),
        "max",
        isa="avx2",
    ),
    Run("64-bit ARM", "aarch64", ("--active", "neon"), "max"),
]


def disagreements(results: dict[str, dict[str, str]]) -> list[str]:
    """What the results, by title, say differently of a kernel."""
    titles = list(results)
    wrong = []
    for kernel in sorted(results[titles[0]]) if titles else []:
        values = {title: results[title].get(kernel, "missing") for title in titles}
        if len(set(values.values())) > 1:
            wrong.append(f"{kernel}: " + ", ".join(f"{t} {v}" for t, v in values.items()))
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--skip-missing", action="store_true", help="skip what a missing tool or processor prevents"
    )
    skip_missing = parser.parse_args().skip_missing

    fused: dict[str, dict[str, str]] = {}
    separate: dict[str, dict[str, str]] = {}
    checked: set[str] = set()
    missing: list[str] = []
    for run in RUNS:
        if not run.is_needed:
            continue
        try:
            hashes = run.hashes()
        except MissingToolError as error:
            missing.append(f"{run.title}: {error}")
            continue
        for level, kernels in hashes.items():
            print(f"{run.title}: {level}: {len(kernels)} kernels", flush=True)
            if level not in FUSED | SEPARATE:
                sys.exit(f"{level}: say in {__file__} whether it fuses multiply-adds")
            is_fused = level in FUSED or (level == FUSED_PORTABLE and run.machine == "aarch64")
            (fused if is_fused else separate)[f"{level} ({run.title})"] = kernels
            checked.add(level)
    missing += [
        f"{level}: no processor here has it" for level in sorted((FUSED | SEPARATE) - checked)
    ]

    wrong = disagreements(fused) + disagreements(separate)
    for line in wrong:
        print(f"different bits: {line}")
    for line in missing:
        print(f"not checked: {line}")
    if wrong or (missing and not skip_missing):
        return 1
    print(f"the same bits: {', '.join(fused)}")
    print(f"the same bits: {', '.join(separate)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
