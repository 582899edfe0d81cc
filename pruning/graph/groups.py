"""What is pruned as one: a single convolution, or all members of a residual stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pruning.arguments import key
from pruning.graph.graph import Graph
from pruning.graph.sites import Site, choose_units, sites
from pruning.graph.streams import streams

JOINED = ("keep", "expand", "couple")


@dataclass(frozen=True)
class PruningGroups:
    """`members`: the convolutions that lose the same filters, by the unit's name (its first member).

    `leaders`: by the unit's name, the projection shortcut whose ranking a stream follows (Li et al. 2017, section 3.3);
    a stream without one is ranked by all its members. `readers`: the first reader of a join, and the last convolution
    before it, both of them sites.
    """

    members: dict[str, tuple[str, ...]]
    leaders: dict[str, str]
    readers: dict[str, str]


def pruning_groups(graph: Graph, joined: str, only: Sequence[str] | None = None) -> PruningGroups:
    """The units of a network under one of the three ways with joins.

    Raises:
        ValueError: an unknown way, a pattern that fits no site, a network without any site, or as `streams`.
    """
    if joined not in JOINED:
        raise ValueError(f"{key('joined')} must be one of {', '.join(JOINED)}, got {joined!r}")
    by_name = sites(graph)
    members, leaders = _members(graph, by_name, joined)
    if not members:
        raise ValueError(_nothing_to_cut_message(graph, by_name, joined))
    members = {name: members[name] for name in choose_units(graph, members, only)}
    readers = {n: s.drops_with for n, s in by_name.items() if n in members and s.drops_with in members}
    return PruningGroups(members, {name: leaders[name] for name in members if name in leaders}, readers)  # type: ignore[arg-type]


def _members(graph: Graph, by_name: dict[str, Site], joined: str) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """The members of every unit and the leaders of streams, by the unit's name."""
    reasons = exclusion_reasons(by_name, joined)
    members: dict[str, tuple[str, ...]] = {name: (name,) for name, why in reasons.items() if why is None}
    leaders = {}
    for stream in streams(graph) if joined == "couple" else ():
        cuttable = tuple(name for name in stream if not by_name[name].grouped)
        if cuttable and not any(by_name[name].pinned or by_name[name].filters == 1 for name in stream):
            members[cuttable[0]] = cuttable
            leaders[cuttable[0]] = next((name for name in reversed(cuttable) if by_name[name].shortcut), "")
    return members, {name: leader for name, leader in leaders.items() if leader}


def _nothing_to_cut_message(graph: Graph, by_name: dict[str, Site], joined: str) -> str:
    """Why nothing may be cut, reason by reason, and which way with joins would cut something."""
    by_reason: dict[str, list[str]] = {}
    for name, why in (exclusion_reasons(by_name, joined) | graph.uncuttable()).items():
        if why is not None:
            by_reason.setdefault(why, []).append(name)
    words = "; ".join(f"{len(n)} ({n[0]}{', ...' if n[1:] else ''}) {why}" for why, n in by_reason.items())
    counts = {way: _count_cuttable(graph, by_name, way) for way in JOINED}
    ways = [f"{key('joined')}={way} cuts {count} of them" for way, count in counts.items() if count]
    advice = f"; {', '.join(ways)}" if ways else ""
    return f"no convolution of this network may be cut with {key('joined')}={joined}: {words or 'it has none'}{advice}"


def _count_cuttable(graph: Graph, by_name: dict[str, Site], joined: str) -> int:
    try:
        return len({name for members in _members(graph, by_name, joined)[0].values() for name in members})
    except ValueError:  # streams that cannot be coupled
        return 0


def exclusion_reasons(by_name: dict[str, Site], joined: str) -> dict[str, str | None]:
    """For every site why it is left whole when it stands for itself; None when it may be cut."""
    residual = any(site.joined for site in by_name.values())
    return {name: exclusion_reason(site, joined, residual) for name, site in by_name.items()}


def exclusion_reason(site: Site, joined: str, residual: bool) -> str | None:
    """Why a site of a network, `residual` or not, is left whole when it stands for itself; None when it may be cut."""
    if site.grouped:
        return "grouped: or depthwise, follows its input"
    if site.gating:
        return "squeeze: squeeze-and-excitation, sigmoid(0) is 1/2"
    if site.filters == 1:
        return "single: its only filter must stay"
    if site.final:
        return "classes: its filters are the classes"
    if joined == "expand" and residual and (site.stem or site.shortcut):
        return "stem: feeds the stream" if site.stem else "shortcut: carries the stream"
    if not site.joined or joined == "expand":
        return None
    return (
        f"joined: added to others; {key('joined')}=expand or couple may cut it"
        if joined == "keep"
        else "joined: member of a stream that cannot be cut as a whole"
    )
