"""What each criterion and allocation keeps of one network: traced once, scored once by each criterion."""

import hashlib
import inspect
from functools import cached_property

from torch import nn

from datamodules.shares import Shard
from experiments.config.hydra_versions import instantiate
from experiments.config.node import KEY, plain
from experiments.config.schema import Settings
from experiments.records.cells import Cell
from experiments.records.json_value import JSON
from experiments.run.context import RunContext
from experiments.run.dry_run import refuse_few_images, refuse_few_observed
from experiments.run.selection import observed_batches
from experiments.table.cells import list_cells
from pruning.budget.allocations import Allocation, RandomWidths, as_allocation
from pruning.budget.targets import Budget
from pruning.graph.graph import Graph
from pruning.graph.groups import PruningGroups, pruning_groups
from pruning.graph.liveness import Liveness, analyse
from pruning.methods.criteria import CRITERIA, Moments, Scored, gather_moments
from pruning.methods.filters import FilterMethod, Scores
from pruning.methods.registry import find_method
from pruning.repair.names import repair_names
from pruning.selection import Selection

SITES = ("joined", "only", "grouped", "linear")  # of method=, the same for all criteria


class Choices:
    """Of one draw, the seed of the context, on a plain network."""

    def __init__(self, context: RunContext, network: nn.Module, graph: Graph) -> None:
        self.context, self.network, self.graph = context, network, graph
        sites = site_arguments(context.settings)
        self.groups: PruningGroups = pruning_groups(graph, **sites)  # type: ignore[arg-type] # methods have checked
        self.scored: dict[str, tuple[FilterMethod, Scores]] = {}

    def choose(self, cell: Cell) -> Liveness:
        """Raises ValueError where this criterion or allocation cannot do it here."""
        method, scores = self.score(cell.criterion)
        method.budget = build_budget(self.context.settings, cell)
        counts = method.count_filters(self.network, scores)
        return analyse(self.graph, method.select_by_scores(scores, counts))

    def score(self, criterion: str) -> tuple[FilterMethod, Scores]:
        if criterion not in self.scored:
            method = build_criterion(self.context.settings, criterion)
            method.graph, method.groups = self.graph, self.groups
            if isinstance(method, Scored) and method.observes:
                method.take_moments(self.moments)
            self.scored[criterion] = method, method.scores(self.network)
        return self.scored[criterion]

    @cached_property
    def moments(self) -> Moments:
        """All that the table's criteria ask of images, in one pass."""
        asked = (CRITERIA[name].quantity for name in criteria_of(self.context.settings) if name in CRITERIA)
        quantities = [quantity for quantity in dict.fromkeys(asked) if quantity]
        layers = [member for unit in self.groups.units.values() for member in unit.members]
        shown = observed_batches(self.context, self.network, Shard())
        return gather_moments(self.network, self.graph, list(dict.fromkeys(layers)), quantities, shown)


def refuse_unfit(context: RunContext) -> None:
    """Raises ValueError for cells that cannot be meant."""
    settings, cells = context.settings, list_cells(context.settings.table)
    criteria = criteria_of(settings)
    if settings.choice.method not in criteria:
        raise ValueError(
            f"program=table takes from method= which layers are cut, and method={settings.choice.method} is none of "
            f"table.criteria: set method={(criteria or ['l1'])[0]}"
        )
    for cell in cells:
        build_budget(settings, cell)
    for criterion in criteria:
        refuse_few_observed(context, build_criterion(settings, criterion))
    refuse_few_images(context, [repair for cell in cells for repair in repair_names(cell.repair)])


def criteria_of(settings: Settings) -> list[str]:
    return list(dict.fromkeys(cell.criterion for cell in list_cells(settings.table)))


def site_arguments(settings: Settings) -> dict[str, JSON]:
    """Which layers are cut."""
    arguments = settings.method.arguments
    return {name: arguments[name] for name in SITES if name in arguments}


def build_criterion(settings: Settings, criterion: str) -> FilterMethod:
    """Raises ValueError for what is no criterion."""
    kind, named = find_method(criterion)
    if not issubclass(kind, FilterMethod) or kind.needs_training:
        raise ValueError(
            f"table.criteria takes methods that score filters of a network as it is, such as l1, got {criterion}"
        )
    own = {"seed": settings.seed} if "seed" in inspect.signature(kind).parameters else {}
    budget = instantiate(plain(settings.budget), _convert_="all")
    return kind(budget=budget, **named, **own, **site_arguments(settings))  # type: ignore[arg-type] # it says itself


def build_budget(settings: Settings, cell: Cell) -> Budget:
    """That of budget=, at the cell's ratio and with its allocation."""
    arguments = {**settings.budget.arguments, "ratio": cell.ratio, "allocation": build_allocation(cell)}
    budget: Budget = instantiate({KEY: settings.budget.target}, **arguments, _convert_="all")
    return budget


def build_allocation(cell: Cell) -> Allocation:
    """Raises ValueError for a name that no allocation has."""
    if cell.allocation == RandomWidths.name:
        return RandomWidths(cell.draw)
    return as_allocation(cell.allocation)


def digest_choice(choice: Selection) -> str:
    """Of what survives: equal for equal networks."""
    digest = hashlib.sha256()
    for name, kernels in sorted(choice.items()):
        digest.update(name.encode() + b"\0" + kernels.numpy().tobytes())
    return digest.hexdigest()[:12]
