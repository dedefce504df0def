"""What is measured of the core's cost, and what it is measured by."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from firmware.cost import chips
from firmware.cost.chips import CORTEX_M0_PLUS, FIRMWARE, BuildError, Chip, MissingError, Size
from firmware.cost.stack import Depth, Program, StackError

CLOCK_MHZ: Final = 160
# Cycles an instruction of the ESP32-C3: Espressif's CoreMark example tells 409.25 rounds a second at 160 MHz (GCC 12.2
# -O3, in RAM; components.espressif.com, espressif/coremark 1.1.0), so 390,960 cycles a round. With the same compiler a
# round has 295,244 instructions on this emulator. Fetching code from flash is not in it.
CYCLES: Final = 1.32
CYCLES_AT_MOST: Final = 1.5
# a reading, from the sensor to the acknowledgement, may take this much of a chip that has the network to serve
READING_US: Final = 200.0
# of the 400 KB that an ESP32-C3 has, and of which the network takes most
STATIC_BYTES: Final = 40 * 1024
KNOWN_LOOP: Final = 200_000

# rv32imac for the C3's rv32imc, of which Debian has no C library: the core has no atomics
NO_FLOATS: Final = chips.riscv("rv32imac", "ilp32")
FLOATS: Final = chips.riscv("rv32imafc", "ilp32f")
PARTS: Final = {
    "twin": ("twin", "physics", "fixed", "draws", "chaos", "duty", "wear", "lifetimes"),
    "outbox": ("outbox", "outbox_mount", "outbox_format"),
    "device": ("device", "device_link", "schedule", "clock", "backoff", "settings", "topics", "reading"),
    "payloads": ("payload", "status", "json_writer", "text"),
    "commands": ("commands", "fields", "json_reader", "json_text", "provision"),
    "real sensors": ("instruments", "measured", "signals", "vibration"),
}
FIGURES: Final = {
    "inference": "a reading: taken, kept, sent, acknowledged; all disturbances at work",
    "data_collection": "the same with its truth",
    "twin_measure": "- of it the twin",
    "outbox_put": "- kept in flash, CRC and all",
    "outbox_next": "- read from flash",
    "encode_telemetry": "- encoded",
    "encode_labelled": "- encoded with its truth",
    "outbox_acknowledge": "- marked as sent",
    "reading_and_status": "a reading, and the status of each minute",
    "idle_step": "a step with nothing to do",
    "offline_ring_full": "a reading while the broker is away and flash is full",
    "step_that_sends_16": "a step that sends 16 waiting readings",
    "acknowledge_16": "16 acknowledgements",
    "life_stress": "the beginning of a life, stress",
    "life_accelerated": "the beginning of a life, accelerated",
    "life_nominal": "the beginning of a life, nominal",
    "life_nominal_of_one_mode": "the same, of a failure mode that was asked for",
    "start_with_full_ring": "power-up, with 512 KB of readings in flash",
    "command_full": "a command with every field",
    "command_refused": "a command that is refused",
    "provisioning": "provisioning",
    "status_encoded": "a status, encoded",
    "axes_3200_hz": "a sample of three axes at 3,200 Hz",
    "axes_26667_hz": "a sample of three axes at 26,667 Hz",
    "current_4000_hz": "a sample of the current",
    "instruments_measure": "a reading of real sensors",
}
# whoever calls through a pointer, and where that leads: flash, link and clock are those of test/cost.cpp
FLASH: Final = r"\(anonymous namespace\)::MemoryFlash::"
LINK: Final = r"\(anonymous namespace\)::EagerLink::"
POINTERS: Final = (
    (r"pdm::Outbox::", FLASH),
    (r"pdm::Device::", rf"{LINK}|pdm::(Twin|Sensors|Instruments)::(measure|faults)\("),
    (r"pdm::Chaos::pass_over", r"pdm::\(anonymous namespace\)::\w+\(pdm::\(anonymous namespace\)::Moment&\)"),
    (r"pdm::Instruments::", r"\(anonymous namespace\)::now_us"),
    (r"pdm::(\(anonymous namespace\)::)?(parse_provision|read_text|valid)\(",
     r"pdm::(\(anonymous namespace\)::)?(valid_\w+|printable)\(char const\*\)"),
)  # fmt: skip
ENTRIES: Final = {
    "start": r"pdm::Device::start\(",
    "step": r"pdm::Device::step\(",
    "obey": r"pdm::Device::obey\(",
    "acknowledged": r"pdm::Device::acknowledged\(",
    "parse_provision": r"pdm::parse_provision\(",
    "Instruments::acceleration": r"pdm::Instruments::acceleration\(",
    "Instruments::current": r"pdm::Instruments::current\(",
}


@dataclass(frozen=True, slots=True)
class Count:
    """Instructions of one kind of work. work: function of test/cost.cpp. stack: bytes that it really used."""

    work: str
    times: int
    mean: int
    worst: int
    stack: int


@dataclass(frozen=True, slots=True)
class Target:
    """What was measured beside what it may be."""

    name: str
    value: float
    limit: float
    unit: str

    @property
    def met(self) -> bool:
        return self.value <= self.limit


def us(instructions: float, cycles: float = CYCLES) -> float:
    """Microseconds on the chip."""
    return instructions * cycles / CLOCK_MHZ


@dataclass(frozen=True, slots=True)
class Stack:
    """Bytes from an entry into the core on, at worst. at_flash, at_link: of them where it calls these; None: never."""

    bytes: int
    path: tuple[str, ...]
    at_flash: int | None
    at_link: int | None


@dataclass(frozen=True, slots=True)
class Cost:
    """All of it. left_out: what could not be measured, and why. sizes: by chip and part."""

    compiler: str
    left_out: tuple[str, ...]
    targets: tuple[Target, ...]
    static_bytes: Mapping[str, int]
    counts: Mapping[str, Count] | None
    counts_with_floats: Mapping[str, Count] | None
    stack: Mapping[str, Stack]
    sizes: Mapping[str, Mapping[str, Size]]


def measure(folder: Path) -> Cost:
    """Build in this folder and measure. Raises MissingError, BuildError and StackError."""
    program, core, main = built(NO_FLOATS, folder)
    sizes = {NO_FLOATS.name: sizes_of(NO_FLOATS, core, folder)}
    left_out: list[str] = []
    try:
        objects = chips.compiled(CORTEX_M0_PLUS, chips.core_sources(), folder / CORTEX_M0_PLUS.name)
        sizes[CORTEX_M0_PLUS.name] = sizes_of(CORTEX_M0_PLUS, objects, folder)
    except MissingError as missing:
        left_out.append(f"sizes for {CORTEX_M0_PLUS.name}: {missing}")
    counts = with_floats = None
    try:
        counts = counts_of(chips.emulated(program))
        with_floats = counts_of(chips.emulated(built(FLOATS, folder)[0]))
    except MissingError as missing:
        left_out.append(f"instructions: {missing}")
    stack, bounds = stacks_of(chips.disassembled(NO_FLOATS, program))
    check_bounds(counts or {}, bounds)
    variables = sizes[NO_FLOATS.name]["core"]
    static = {**chips.symbol_sizes(NO_FLOATS, main, "size_of_"), "variables": variables.data + variables.bss}
    return Cost(
        compiler=chips.version(f"{NO_FLOATS.tools}gcc"),
        left_out=tuple(left_out),
        targets=targets(static, counts or {}),
        static_bytes=static,
        counts=counts,
        counts_with_floats=with_floats,
        stack=stack,
        sizes=sizes,
    )


def built(chip: Chip, folder: Path) -> tuple[Path, list[Path], Path]:
    """The program of test/cost.cpp, the core's object files and its own."""
    core = chips.compiled(chip, chips.core_sources(), folder / chip.name)
    (main,) = chips.compiled(chip, [FIRMWARE / "test" / "cost.cpp"], folder / f"{chip.name}-program")
    return chips.linked_program(chip, [*core, main], folder / f"{chip.name}-cost.elf"), core, main


def sizes_of(chip: Chip, objects: list[Path], folder: Path) -> dict[str, Size]:
    """Of each part, of the core, and of the core with what it needs of the libraries."""
    part_of = {stem: part for part, stems in PARTS.items() for stem in stems}
    parts: dict[str, Size] = {}
    for file, size in zip(objects, chips.sizes(chip, objects), strict=True):
        part = part_of.get(file.stem, file.stem)
        parts[part] = parts.get(part, Size()) + size
    (whole,) = chips.sizes(chip, [chips.linked_core(chip, objects, folder / f"{chip.name}.elf")])
    return {**dict(sorted(parts.items())), "core": sum(parts.values(), Size()), "core with libraries": whole}


def counts_of(said: str) -> dict[str, Count]:
    """What test/cost.cpp counted. Raises BuildError where it did not count instructions."""
    rows = [line.split() for line in said.splitlines()]
    found = {name: Count(work, *map(int, numbers)) for name, work, *numbers in rows}
    known = found.pop("known_loop", None)
    if known is None or not KNOWN_LOOP <= known.worst <= KNOWN_LOOP + 16:
        raise BuildError(f"a loop of {KNOWN_LOOP:,} instructions was counted as {known and known.worst}")
    if missing := set(FIGURES) - set(found):
        raise BuildError(f"nothing was counted of {', '.join(sorted(missing))}")
    return {"known_loop": known, **found}


def stacks_of(disassembly: str) -> tuple[dict[str, Stack], dict[str, int]]:
    """How deep the stack gets from each entry into the core on, and from each work of test/cost.cpp."""
    program = Program(disassembly, POINTERS)

    def bytes_of(depth: Depth | None) -> int | None:
        return None if depth is None else depth.bytes

    stack = {}
    for entry, pattern in ENTRIES.items():
        (name,) = program.named(pattern)
        deepest, at_flash, at_link = program.deepest(name), program.before(name, FLASH), program.before(name, LINK)
        stack[entry] = Stack(deepest.bytes, deepest.path, bytes_of(at_flash), bytes_of(at_link))
    works = program.named(r"work::")
    return stack, {name.removeprefix("work::").removesuffix("()"): program.deepest(name).bytes for name in works}


def check_bounds(counts: Mapping[str, Count], bounds: Mapping[str, int]) -> None:
    """Raises StackError where a work used more than it can: then the bound is worth nothing."""
    for name, count in counts.items():
        if count.stack > bounds[count.work]:
            raise StackError(f"{name} used {count.stack} bytes of stack and cannot use more than {bounds[count.work]}")


def targets(static: Mapping[str, int], counts: Mapping[str, Count]) -> tuple[Target, ...]:
    """What is asked of the core; of the counts where there are any."""
    memory = Target("a device with its twin and real sensors, static", sum(static.values()), STATIC_BYTES, "bytes")
    readings = [
        Target(f"{FIGURES[name]}; at worst", us(counts[name].worst), READING_US, "us")
        for name in ("inference", "data_collection")
        if name in counts
    ]
    return memory, *readings
