"""The list of networks stays what it was."""

from tests.networks import wirings
from tests.networks.zoo import entries

LISTED = 276  # frozen


def test_the_list_is_as_long_as_it_was() -> None:
    assert len({entry.key for entry in entries()}) == len(entries()) == LISTED


def test_every_wiring_of_the_list_is_written() -> None:
    names = {name for module in wirings.MODULES for name in vars(module)}
    assert [entry.name for entry in entries() if entry.library == "wirings" and entry.name not in names] == []
