"""Real disks that are full: a small tmpfs in a namespace of its own. Faults E1 and E2 of docs/faults.md."""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.trainer.checkpoints import read_verified
from support.harness import Job, litter, numbers, whole

pytestmark = pytest.mark.faults
WIDE = ("model._target_=support.saboteurs.wide", "recipe.baseline.epochs=4")
NAMESPACES = [["--user", "--map-root-user", "--mount"], ["--mount"]]  # anyone's, where the kernel allows; root's


class Disk:
    """A file system at `place` that nobody sees but a shell and the jobs that enter where the shell is."""

    def __init__(self, place: Path, namespace: list[str], size: str) -> None:
        self.place = place
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self.shell = subprocess.Popen(["unshare", *namespace, "sh"], text=True, bufsize=1, **pipes)  # type: ignore[call-overload]
        self.said = self.tell(f"mount -t tmpfs -o size={size} none {place}")

    def tell(self, command: str) -> str:
        """What the shell answers: `done`, or why not."""
        with contextlib.suppress(BrokenPipeError):
            self.shell.stdin.write(f"{command} && echo done\n")
        return self.shell.stdout.readline().strip()

    @property
    def env(self) -> dict[str, str]:
        """Of jobs that are to be there."""
        return {"DISK": str(self.shell.pid)}

    @property
    def seen(self) -> Path:
        """`place` as it is there, from here."""
        return Path(f"/proc/{self.shell.pid}/root") / self.place.relative_to("/")

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.shell.stdin.close()
        self.shell.stdout.close()
        self.shell.wait()


@contextlib.contextmanager
def mounted(place: Path, size: str) -> Iterator[Disk]:
    if shutil.which("unshare") is None:
        pytest.skip("no disk can be mounted here: there is no unshare(1)")
    place.mkdir()
    for namespace in NAMESPACES:
        disk = Disk(place, namespace, size)
        try:
            if disk.said == "done":
                yield disk
                return
        finally:
            disk.close()
    pytest.skip(f"no disk can be mounted here: {disk.said}")


def test_a_full_disk_keeps_the_checkpoint_before_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """4 MB hold one checkpoint of this network and its weights, and not two."""
    wanted = whole(tmp_path / "whole", *WIDE)
    with mounted(tmp_path / "disk", "4m") as disk:
        full = Job(disk.place / "run", *WIDE, env=disk.env, make=False)
        assert full.wait() == 1, full.said()
        said = re.search(rf"No space left on device; ([\d,]+) bytes are to be written: '{disk.place}/.+'", full.said())
        assert said, full.said()
        left = os.statvfs(disk.seen)
        assert left.f_bavail * left.f_frsize < int(said[1].replace(",", ""))
        assert "Traceback" not in full.said()
        assert any(read_verified(path) for path in disk.seen.rglob("*.ckpt"))
        assert not litter(disk.seen)
        assert disk.tell(f"mount -o remount,size=64m {disk.place}") == "done"
        again = Job(disk.place / "run", *WIDE, env=disk.env, make=False)
        assert again.wait() == 0, again.said()
        assert "going on from" in again.said()
        assert numbers(disk.seen / "run") == wanted


@pytest.mark.parametrize("tracking", ["none", "offline"])
def test_a_full_place_for_temporary_files_is_not_needed(tmp_path: Path, tracking: str) -> None:
    with mounted(tmp_path / "tmp", "64k") as disk:
        assert "No space left" in disk.tell(f"cat /dev/zero > {disk.place}/filling")
        job = Job(tmp_path / "run", f"tracking={tracking}", env=disk.env | {"TMPDIR": str(disk.place)})
        assert job.wait() == 0, job.said()
        assert "No space" not in job.said()
    assert list(tmp_path.glob("run/*/record.json"))
