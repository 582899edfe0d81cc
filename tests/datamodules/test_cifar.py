"""CIFAR from folders and from the official files: the same data; what is not CIFAR is refused by name."""

import hashlib
import io
import pickle
import shutil
import struct
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_images import CIFAR10, add, digest, served

from datamodules import cifar as cifar_module
from datamodules.cifar_files import RELEASES, unpickle


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


def test_what_is_read_is_what_was_written(cifar, root):
    data = cifar(val=0)
    assert data.classes == tuple(CIFAR10)
    assert data.image_shape == (3, 32, 32)
    assert data.sizes == {"train": 60, "val": 0, "test": 20}
    written = {(np.asarray(Image.open(path)).tobytes(), path.parent.name) for path in root.glob("test/*/*.png")}
    decoded = data.decoded
    names = [CIFAR10[label] for label in decoded.test_labels]
    assert {(image.numpy().tobytes(), name) for image, name in zip(decoded.test_pixels, names, strict=True)} == written


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
    with pytest.raises(ValueError, match=r"not a CIFAR file \(it asks for io\.open\)"):
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


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_missing_folder_is_named(cifar, root, part):
    shutil.rmtree(root / part)
    with pytest.raises(FileNotFoundError, match=f"has no folder {part}/<class>/"):
        cifar().setup()


def test_classes_of_one_folder_alone_are_named(cifar, root):
    shutil.rmtree(root / "test" / "cat")
    (root / "test" / "lion").mkdir()
    shutil.copy(root / "test" / "dog" / "0000.png", root / "test" / "lion")
    with pytest.raises(ValueError, match="only in train: cat; only in test: lion"):
        cifar().setup()


def test_a_class_missing_everywhere_is_noticed(cifar, root):
    for part in ("train", "test"):
        shutil.rmtree(root / part / "cat")
    with pytest.raises(ValueError, match=r"must hold the 10 classes of CIFAR10, got 9"):
        cifar().setup()


def test_an_empty_class_folder_is_named(cifar, root):
    for path in (root / "test" / "cat").iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match="no images of cat: half a copy"):
        cifar().setup()


@pytest.mark.parametrize(("content", "cause"), [(b"", "0 bytes"), (b"<html>", "cannot identify")])
def test_a_file_that_is_no_image_is_named(cifar, root, content, cause):
    (root / "train" / "cat" / "0003.png").write_bytes(content)
    with pytest.raises(ValueError, match=rf"cat/0003\.png is not a readable image \({cause}.*\): fetch it again"):
        cifar().setup()
    assert not list(root.glob(".*.new"))


def test_another_size_is_refused(cifar, root):
    Image.new("RGB", (28, 30)).save(root / "test" / "cat" / "0000.png")
    with pytest.raises(ValueError, match=r"cat/0000\.png must be 32x32 pixels, is 28x30: use data=folder"):
        cifar().setup()


def test_the_second_call_decodes_nothing(cifar, monkeypatch):
    first = cifar().identity
    monkeypatch.setattr(cifar_module, "decode", lambda path: pytest.fail("decoded again"))
    assert cifar().identity == first


def test_torchvision_is_not_imported_for_reading():
    loaded = set(sys.modules["datamodules.cifar"].__dict__) | set(sys.modules["datamodules.cifar_files"].__dict__)
    assert not {"torchvision", "datasets"} & loaded


def test_pixels_stay_on_disk_until_read(cifar):
    data = cifar()
    data.setup()
    assert isinstance(data.decoded.test_pixels, torch.Tensor)
    assert next(iter(data.test_dataloader()))[0].shape[1:] == (3, 32, 32)
