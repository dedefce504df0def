"""A seeded stream of messages that are almost right: golden payloads, mutated as JSON, as bytes, and in delivery."""

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from pdm_platform.runtime.mqtt import Message
from tests.unit.sensors_bridge.fuzz_reference import MAX_AGE_NS, MAX_AHEAD_NS

GOLDEN: Final = Path(__file__).parents[2] / "contract" / "golden"
# an hour after the golden payloads, so that those are neither too old nor ahead
START_NS: Final = 1_767_229_200_000_000_000
NASTY: Final = (
    *("null", "true", "false", "[]", "{}", '""', '"x"', '"1"', "0", "-0", "-0.0", "1", "-1", "1.0", "1.5", "41", "1e3"),
    *(
        "NaN",
        "Infinity",
        "-Infinity",
        "nan",
        "1e308",
        "1e309",
        "-1e999",
        "1e-999",
        "5e-324",
        "0e9999999999",
        "01",
        "1.",
    ),
    *(".5", "+1", "0x10", "1_000", "1e", "--1", "9" * 30, "9" * 400, "9" * 5_000, "-" + "9" * 400, "1." + "9" * 5_000),
    *("9223372036854775807", "9223372036854775808", "18446744073709551616", "1000.0000001", "99999999999", "1e11"),
    *('"HEALTHY"', '"healthy"', '"\\ud800"', '"\\udc00x"', '"\\ud83d\\ude00"', '"\\u0000"', '"a\\u0000b"', '"\\q"'),
    *('"' + "x" * 64 + '"', '"' + "x" * 65 + '"', '"' + "é" * 64 + '"', '"\\u12"', '"unended', '"\t"', '"\x7f\u202e"'),
    *("[" * 200 + "]" * 200, "[" * 5_000, '{"a":' * 200 + "1" + "}" * 200, "[1,]", '{"a":1,}', '{"rpm":"x"}', "[NaN]"),
    *('"2026-01-01"', '"2026-01-01T00:30:00"', '"20260101T003000Z"', '"2026-W01-4"', '"0001-01-01T00:00:00+23:59"'),
    *(
        '"9999-12-31T23:59:59-23:59"',
        '"1969-12-31T23:59:59Z"',
        '"2026-13-01"',
        '"1767225600123"',
        "1767225600",
        "-5e11",
    ),
    *("1767225600123.4567", "1767225600123e-1", "1.767225600123e12", "1767225600123456.7", "1767225600123456789"),
)
TOPICS: Final = (
    *("", "/", "factory", "factory/", "/factory/pumps/{d}/telemetry", "factory/pumps/{d}", "factory/pumps//telemetry"),
    *(
        "factory/pumps/{d}/telemetry/",
        "factory/pumps/{d}/telemetry/x",
        "factory/pumps/{d}/Telemetry",
        "FACTORY/pumps/{d}",
    ),
    *(
        "factory/pumps/+/telemetry",
        "factory/#",
        "factory/pumps/{d} /telemetry",
        "factory/pumps/{d}\n/telemetry",
        "$SYS/x",
    ),
    *(
        "factory/training/{d}/telemetry",
        "factory/pumps/{d}/training_data",
        "factory/platform/rejected/{d}",
        "ü/{d}/\U0001f600",
    ),
    *(
        "<topic is not UTF-8>",
        "factory/pumps/\x00{d}/telemetry",
        "factory/pumps/{d}" + "x" * 70 + "/telemetry",
        "x" * 10_000,
    ),
    *("factory/platform/models/production", "factory/platform/models/status", "factory/platform/rejected"),
)
Golden = tuple[str, str, bytes]


def golden() -> list[Golden]:
    """Topic, device id and payload of each file."""
    index = json.loads((GOLDEN / "index.json").read_text(encoding="utf-8"))
    return [
        (entry["topic"], _device_of(entry["topic"]), (GOLDEN / entry["file"]).read_bytes())
        for entry in index
        if "file" in entry
    ]


def _device_of(topic: str) -> str:
    """The platform's own topics name none: nothing is replaced there."""
    return "?" if topic.startswith("factory/platform/") else topic.split("/")[2]


def messages(seed: int, count: int) -> Iterator[Message]:
    """The stream. Each message has a device of its own, but for the redeliveries of the one before."""
    draw = random.Random(seed)
    files = golden()
    valid = [file for file, entry in zip(files, _valid(), strict=True) if entry]
    last: Message | None = None
    for number in range(count):
        received_ns = START_NS + number * 1_000
        if last is not None and draw.random() < 0.06:
            yield _delivered_again(draw, last, number, received_ns)
            last = None  # what came twice does not come a third time: the reference follows pairs
            continue
        topic, device, payload = draw.choice(valid if draw.random() < 0.8 else files)
        own = f"p-{number}"
        topic = topic.replace(f"/{device}/", f"/{own}/")
        payload = payload.replace(f'"{device}"'.encode(), f'"{own}"'.encode())
        topic, payload = _mutated(draw, topic, payload, own, received_ns, files)
        flags = {"retain": draw.random() < 0.05, "dup": draw.random() < 0.05}
        last = Message(
            topic, payload, int(draw.random() < 0.9), mid=number, received_ns=received_ns, connection=1, **flags
        )
        yield last


def _valid() -> list[bool]:
    index = json.loads((GOLDEN / "index.json").read_text(encoding="utf-8"))
    return [entry["valid"] for entry in index if "file" in entry]


def _delivered_again(draw: random.Random, message: Message, number: int, received_ns: int) -> Message:
    """By the broker under the same packet id or, on another connection, another one; or by its sender, unmarked."""
    again = replace(message, received_ns=received_ns)
    match draw.randrange(3):
        case 0:
            return replace(again, dup=True)
        case 1:
            return replace(again, dup=True, mid=number)
    return replace(again, dup=False, mid=number)


def _mutated(
    draw: random.Random, topic: str, payload: bytes, own: str, received_ns: int, files: list[Golden]
) -> tuple[str, bytes]:
    chance = draw.random()
    if chance < 0.25:
        return topic, payload
    if chance < 0.60:
        return topic, _as_json(draw, payload, received_ns)
    if chance < 0.90:
        return topic, _as_bytes(draw, payload, files)
    return draw.choice(TOPICS).replace("{d}", own), payload


def _as_json(draw: random.Random, payload: bytes, received_ns: int) -> bytes:
    """One to three changes of fields, in text: what JSON libraries would not write is the point."""
    try:
        document = json.loads(payload)
        pairs = [(json.dumps(name), json.dumps(value)) for name, value in document.items()]
    except (ValueError, AttributeError):
        return payload
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        _change(draw, pairs, received_ns)
    space = draw.choice(("", "", " ", "\n\t", "\r\n"))
    text = "{" + f",{space}".join(f"{name}:{space}{value}" for name, value in pairs) + "}"
    return f"{space}{text}{space}".encode("utf-8", "surrogatepass")


def _change(draw: random.Random, pairs: list[tuple[str, str]], received_ns: int) -> None:
    place = draw.randrange(len(pairs)) if pairs else 0
    chance = draw.random()
    if not pairs or chance < 0.15:
        pairs.insert(place, (draw.choice(('"unknown"', '""', '"\\u0000"', '"Rpm"')), draw.choice(NASTY)))
    elif chance < 0.55:
        pairs[place] = (pairs[place][0], draw.choice(NASTY))
    elif chance < 0.75:
        moment = draw.choice((_edge, _edge_iso))(draw, received_ns)
        pairs.append((draw.choice(('"timestamp"', '"timestamp"', '"inference_timestamp"')), moment))
    elif chance < 0.85:
        pairs.insert(draw.randrange(len(pairs) + 1), (pairs[place][0], draw.choice((pairs[place][1], *NASTY[:20]))))
    elif chance < 0.92:
        del pairs[place]
    elif chance < 0.97:
        draw.shuffle(pairs)
    else:
        pairs[place] = (pairs[place][0][:-1] + draw.choice(('\\u0020"', 'x"', '"')), pairs[place][1])


def _edge(draw: random.Random, received_ns: int) -> str:
    edge_ns = received_ns + draw.choice((-MAX_AGE_NS, MAX_AHEAD_NS, 0)) + draw.choice((-(10**6), -1, 0, 1, 10**6))
    return str(draw.choice((edge_ns, edge_ns // 10**3, edge_ns // 10**6, edge_ns / 10**6, edge_ns / 10**3)))


def _edge_iso(draw: random.Random, received_ns: int) -> str:
    edge_ns = received_ns + draw.choice((-MAX_AGE_NS, MAX_AHEAD_NS)) + draw.choice((-1_000, 0, 1_000))
    moment = datetime.fromtimestamp(edge_ns // 10**9, UTC).replace(microsecond=edge_ns // 1_000 % 10**6)
    return json.dumps(moment.isoformat())


def _as_bytes(draw: random.Random, payload: bytes, files: list[Golden]) -> bytes:
    at, end = sorted((draw.randrange(len(payload) + 1), draw.randrange(len(payload) + 1)))
    end = min(end, at + draw.choice((1, 2, 8, 10_000)))
    other = draw.choice(files)[2]
    changes: tuple[Callable[[], bytes], ...] = (
        lambda: payload[:at] + bytes((draw.randrange(256),)) + payload[at + 1 :],
        lambda: payload[:at] + draw.choice((b"0", b"9", b"-", b".", b"e", b",", b'"', b"}")) + payload[at:],
        lambda: (
            payload[:at] + draw.choice((b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\x00", b"\xef\xbb\xbf")) + payload[at:]
        ),
        lambda: payload[:at] + payload[end:],
        lambda: payload[:at],
        lambda: payload[:end] + payload[at:],
        lambda: payload[:at] + other[at:],
        lambda: draw.choice((b"\xef\xbb\xbf", b" ", b"\x00", b"[")) + payload,
        lambda: payload + draw.choice((b"\n", b"\x00", b"}", b"{}", payload)),
        lambda: payload.swapcase(),
        lambda: payload.decode("utf-8", "replace").encode("utf-16"),
        lambda: draw.randbytes(draw.randrange(64)),
    )
    return draw.choice(changes)()
