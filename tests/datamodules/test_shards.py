"""Tar shards hold the same data as folders; damaged ones are refused by name."""

import tarfile

import pytest

from datamodules.decode import BrokenImageError
from support.tiny_images import add, digest, jpeg


def test_shards_hold_the_same_data(folder, shards):
    plain, packed = folder(), folder(format="webdataset", root=str(shards), workers=2)
    assert packed.classes == plain.classes
    assert digest(plain.train_dataloader()) == digest(packed.train_dataloader())
    assert digest(plain.test_dataloader()) == digest(packed.test_dataloader())
    assert folder(format="webdataset", root=str(shards)).identity == packed.identity


def test_shards_without_names_number_their_classes(folder, shards):
    (shards / "classes.txt").unlink()
    assert folder(format="webdataset", root=str(shards)).classes == ("0", "1", "2")


def test_a_broken_image_in_a_shard_is_named(folder, shards):
    with tarfile.open(shards / "val-000002.tar", "w") as archive:
        add(archive, "x.jpg", b"no picture")
        add(archive, "x.cls", b"1")
    with pytest.raises(BrokenImageError, match=r"val-000002\.tar at byte 512 is not a readable image"):
        list(folder(format="webdataset", root=str(shards)).test_dataloader())


def test_a_name_that_reaches_outside_is_only_a_name(folder, shards):
    before = set(shards.parent.parent.rglob("*"))
    for part in ("train", "val"):
        with tarfile.open(shards / f"{part}-000009.tar", "w") as archive:
            for name in ("../../evil", "/evil"):
                add(archive, f"{name}.jpg", jpeg())
                add(archive, f"{name}.cls", b"1")
    data = folder(format="webdataset", root=str(shards), val=0)
    assert sum(len(labels) for _, labels in data.test_dataloader()) == 26
    made = set(shards.parent.parent.rglob("*")) - before
    assert {path.name for path in made} == {"train-000009.tar", "val-000009.tar", ".shards.cache", ".shards.cache.lock"}


def test_damaged_shards_are_refused(folder, shards):
    def refused(match: str) -> None:
        with pytest.raises(ValueError, match=match):
            folder(format="webdataset", root=str(shards))

    extra = shards / "train-000009.tar"
    with tarfile.open(extra, "w") as archive:
        add(archive, "x.jpg", jpeg())
    refused(r"train-000009\.tar needs one image and one \.cls for each key, not so for /x")
    with tarfile.open(extra, "w") as archive:
        add(archive, "x.jpg", b"", type=tarfile.SYMTYPE, linkname="../../secret")
    refused(r"'x\.jpg' is a link")
    with tarfile.open(extra, "w") as archive:
        add(archive, "x.jpg", jpeg())
        add(archive, "x.cls", b"cat")
    refused(r"'x\.cls' must hold a class number, got 'cat'")
    with tarfile.open(extra, "w") as archive:
        add(archive, "x.jpg", jpeg())
        add(archive, "x.cls", b"7")
    refused("must hold the same classes; only in train: 7; only in val: none")
    content = (shards / "train-000000.tar").read_bytes()
    extra.write_bytes(content[: len(content) // 2])
    refused(r"train-000009\.tar")


ADDRESSES = ["pipe:touch x", "https://host/a.tar::pipe:touch x", "{https://h/a.tar,pipe:touch x}", "s3://bucket/a.tar"]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("key", ["train", "test", "root"])
def test_an_address_is_refused_and_nothing_is_run(folder, tmp_path, monkeypatch, key, address):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=rf"data\.{key}=.* is an address, and nothing is fetched: sync it"):
        folder(format="webdataset", **{key: address})
    assert not (tmp_path / "x").exists()


def test_absent_shards_are_named(folder, tree):
    with pytest.raises(FileNotFoundError, match=r"has no shards \*train\*\.tar"):
        folder(format="webdataset")
