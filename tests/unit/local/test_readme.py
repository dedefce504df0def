"""What the README says of the program is what the program says."""

import re
from pathlib import Path

from pdm_platform.local.config import markdown_table

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")


def test_the_table_of_settings_is_the_one_pdmctl_prints() -> None:
    table = re.search(r"<!-- settings: .*? -->\n(.*?)<!-- end of settings -->", README, re.DOTALL)

    assert table is not None
    assert table.group(1) == markdown_table()


def test_every_picture_and_document_it_links_to_is_there() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)

    assert links
    assert [link for link in links if not (Path(__file__).parents[3] / link).exists()] == []
