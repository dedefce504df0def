"""The core compiled for chips, without an operating system: sizes, and a program that QEMU runs."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FIRMWARE: Final = Path(__file__).parents[1]
# Debian's packages, by the program that each brings
PACKAGES: Final = {
    "riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf and picolibc-riscv64-unknown-elf",
    "arm-none-eabi-gcc": "gcc-arm-none-eabi and libnewlib-arm-none-eabi",
    "qemu-system-riscv32": "qemu-system-misc",
}
# -O2 as the board's builds have it: where size comes first, the compiler copies every reading byte by byte
_FLAGS: Final = (
    "-std=c++17", "-O2", "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Wdouble-promotion", "-Werror",
    "-ffp-contract=off", "-fno-exceptions", "-fno-rtti", "-ffunction-sections", "-fdata-sections",
    # so that a jump through a register is a call through a pointer: see stack.py
    "-fno-jump-tables",
)  # fmt: skip
# QEMU's `virt` machine has its memory there; of the program nothing needs as much
_MEMORY: Final = (
    "-Wl,--defsym=__flash=0x80000000,--defsym=__flash_size=2M,--defsym=__ram=0x80200000,--defsym=__ram_size=2M"
)
_RUNS_WITHIN_S: Final = 120


class MissingError(Exception):
    """A program that is not installed; the text names the package that brings it."""


class BuildError(Exception):
    """What a compiler or the emulated program said."""


@dataclass(frozen=True, slots=True)
class Chip:
    """tools: prefix of the compiler's programs. options: of the compiler. linked_with: of the linker, beside them."""

    name: str
    tools: str
    options: tuple[str, ...]
    linked_with: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes: code and constants in flash, variables with a first value, variables that are zeroed."""

    text: int = 0
    data: int = 0
    bss: int = 0

    def __add__(self, other: "Size") -> "Size":
        return Size(self.text + other.text, self.data + other.data, self.bss + other.bss)


def riscv(architecture: str, abi: str) -> Chip:
    """A chip with RISC-V's 32-bit instructions."""
    options = (f"-march={architecture}", f"-mabi={abi}", "--specs=picolibc.specs")
    return Chip(architecture, "riscv64-unknown-elf-", options, (_MEMORY,))


CORTEX_M0_PLUS: Final = Chip(
    "cortex-m0plus", "arm-none-eabi-", ("-mcpu=cortex-m0plus", "-mthumb"), ("--specs=nano.specs", "--specs=nosys.specs")
)


def find(program: str) -> str:
    """Its path. Raises MissingError."""
    found = shutil.which(program)
    if found is None:
        raise MissingError(f"{program} is not installed: Debian's packages {PACKAGES[program]} bring it")
    return found


def run(*command: str, within_s: float = _RUNS_WITHIN_S) -> str:
    """What a command writes. Raises BuildError with all of it where the command fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=within_s, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise BuildError(f"{' '.join(command)}: not done within {within_s:g} s") from late
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def compiled(chip: Chip, sources: Iterable[Path], folder: Path) -> list[Path]:
    """Object files of the sources, in the folder."""
    compiler = find(f"{chip.tools}gcc")
    folder.mkdir(parents=True, exist_ok=True)

    def compile_one(source: Path) -> Path:
        into = folder / f"{source.stem}.o"
        run(compiler, *chip.options, *_FLAGS, f"-I{FIRMWARE / 'core'}", "-c", str(source), "-o", str(into))
        return into

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compile_one, sources))


def core_sources() -> list[Path]:
    """All of core/."""
    return sorted((FIRMWARE / "core").glob("*.cpp"))


def linked_core(chip: Chip, objects: Sequence[Path], into: Path) -> Path:
    """The core with what it needs of the libraries, without a main program."""
    # __cxa_pure_virtual: the C++ library has it, which is not here
    whole = "-Wl,-e,0,--no-gc-sections,--defsym=__stack_size=0,--defsym=__cxa_pure_virtual=0"
    return _linked(chip, ("-nostartfiles", whole), objects, into)


def linked_program(chip: Chip, objects: Sequence[Path], into: Path) -> Path:
    """A program that talks to QEMU."""
    return _linked(chip, ("--oslib=semihost", "--crt0=semihost"), objects, into)


def _linked(chip: Chip, how: Iterable[str], objects: Sequence[Path], into: Path) -> Path:
    options = (*chip.options, *chip.linked_with, *how)
    run(find(f"{chip.tools}gcc"), *options, *map(str, objects), "-lm", "-o", str(into))
    return into


def sizes(chip: Chip, files: Sequence[Path]) -> list[Size]:
    """Of each file."""
    lines = run(f"{chip.tools}size", *map(str, files)).splitlines()[1:]
    return [Size(*map(int, line.split()[:3])) for line in lines]


def symbol_sizes(chip: Chip, file: Path, prefix: str) -> Mapping[str, int]:
    """Bytes of the variables whose names begin so, by the rest of their names."""
    found = re.findall(rf"^\w+ (\w+) \w {prefix}(\w+)$", run(f"{chip.tools}nm", "-S", str(file)), re.MULTILINE)
    return {name: int(size, 16) for size, name in found}


def disassembled(chip: Chip, program: Path) -> str:
    """All of its machine code."""
    return run(f"{chip.tools}objdump", "-d", "-C", "--no-show-raw-insn", str(program))


def emulated(program: Path) -> str:
    """What a program for RISC-V writes, where each instruction takes the same time. Raises MissingError."""
    return run(
        find("qemu-system-riscv32"), "-machine", "virt", "-icount", "shift=0", "-bios", "none", "-display", "none",
        "-serial", "none", "-monitor", "none", "-chardev", "stdio,id=out",
        "-semihosting-config", "enable=on,chardev=out", "-kernel", str(program),
    )  # fmt: skip


def version(program: str) -> str:
    """The first line that a program tells of itself."""
    return run(find(program), "--version").partition("\n")[0]
