"""What the page says of the names that its rows go by."""

from experiments.report.load.collect import Collected
from experiments.report.render.glossary import explain_names
from support.tables import row, table


def test_each_name_of_a_cell_is_explained_as_help_does() -> None:
    cells = [row("fpgm", "erk", "merge,ls", 0, 0.9), row("random", "random", "none", 0, 0.5)]
    names = explain_names(Collected([], [], [table(cells)]))
    assert [*names] == [
        "method fpgm",
        "method random",
        "allocation erk",
        "allocation random",
        "repair ls",
        "repair merge",
    ]
    assert names["method fpgm"] == "filters far from the geometric median of their layer, He et al., CVPR 2019"
    assert names["allocation random"] == "the control: every layer gives at a rate drawn by lot"
    assert names["repair merge"].startswith("readers of a removed filter read the kept one")


def test_what_is_not_ours_has_no_words() -> None:
    hostile = [row("mine", "../../secrets", "<b>", 0, 0.9)]
    assert explain_names(Collected([], [], [table(hostile)])) == {}
