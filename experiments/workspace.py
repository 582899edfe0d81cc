"""`python -m experiments.workspace`: the W&B project's saved view, made of the figures that wandb_run.py writes.

The view is data (panels.py); only `push` knows wandb, and needs the extra `wandb` and a login. Imports no torch.
"""

import argparse
import sys
from typing import TYPE_CHECKING

from omegaconf import OmegaConf

from experiments.system.checkout import ROOT, command_of
from experiments.system.console import log
from experiments.tracking.panels import (
    COLUMNS,
    EPOCH,
    METHOD,
    SECTIONS,
    Bars,
    Curves,
    Panel,
    Scatter,
    Table,
    describe_panel,
)

if TYPE_CHECKING:
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws

NAME = "Pruning methods compared"


def build_view(entity: str, project: str, name: str) -> "ws.Workspace":
    """The same as wandb-workspaces wants it. Raises ImportError without the extra."""
    import wandb_workspaces.workspaces as ws

    order = [ws.Ordering(ws.Summary("tuned/accuracy"), ascending=False)]
    columns = [f"summary:{key}" for key in COLUMNS]
    sections = [
        ws.Section(name=title, panels=[draw_panel(panel) for panel in section], is_open=True)
        for title, section in SECTIONS.items()
    ]
    runs = ws.RunsetSettings(order=order, pinned_columns=columns)
    return ws.Workspace(entity=entity, project=project, name=name, sections=sections, runset_settings=runs)


def draw_panel(panel: Panel) -> "wr.ScatterPlot | wr.BarPlot | wr.LinePlot | wr.WeavePanelSummaryTable":
    import wandb_workspaces.reports.v2 as wr

    match panel:
        case Scatter(title, x, y, log_x):
            return wr.ScatterPlot(title=title, x=wr.SummaryMetric(x), y=wr.SummaryMetric(y), log_x=log_x)
        case Bars(title, keys):
            return wr.BarPlot(title=title, metrics=list(keys), groupby=wr.Config(METHOD), groupby_aggfunc="mean")
        case Curves(title, _, _, log_y):
            return wr.LinePlot(
                title=title,
                x=EPOCH,
                y=[*panel.paths()],
                log_y=log_y,
                groupby=wr.Config(METHOD),
                groupby_aggfunc="mean",
            )
        case Table(key):
            return wr.WeavePanelSummaryTable(table_name=key)


def push(entity: str | None, project: str, name: str) -> str:
    """The address of a new saved view. Raises wandb.Error where nobody is logged in or the server says no."""
    import wandb

    return str(build_view(entity or str(wandb.Api().default_entity), project, name).save().url)


def main(arguments: list[str] | None = None) -> int:
    options = argument_parser().parse_args(arguments)
    if options.show:
        for title, section in SECTIONS.items():
            log("\n".join([title, *(f"  {describe_panel(panel)}" for panel in section)]))
        return 0
    try:
        log(push(options.entity, options.project, options.name))
    except ImportError:
        log("wandb-workspaces is not installed: pip install 'cnn-pruning[wandb]'", "red")
        return 1
    except KeyboardInterrupt:  # in a terminal wandb asks for a key
        log("nobody is logged in: wandb login", "red")
        return 1
    except Exception as error:  # wandb's own, and whatever its transport raises
        log(f"W&B has not taken the view: {' '.join(str(error).split())}", "red")
        return 1
    return 0


def argument_parser() -> argparse.ArgumentParser:
    tracking = OmegaConf.load(ROOT / "conf" / "tracking" / "offline.yaml")
    result = argparse.ArgumentParser(prog=command_of("workspace"), description=__doc__)
    result.add_argument("--entity", default=tracking.entity, help="user or team; default: the one logged in")
    result.add_argument("--project", default=tracking.project, help="default: %(default)s, as in conf/tracking")
    result.add_argument("--name", default=NAME, help="of the saved view; default: %(default)s")
    result.add_argument("--show", action="store_true", help="say what the view would hold, and stop")
    return result


if __name__ == "__main__":
    sys.exit(main())
