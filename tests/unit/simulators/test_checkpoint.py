"""How far a campaign has come."""

from pathlib import Path

import pytest

from pdm_platform.contract.errors import SettingsError
from simulators.checkpoint import Checkpoint

CAMPAIGN: dict[str, str | int] = {"plan": "stress:1", "seed": 7, "window_end_ns": 10**18}


def test_a_campaign_goes_on_where_it_was_saved(tmp_path: Path) -> None:
    file = tmp_path / "new" / "campaign.json"
    Checkpoint(file, CAMPAIGN).save(1_500)

    assert Checkpoint(file, CAMPAIGN).load(2_000) == 1_500
    assert [found.name for found in file.parent.iterdir()] == ["campaign.json"]


def test_without_a_file_it_starts_from_the_beginning(tmp_path: Path) -> None:
    assert Checkpoint(tmp_path / "none.json", CAMPAIGN).load(2_000) == 0
    forgetful = Checkpoint(None, CAMPAIGN)
    forgetful.save(5)
    assert forgetful.load(2_000) == 0


def test_a_complete_campaign_is_forgotten(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "campaign.json", CAMPAIGN)
    checkpoint.save(5)

    checkpoint.clear()

    assert checkpoint.load(2_000) == 0


def test_another_campaigns_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "campaign.json"
    Checkpoint(file, {**CAMPAIGN, "seed": 8}).save(5)

    with pytest.raises(SettingsError, match="belongs to"):
        Checkpoint(file, CAMPAIGN).load(2_000)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"campaign": 1}', '{"campaign": {}, "acknowledged": null}'])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "campaign.json"
    file.write_text(text)

    with pytest.raises(SettingsError, match=r"campaign\.json"):
        Checkpoint(file, CAMPAIGN).load(2_000)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SettingsError, match="cannot be written"):
        Checkpoint(tmp_path / "file" / "campaign.json", CAMPAIGN).save(5)
