"""What the page says at its top of rows that were treated unlike each other."""

from pathlib import Path

from experiments.benchmarks import synthetic_runs
from experiments.report.analyse import claims
from experiments.report.analyse.configurations import Comparison, build_comparisons
from experiments.report.load.collect import collect
from experiments.report.render import fairness_section


def comparison_of(folder: Path, **seeds: range) -> Comparison:
    for method, of_method in seeds.items():
        synthetic_runs.write_runs(folder, [method], [0.5], of_method)
    (comparison,) = build_comparisons(collect([folder]).runs)
    return comparison


def test_more_seeds_are_no_unlike_treatment(tmp_path: Path) -> None:
    comparison = comparison_of(tmp_path, l1=range(3), random=range(1))
    protocols = claims.build_protocols(comparison)
    assert fairness_section.odd_views(comparison, protocols) == []
    assert fairness_section.split_words(comparison, protocols) == []


def test_epochs_name_two_methods_and_count_more() -> None:
    assert fairness_section.name_few(["l1", "fcf"]) == "l1 and fcf"
    assert fairness_section.name_few(["l1", "fcf", "random"]) == "3 methods"


def test_the_level_of_two_methods_holds_where_both_were_cut_alike(tmp_path: Path) -> None:
    comparison = comparison_of(tmp_path, l1=range(2), fcf=range(2))
    protocols = claims.build_protocols(comparison)
    matrix = fairness_section.level_matrix(comparison, protocols)
    assert matrix == [["", "S2"], ["S2", ""]], "fcf learns its choice where l1 is fine-tuned"
