"""Images changed in place are other images: same name, same size, even the same modification time."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from datamodules import contents
from datamodules.contents import identify
from datamodules.folder import Folder
from datamodules.stamps import list_files, stamps

Make = Callable[..., Folder]


def change(path: Path) -> None:
    """A byte in place, and the times as they were."""
    before, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    with open(path, "r+b") as file:
        file.write(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("part", ["train", "val"])
def test_an_image_changed_in_place_is_another_set(folder: Make, tree: Path, part: str) -> None:
    before = folder().identity
    assert folder().identity == before
    change(sorted((tree / part).glob("*/*"))[0])
    assert folder().identity != before


def test_a_shard_changed_in_place_is_another_set(folder: Make, shards: Path) -> None:
    before = folder(root=str(shards), format="webdataset").identity
    change(shards / "train-000001.tar")
    assert folder(root=str(shards), format="webdataset").identity != before


def test_the_same_images_elsewhere_are_the_same_set(folder: Make, tree: Path) -> None:
    before = folder().identity
    tree.rename(tree.parent / "moved")
    assert folder(root=str(tree.parent / "moved")).identity == before


def test_only_what_changed_is_read_again(folder: Make, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = sorted(tree.glob("*/*/*"))
    _ = folder().identity
    opened: list[str] = []
    of_file = contents._file_digest
    monkeypatch.setattr(contents, "_file_digest", lambda path: opened.append(os.fsdecode(path)) or of_file(path))
    _ = folder().identity
    assert opened == []
    change(images[3])
    _ = folder().identity
    assert opened == [str(images[3])]


def sample(data: Folder, tree: Path) -> contents.Content:
    return identify(tree, list(data._sources.values()), large=0)


def test_of_a_large_set_a_sample_is_read_and_every_stamp_counts(
    folder: Make, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "SAMPLE_SIZE", 2)
    before = sample(folder(), tree)
    assert before.verified == "sample"
    assert sample(folder(), tree) == before
    for image in sorted(tree.glob("*/*/*"))[:5]:
        change(image)
        after = sample(folder(), tree)
        assert after != before
        before = after


def test_full_reads_a_large_set_too(folder: Make, tree: Path) -> None:
    sources = list(folder()._sources.values())
    whole, small = identify(tree, sources, "full", large=0), identify(tree, sources, "auto")
    assert whole == small
    assert (whole.verified, folder(verify="full").verified) == ("contents", "contents")


def test_another_word_is_refused(folder: Make) -> None:
    with pytest.raises(ValueError, match=r"data\.verify must be one of auto, full, got half"):
        folder(verify="half")


def test_a_file_that_was_just_written_is_looked_at_a_tick_later(tmp_path: Path) -> None:
    """A second change within a step of the file system's clock would leave the same times."""
    path = tmp_path / "image.png"
    for number in range(10):
        path.write_bytes(bytes([number]))
        first = stamps([path])
        path.write_bytes(bytes([number + 1]))
        assert (stamps([path]) != first).any()
    assert time.time() - path.stat().st_mtime > 0


def test_caches_of_ours_are_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.png").touch()
    (tmp_path / ".contents.cache").touch()
    assert list_files(tmp_path) == [str(tmp_path / "train" / "a.png")]
