"""Shards by URL: fetched once and whole by the webdataset library, then the same data as in folders."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny_images import digest, served, stand

wds = pytest.importorskip("webdataset", reason="the extra `webdataset` is not installed")
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # the library leaves its programs to the collector
    pytest.mark.skipif(shutil.which("curl") is None, reason="the library reads http:// by curl, which is not here"),
]


@pytest.fixture
def store(tree: Path) -> Iterator[tuple[str, list[str]]]:
    """An object store on this machine, its shards written by the library, and what was asked of it."""
    root = tree.parent / "bucket"
    for part in ("train", "val"):
        (root / part).mkdir(parents=True)
        with wds.ShardWriter(str(root / part / "%06d.tar"), maxcount=9, verbose=0) as writer:
            for number, path in enumerate(sorted((tree / part).glob("*/*"))):
                label = ("ape", "bee", "cow").index(path.parent.name)
                writer.write({"__key__": f"{number:04d}", path.suffix[1:]: path.read_bytes(), "cls": label})
    with served(root) as (url, asked):
        yield url, asked


def parts(url: str) -> dict[str, str]:
    return {
        "format": "webdataset",
        "train": f"{url}/train/{{000000..000002}}.tar",
        "test": f"{url}/val/{{000000..000002}}.tar",
    }


def test_a_store_is_read_like_folders_and_only_once(folder, store, tmp_path):
    url, asked = store
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "classes.txt").write_text("ape\nbee\ncow\n")
    plain, remote = folder(), folder(root=str(tmp_path / "kept"), workers=1, **parts(url))
    for epoch in range(2):
        stand(plain, epoch)
        stand(remote, epoch)
        assert digest(plain.train_dataloader()) == digest(remote.train_dataloader())
    assert digest(plain.test_dataloader()) == digest(remote.test_dataloader())
    assert remote.classes == plain.classes
    assert len(asked) == 6
    again = folder(root=str(tmp_path / "kept"), **parts(url))
    assert again.identity == remote.identity
    assert len(asked) == 6
    assert not list((tmp_path / "kept").rglob("*.temp*"))


def test_the_library_reads_what_we_read(folder, store, tmp_path):
    """Image by image and label by label, with its own reader of the same shards."""
    ours = folder(root=str(tmp_path / "kept"), **parts(store[0]))._sources["train"]
    shards = str(tmp_path / "kept" / "train" / "{000000..000002}.tar")
    theirs = [
        (next(value for key, value in sample.items() if key in ("jpg", "png", "bmp")), int(sample["cls"]))
        for sample in wds.WebDataset(shards, shardshuffle=False)
    ]
    assert [(ours.read(number), int(label)) for number, label in enumerate(ours.labels)] == theirs


def test_two_processes_share_a_store_without_overlap(folder, store, tmp_path):
    labels = []
    for rank in range(2):
        data = folder(root=str(tmp_path / "kept"), workers=1, batch=6, val=0, **parts(store[0]))
        stand(data, rank=rank, world=2)
        labels.append(data.train_dataloader()._batches)
    seen = np.concatenate([batch for share in labels for batch in share])
    assert sorted(seen) == list(range(24))


def test_files_by_url_are_read_in_place(folder, store, tree, tmp_path):
    bucket = (tree.parent / "bucket").as_uri()
    data = folder(root=str(tmp_path / "kept"), **parts(bucket))
    assert digest(data.test_dataloader()) == digest(folder().test_dataloader())
    assert not list((tmp_path / "kept").rglob("*.tar"))


def test_s3_is_read_by_its_own_program(folder, store, tree, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "aws"
    program.write_text(f'#!/bin/sh\nexec cat "{tree.parent}/${{4#s3://}}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    data = folder(root=str(tmp_path / "kept"), **parts("s3://bucket"))
    assert digest(data.test_dataloader()) == digest(folder().test_dataloader())


def test_what_cannot_be_fetched_is_named_and_nothing_half_is_kept(folder, store, tmp_path):
    url, _ = store
    with pytest.raises(FileNotFoundError, match=r"000003\.tar could not be fetched \(exit 22\): check the address"):
        folder(root=str(tmp_path / "kept"), **parts(url) | {"train": f"{url}/train/{{000000..000003}}.tar"})
    kept = sorted(path.name for path in (tmp_path / "kept" / "train").glob("[!.]*"))
    assert kept == ["000000.tar", "000001.tar", "000002.tar"]
    assert folder(root=str(tmp_path / "kept"), **parts(url)).sizes["test"] == 24


def test_what_is_no_store_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match=r"pipe:touch .* would run a command out of a configuration"):
        folder(root=str(tmp_path), format="webdataset", train=f"pipe:touch {tmp_path}/x")
    assert not (tmp_path / "x").exists()
    with pytest.raises(ValueError, match="names two shards alike"):
        folder(root=str(tmp_path), format="webdataset", train="http://127.0.0.1/{a,b}/0.tar")
    with pytest.raises(FileNotFoundError, match=r"data=imagenet needs data\.root=FOLDER: the fetched shards are kept"):
        folder(root=None, format="webdataset", train="http://127.0.0.1/0.tar")


def test_a_store_that_does_not_answer_is_named(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"127\.0\.0\.1:9/0\.tar could not be fetched \(exit 7\)"):
        folder(root=str(tmp_path), format="webdataset", train="http://127.0.0.1:9/0.tar")
