"""plan=true: what would be cut, without training."""

from rich.table import Table

from experiments.prepare import Bench, rehearse
from experiments.results import layers
from experiments.summary import cut, si
from experiments.terminal import console
from pruning.cost import count_macs, count_params


def plan(bench: Bench) -> None:
    choice, small = rehearse(bench)
    table = Table(
        title=f"{bench.settings.name}: nothing is trained; a method that learns may choose other filters, not fewer"
    )
    table.add_column("convolution")
    table.add_column("filters kept", justify="right")
    table.add_column("of", justify="right")
    for name, layer in layers(choice).items():
        table.add_row(name, str(layer.filters_kept), str(layer.filters_total))
    console.print(table)
    for name, count in (("MACs", lambda network: count_macs(network, bench.image_shape)), ("parameters", count_params)):
        before, after = count(bench.network), count(small)
        console.print(f"{name:<11} {si(before)} -> {si(after)}, {cut(before, after)}")
