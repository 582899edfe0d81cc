"""CIFAR's official files: the same data as in folders; damaged, malicious or absent ones are refused by name."""

import hashlib
import io
import pickle
import struct
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from datamodules.cifar_files import RELEASES, unpickle
from support.tiny_images import CIFAR10, add, digest, served


class Python2Pickler(pickle._Pickler):
    """Writes arrays as the published files hold them: old module names, bytes as Python 2 strings."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_bytes(self, text: bytes) -> None:
        self.write(pickle.BINSTRING + struct.pack("<i", len(text)) + text)
        self.memoize(text)

    dispatch[bytes] = save_bytes


def write_pickle(path, content) -> None:
    buffer = io.BytesIO()
    Python2Pickler(buffer, 2).dump(content)
    path.write_bytes(buffer.getvalue().replace(b"numpy._core", b"numpy.core"))


@pytest.fixture
def official(root, monkeypatch):
    """The same images as in `root`, shuffled into files like the published ones."""
    folder = root.parent / "official" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    shuffle = np.random.default_rng(3)
    published = {"train": {"data_batch_1": ""}, "test": {"test_batch": ""}, "names": {"batches.meta": ""}}
    for part, file in (("train", "data_batch_1"), ("test", "test_batch")):
        paths = shuffle.permutation(sorted((root / part).glob("*/*.png")))
        planes = np.stack([np.asarray(Image.open(path)).transpose(2, 0, 1).reshape(-1) for path in paths])
        labels = [CIFAR10.index(path.parent.name) for path in paths]
        write_pickle(folder / file, {"data": planes, "labels": labels})
    write_pickle(folder / "batches.meta", {"label_names": CIFAR10})
    for files in published.values():
        for name in files:
            files[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    monkeypatch.setitem(RELEASES, "cifar10", replace(RELEASES["cifar10"], **published))
    return folder.parent


def test_folders_and_official_files_are_the_same_data(cifar, official):
    folders, files = cifar(), cifar(root=str(official))
    assert folders.identity == files.identity
    assert digest(folders.train_dataloader()) == digest(files.train_dataloader())
    assert digest(folders.test_dataloader()) == digest(files.test_dataloader())


def test_published_digests_are_those_of_torchvision():
    from torchvision import datasets

    for release in RELEASES.values():
        published = getattr(datasets, release.title)
        assert release.folder == published.base_folder
        assert dict(published.train_list) == release.train
        assert dict(published.test_list) == release.test
        assert release.names == {published.meta["filename"]: published.meta["md5"]}


def test_a_damaged_official_file_is_named(cifar, official):
    with open(official / "cifar-10-batches-py" / "test_batch", "ab") as file:
        file.write(b"x")
    with pytest.raises(ValueError, match=r"test_batch missing or not as published.*data\.download=true"):
        cifar(root=str(official)).setup()


def test_a_missing_official_file_is_named(cifar, official):
    (official / "cifar-10-batches-py" / "data_batch_1").unlink()
    with pytest.raises(ValueError, match="data_batch_1 missing"):
        cifar(root=str(official)).setup()


class _Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_malicious_pickle_has_no_effect(tmp_path):
    (tmp_path / "batch").write_bytes(pickle.dumps(_Touch(tmp_path / "touched")))
    with pytest.raises(ValueError, match=r"not a CIFAR file \(it asks for _?io\.open\)"):
        unpickle(tmp_path / "batch")
    assert not (tmp_path / "touched").exists()


def test_absent_data_say_how_to_get_them(cifar, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"nowhere does not exist: give data\.download=true, or a data\.root that"
    ):
        cifar(root=str(tmp_path / "nowhere")).setup()
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"holds no CIFAR10: give data\.download=true"):
        cifar(root=str(tmp_path / "empty")).setup()
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match="is a link to"):
        cifar(root=str(tmp_path / "link")).setup()
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="must be a folder"):
        cifar(root=str(tmp_path / "file")).setup()


def test_a_failed_download_is_one_line(cifar, tmp_path, monkeypatch):
    from torchvision.datasets import CIFAR10

    monkeypatch.setattr(CIFAR10, "url", (tmp_path / "absent").as_uri())
    with pytest.raises(
        FileNotFoundError, match=r"CIFAR10 could not be downloaded to data\.root=.*: put its files into"
    ):
        cifar(root=str(tmp_path / "new"), download=True).setup()


@pytest.mark.parametrize(
    "member", [{"name": "../../evil"}, {"name": "/evil"}, {"name": "link", "type": tarfile.SYMTYPE, "linkname": "/"}]
)
def test_an_archive_that_reaches_outside_is_never_unpacked(cifar, tmp_path, monkeypatch, member):
    """The archive's digest is looked at before anything in it."""
    from torchvision.datasets import CIFAR10

    (tmp_path / "deep" / "root").mkdir(parents=True)
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as archive:
        add(archive, content=b"", **member)
    with served(tmp_path) as (url, asked):
        monkeypatch.setattr(CIFAR10, "url", f"{url}/evil.tar.gz")
        with pytest.raises(FileNotFoundError, match=r"could not be downloaded.*corrupted"):
            cifar(root=str(tmp_path / "deep" / "root"), download=True).setup()
    assert set(asked) == {"/evil.tar.gz"}
    left = {path.name for path in tmp_path.rglob("*")} - {"deep", "root", "evil.tar.gz", CIFAR10.filename}
    assert not {"evil", "link"} & left
    assert not Path("/evil").exists()
