"""The list of networks stays what it was, and the page says something of each."""

import re

from experiments.system.checkout import ROOT
from tests.networks import wirings
from tests.networks.zoo import entries

LISTED = 276  # frozen


def test_the_list_is_as_long_as_it_was() -> None:
    assert len({entry.key for entry in entries()}) == len(entries()) == LISTED


def test_every_wiring_of_the_list_is_written() -> None:
    names = {name for module in wirings.MODULES for name in vars(module)}
    assert [entry.name for entry in entries() if entry.library == "wirings" and entry.name not in names] == []


def test_the_page_has_every_network_of_the_list() -> None:
    page = (ROOT / "docs" / "networks.md").read_text()
    sections = re.split(r"^## ", page, flags=re.M)
    by_kind = {part.partition("\n")[0]: re.findall(r"^\| (\w+) \|", part, re.M) for part in sections}
    assert [e.key for e in entries() if e.name not in by_kind.get(e.kind, [])] == []
