"""The frozen result of one run, to and from JSON. Units in names, fractions in [0, 1]. Imports no torch."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from experiments.records.json_value import JSON
from experiments.records.upgrade import upgrade
from experiments.system.redact import redact
from pruning.files import durable

if TYPE_CHECKING:
    from pydantic import ValidationError

SCHEMA = 6  # raised together with a step in upgrade.py
NO_JSON = (RecursionError, IsADirectoryError)  # beside ValueError: nested too deeply, or a folder of that name
UNIFORM = "uniform"  # the allocation that goes without saying
Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Network:
    """One network, measured. MACs: one multiply-add of a convolution or linear layer = 1."""

    accuracy: float  # on the test set, in float32, once
    accuracy_top5: float | None  # at 100 classes or more
    macs: int
    params: int
    bytes: int  # parameters and buffers
    latency_ms: dict[str, float]  # by batch size, on Record.device
    tested: int | None = None  # images of the test set that were read; older records did not count them
    answers: str | None = (
        None  # a bit an image in the test set's order, 1 where right, as pruning.files.bitmap writes one row
    )
    nll: float | None = None  # mean -log of the right class's probability, in nats; None also where it is not finite
    ece: float | None = None  # expected calibration error over 15 bins of confidence of equal width (Guo et al. 2017)
    accuracy_by_class: list[float | None] | None = None  # as Record.classes; None of a class without a test image
    flips: float | None = None  # share of the test images that are answered unlike the dense network does


@dataclass(frozen=True)
class Stage:
    name: str
    epochs: int
    chosen_epoch: int | None  # counted from 1; the epoch whose weights were taken
    val_accuracy: float | None  # of the chosen epoch
    seconds: float
    images_per_second: float | None
    train_macs: int  # 3 per MAC of a forward pass (backward counts 2), and the teacher's forward
    digest: str
    commit: str | None  # it was made at
    reused: bool
    left_out: int | None = None  # training images that could not be read; older runs did not count them
    compiled: bool = False  # older records do not say so: theirs were not

    @property
    def kind(self) -> str:
        """What is done in it, in whichever round: finetune-2 is a finetune."""
        return self.name.partition("-")[0]


@dataclass(frozen=True)
class Layer:
    filters_kept: int
    filters_total: int
    kernels_kept: int  # 2D kernels
    kernels_total: int
    kept: str | None  # which kernels, out x in, as pruning.files.bitmap writes it; older runs did not keep it


@dataclass(frozen=True)
class Round:
    """The small network of one round, before anything is mended."""

    macs: int
    params: int
    certificate: float


@dataclass(frozen=True)
class Repair:
    name: str
    layers: int  # that were mended
    left: list[str]  # layers that were not
    images: int  # without labels


@dataclass(frozen=True)
class Deployed:
    """One ONNX file as ONNX Runtime runs it."""

    accuracy: float  # on the test set
    bytes: int  # of the file
    latency_ms: dict[str, float]  # by batch size, all files by turns in a process of their own; the median
    half_width: dict[str, float]  # of the median's 95 % interval, as a share of it
    flips: float | None  # share of the test images answered unlike the float32 file of the same network; None of that


@dataclass(frozen=True)
class Deployment:
    """The dense and the fine-tuned network, in float32 and in eight-bit integers."""

    dense: Deployed
    dense_int8: Deployed
    tuned: Deployed
    tuned_int8: Deployed
    images: int  # of training, without labels, that showed the ranges
    difference: float  # of ONNX Runtime's int8 and its simulation, relative to the largest logit; the worse of both
    left_in_float: list[str]  # operators of the fine-tuned network that ONNX Runtime computes in float32 all the same
    threads: int
    runtime: str  # with its version


@dataclass(frozen=True)
class TimedNetwork:
    """One along the way to a target, as shares of the dense network's MACs and time."""

    macs: float
    time: float
    half_width: float  # of the time's 95 % interval, as a share of it


@dataclass(frozen=True)
class Latency:
    """What a budget of time came to on this processor."""

    asked_ms: float | None  # None: a share was asked
    asked: float  # share of the dense network's time that may be taken
    got: float | None  # that the small network takes, by turns in a process of its own; None: that failed
    half_width: float | None  # of its 95 % interval, as a share of it
    dense_ms: float | None  # in that process
    runtime: str
    batch: int
    threads: int
    timed_on: str  # processor and versions
    curve: list[TimedNetwork]  # all that the search has timed


@dataclass(frozen=True)
class Budget:
    of: str  # the choice of budget=
    asked: float
    got_filters: float  # shares removed
    got_kernels: float
    got_macs: float
    got_params: float
    allocation: str = UNIFORM  # the choice of allocation=
    latency: Latency | None = None  # None: the budget is none of time

    @property
    def asked_ms(self) -> float | None:
        return None if self.latency is None else self.latency.asked_ms


@dataclass(frozen=True)
class Record:
    schema: int
    digest: str
    name: str
    command: str
    method: str
    model: str
    data: str
    recipe: str
    objective: str
    experiment: str | None
    modified: list[str]  # overrides that change what the experiment's file says: not the published setting
    seed: int
    ratio: float
    budget: Budget
    classes: list[str]
    val_seen: bool  # the baseline may have been trained on the validation part: it selects nothing
    dense: Network
    pruned: Network  # small, before anything is mended
    tuned: Network
    scratch: Network | None  # control=scratch: the pruned shape from fresh weights
    control: str | None
    gates_accuracy: float | None  # full size, with the gates as they are at the end of the prune stage
    certificate: float  # max |masked - small| over a real batch, relative to the logits' scale; of rounds the worst
    layers: dict[str, Layer]
    stages: list[Stage]
    epochs_total: int  # of all stages that led to `tuned`
    method_figures: dict[str, float | None]
    git_commit: str | None
    versions: dict[str, str]
    device: str
    precision: str
    config: dict[str, JSON]
    baseline_digest: str | None = None  # SHA-256 of what baseline= named; older records lack it
    processes: int | None = None  # that shared each batch; older records do not say
    data_verified: str | None = None  # contents: of all images, or sample: of some and the stat of all
    left_out: dict[str, int] | None = None  # images that could not be read, of `train` (with validation) and `test`
    repaired: Network | None = None  # mended without training, before fine-tuning; None: repair=none
    repairs: list[Repair] | None = None  # in order; None: repair=none
    repair_seconds: float | None = None
    selection_seconds: float | None = None  # of observing images and choosing; older records lack it
    rounds: list[Round] | None = None  # in order, the last met the budget; None: rounds=1
    deployment: Deployment | None = None  # None: deploy=none

    @property
    def unreadable(self) -> str:
        """In words; none where all were read."""
        return " and ".join(f"{count} {part} images" for part, count in (self.left_out or {}).items() if count)

    def write(self, path: Path) -> None:
        write_json(path, asdict(self), allow_nan=False)


def read(path: Path) -> Record:
    """Of this schema or an earlier one. Raises ValueError, which names the file, for what is not a whole record."""
    return load_checked(Record, path, SCHEMA, upgrade)


def write_json(path: Path, values: object, allow_nan: bool = True) -> None:
    """Durably, and without secrets."""
    durable.write(path, (json.dumps(redact(values), indent=1, allow_nan=allow_nan) + "\n").encode())


def load_json(path: Path) -> Any:
    """Raises ValueError, which names the file, for what is not JSON; OSError where it cannot be read."""
    try:
        return json.loads(path.read_text())
    except (ValueError, *NO_JSON) as error:
        raise ValueError(f"{path} is not JSON: {type(error).__name__}: {error}") from error


def load_checked(
    kind: type[Kind], path: Path, schema: int, upgrade: Callable[[dict[str, JSON]], dict[str, JSON]] | None = None
) -> Kind:
    """A file of JSON as this dataclass, all the way down; only what has a default may be absent.

    Raises ValueError, which names the file and the first key that is missing, unknown or of another type.
    """
    from pydantic import ValidationError  # a tenth of a second that --help need not pay

    try:
        text = path.read_bytes()
        values = json.loads(text)
        newest = upgrade(values) if upgrade and isinstance(values, dict) else values
        if (version := newest["schema"]) != schema:
            raise ValueError(f"schema {version}, this program reads {schema}")
        if newest is not values or b"\\ud" in text:  # or half a character, of a path that is no UTF-8
            text = json.dumps(newest, ensure_ascii=False).encode(errors="replace")
        return adapter(kind).validate_json(text, strict=True, extra="forbid")  # type: ignore[no-any-return, arg-type]
    except ValidationError as error:
        raise ValueError(f"{path} is not a whole {kind.__name__.lower()}: {first_error(error)}") from error
    except (ValueError, KeyError, TypeError, *NO_JSON) as error:
        raise ValueError(f"{path} is not a whole {kind.__name__.lower()}: {type(error).__name__}: {error}") from error


def first_error(error: "ValidationError") -> str:
    """The key, and what is wrong with it."""
    first = error.errors(include_url=False)[0]
    return ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))


@cache
def adapter(kind: type) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def finite(figures: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no NaN: a figure that is not a number is absent."""
    return {name: figure if math.isfinite(figure) else None for name, figure in figures.items()}
