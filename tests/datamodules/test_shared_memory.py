"""Workers share as much memory as there is: fewer batches ahead, then fewer workers, then none, and it is said."""

import logging

import pytest

from datamodules.shared_memory import MAX_BYTES, Plan, free_bytes, plan_workers

MB = 1_000_000
BATCH = 128 * 32 * 32 * 3  # 0.4 MB
LARGE = 256 * 224 * 224 * 3  # 38.5 MB


@pytest.mark.parametrize(
    ("workers", "batch", "free", "processes", "wanted"),
    [
        (8, BATCH, 1000 * MB, 1, Plan(8, 4)),  # room for all: four ahead for each
        (8, LARGE, 3000 * MB, 1, Plan(8, 3)),  # 1,000 MB are 25 batches, one of them is read
        (8, LARGE, 64 * MB, 1, Plan(0, 0)),  # Docker: 21 MB hold no batch
        (8, BATCH, 64 * MB, 1, Plan(8, 4)),  # and 54 small ones
        (8, BATCH, 64 * MB, 4, Plan(6, 2)),  # which four processes share, 13 each
        (256, LARGE, None, 1, Plan(55, 2)),  # on however many cores: 111 batches of 4 GiB
        (0, LARGE, 64 * MB, 1, Plan(0, 0)),
    ],
)
def test_what_fits(workers: int, batch: int, free: int | None, processes: int, wanted: Plan) -> None:
    found = plan_workers(workers, batch, free, processes)
    assert found == wanted
    room = MAX_BYTES if free is None else free
    assert not found.workers or 3 * processes * (found.workers * found.prefetch + 1) * batch <= max(room, 3 * MAX_BYTES)


def test_fewer_are_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        plan_workers(8, BATCH, 64 * MB)
        assert not caplog.text
        plan_workers(8, LARGE, 300 * MB)
    assert (
        "the main process itself, without workers, prepare images, at 38.5 MB a batch: /dev/shm has 300 MB free"
        in caplog.text
    )
    assert "--shm-size" in caplog.text


def test_this_machine_says_what_is_free() -> None:
    free = free_bytes()
    assert free is None or free >= 0
