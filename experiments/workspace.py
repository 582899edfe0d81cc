"""`python -m experiments.workspace`: the W&B project's saved view, made of the figures that tracking.py writes.

The view is data; only `push` knows wandb, and needs the extra `wandb` and a login. Imports no torch.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import OmegaConf

from experiments.digest import ROOT
from experiments.terminal import say

NAME = "Pruning methods compared"
METHOD = "choice.method"  # of the run's config: curves are the mean of a method's runs
COLUMNS = ("method", "ratio", "seed", "dense/accuracy", "tuned/accuracy", "budget/got_macs", "certificate")


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
    """Keys of the history, over the steps of their stage."""

    title: str
    stage: str
    keys: tuple[str, ...]
    log_y: bool = False

    def paths(self) -> list[Any]:
        return [f"{self.stage}/{key}" for key in self.keys]


@dataclass(frozen=True)
class Table:
    key: str


Panel = Scatter | Bars | Curves | Table


def learning(stage: str) -> list[Curves]:
    accuracies = ("val_accuracy", "train_accuracy")
    return [Curves(f"{stage}: accuracy", stage, accuracies), Curves(f"{stage}: loss", stage, ("val_loss", "loss"))]


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
        Scatter("share of MACs removed, asked and got", "budget/asked", "budget/got_macs"),
        Scatter("MACs and parameters removed", "budget/got_params", "budget/got_macs"),
        Bars("certificate: largest |masked - small|, relative (limit 1e-4)", ("certificate",)),
        Table("layers"),
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
            yield from (f"{panel.stage}/step", *panel.paths())


def panels() -> Iterator[Panel]:
    for section in SECTIONS.values():
        yield from section


def view(entity: str, project: str, name: str) -> Any:
    """The same as wandb-workspaces wants it. Raises ImportError without the extra."""
    import wandb_workspaces.workspaces as ws

    order: list[Any] = [ws.Ordering(ws.Summary("tuned/accuracy"), ascending=False)]
    columns = [f"summary:{key}" for key in COLUMNS]
    sections: list[Any] = [
        ws.Section(name=title, panels=[drawn(panel) for panel in section], is_open=True)
        for title, section in SECTIONS.items()
    ]
    runs = ws.RunsetSettings(order=order, pinned_columns=columns)
    return ws.Workspace(entity=entity, project=project, name=name, sections=sections, runset_settings=runs)


def drawn(panel: Panel) -> Any:
    import wandb_workspaces.reports.v2 as wr

    match panel:
        case Scatter(title, x, y, log_x):
            return wr.ScatterPlot(title=title, x=wr.SummaryMetric(x), y=wr.SummaryMetric(y), log_x=log_x)
        case Bars(title, keys):
            return wr.BarPlot(title=title, metrics=list(keys), groupby=wr.Config(METHOD), groupby_aggfunc="mean")
        case Curves(title, stage, _, log_y):
            means: dict[str, Any] = {"groupby": wr.Config(METHOD), "groupby_aggfunc": "mean"}
            return wr.LinePlot(title=title, x=f"{stage}/step", y=panel.paths(), log_y=log_y, **means)
        case Table(key):
            return wr.WeavePanelSummaryTable(table_name=key)


def push(entity: str | None, project: str, name: str) -> str:
    """The address of a new saved view. Raises wandb.Error where nobody is logged in or the server says no."""
    import wandb

    return str(view(entity or str(wandb.Api().default_entity), project, name).save().url)


def main(arguments: list[str] | None = None) -> int:
    asked = parser().parse_args(arguments)
    if asked.show:
        for title, section in SECTIONS.items():
            say("\n".join([title, *(f"  {panel}" for panel in section)]))
        return 0
    try:
        say(push(asked.entity, asked.project, asked.name))
    except ImportError:
        say("wandb-workspaces is not installed: pip install -e '.[wandb]'", "red")
        return 1
    except KeyboardInterrupt:  # in a terminal wandb asks for a key
        say("nobody is logged in: wandb login", "red")
        return 1
    except Exception as error:  # wandb's own, and whatever its transport raises
        say(f"W&B has not taken the view: {' '.join(str(error).split())}", "red")
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    tracking = OmegaConf.load(ROOT / "conf" / "tracking" / "offline.yaml")
    made = argparse.ArgumentParser(prog="python -m experiments.workspace", description=__doc__)
    made.add_argument("--entity", default=tracking.entity, help="user or team; default: the one logged in")
    made.add_argument("--project", default=tracking.project, help="default: %(default)s, as in conf/tracking")
    made.add_argument("--name", default=NAME, help="of the saved view; default: %(default)s")
    made.add_argument("--show", action="store_true", help="say what the view would hold, and stop")
    return made


if __name__ == "__main__":
    sys.exit(main())
