"""What surrounds a run and may change when it is started again: seeds of the interpreter and of others, workers; and
what must be remembered of the images. Faults A10 and C2 of docs/faults.md."""

import os
import signal
from pathlib import Path

import pytest

from support.harness import GATED, SHORT, Job, begun, image_files, numbers, pair, record, typed, whole

pytestmark = pytest.mark.faults
STOPPING = ("data._target_=support.saboteurs.Stopping",)


def test_another_start_seed_changes_no_number(tmp_path: Path) -> None:
    wanted = whole(tmp_path / "one", *GATED, *SHORT)
    Job(tmp_path / "two", *GATED, *SHORT, env={"PL_GLOBAL_SEED": "7"}).finish()
    assert numbers(tmp_path / "two") == wanted


def test_another_hash_seed_on_resume_changes_no_number(tmp_path: Path) -> None:
    """Interrupted in the middle of FCF, and gone on with in an interpreter whose sets are in another order."""
    wanted = whole(tmp_path / "whole", *GATED, *SHORT, *STOPPING)
    stopped = Job(tmp_path / "cut", *GATED, *SHORT, *STOPPING, env={"STOP": f"70:{signal.SIGTERM}"})
    assert stopped.wait() == 143, stopped.said()
    again = typed(tmp_path / "cut", *GATED, *SHORT, *STOPPING, PYTHONHASHSEED="1", PL_GLOBAL_SEED="7")
    assert again.returncode == 0, again.stderr
    assert "going on from" in again.stdout
    assert numbers(tmp_path / "cut") == wanted


@pytest.mark.parametrize(("before", "after"), [(0, 2), (2, 0)])
def test_another_number_of_workers_on_resume_changes_no_number(tmp_path: Path, before: int, after: int) -> None:
    """Interrupted in the second of the baseline's epochs, each of four steps."""
    images = image_files(tmp_path / "images")
    wanted = whole(tmp_path / "whole", *images, "data.workers=0")
    stop = {"STOP": f"6:{signal.SIGTERM}"}
    stopped = Job(tmp_path / "cut", *images, f"data.workers={before}", env=stop)
    assert stopped.wait() == 143, stopped.said()
    again = Job(tmp_path / "cut", *images, f"data.workers={after}")
    assert again.wait() == 0, again.said()
    assert "going on from" in again.said()
    assert numbers(tmp_path / "cut") == wanted


def test_a_request_to_every_process_of_a_run_with_workers_is_answered_by_the_main_one(tmp_path: Path) -> None:
    """As clusters send it. The workers neither break the run nor outlive it."""
    asked = (*image_files(tmp_path / "images"), "data.workers=2", "recipe.baseline.epochs=40")
    started = begun(tmp_path / "cut", *asked)
    os.killpg(started.pid, signal.SIGTERM)
    assert started.wait(20) == 143
    with pytest.raises(ProcessLookupError):
        os.killpg(started.pid, 0)
    Job(tmp_path / "cut", *asked).finish()
    assert numbers(tmp_path / "cut") == whole(tmp_path / "whole", *asked)


def test_images_left_out_are_counted_in_the_record_however_it_came_about(tmp_path: Path) -> None:
    """Interrupted before the baseline's last batch, which alone would not meet them all; and over two processes."""
    images = image_files(tmp_path / "images")
    for number, path in enumerate(sorted((tmp_path / "images").glob("*/a/*.png"))):
        if number % 10 == 0:
            path.write_bytes(path.read_bytes()[:60])
    asked = (*images, "data.workers=0", "data.skip_broken=true", "data.broken_most=0.1")
    wanted = whole(tmp_path / "whole", *asked)
    assert record(tmp_path / "whole")["left_out"] == {"train": 2, "test": 1}
    assert Job(tmp_path / "cut", *asked, env={"STOP": f"11:{signal.SIGTERM}"}).wait() == 143
    Job(tmp_path / "cut", *asked).finish()
    assert numbers(tmp_path / "cut") == wanted
    for each in pair(tmp_path / "two", *asked):
        each.finish()
    assert record(tmp_path / "two")["left_out"] == {"train": 2, "test": 1}
    assert "2 train images and 1 test images could not be read" in "".join(
        path.read_text() for path in tmp_path.glob("two.*.log")
    )
