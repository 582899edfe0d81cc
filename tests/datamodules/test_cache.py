"""A cache is used when it is right, rebuilt when it is not, and never half-written."""

import multiprocessing
import os

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from datamodules.cache import Bundle, load_or_build, lock_first_writable, read_bundle


def images(value: int = 1) -> Bundle:
    return Bundle(
        ("a", "b"), {"pixels": torch.full((4, 2, 2, 3), value, dtype=torch.uint8), "labels": torch.tensor([0, 1])}
    )


def unexpected() -> Bundle:
    raise AssertionError("decoded again")


def test_what_is_cached_is_read_back(tmp_path):
    built = load_or_build(tmp_path, "set", "sources", images)
    again = load_or_build(tmp_path, "set", "sources", unexpected)
    assert built.digest == again.digest == images().digest
    assert again.classes == ("a", "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".set.cache", ".set.cache.lock"]


def test_others_may_read_what_the_umask_lets_them(tmp_path):
    before = os.umask(0o027)
    try:
        load_or_build(tmp_path, "set", "sources", images)
    finally:
        os.umask(before)
    assert (tmp_path / ".set.cache").stat().st_mode & 0o777 == 0o640


def test_other_sources_make_it_stale(tmp_path):
    load_or_build(tmp_path, "set", "sources", images)
    assert load_or_build(tmp_path, "set", "others", lambda: images(2)).digest == images(2).digest
    assert load_or_build(tmp_path, "set", "others", unexpected).digest == images(2).digest


def test_a_changed_file_makes_it_stale(cifar, root):
    before = cifar().identity
    path = root / "train" / "cat" / "0000.png"
    Image.new("RGB", (32, 32)).save(path)
    assert cifar().identity != before


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_cache_is_rebuilt(tmp_path, share):
    load_or_build(tmp_path, "set", "sources", images)
    place = tmp_path / ".set.cache"
    os.truncate(place, int(place.stat().st_size * share))
    assert load_or_build(tmp_path, "set", "sources", images).digest == images().digest
    assert read_bundle(place, "sources") is not None


def test_a_flipped_byte_is_noticed(tmp_path):
    load_or_build(tmp_path, "set", "sources", images)
    place = tmp_path / ".set.cache"
    content = bytearray(place.read_bytes())
    content[-1] ^= 1
    place.write_bytes(content)
    assert read_bundle(place, "sources") is None


def test_a_file_of_another_kind_is_no_cache(tmp_path):
    save_file({"weight": torch.zeros(1)}, tmp_path / ".set.cache")
    assert read_bundle(tmp_path / ".set.cache", "sources") is None
    assert load_or_build(tmp_path, "set", "sources", images).digest == images().digest


def test_a_place_that_cannot_be_written_is_passed_over(tmp_path):
    (tmp_path / "file").write_text("")
    good = tmp_path / "folder" / "set.cache"
    with lock_first_writable([tmp_path / "file" / "set.cache", good]) as place:
        assert place == good
    with lock_first_writable([tmp_path / "file" / "set.cache"]) as place:
        assert place is None


def test_where_nothing_can_be_written_the_images_are_decoded(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert load_or_build(tmp_path / "file" / "root", "set", "sources", images).digest == images().digest


def test_a_read_only_root_is_cached_elsewhere(tmp_path, private_cache):
    (tmp_path / "file").write_text("")
    load_or_build(tmp_path / "file" / "root", "set", "sources", images)
    assert len(list(private_cache.glob("cnn-pruning/*/.set.cache"))) == 1
    load_or_build(tmp_path / "file" / "root", "set", "sources", unexpected)


def test_an_error_while_decoding_leaves_nothing_half_written(tmp_path):
    def broken() -> Bundle:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        load_or_build(tmp_path, "set", "sources", broken)
    assert [path.name for path in tmp_path.iterdir()] == [".set.cache.lock"]


def _build(root, built) -> None:
    def decode() -> Bundle:
        with built.get_lock():
            built.value += 1
        return images()

    assert load_or_build(root, "set", "sources", decode).digest == images().digest


def test_of_two_processes_one_builds(tmp_path):
    context = multiprocessing.get_context("fork")
    built = context.Value("i", 0)
    processes = [context.Process(target=_build, args=(tmp_path, built)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert built.value == 1
