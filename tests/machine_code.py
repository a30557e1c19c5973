"""The kernels' machine code: compiles a level as the build does, and finds what its loops spill.

A register tile that does not fit is no error to a compiler: it puts a vector on the stack, in
every round of the loop, and the kernel runs at half its speed. Only the disassembly shows it.
"""

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]
CPP = ROOT / "cpp"


@dataclass(frozen=True)
class Level:
    """A row of isa.cmake, and the programs that build and show its code."""

    name: str
    processor: str  # "x86_64", "aarch64", or "" for any
    options: tuple[str, ...]

    @property
    def is_native(self) -> bool:
        machine = {"AMD64": "x86_64", "arm64": "aarch64"}.get(
            platform.machine(), platform.machine()
        )
        return self.processor in ("", machine)

    @property
    def compiler(self) -> str | None:
        native = os.environ.get("CXX") or "c++"
        return shutil.which(native if self.is_native else f"{self.processor}-linux-gnu-g++")

    @property
    def objdump(self) -> str | None:
        return shutil.which("objdump" if self.is_native else f"{self.processor}-linux-gnu-objdump")

    def compile(self, source: Path, target: Path) -> Path:
        """Compiles one file with the level's options; target is the object."""
        assert self.compiler, f"no compiler for {self.name}"
        command = [self.compiler, "-std=c++20", "-fPIC", "-fvisibility=hidden", "-w", f"-I{CPP}"]
        command += [f"-DDENSECORE_ISA={self.name}"]
        command += [f'-DDENSECORE_ISA_HEADER="kernels/isa/{self.name}.h"']
        command += [*self.kernel_options(self.compiler), *self.options]
        command += ["-c", str(source), "-o", str(target)]
        subprocess.run(command, check=True)
        return target

    def kernel_options(self, compiler: str) -> list[str]:
        """What levels are compiled with before their own options, as CMakeLists.txt has it."""
        lists = ["DENSECORE_KERNEL_OPTIONS"]
        version = subprocess.run(
            [compiler, "--version"], capture_output=True, text=True, check=True
        )
        if "Free Software Foundation" in version.stdout and not {"-O2", "-Os"} & set(self.options):
            lists.append("DENSECORE_GCC_KERNEL_OPTIONS")
        options = []
        for name in lists:
            found = re.search(rf"set\({name}\s([^)]*)\)", isa_cmake())
            assert found, f"isa.cmake: no {name}"
            options += found[1].split()
        return options

    def disassemble(self, target: Path) -> str:
        assert self.objdump, f"no objdump for {self.name}"
        command = [self.objdump, "-d", "-C", "--no-show-raw-insn", str(target)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def isa_cmake() -> str:
    path = CPP / "kernels" / "isa.cmake"
    return path.read_text() if path.is_file() else ""


def levels() -> dict[str, Level]:
    """Every row of isa.cmake by its name, those of other processors too; of a level that several
    processors have, this one's."""
    found: dict[str, Level] = {}
    processor = ""
    for line in isa_cmake().splitlines():
        if condition := re.match(r'(?:else)?if\(CMAKE_SYSTEM_PROCESSOR MATCHES "(\w+)', line):
            processor = condition[1]
        elif line.startswith(("else()", "endif")):
            processor = ""
        elif row := re.match(r"\s*densecore_isa\((\w+)([^)]*)\)", line):
            level = Level(row[1], processor, tuple(row[2].split()))
            if level.name not in found or not found[level.name].is_native:
                found[level.name] = level
    return found


@dataclass(frozen=True)
class Instruction:
    address: int
    name: str
    operands: str

    @property
    def target(self) -> int | None:
        """Where a jump goes to; None for what is no jump within reach."""
        jump = re.match(r"j|b$|b\.|cbn?z|tbn?z", self.name)
        place = re.search(r"(?:^|,\s*)([0-9a-f]+) <", self.operands)
        return int(place[1], 16) if jump and place else None

    @property
    def falls_through(self) -> bool:
        return not re.match(r"jmp|ret|b$|br$|ud2|udf|brk", self.name)

    @property
    def multiply_adds(self) -> bool:
        """Whole vectors only: fmadd..., the product before an addition, and ARM's fmla."""
        if re.match(r"vfn?m(add|sub)\d*p[sd]$|v?mulp[sd]$", self.name):
            return True
        return bool(re.match(r"fml[as]$", self.name) and re.match(r"v\d+\.\d+[sd]", self.operands))

    def touches_stack(self, frame_pointer: bool) -> bool:
        """Whether a vector is read from or written to the stack."""
        x86_base = r"\((%rsp|%rbp)\b" if frame_pointer else r"\(%rsp\b"
        if re.search(r"%[xyz]mm", self.operands) and re.search(x86_base, self.operands):
            return True
        arm_base = r"\[(sp|x29)\b" if frame_pointer else r"\[sp\b"
        vector = re.match(r"(\{?v\d+\.|[qds]\d+,)", self.operands)
        return bool(vector and re.search(arm_base, self.operands))


@dataclass
class Function:
    name: str
    code: list[Instruction] = field(default_factory=list)

    @cached_property
    def has_frame_pointer(self) -> bool:
        """Else the register is one like any other, and what it points to is not the stack."""
        return any(
            i.name.startswith("mov") and i.operands in ("%rsp,%rbp", "x29, sp") for i in self.code
        )

    @cached_property
    def innermost_loops(self) -> list[list[Instruction]]:
        """For every jump back, the instructions that lead to it without leaving the loop; those
        that contain no other loop."""
        place = {instruction.address: n for n, instruction in enumerate(self.code)}
        before: list[set[int]] = [set() for _ in self.code]
        jumps_back = []
        for n, instruction in enumerate(self.code):
            if instruction.falls_through and n + 1 < len(self.code):
                before[n + 1].add(n)
            if (to := place.get(instruction.target or -1)) is not None:
                before[to].add(n)
                if to <= n:
                    jumps_back.append((to, n))
        bodies = []
        for head, tail in jumps_back:
            body, unseen = {head}, [tail]
            while unseen:
                if (n := unseen.pop()) not in body:
                    body.add(n)
                    unseen.extend(before[n])
            # Code outside was reached: not a loop with one entry, or the entry of the function.
            if min(body) >= head or 0 not in body:
                bodies.append(body)
        innermost = [b for b in bodies if not any(other < b for other in bodies)]
        return [[self.code[n] for n in sorted(body)] for body in innermost]

    @property
    def multiply_add_loops(self) -> list[list[Instruction]]:
        """The innermost loops of at least four multiply-adds of vectors."""
        return [loop for loop in self.innermost_loops if sum(i.multiply_adds for i in loop) >= 4]

    def spills(self) -> list[str]:
        return [
            f"{self.name}: {i.address:x}: {i.name} {i.operands}"
            for loop in self.multiply_add_loops
            for i in loop
            if i.touches_stack(self.has_frame_pointer)
        ]


def functions(disassembly: str) -> list[Function]:
    """Reads what objdump prints."""
    found: list[Function] = []
    for line in disassembly.splitlines():
        if header := re.match(r"[0-9a-f]+ <(.*)>:$", line):
            found.append(Function(header[1]))
        elif found and (code := re.match(r"\s+([0-9a-f]+):\t(?:rep \w+|(\S+))\s*(.*)", line)):
            name, operands = code[2] or "rep", re.sub(r"\s*(//|# ).*", "", code[3])
            found[-1].code.append(Instruction(int(code[1], 16), name, operands))
    return found
