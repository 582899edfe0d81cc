"""Which convolutions are pruned by groups, and how many groups each of them gets."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pruning.arguments import key
from pruning.graph.graph import Graph
from pruning.graph.sites import Site, choose_units, exclusion_by_pattern, sites


def eligible_sites(graph: Graph, kernels: str, only: Sequence[str] | None) -> list[Site]:
    """All convolutions but the first, grouped ones and squeeze-excitation; 1x1 only where `kernels` is "all".

    Raises:
        ValueError: none is left, or a pattern of `only` fits none.
    """
    by_name = sites(graph)
    eligible = [name for name, site in by_name.items() if exclusion_reason(site, kernels) is None]
    if not eligible:
        raise ValueError(f"no convolution of this network may be pruned with {key('kernels')}={kernels}")
    return [by_name[name] for name in choose_units(graph, {name: (name,) for name in eligible}, only)]


def exclusion_reason(site: Site, kernels: str) -> str | None:
    if site.stem:
        return "first: no kernel is chosen in the first convolution"
    if site.grouped:
        return "grouped: or depthwise, follows its input"
    if site.gating:
        return "squeeze: squeeze-and-excitation"
    if site.computed:
        return "computed: forward makes its weight from whole filters, so that no kernel of them can go alone"
    if site.transposed:
        return "transposed: kernels are chosen in plain convolutions"
    return f"1x1: {key('kernels')}=all takes it" if site.kernel == 1 and kernels == "kxk" else None


def exclusion_reasons(graph: Graph, kernels: str, pruned: Collection[str]) -> dict[str, str | None]:
    """Of every convolution why it is left alone; None for those that are pruned."""
    return {
        n: None if n in pruned else exclusion_reason(s, kernels) or exclusion_by_pattern()
        for n, s in sites(graph).items()
    }


def count_groups(site: Site, wanted: int, adapt: bool) -> int:
    """The wanted number, or where it does not divide the filters the nearest that does.

    Raises:
        ValueError: it does not, and may not be adapted.
    """
    divisors = [count for count in range(1, site.filters + 1) if site.filters % count == 0]
    nearest = min(divisors, key=lambda count: (abs(count - wanted), count))
    if nearest != wanted and not adapt:
        raise ValueError(
            f"{key('groups')}={wanted} does not divide the {site.filters} filters of {site.name!r}; "
            f"the nearest that does is {nearest}: take it, or let {key('adapt')}=true do so layer by layer"
        )
    return nearest
