"""`pdmctl quarantine` as a user and as a script read it."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pdm_platform.contract.errors import BrokerError, PdmError, SettingsError
from pdm_platform.local.processes import free_port
from sensors_bridge.decode import Cause
from sensors_bridge.quarantine import QuarantineError
from sensors_bridge.quarantine_cli import app
from sensors_bridge.quarantine_index import Mark, entries, keep_marks
from tests.unit.sensors_bridge.quarantine_data import kept, reading, rejection

OTHER = "factory/pumps/pump-2/telemetry"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The quarantine of a home of its own, and a broker's port where nobody listens."""
    for name in [name for name in os.environ if name.startswith("PDM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PDM_HOME", str(tmp_path))
    monkeypatch.setenv("PDM_MQTT_PORT", str(free_port()))
    return tmp_path / "quarantine"


def run(*arguments: str, given: bytes = b"") -> tuple[int, str, str]:
    """Exit code, stdout and stderr. What pdmctl's entry point would print of an error is raised."""
    result = CliRunner().invoke(app, arguments, input=given)
    if isinstance(result.exception, PdmError):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


# -- list


def test_an_empty_quarantine_says_so_to_people_and_nothing_to_programs(folder: Path) -> None:
    assert run("list") == (0, f"nothing in quarantine: {folder}\n", "")
    assert run("list", "--format", "json")[1] == ""
    assert run("replay", "--all")[0] == 0


def test_a_filter_that_takes_nothing_says_so(folder: Path) -> None:
    kept(folder, rejection(b"{"))

    assert run("list", "--cause", "time")[1] == f"nothing in quarantine matches: {folder}\n"


def test_each_record_is_a_line_the_newest_last_and_a_summary_follows(folder: Path) -> None:
    found = kept(
        folder,
        rejection(b"1", Cause.PAYLOAD, reason="x" * 500),
        rejection(b"22", reason="unknown device"),
        rejection(b"333", topic=OTHER),
    )
    keep_marks(folder, [Mark(id=found[1].id, at="2026-01-02T03:04:05.678901Z", by="ann", sha256="")])

    _, out, _ = run("list")

    _headings, first, second, third, _empty, *summary = out.splitlines()
    assert [line.split()[0] for line in (first, second, third)] == [entry.short_id for entry in found]
    assert first.endswith("x" * 100 + "…")
    assert "2026-01-02T03:04:05Z" in second
    assert second.endswith("factory/pumps/pump-1/telemetry: unknown device")
    assert summary[0] == "3 in quarantine, 1 of them replayed since"
    assert [line.split() for line in summary[1:]] == [
        ["1", "payload", "factory/pumps/pump-1/telemetry"],
        ["1", "device", "factory/pumps/pump-1/telemetry"],
        ["1", "device", OTHER],
    ]


def test_the_newest_are_asked_for_by_their_number(folder: Path) -> None:
    found = kept(folder, *(rejection(str(number).encode()) for number in range(5)))

    _, out, _ = run("list", "--last", "2", "--format", "json")

    assert [json.loads(line)["id"] for line in out.splitlines()] == [entry.id for entry in found[3:]]


def test_a_program_gets_whole_records_a_line_each(folder: Path) -> None:
    [entry] = kept(folder, rejection(b"{\xff", reason="x" * 500))

    line = json.loads(run("list", "--format", "json")[1])

    assert (line["id"], line["reason"], line["encoding"], line["replayed"]) == (entry.id, "x" * 500, "base64", None)


def test_what_steers_a_terminal_is_made_visible(folder: Path) -> None:
    [entry] = kept(folder, rejection(b'{"a": "\xc2\x9b2J\x1b[2J"', topic="factory/\x1b[2J\n", reason="\x1b]0;x\x07"))

    listed, shown = run("list")[1], run("show", entry.id)[1]

    assert not {
        character
        for text in (listed, shown)
        for character in text
        if not (character.isprintable() or character == "\n")
    }
    assert r"factory/\x1b[2J\n" in listed
    assert r"\x9b2J\x1b[2J" in shown


def test_a_format_that_is_none_is_named() -> None:
    with pytest.raises(SettingsError, match="--format 'xml'"):
        run("list", "--format", "xml")


# -- show


def test_a_record_is_shown_with_its_whole_reason_and_its_payload_indented(folder: Path) -> None:
    [entry] = kept(folder, rejection(b'{"rpm": "fast", "rpm": 1.50}', Cause.PAYLOAD, reason="x" * 500))
    keep_marks(folder, [Mark(id=entry.id, at="2026-01-02T03:04:05.678901Z", by="ann", sha256="ab")])

    _, out, _ = run("show", entry.id[:6])

    assert f"id        {entry.id}\n" in out
    assert f"reason    {'x' * 500}\n" in out
    assert "replayed  2026-01-02T03:04:05.678901Z by ann, as a payload with SHA-256 ab\n" in out
    assert out.endswith('\n{\n  "rpm": "fast",\n  "rpm": 1.50\n}\n')


def test_text_that_is_no_json_is_shown_as_it_is(folder: Path) -> None:
    [entry] = kept(folder, rejection(b'{"rpm": \n 1,'))

    assert run("show", entry.id)[1].endswith('\nnot JSON:\n{"rpm": \n 1,\n')


def test_a_payload_that_is_no_text_is_shown_in_hex(folder: Path) -> None:
    [entry] = kept(folder, rejection(b"\xff\x00abc" + bytes(5_000)))

    out = run("show", entry.id)[1]

    assert "00000000  ff 00 61 62 63 00" in out
    assert "..abc..." in out
    assert out.endswith("… 909 bytes more: `--payload` writes all of them\n")


@pytest.mark.parametrize("payload", [b"", b"{\xff\x00", '{"é": 1}\r\n'.encode()])
def test_the_payload_is_written_byte_by_byte(folder: Path, payload: bytes) -> None:
    [entry] = kept(folder, rejection(payload))

    assert CliRunner().invoke(app, ["show", entry.id, "--payload"]).stdout_bytes == payload


# -- replay


@pytest.mark.parametrize("arguments", [[], ["ab", "--all"], ["ab", "--cause", "device"]])
def test_which_records_are_meant_must_be_said(arguments: list[str]) -> None:
    with pytest.raises(SettingsError, match="name the records to replay"):
        run("replay", *arguments)


def test_a_repaired_payload_is_for_one_record() -> None:
    with pytest.raises(SettingsError, match="--payload repairs one record"):
        run("replay", "ab", "cd", "--payload", "-")
    with pytest.raises(SettingsError, match="--payload repairs one record"):
        run("replay", "--all", "--payload", "-")


def test_a_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(SettingsError, match=r"--payload 'missing.json': No such file"):
        run("replay", "ab", "--payload", "missing.json")


def test_a_dry_run_tells_what_would_be_done_without_a_broker(folder: Path) -> None:
    kept(folder, rejection(reading()), rejection(b"{", Cause.PAYLOAD))

    code, out, err = run("replay", "--all", "--dry-run")

    assert out == "would replay 1, 1 of them with the time of arrival as their timestamp; refused 1\n"
    assert "would be rejected again: Telemetry: Input data was truncated" in err
    assert code == 1


def test_a_repaired_payload_is_judged_in_place_of_the_record_s(folder: Path) -> None:
    [entry] = kept(folder, rejection(b"{", Cause.PAYLOAD))

    code, out, _ = run("replay", entry.id, "--payload", "-", "--dry-run", given=reading(rpm=5))

    assert (code, out) == (0, "would replay 1, 1 of them with the time of arrival as their timestamp\n")


def test_without_a_broker_nothing_is_marked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensors_bridge.replay_outlet._CONNECT_WITHIN_S", 0.2)
    [entry] = kept(folder, rejection(reading()))

    with pytest.raises(BrokerError, match="no broker answers"):
        run("replay", entry.id)

    assert [found.mark for found in entries(folder)] == [None]


def test_where_all_is_refused_no_broker_is_needed(folder: Path) -> None:
    kept(folder, rejection(b"{"))

    assert run("replay", "--all")[:2] == (1, "replayed 0; refused 1\n")


def test_what_was_replayed_is_refused_by_its_id_and_left_out_by_a_filter(folder: Path) -> None:
    [entry] = kept(folder, rejection(reading()))
    keep_marks(folder, [Mark(id=entry.id, at="2026-01-02T03:04:05.678901Z", by="ann", sha256="ab")])

    with pytest.raises(QuarantineError, match=r"was replayed at 2026-01-02T03:04:05.678901Z by ann") as refused:
        run("replay", entry.short_id, "--dry-run")

    assert "--again" in refused.value.hint
    assert run("replay", "--all", "--dry-run")[1] == "would replay 0; left out 1 that were replayed before\n"
    assert run("replay", entry.id, "--dry-run", "--again")[1].startswith("would replay 1,")
