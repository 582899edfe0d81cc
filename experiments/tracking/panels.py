"""The panels of the W&B project's view, as data: which figures of wandb_run.py, drawn how. Imports no torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

EPOCH = "epoch"  # of curves.py, over all stages
METHOD = "choice.method"  # of the run's config: curves are the mean of a method's runs
COLUMNS = ("method", "ratio", "seed", "dense/accuracy", "tuned/accuracy", "macs_cut", "certificate")


@dataclass(frozen=True)
class Scatter:
    """One point for each run; keys of the summary."""

    title: str
    x: str
    y: str
    log_x: bool = False


@dataclass(frozen=True)
class Bars:
    """The mean of each method's runs; keys of the summary."""

    title: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Curves:
    """Keys of the history, over the epochs of the run."""

    title: str
    stage: str
    keys: tuple[str, ...]
    log_y: bool = False

    def paths(self) -> list[str]:
        return [f"{self.stage}/{key}" for key in self.keys]


@dataclass(frozen=True)
class Table:
    key: str


Panel = Scatter | Bars | Curves | Table


def learning(stage: str) -> list[Curves]:
    accuracies = ("val_accuracy", "train_accuracy")
    return [Curves(f"{stage}: accuracy", stage, accuracies), Curves(f"{stage}: loss", stage, ("val_loss", "loss"))]


DEPLOYED = [f"deployment/{name}" for name in ("dense", "dense_int8", "tuned", "tuned_int8")]
SECTIONS: dict[str, Sequence[Panel]] = {
    "Accuracy against cost": [
        Scatter("accuracy against MACs", "tuned/macs", "tuned/accuracy"),
        Scatter("accuracy against parameters", "tuned/params", "tuned/accuracy"),
        Scatter("accuracy against time of one image (ms)", "tuned/latency_ms/1", "tuned/accuracy"),
        Scatter("accuracy against bytes", "tuned/bytes", "tuned/accuracy"),
        Scatter("accuracy against MACs of all training", "train_macs", "tuned/accuracy", log_x=True),
        Bars("dense, cut, fine-tuned", ("dense/accuracy", "pruned/accuracy", "tuned/accuracy")),
    ],
    "The cut": [
        Scatter("share of MACs removed, asked and got", "budget/asked", "macs_cut"),
        Scatter("MACs and parameters removed", "params_cut", "macs_cut"),
        Bars("certificate: largest |masked - small|, relative (limit 1e-4)", ("certificate",)),
        Table("layers"),
    ],
    "Answers": [
        Scatter("share of test images answered unlike dense", "tuned/macs", "tuned/flips"),
        Bars("expected calibration error", ("dense/ece", "pruned/ece", "tuned/ece")),
        Bars("negative log-likelihood (nats)", ("dense/nll", "tuned/nll")),
        Table("classes"),
    ],
    "Float32 and eight-bit integers (deploy=int8)": [
        Bars("accuracy", tuple(f"{name}/accuracy" for name in DEPLOYED)),
        Bars("milliseconds of one image, ONNX Runtime", tuple(f"{name}/latency_ms/1" for name in DEPLOYED)),
        Bars("bytes of the file", tuple(f"{name}/bytes" for name in DEPLOYED)),
        Scatter("int8: accuracy against time (ms)", f"{DEPLOYED[-1]}/latency_ms/1", f"{DEPLOYED[-1]}/accuracy"),
    ],
    "Training": [panel for stage in ("baseline", "prune", "finetune") for panel in learning(stage)],
    "FCF while it learns": [
        Curves("gap to binary gates", "prune", ("gap",)),
        Curves("penalty rho", "prune", ("rho",), log_y=True),
        Curves("residuals of the box and of the sphere", "prune", ("primal_box", "primal_sphere", "dual"), log_y=True),
        Curves("filters that changed sides", "prune", ("crossings",)),
        Curves("pull on the gates, force on the weights", "prune", ("gate_pull", "weight_force"), log_y=True),
        Curves("gates over the authors' threshold", "prune", ("over_threshold",)),
    ],
    "Control and effort": [
        Scatter("fine-tuned, or the same shape from scratch", "scratch/accuracy", "tuned/accuracy"),
        Bars("seconds of each stage", ("baseline/seconds", "prune/seconds", "finetune/seconds")),
        Bars("epochs", ("epochs_total",)),
    ],
}


def summary_keys() -> Iterator[str]:
    yield from COLUMNS
    for panel in panels():
        if isinstance(panel, Scatter):
            yield from (panel.x, panel.y)
        elif isinstance(panel, Bars):
            yield from panel.keys
        elif isinstance(panel, Table):
            yield panel.key


def history_keys() -> Iterator[str]:
    for panel in panels():
        if isinstance(panel, Curves):
            yield from (EPOCH, *panel.paths())


def panels() -> Iterator[Panel]:
    for section in SECTIONS.values():
        yield from section


def describe_panel(panel: Panel) -> str:
    """For a reader: the title, and what is drawn."""
    match panel:
        case Scatter(title, x, y, log_x):
            return f"{title}: {y} over {x}{' (logarithmic)' if log_x else ''}, a point for each run"
        case Bars(title, keys):
            return f"{title}: {', '.join(keys)}, the mean of each method's runs"
        case Curves(title, _, _, log_y):
            return f"{title}: {', '.join(panel.paths())}{' (logarithmic)' if log_y else ''} over {EPOCH}"
        case Table(key):
            return f"the table {key} of each run"
