"""Every link leads somewhere, README leads to every page, and the pages name what there is."""

import re
from pathlib import Path

import pytest

from experiments.system.checkout import ROOT

DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "LOG.md",
    *sorted(DOCS.rglob("*.md")),
    *sorted(ROOT.glob("pruning/methods/*/card.md")),
]
LINK = re.compile(r"\]\((?!\w+:)([^)\s]*)\)")
ROOMS = ("pruning", "datamodules", "experiments")
TREE = (DOCS / "architecture.md").read_text().partition("## The house")[2].partition("```")[2].partition("```")[0]


def prose(page: Path) -> str:
    """Without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.S | re.M)


def targets(page: Path) -> list[tuple[Path, str]]:
    """The file and the anchor of every relative link."""
    parts = [link.partition("#") for link in LINK.findall(prose(page))]
    return [((page.parent / path).resolve() if path else page, anchor) for path, _, anchor in parts]


def anchors(page: Path) -> set[str]:
    """Of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path):
    assert [str(path) for path, _ in targets(page) if not path.exists()] == []
    assert [anchor for path, anchor in targets(page) if anchor and anchor not in anchors(path)] == []


def test_a_dead_link_and_a_dead_anchor_are_seen(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("# A title, with marks!\n[a](gone.md) [b](#a-title-with-marks) [c](#gone) [d](https://x.org/y)\n")
    assert targets(page) == [(tmp_path / "gone.md", ""), (page, "a-title-with-marks"), (page, "gone")]
    assert anchors(page) == {"a-title-with-marks"}


def test_readme_leads_to_every_file_of_docs():
    linked = {path for path, _ in targets(ROOT / "README.md")}
    assert {path for path in DOCS.rglob("*") if path.is_file()} - linked == set()


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=name)
def test_a_page_begins_with_what_it_is_for(page: Path):
    title, empty, first, *_ = page.read_text().splitlines()
    assert title.startswith("# ")
    assert empty == ""
    assert first.startswith("This page ")


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "LOG.md"], ids=name)
def test_what_a_page_names_is_there(page: Path):
    """Files of the checkout in backquotes, and the programs that `python -m` starts."""
    text = page.read_text()
    files = re.findall(r"`((?:pruning|datamodules|experiments|conf|tests|docs)/[\w./]+)`", text)
    programs = [ROOT / each.replace(".", "/") for each in re.findall(r"python -m (experiments[\w.]*\w)", text)]
    assert [each for each in files if not (ROOT / each).exists()] == []
    assert [
        each for each in programs if not (each.with_suffix(".py").exists() or (each / "__main__.py").exists())
    ] == []


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
