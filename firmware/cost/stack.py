"""How deep a program's stack can get: the longest path through its calls, read off its RISC-V machine code.

Machine code shows what a compiler's report of its own files does not: the frames of the C and the floating-point
library. It does not show interrupts, what runs before `main`, and where a call through a pointer leads. Of the last a
table tells; a call through a pointer from a function that the table does not name is an error, and so are recursion and
a frame whose size is only known while it runs.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

# registers that a function's prologue keeps by a call into libgcc, at most: s0 to s11 and ra, in steps of 16 bytes
_SAVED: Final = 64
# in libgcc, compiled with jump tables: their jumps through a register stay within them
_SWITCHES: Final = frozenset({"__divsf3", "__divdf3"})

_FUNCTION: Final = re.compile(r"^([0-9a-f]+) <(.+)>:$")
_INSTRUCTION: Final = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*)$")
_TARGET: Final = re.compile(r"(?:^|[,#]\s*)([0-9a-f]+) <")
_GROWS: Final = re.compile(r"^sp,sp,-(\d+)$")
_SHRINKS: Final = re.compile(r"^sp,sp,\d+$")
_STORES: Final = frozenset({"sb", "sh", "sw", "fsw", "fsd"})
_ENDS: Final = frozenset({"ret", "j", "jr", "jal", "mret", "tail"})


class StackError(Exception):
    """The depth cannot be told, and why."""


@dataclass(slots=True)
class Function:
    """frame: bytes. calls: addresses. pointers: calls through one. unknown: what a frame of unknown size is."""

    name: str
    frame: int = 0
    calls: set[int] = field(default_factory=set)
    pointers: list[str] = field(default_factory=list)
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Depth:
    """The deepest path, and the bytes of the frames on it."""

    bytes: int
    path: tuple[str, ...]


class Program:
    """All functions of a program, as `objdump -d --no-show-raw-insn -C` prints it.

    pointers: (who, where), patterns of the names of functions: who calls through a pointer, and where that may lead.
    """

    def __init__(self, disassembly: str, pointers: Iterable[tuple[str, str]] = ()) -> None:
        self._functions = _parsed(disassembly)
        self._pointers = [(re.compile(who), re.compile(where)) for who, where in pointers]
        self._found: dict[int, Depth] = {}

    def named(self, pattern: str) -> list[str]:
        """Names of the functions that a pattern fits from the beginning."""
        return [function.name for function in self._functions.values() if re.match(pattern, function.name)]

    def deepest(self, name: str) -> Depth:
        """The deepest path from this function on. Raises StackError, also where there is no such function."""
        return self._deepest(self._address(name), ())

    def before(self, name: str, pattern: str) -> Depth | None:
        """The deepest path from this function to one that the pattern fits, without that one; None: there is none."""
        return self._before(self._address(name), re.compile(pattern), {})

    def _address(self, name: str) -> int:
        found = [address for address, function in self._functions.items() if function.name == name]
        if len(found) != 1:
            raise StackError(f"{name}: {len(found)} functions have this name")
        return found[0]

    def _deepest(self, address: int, above: tuple[int, ...]) -> Depth:
        if address in self._found:
            return self._found[address]
        function = self._functions[address]
        if address in above:
            names = [self._functions[one].name for one in (*above[above.index(address) :], address)]
            raise StackError(f"recursion: {' -> '.join(names)}")
        below = [self._deepest(call, (*above, address)) for call in self._calls(function)]
        most = max(below, key=lambda depth: depth.bytes, default=Depth(0, ()))
        self._found[address] = Depth(function.frame + most.bytes, (function.name, *most.path))
        return self._found[address]

    def _before(self, address: int, pattern: re.Pattern[str], found: dict[int, Depth | None]) -> Depth | None:
        if address not in found:
            function = self._functions[address]
            ways: list[Depth] = []
            for call in self._calls(function):
                is_end = pattern.match(self._functions[call].name)
                way = Depth(0, ()) if is_end else self._before(call, pattern, found)
                ways += [way] if way is not None else []
            most = max(ways, key=lambda depth: depth.bytes, default=None)
            found[address] = most and Depth(function.frame + most.bytes, (function.name, *most.path))
        return found[address]

    def _calls(self, function: Function) -> Sequence[int]:
        if function.unknown:
            raise StackError(f"{function.name}: the frame depends on what happens: {function.unknown}")
        if not function.pointers or function.name in _SWITCHES:
            return sorted(function.calls)
        where = [target for who, target in self._pointers if who.match(function.name)]
        if not where:
            raise StackError(f"{function.name}: nobody knows where this leads: {function.pointers[0]}")
        targets = {at for at, other in self._functions.items() if any(one.match(other.name) for one in where)}
        if not targets:
            raise StackError(f"{function.name}: the table leads nowhere: {function.pointers[0]}")
        return sorted(function.calls | targets)


def _parsed(disassembly: str) -> Mapping[int, Function]:
    bodies: list[tuple[int, Function, list[tuple[int, str, str]]]] = []
    for line in disassembly.splitlines():
        if begins := _FUNCTION.match(line):
            bodies.append((int(begins[1], 16), Function(begins[2]), []))
        elif bodies and (one := _INSTRUCTION.match(line)):
            bodies[-1][2].append((int(one[1], 16), one[2], one[3]))
    functions = {start: function for start, function, _ in bodies}
    starts = sorted(functions)
    ends = dict(pairwise([*starts, 1 << 64]))
    for start, function, body in bodies:
        for _, mnemonic, operands in body:
            _take(function, mnemonic, operands, start, ends[start], starts)
        falls_through = bool(body) and body[-1][1] not in _ENDS and ends[start] in functions
        function.calls |= {ends[start]} if falls_through else set()
        function.calls = {call for call in function.calls if not _keeps_registers(functions[call].name)}
        saves = any("<__riscv_save_" in operands for _, _, operands in body)
        function.frame += _SAVED if saves and not _keeps_registers(function.name) else 0
    return functions


def _keeps_registers(name: str) -> bool:
    """Whether it is a part of its caller's prologue or epilogue, whose frame is counted there."""
    return name.startswith(("__riscv_save_", "__riscv_restore_"))


def _take(function: Function, mnemonic: str, operands: str, start: int, end: int, starts: Sequence[int]) -> None:
    """What one instruction tells of the function that it stands in."""
    if target := _TARGET.search(operands):
        to = int(target[1], 16)
        is_call = mnemonic in ("jal", "jalr")
        jumps = is_call or mnemonic in ("j", "jr", "tail") or mnemonic.startswith("b")
        if jumps and (is_call or not start <= to < end):
            function.calls |= {max(one for one in starts if one <= to)} if to >= starts[0] else set()
        return
    if mnemonic in ("jr", "jalr") and operands != "ra" and not _keeps_registers(function.name):
        function.pointers.append(f"{mnemonic} {operands}")
    if not operands.startswith("sp,") or mnemonic in _STORES:
        return
    if grows := _GROWS.match(operands):
        function.frame += int(grows[1])
    elif not _SHRINKS.match(operands) and not _keeps_registers(function.name):
        function.unknown = f"{mnemonic} {operands}"
