"""Who is ahead, and how far one may cut: by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.benchmarks.synthetic_runs import synthetic_record
from experiments.records.record import Record
from experiments.report.analyse import claims
from experiments.report.analyse.configurations import Comparison, build_comparisons
from experiments.report.analyse.fairness import FAIR, TOGETHER
from experiments.report.analyse.verdict import Verdict
from experiments.report.load.runs import Run
from experiments.report.render import chart_data, sentences
from pruning.files import bitmap


def run(method: str, ratio: float, seed: int, accuracy: float, dense: float = 0.9) -> Record:
    made = synthetic_record(method, ratio, seed)
    dense_network = replace(made.dense, accuracy=dense)
    return replace(made, dense=dense_network, tuned=replace(made.tuned, accuracy=accuracy))


def comparison(*records: Record) -> Comparison:
    (found,) = build_comparisons([Run(record, Path("record.json")) for record in records])
    return found


def verdicts(found: Comparison, rule: str = FAIR) -> list[Verdict]:
    return claims.build_verdicts(found, claims.build_protocols(found), rule)


def rows(method: str, ratio: float, *accuracies: float) -> list[Record]:
    return [run(method, ratio, seed, accuracy) for seed, accuracy in enumerate(accuracies)]


def test_a_clear_lead_wins():
    (found,) = verdicts(comparison(*rows("l1", 0.5, 0.90, 0.80, 0.70), *rows("random", 0.5, 0.88, 0.78, 0.681)))
    assert [each.method for each in found.level_with_best] == ["l1"]
    lead = found.lead(0, 1)
    assert lead.mean == pytest.approx((0.02 + 0.02 + 0.019) / 3)
    shares = [(x * 10_000 + 1) / 10_002 for x in (0.8, 0.8 - lead.mean)]
    binomial = sum(x * (1 - x) / 10_002 for x in shares) ** 0.5
    seeds = 4.3027 * 0.001 / 3**0.5 / 3**0.5  # Student's t; the differences' deviation is 0.001 / sqrt 3
    assert lead.half == pytest.approx((seeds**2 + (1.95996 * binomial) ** 2) ** 0.5, rel=1e-4)
    assert [found.place(each) for each in found.judged] == [(1, 1), (2, 2)]
    assert found.level == "S4.2"


def test_a_lead_within_its_interval_wins_nothing():
    (found,) = verdicts(comparison(*rows("l1", 0.5, 0.90, 0.80), *rows("random", 0.5, 0.88, 0.81)))
    assert [each.method for each in found.level_with_best] == ["l1", "random"]
    assert [found.place(each) for each in found.judged] == [(1, 2), (1, 2)]


@pytest.mark.parametrize("key", range(4))
def test_equal_rows_stand_by_name_whatever_their_ids(key: int):
    records = [record for method in ("random", "l1", "fcf") for record in rows(method, 0.5, 0.9, 0.9)]
    (verdict,) = verdicts(comparison(*(replace(record, config=record.config | {"key": key}) for record in records)))
    assert [row.method for row in verdict.judged] == ["fcf", "l1", "random"]


def test_one_seed_wins_nothing():
    (found,) = verdicts(comparison(*rows("l1", 0.5, 0.9), *rows("random", 0.5, 0.1)))
    assert found.n == 1
    assert len(found.level_with_best) == 2


def test_the_loser_is_not_crowned():
    """Ranked by all of its seeds L1 is ahead by 2.5 points; on the three that both have it is behind by five."""
    (found,) = verdicts(
        comparison(*rows("l1", 0.5, 0.80, 0.81, 0.79, 0.95, 0.95, 0.95), *rows("random", 0.5, 0.85, 0.86, 0.84))
    )
    assert [each.method for each in found.judged] == ["random", "l1"]
    assert (found.n, found.seeds, found.lead(0, 1).mean) == (3, [0, 1, 2], pytest.approx(0.05))
    assert [each.method for each in found.level_with_best] == ["random"]
    line = sentences.cut_view([found])
    assert (line["kind"], line["best"], line["n"]) == ("wins", "random", 3)


def words(*found: Verdict) -> str:
    claim = sentences.headline(found, [])
    line = "".join(text for text, _ in claim.line)
    assert len(line) <= 80, "two lines of a phone"
    return f"{line} {claim.rest}".replace("\u00a0", " ")


def beside_noise(*noise: float) -> Verdict:
    """L1 is clearly ahead of three others by ten points; one of these varies, its seeds as given."""
    steady = [
        record
        for method, mean in (("l1", 0.9), ("random", 0.8), ("fcf-norm", 0.8))
        for record in rows(method, 0.5, *(mean + 0.001 * seed for seed in range(5)))
    ]
    noisy = [replace(record, method="noisy") for record in rows("fcf", 0.5, *noise)]
    (found,) = verdicts(comparison(*steady, *noisy), TOGETHER)
    return found


def test_noise_earns_no_lead():
    """Its mean is below that of clear losers, and its seeds span 60 points: it is no rival of the best."""
    found = beside_noise(0.95, 0.35, 0.9, 0.9, 0.6)
    assert [row.method for row in found.noisy] == ["noisy"]
    assert sentences.outcome(found) == "wins"
    assert words(found).startswith(
        "l1 wins at a cut of 50 % (5 seeds). With 50 % of MACs removed l1 has 90.20 %, dense 90.00 %; 10.00 ±"
    )
    assert "points ahead of the next; noisy varies too much to say" in words(found)


def test_a_lucky_mean_above_a_clear_lead_is_no_best():
    found = beside_noise(0.99, 0.7, 0.99, 0.99, 0.9)
    assert found.judged[0].method == "noisy"
    assert (found.leader.method, [row.method for row in found.noisy]) == ("l1", ["noisy"])
    assert words(found).startswith("l1 wins at")


def test_of_many_cuts_the_sentence_counts():
    found = [
        verdict
        for ratio in (0.25, 0.5, 0.75)
        for verdict in verdicts(comparison(*rows("l1", ratio, 0.9, 0.91, 0.9), *rows("random", ratio, 0.8, 0.81, 0.8)))
    ]
    assert words(*found).startswith(
        "l1 wins at 3 of 3 cuts (3 seeds). With 50 % of MACs removed l1 has 90.33 %, dense 90.00 %;"
    )
    even = verdicts(comparison(*rows("l1", 0.5, 0.9, 0.8, 0.9), *rows("random", 0.5, 0.8, 0.9, 0.88)))
    assert words(*even, *found[:1]).startswith("l1 wins at 1 of 2 cuts; at 1 nobody (3 seeds).")
    assert words(*even).startswith(
        "At a cut of 50 % l1 has the best mean, no clear lead (3 seeds). "
        "With 50 % of MACs removed l1 has 86.67 %, dense 90.00 %; leads by 0.67 ±"
    )
    assert words(
        *even, *verdicts(comparison(*rows("l1", 0.6, 0.9, 0.8, 0.9), *rows("random", 0.6, 0.8, 0.9, 0.88)))
    ).startswith(
        "No method is clearly ahead at any of 2 cuts (3 seeds). With 50 % of MACs removed l1 has 86.67 %, dense 90.00 %"
    )


def test_a_long_name_is_cut_short_in_the_sentence_alone():
    long = [replace(each, method="group2d_with_a_very_long_name") for each in rows("fcf", 0.5, 0.9, 0.91, 0.9)]
    found = verdicts(comparison(*long, *rows("random", 0.5, 0.8, 0.81, 0.8)), TOGETHER)
    assert words(*found).startswith("group2d_with_a_very_l… wins at")
    assert sentences.cut_view(found)["best"] == "group2d_with_a_very_long_name"


def test_two_seeds_win_nothing_however_alike():
    (found,) = verdicts(comparison(*rows("l1", 0.5, 0.9, 0.9), *rows("random", 0.5, 0.1, 0.1)))
    assert sentences.outcome(found) == "trend"


def test_a_test_set_of_unknown_size_lets_nobody_win():
    records = [*rows("l1", 0.5, 0.9, 0.9, 0.9), *rows("random", 0.5, 0.1, 0.1, 0.1)]
    (found,) = verdicts(comparison(*(replace(each, data="own") for each in records)))
    assert found.images is None
    assert sentences.outcome(found) == "even"


def test_a_row_that_shares_too_few_seeds_is_shown_and_not_judged():
    late = [replace(each, seed=each.seed + 2) for each in rows("fcf", 0.5, 0.99, 0.99)]
    (found,) = verdicts(
        comparison(*rows("l1", 0.5, 0.9, 0.9, 0.9), *rows("random", 0.5, 0.8, 0.8, 0.8), *late), TOGETHER
    )
    assert ([each.method for each in found.judged], [each.method for each in found.aside]) == (
        ["l1", "random"],
        ["fcf"],
    )
    assert found.seeds == [0, 1, 2]


def test_methods_that_step_coarsely_stand_beside_each_other_and_nobody_wins():
    """Asked for 50 %, one came to 50.0 and one to 51.0: not one cut, and as near as the second could."""
    coarse = [replace(each, budget=replace(each.budget, asked=0.5)) for each in rows("random", 0.51, 0.1, 0.1, 0.1)]
    (found,) = verdicts(comparison(*rows("l1", 0.5, 0.9, 0.9, 0.9), *coarse))
    assert ([each.method for each in found.judged], [each.method for each in found.beside]) == (["l1"], ["random"])
    assert words(found).startswith(
        "Near a cut of 50 % no two cuts are alike: none is named ahead. The cuts of l1 and random"
    )
    assert found.gap == pytest.approx(0.01, abs=1e-4)
    assert sentences.outcome(found) == "apart"


def test_cuts_as_near_as_methods_can_step_are_one_line():
    """Two at 50.0 and two at 50.6, asked for 50: judged by twos, counted as one cut."""
    coarse = [
        replace(each, budget=replace(each.budget, asked=0.5))
        for method, mean in (("fcf", 0.85), ("fcf-norm", 0.86))
        for each in rows(method, 0.506, mean, mean + 0.001, mean)
    ]
    found = verdicts(
        comparison(*rows("l1", 0.5, 0.9, 0.9, 0.91), *rows("random", 0.5, 0.8, 0.81, 0.8), *coarse), TOGETHER
    )
    assert len(found) == 2
    (near,) = sentences.group_near(found)
    line = sentences.cut_view(near)
    assert (line["best"], line["rate"], line["kind"]) == ("l1", "50 %", "wins")
    assert str(line["says"]).endswith("are not compared with these: 0.6 points more removed")
    assert words(*found).startswith("l1 wins at a cut of 50 %")


def test_seeds_of_one_dense_network_are_fine_tunings_of_it():
    (found,) = verdicts(comparison(*rows("l1", 0.5, 0.9, 0.9, 0.9), *rows("random", 0.5, 0.8, 0.8, 0.8)))
    assert found.one_base


def test_answers_to_each_image_part_rows_by_the_images_that_they_answer_apart():
    """Ten images of 1,000 are right for L1 alone, for every seed: the deviation is sqrt(10 + 2) images."""
    right = np.ones((1, 1000), bool)
    wrong = right.copy()
    wrong[0, :10] = False

    def answered(each: Record, answers: np.ndarray) -> Record:
        kept = {"accuracy": float(answers.mean()), "tested": 1000, "answers": bitmap.encode(answers)}
        return replace(each, tuned=replace(each.tuned, **kept))

    ours = [answered(each, right) for each in rows("l1", 0.5, 1, 1, 1)]
    (found,) = verdicts(comparison(*ours, *(answered(each, wrong) for each in rows("random", 0.5, 1, 1, 1))))
    assert found.lead(0, 1).mean == pytest.approx(0.01)
    assert found.lead(0, 1).half == pytest.approx(1.95996 * 12**0.5 / 1000, rel=1e-4)
    assert sentences.outcome(found) == "wins"


def test_unequal_cuts_are_not_ranked():
    found = comparison(*rows("l1", 0.5, 0.9, 0.9), *rows("random", 0.506, 0.1, 0.1))
    assert verdicts(found) == verdicts(found, TOGETHER) == []


def test_other_treatment_is_ranked_only_when_asked():
    rivals = rows("random", 0.5, 0.9, 0.9)
    longer = [replace(each, stages=[replace(stage, epochs=50) for stage in each.stages]) for each in rivals]
    found = comparison(*rows("l1", 0.5, 0.8, 0.8), *longer)
    assert verdicts(found) == []
    (verdict,) = verdicts(found, TOGETHER)
    assert verdict.judged[0].method == "random"
    assert verdict.level == "S2"


def test_the_front_of_each_comparison():
    found = comparison(
        *rows("l1", 0.25, 0.9, 0.9),
        *rows("l1", 0.75, 0.7, 0.7),
        *rows("random", 0.25, 0.8, 0.8),
        *rows("random", 0.5, 0.85, 0.85),
    )
    axis = next(figure for figure in found.figures if figure.key == "macs_cut")
    names = {each.id: (each.method, each.first.record.ratio) for each in found.configurations}
    (front,) = claims.pareto_fronts(found, claims.build_protocols(found), FAIR, axis)
    assert [names[each] for each in front] == [("l1", 0.75), ("random", 0.5), ("l1", 0.25)]


def test_how_far_one_may_cut():
    curve = [*rows("l1", 0.25, 0.901, 0.9), *rows("l1", 0.5, 0.896, 0.8951), *rows("l1", 0.75, 0.88, 0.88)]
    reached = [claims.largest_cut(comparison(*curve).configurations, bound) for bound in claims.BOUNDS]
    assert [each and each.configuration.first.record.ratio for each in reached] == [0.25, 0.5, 0.5]
    assert claims.largest_cut(comparison(*rows("l1", 0.5, 0.5)).configurations, 0.01) is None


@pytest.mark.parametrize(
    ("seeds", "loss", "sure"),
    [(3, 0.001, True), (3, 0.0021, False), (2, 0.001, False), (1, 0.001, False)],
)
def test_a_cut_is_within_a_bound_for_sure_from_three_seeds_on_with_the_test_sets_error(
    seeds: int, loss: float, sure: bool
):
    """Of 90 % on 10,000 images the difference of two shares deviates by sqrt(2 0.09 / 10,000): 0.83 points at 95 %."""
    reached = claims.largest_cut(comparison(*rows("l1", 0.5, *[0.9 - loss] * seeds)).configurations, 0.01)
    assert reached is not None
    assert reached.sure == sure
    assert reached.half == (None if seeds == 1 else pytest.approx(1.96 * (2 * 0.09 / 10_000) ** 0.5, rel=0.01))


def test_the_seeds_own_error_is_in_how_far_one_may_cut():
    """Each seed beside its own dense network: the changes +0.2, +1.2, +0.7 points deviate by 0.5; t is 4.303."""
    accuracies, dense = (0.902, 0.892, 0.917), (0.9, 0.88, 0.91)
    records = [run("l1", 0.5, seed, *each) for seed, each in enumerate(zip(accuracies, dense, strict=True))]
    within = [claims.largest_cut(comparison(*records).configurations, bound) for bound in (0.005, 0.01)]
    assert [each and each.sure for each in within] == [False, True], "0.7 - 1.49 points lie between the bounds"
    shares = [(sum(each) / 3 * 10_000 + 1) / 10_002 for each in (accuracies, dense)]
    testset = 1.95996**2 * sum(x * (1 - x) / 10_002 for x in shares)
    assert within[0]
    assert within[0].half == pytest.approx((4.3027**2 * 0.005**2 / 3 + testset) ** 0.5, rel=1e-4)


def test_a_front_compares_every_two_on_the_seeds_that_both_have():
    """By all of its seeds L1 is better by 2.5 points; on the three that both have it is worse, and saves no more."""
    found = comparison(*rows("l1", 0.5, 0.80, 0.81, 0.79, 0.95, 0.95, 0.95), *rows("random", 0.5, 0.85, 0.86, 0.84))
    late = comparison(*(replace(each, seed=each.seed + 3) for each in rows("l1", 0.5, 0.1)), *rows("random", 0.5, 0.9))
    macs = next(figure for figure in found.figures if figure.key == "macs_cut")
    ids = {each.method: each.id for each in found.configurations}
    assert claims.pareto_fronts(found, claims.build_protocols(found), TOGETHER, macs) == [[ids["random"]]]
    assert [len(front) for front in claims.pareto_fronts(late, claims.build_protocols(late), TOGETHER, macs)] == [1], (
        "no seed in common: by the means that the chart shows"
    )


def test_the_area_under_a_curve():
    """Ten classes: chance is 0.1. (0.5 x 0.8 + 0.25 x 0.4) of 0.9."""
    found = comparison(*rows("l1", 0.5, 0.9), *rows("l1", 0.75, 0.5)).configurations
    assert claims.dominated_area(found) == pytest.approx((0.5 * 0.8 + 0.25 * 0.4) / 0.9, abs=1e-4)


def test_dense_is_one_line_for_each_comparison():
    """Both seeds of one comparison make one mean; a run from another dense network has a line of its own."""
    ours = [
        run("l1", 0.5, 0, 0.8, dense=0.9),
        run("l1", 0.5, 1, 0.8, dense=0.92),
        run("random", 0.5, 0, 0.8, dense=0.9),
    ]
    found = comparison(*ours, run("fcf", 0.5, 0, 0.3, dense=0.5))
    lines = chart_data.dense_lines(found, claims.build_protocols(found))
    assert [(round(line["accuracy"], 6), line["label"]) for line in lines] == [
        (0.91, "dense 91.00 %"),
        (0.5, "dense 50.00 %"),
    ]
