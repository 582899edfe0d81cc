"""README says what the machine wrote, and its commands are there to be run."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_table_of_networks_is_the_one_that_the_tests_wrote():
    rows = [line for line in (ROOT / "docs" / "networks.md").read_text().splitlines() if line.startswith("|")]
    assert len(rows) > 30
    assert "\n".join(rows) in README


def test_exactly_two_commands_install_and_run():
    first, second = re.findall(r"```bash\n(.+?)\n```", README, re.S)
    assert first.endswith("python3 run.py method=fcf model=vgg16")
    assert "pytest" in second


TREE = README.partition("## The house")[2].partition("```")[2].partition("```")[0]
ROOMS = ("pruning", "datamodules", "experiments")


def named(tree: str) -> list[str]:
    return re.findall(r"[a-z0-9_]+\.py|[a-z0-9_]+/", tree)


def test_the_tree_is_true():
    everything = {path.name + ("/" if path.is_dir() else "") for path in ROOT.rglob("*")}
    assert [name for name in named(TREE) if name not in everything] == []


@pytest.mark.parametrize("room", ROOMS)
def test_the_tree_names_every_file_of_a_room(room: str):
    """Within its own part of the tree: two rooms may each have a file of one name."""
    (part,) = re.findall(rf"^{room}/.*\n((?: .*\n)*)", TREE, re.M)
    files = [path.name for path in (ROOT / room).glob("*.py") if path.name != "__init__.py"]
    folders = [f"{path.parent.name}/" for path in (ROOT / room).glob("*/*") if path.suffix in (".py", ".json")]
    assert {*files, *folders} - {*named(part)} == set()
