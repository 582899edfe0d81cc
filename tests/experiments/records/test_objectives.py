"""What a search may look at, from a committed record."""

from dataclasses import replace

import pytest

from experiments.records import objectives, record
from experiments.records.objectives import METRICS
from experiments.system.checkout import ROOT

MADE = record.read(ROOT / "experiments" / "results" / "digits_vgg16" / "fcf.json")


def test_the_figures_are_those_of_the_record() -> None:
    expected = [MADE.stages[-1].val_accuracy, MADE.tuned.macs, MADE.tuned.latency_ms["1"], MADE.budget.got_macs]
    assert objectives.read(MADE, ["val_accuracy", "macs", "latency_ms", "macs_cut"]) == expected


def test_validation_is_the_last_fine_tunings() -> None:
    """Of rounds the last one's; a network from scratch, trained after it, is another row."""
    tuned = replace(MADE.stages[-1], name="finetune-2", val_accuracy=0.5)
    several = replace(MADE, stages=[*MADE.stages, tuned, replace(tuned, name="scratch", val_accuracy=0.9)])
    assert objectives.read(several, ["val_accuracy"]) == [0.5]


def test_what_a_record_lacks_is_no_number() -> None:
    untuned = replace(MADE, stages=MADE.stages[:1])
    assert objectives.read(untuned, ["macs", "val_accuracy"]) is None


@pytest.mark.parametrize("name", ["accuracy", "test_accuracy", "tuned.accuracy", "nll", "test_flips"])
def test_the_test_set_chooses_nothing(name: str) -> None:
    with pytest.raises(ValueError, match=f"objective_metric={name} is of the test set.* take val_accuracy"):
        objectives.refuse_unknown("objective_metric", name)


def test_an_unknown_figure_is_refused_with_what_there_is() -> None:
    with pytest.raises(ValueError, match=f"one of {', '.join(METRICS)}.*got 'mac'; did you mean macs"):
        objectives.refuse_unknown("objective_metric", "mac")
