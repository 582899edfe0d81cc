"""What is pruned as one: a single convolution, or what residual streams and groups tie together, class by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from jaxtyping import Bool
from torch import Tensor

from pruning.arguments import key
from pruning.graph.classes import build_units
from pruning.graph.graph import Graph
from pruning.graph.sites import Site, choose_units, sites
from pruning.graph.streams import ChannelUnionFind
from pruning.graph.units import Unit, name_units

JOINED = ("keep", "expand", "couple")
GROUPED = ("keep", "inside", "whole")
Flags = Bool[Tensor, " numbers"]
Units = dict[str, Unit]


@dataclass(frozen=True)
class PruningGroups:
    """`units` by name (`name_units`), those of streams last. `reasons`: why a site is in no unit of the network; None
    for one that is. `readers`: the first reader of a join, and the last convolution before it, both of them units.
    """

    units: Units
    reasons: dict[str, str | None]
    readers: dict[str, str]

    @property
    def members(self) -> dict[str, tuple[str, ...]]:
        """The convolutions that lose filters together, by the unit's name."""
        return {name: unit.members for name, unit in self.units.items()}

    @property
    def leaders(self) -> dict[str, str]:
        """The projection shortcut whose ranking a stream follows (Li et al. 2017, section 3.3), by the unit's name."""
        return {name: unit.leader for name, unit in self.units.items() if unit.leader is not None}


def pruning_groups(
    graph: Graph, joined: str, only: Sequence[str] | None = None, grouped: str | None = None, linear: bool = False
) -> PruningGroups:
    """The units of a network under one of the ways with joins, and one of those with grouped convolutions.

    Args:
        joined: "keep" all that is added to others; "expand", cut each convolution on its own; "couple", cut what is
            added class by class.
        only: as in `choose_units`.
        grouped: "keep" them whole; "inside", cut the same number from every group; "whole", cut whole groups. None is
            "inside" where streams are coupled, else "keep".
        linear: whether linear layers are sites too.

    Raises:
        ValueError: an unknown way, a pattern that fits no site, or a network without any site.
    """
    by_name = sites(graph, linear)
    units, reasons = _find_units(graph, by_name, _Way.of(joined, grouped))
    if not units:
        raise ValueError(_nothing_to_cut_message(graph, by_name, joined, grouped))
    units = {name: units[name] for name in choose_units(graph, {n: u.members for n, u in units.items()}, only)}
    readers = {n: s.drops_with for n, s in by_name.items() if n in units and s.drops_with in units}
    return PruningGroups(units, reasons, readers)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Way:
    joined: str
    grouped: str

    @classmethod
    def of(cls, joined: str, grouped: str | None) -> _Way:
        grouped = grouped or ("inside" if joined == "couple" else "keep")
        for argument, value, ways in (("joined", joined, JOINED), ("grouped", grouped, GROUPED)):
            if value not in ways:
                raise ValueError(f"{key(argument)} must be one of {', '.join(ways)}, got {value!r}")
        return cls(joined, grouped)


def _find_units(graph: Graph, by_name: Mapping[str, Site], way: _Way) -> tuple[Units, dict[str, str | None]]:
    """All units, those of streams last; and of every convolution why it is in none."""
    channels = ChannelUnionFind(graph, way.grouped == "whole")
    coupled = _coupled_filters(channels, by_name, way)
    cut = _free_filters(channels, by_name, way) | coupled
    cut &= ~channels.flags(name for name, site in by_name.items() if site.depthwise)
    built = list(build_units(channels, cut, coupled, way.grouped == "inside"))
    found = [unit for unit in built if unit.width > 1]
    streams = [_lead(unit, by_name) for unit in found if way.joined == "couple" and _is_joined(unit, by_name)]
    units = name_units([unit for unit in found if way.joined != "couple" or not _is_joined(unit, by_name)] + streams)
    whys = exclusion_reasons(by_name, way.joined, way.grouped)
    whys |= {name: _LAST for unit in built for name in unit.members}
    return units, whys | {name: None for unit in found for name in unit.members}


def _coupled_filters(channels: ChannelUnionFind, by_name: Mapping[str, Site], way: _Way) -> Flags:
    """Filters that go with all that they are tied to, none of which must stay."""
    couple = way.joined == "couple"
    may_go = {n for n, s in by_name.items() if s.depthwise or _whole_reason(s, way.grouped) is None}
    stay = channels.flags(channels.own.keys() - may_go) | channels.meets_alive
    tied, stay = (channels.bound | channels.added, stay) if couple else (channels.bound, stay | channels.added)
    return channels.of_component(tied) & ~channels.of_component(stay)


def _free_filters(channels: ChannelUnionFind, by_name: Mapping[str, Site], way: _Way) -> Flags:
    """Filters that go on their own: of every convolution those that are not added to others, or all of them."""
    if way.joined == "expand":
        whys = exclusion_reasons(by_name, way.joined, way.grouped)
        return channels.flags(name for name, why in whys.items() if why is None)
    return channels.flags(n for n, s in by_name.items() if _whole_reason(s, way.grouped) is None) & ~channels.added


def _is_joined(unit: Unit, by_name: Mapping[str, Site]) -> bool:
    return any(by_name[name].joined for name in unit.classes)


def _lead(unit: Unit, by_name: Mapping[str, Site]) -> Unit:
    """A stream follows its last projection shortcut."""
    return replace(unit, leader=next((name for name in reversed(unit.members) if by_name[name].shortcut), None))


def _nothing_to_cut_message(graph: Graph, by_name: Mapping[str, Site], joined: str, grouped: str | None) -> str:
    """Why nothing may be cut, reason by reason, and which way with joins would cut something."""
    reasons = {way: _find_units(graph, by_name, _Way.of(way, grouped))[1] for way in JOINED}
    by_reason: dict[str, list[str]] = {}
    for name, why in (reasons[joined] | graph.uncuttable()).items():
        by_reason.setdefault(str(why), []).append(name)
    words = "; ".join(f"{len(n)} ({n[0]}{', ...' if n[1:] else ''}) {why}" for why, n in by_reason.items())
    counts = {way: sum(why is None for why in whys.values()) for way, whys in reasons.items()}
    ways = [f"{key('joined')}={way} cuts {count} of them" for way, count in counts.items() if count]
    advice = f"; {', '.join(ways)}" if ways else ""
    return f"no convolution of this network may be cut with {key('joined')}={joined}: {words or 'it has none'}{advice}"


def exclusion_reasons(by_name: Mapping[str, Site], joined: str, grouped: str) -> dict[str, str | None]:
    """For every site why it is left whole when it stands for itself; None when it may be cut."""
    residual = any(site.joined for site in by_name.values())
    return {n: _whole_reason(s, grouped) or _joined_reason(s, joined, residual) for n, s in by_name.items()}


def _whole_reason(site: Site, grouped: str) -> str | None:
    """Why a site is left whole whatever it is added to."""
    if site.depthwise:
        return "depthwise: follows its input"
    if site.grouped and grouped == "keep":
        return f"grouped: {key('grouped')}=inside or whole may cut it"
    if site.gating:
        return "squeeze: squeeze-and-excitation, sigmoid(0) is 1/2"
    if site.filters == 1:
        return "single: its only filter must stay"
    return "classes: its filters are the classes" if site.final else None


def _joined_reason(site: Site, joined: str, residual: bool) -> str | None:
    """Why a site of a network, `residual` or not, is left whole under one way with joins."""
    if joined == "expand":
        stays = "stem: feeds the stream" if site.stem else "shortcut: carries the stream" if site.shortcut else None
        return stays if residual else None
    if not site.joined:
        return None
    return (
        f"joined: added to others; {key('joined')}=expand or couple may cut it"
        if joined == "keep"
        else "joined: added to what must stay (the image, a constant, or a layer that is left whole)"
    )


_LAST = "single: all its channels are tied together, and one must stay"
