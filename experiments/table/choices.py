"""What each criterion and allocation keeps of one network: traced once, scored once by each criterion."""

import hashlib
import inspect
from dataclasses import replace
from typing import Any

from hydra.utils import instantiate
from torch import nn

from experiments.config.node import Node, plain
from experiments.config.schema import Settings
from experiments.records.cells import Cell
from experiments.run.context import RunContext
from experiments.run.dry_run import refuse_few_images
from experiments.table.cells import list_cells
from pruning.graph.graph import Graph
from pruning.graph.groups import PruningGroups, pruning_groups
from pruning.graph.liveness import Liveness, analyse
from pruning.methods.filters import FilterMethod, Scores
from pruning.methods.registry import method_class
from pruning.repair.names import repair_names
from pruning.selection import Selection

SITES = ("joined", "only", "grouped", "linear")  # of method=, the same for all criteria


class Choices:
    """Of one draw, on a plain network."""

    def __init__(self, settings: Settings, network: nn.Module, graph: Graph, draw: int) -> None:
        self.settings, self.network, self.graph, self.draw = settings, network, graph, draw
        self.groups: PruningGroups = pruning_groups(graph, **site_arguments(settings))
        self.scored: dict[str, tuple[FilterMethod, Scores]] = {}

    def choose(self, cell: Cell) -> Liveness:
        """Raises ValueError where this criterion or allocation cannot do it here."""
        method, scores = self.score(cell.criterion)
        method.budget = instantiate(plain(cell_budget(self.settings, cell)), _convert_="all")
        counts = method.count_filters(self.network, scores)
        return analyse(self.graph, method.select_by_scores(scores, counts))

    def score(self, criterion: str) -> tuple[FilterMethod, Scores]:
        if criterion not in self.scored:
            method = build_criterion(self.settings, criterion, self.draw)
            method.graph, method.groups = self.graph, self.groups
            self.scored[criterion] = method, method.scores(self.network)
        return self.scored[criterion]


def refuse_unfit(context: RunContext) -> None:
    """Raises ValueError for cells that cannot be meant."""
    settings, cells = context.settings, list_cells(context.settings.table)
    criteria = list(dict.fromkeys(cell.criterion for cell in cells))
    if settings.choice.method not in criteria:
        raise ValueError(
            f"program=table takes from method= which layers are cut, and method={settings.choice.method} is none of "
            f"table.criteria: set method={(criteria or ['l1'])[0]}"
        )
    for criterion in criteria:
        build_criterion(settings, criterion, 0)
    refuse_few_images(context, [repair for cell in cells for repair in repair_names(cell.repair)])


def site_arguments(settings: Settings) -> dict[str, Any]:
    """Which layers are cut."""
    arguments = settings.method.arguments
    return {name: arguments[name] for name in SITES if name in arguments}


def build_criterion(settings: Settings, criterion: str, draw: int) -> FilterMethod:
    """Raises ValueError for what is no criterion."""
    kind = method_class(criterion)
    if not issubclass(kind, FilterMethod) or kind.needs_training:
        raise ValueError(
            f"table.criteria takes methods that score filters of a network as it is, such as l1, got {criterion}"
        )
    own: dict[str, Any] = {"seed": draw} if "seed" in inspect.signature(kind).parameters else {}
    budget = instantiate(plain(settings.budget), _convert_="all")
    return kind(budget=budget, **own, **site_arguments(settings))


def cell_budget(settings: Settings, cell: Cell) -> Node:
    """That of budget=, at the cell's ratio and with its allocation."""
    if cell.allocation != "uniform":
        raise ValueError(f"table.allocations knows uniform, got {cell.allocation}")
    return replace(settings.budget, arguments={**settings.budget.arguments, "ratio": cell.ratio})


def digest_choice(choice: Selection) -> str:
    """Of what survives: equal for equal networks."""
    digest = hashlib.sha256()
    for name, kernels in sorted(choice.items()):
        digest.update(name.encode() + b"\0" + kernels.numpy().tobytes())
    return digest.hexdigest()[:12]
