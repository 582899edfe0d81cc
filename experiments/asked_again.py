"""A finished run that is asked for again is answered from its files. Imports no torch."""

import hashlib
import json
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from glob import escape
from itertools import islice
from pathlib import Path

from experiments.cli import summary
from experiments.config import sources
from experiments.config.digest import libraries
from experiments.config.node import plain
from experiments.config.schema import Settings
from experiments.config.settings import EXPERIMENT
from experiments.config.targets import own_packages
from experiments.records import jobs, status
from experiments.records.record import Record
from experiments.sweep import job_identity
from experiments.system import environment, gpus
from experiments.system.checkout import ROOT
from experiments.system.console import log
from experiments.system.format import safe_file_name
from experiments.system.redact import redact

MANY = 10_000  # files of images: to look at each takes longer than to load torch
ELSEWHERE = ("folder", "store_folder", "tracking")  # where to look, and where it is sent
DRIVER = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class Finished:
    folder: Path
    record: Record

    def show(self) -> Record:
        jobs.announce_run(self.folder)
        log(f"{self.folder} is complete: nothing to make", "green")
        summary.show(self.record, self.folder)
        return self.record


def find(settings: Settings) -> Finished | None:
    """The run that this command has made here before; None where there is none, or something is left to do."""
    asks_for_one = settings.program == EXPERIMENT and settings.store and not environment.is_launched(os.environ)
    if not asks_for_one or not (finished := identities(settings)):
        return None
    identity = identify(settings)
    for folder in (folder for folder, made in finished.items() if identity and made == identity):
        if is_tracked(settings, folder) and (record := jobs.read_complete(folder)):
            return Finished(folder, record)
    return None


def identify(settings: Settings) -> str:
    """Of config, code, versions, baseline and images, and of this machine, which settles what is left to it (precision,
    devices). Nothing where that takes long to say, or every image is to be read again."""
    values = {name: value for name, value in plain(settings).items() if name not in ELSEWHERE}
    data = values["data"]
    assert isinstance(data, dict)
    if data.get("verify") == "full" or any(has_many_files(path) for path in job_identity.data_paths(data)):
        return ""
    images, baseline = job_identity.stamp_data(data), job_identity.identify_baseline(settings.baseline)
    asked = [values, images, baseline, identify_code(values), describe_machine()]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def identify_code(values: Mapping[str, object]) -> list[object]:
    """Of this program every byte: what a stage runs of it takes longer to find out. Of the user's own what it runs."""
    files = sorted(path for room in sources.OURS for path in sources.source_files_of(room, ROOT))
    ours = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    own = sources.digest_of_stage("run", values) if own_packages() else ""
    return [ours, own, libraries(values)]


def describe_machine() -> list[object]:
    driver = DRIVER.read_text() if DRIVER.exists() else ""
    return [socket.gethostname(), sys.version, gpus.visible_gpus(os.environ), driver]


def has_many_files(path: Path) -> bool:
    return next(islice(path.rglob("*"), MANY, None), None) is not None


def identities(settings: Settings) -> dict[Path, str]:
    """Of what was finished under this name, by its folder."""
    name, found = escape(safe_file_name(redact(settings.name))), dict[Path, str]()
    for path in Path(settings.folder).glob(f"{name}-*/{status.FILE}"):
        with suppress(ValueError):  # a damaged one is the run's to mend
            made = status.read(path.parent)
            if made and made.state == status.COMPLETED:
                found[path.parent] = made.identity
    return found


def is_tracked(settings: Settings, folder: Path) -> bool:
    """Whether nothing is left to be sent to where the settings say."""
    tracking = settings.tracking
    written = tracking.mode == "none" or any((folder / "wandb").glob("offline-run-*"))
    return written and tracking.mode != "online" and not tracking.loggers
