"""The loop of a search, its jobs done by a formula: what is proposed, what is told, what is taken up again."""

import re
from pathlib import Path

import pytest

from experiments.records import jobs
from experiments.records.record import Record
from support.sweeping import finish, start

TrialState = pytest.importorskip("optuna.trial").TrialState
searching = pytest.importorskip("support.searching")
search, trials, with_figures = searching.search, searching.trials, searching.with_figures

RATIO = "ratio=interval(0.1,0.9)"


def peak(overrides: dict[str, str]) -> Record:
    """Best at ratio 0.4."""
    ratio = float(overrides["ratio"])
    return with_figures(1 - abs(ratio - 0.4), macs=round(1000 * (1 - ratio)))


def fragile(overrides: dict[str, str]) -> Record:
    if float(overrides["ratio"]) > 0.5:
        raise ValueError("a layer would be emptied")
    return peak(overrides)


def ratios(engine: object) -> list[float]:
    return [float(dict(each.split("=") for each in job)["ratio"]) for job in engine.launched]  # type: ignore[attr-defined]


def test_it_comes_nearer_than_chance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    proposed = ratios(search(tmp_path, peak, RATIO, n_trials=25))
    near = sum(abs(ratio - 0.4) < 0.1 for ratio in proposed[10:])
    assert near >= 8  # of 15; by chance 3.75
    said = capsys.readouterr().out
    assert "25 of 25 trials complete" in said
    (best,) = re.findall(r"^best .* ratio=(\S+) ", said, re.M)
    assert float(best) == min(proposed, key=lambda ratio: abs(ratio - 0.4))


@pytest.mark.parametrize(("storage", "n_trials"), [(None, 4), ("sqlite:///{}/own.db", 4), ("{}/own.journal", 13)])
def test_a_search_that_was_killed_goes_on_as_if_it_was_not(tmp_path: Path, storage: str | None, n_trials: int) -> None:
    """What was proposed and not finished is launched again, what was finished is not."""
    undisturbed = ratios(search(tmp_path / "whole", peak, RATIO, n_trials=n_trials))
    values = {"n_trials": n_trials, "storage": storage and storage.format(tmp_path)}
    done: list[float] = []

    def seen(overrides: dict[str, str]) -> Record:
        done.append(float(overrides["ratio"]))
        return peak(overrides)

    for stop_after in (2, 1, 0):
        with pytest.raises(KeyboardInterrupt):
            search(tmp_path / "broken", seen, RATIO, stop_after=stop_after, **values)
    search(tmp_path / "broken", seen, RATIO, **values)
    assert done == undisturbed
    assert search(tmp_path / "broken", peak, RATIO, **values).launched == []


def test_more_trials_go_on_from_those_there_are(tmp_path: Path) -> None:
    first, more = (search(tmp_path, peak, RATIO, n_trials=number) for number in (3, 5))
    assert (len(first.launched), len(more.launched)) == (3, 2)


def test_a_job_that_fails_is_a_failed_trial_and_the_search_goes_on(tmp_path: Path) -> None:
    engine = search(tmp_path, fragile, RATIO, n_trials=12)
    assert len(engine.launched) == 12
    states = {trial.state for trial in trials(tmp_path)}
    assert states == {TrialState.COMPLETE, TrialState.FAIL}
    failed = sum(ratio > 0.5 for ratio in ratios(engine))
    assert sum(trial.state == TrialState.FAIL for trial in trials(tmp_path)) == failed
    assert len(search(tmp_path, fragile, RATIO, n_trials=12).launched) == failed  # others in their place


def test_a_proposal_that_does_not_compose_is_a_failed_trial(tmp_path: Path) -> None:
    """L1 has `variant`, random filters have none."""
    engine = search(tmp_path, peak, RATIO, "method=l1,random", "method.variant=greedy", n_trials=8)
    failed = [trial.params["method"] for trial in trials(tmp_path) if trial.state == TrialState.FAIL]
    assert set(failed) == {"random"}
    assert len(failed) == sum("method=random" in job for job in engine.launched)


def test_several_are_launched_at_once(tmp_path: Path) -> None:
    engine = search(tmp_path, peak, RATIO, n_trials=5, n_jobs=2)
    assert engine.batches == [2, 2, 1]
    assert len(set(ratios(engine))) == 5


def test_several_metrics_leave_those_that_none_beats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Above 0.4 each is better in one; below, 0.4 itself is better in both."""
    search(tmp_path, peak, RATIO, "objective_metric=[val_accuracy,macs]", n_trials=12)
    front = [
        line.split()
        for line in capsys.readouterr().out.splitlines()
        if "ratio=0." in line and not any(word in line for word in ("best", "record.json"))
    ]
    accuracies = [float(row[1]) for row in front]
    macs = [int(row[3]) for row in front]
    assert accuracies == sorted(accuracies, reverse=True)
    assert macs == sorted(macs, reverse=True)
    assert len(trials(tmp_path)[0].values) == 2


def test_a_bound_is_kept_by_what_is_called_best(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By hand: at most 400 MACs is a ratio of 0.6 or more, and the nearest to 0.4 of those is the best."""
    engine = search(tmp_path, peak, RATIO, n_trials=20, constraints={"macs": 400})
    allowed = min(ratio for ratio in ratios(engine) if ratio >= 0.6)
    assert f"ratio={allowed:g}" in next(line for line in capsys.readouterr().out.splitlines() if "best" in line)
    with_bound = [trial for trial in trials(tmp_path) if trial.params["ratio"] < 0.599]
    assert all(trial.constraints["macs"] > 0 for trial in with_bound)


def test_it_says_so_where_no_network_keeps_the_bounds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search(tmp_path, peak, RATIO, n_trials=2, constraints={"macs": 1})
    assert "no network keeps within macs=1" in capsys.readouterr().out


def test_it_begins_where_it_is_told(tmp_path: Path) -> None:
    assert ratios(search(tmp_path, peak, RATIO, n_trials=2, first={"ratio": 0.5}))[0] == 0.5


def test_the_worked_example_has_half_of_the_macs_and_begins_with_uniform(tmp_path: Path) -> None:
    params = {"+allocation.rates": "{layer2.*: tag(log, interval(0.25, 4)), layer3.*: tag(log, interval(0.25, 4))}"}
    first = {"allocation.rates.layer2.*": 1.0, "allocation.rates.layer3.*": 1.0}
    made = search(
        tmp_path,
        lambda job: with_figures(0.5),
        "experiment=search/l1_ratio_by_layer",
        n_trials=2,
        params=params,
        first=first,
    )
    assert "+allocation.rates={layer2.*:1,layer3.*:1}" in made.launched[0]


BAD = [
    (
        {"storage": "sqlite:////nowhere/a.db"},
        (),
        r"hydra.sweeper.storage=sqlite:////nowhere/a.db cannot be opened: .*unable to open",
    ),
    ({"storage": "/nowhere/a.journal"}, (), "/nowhere/a.journal cannot be opened: .*No such file"),
    ({"storage": "foo://a"}, (), "foo://a cannot be opened"),
    ({"storage": "postgresql://me:hidden@h/x"}, (), r"postgresql://me:\*\*\*@h/x cannot be opened"),
    ({}, ("objective_metric=tuned.accuracy",), "is of the test set"),
    ({}, ("objective_metric=lost",), "objective_metric must be one of val_accuracy"),
    ({}, ("data.val=0",), r"val_accuracy is in no record of data\.val=0"),
    ({}, ("program=plan",), "program=plan has no record"),
    ({"constraints": {"mac": 1}}, (), "hydra.sweeper.constraints must be one of"),
    ({"constraints": {"macs": "few"}}, (), "constraints.macs must be a number"),
    ({"n_trials": 0}, (), "hydra.sweeper.n_trials must be 1 or more"),
    ({"sampler": "tbe"}, (), "hydra.sweeper.sampler must be one of tpe"),
    ({"first": {"raito": 1}}, (), "hydra.sweeper.first must have ratio, got raito"),
]


@pytest.mark.parametrize(("values", "asked", "said"), BAD)
def test_bad_input_is_one_line_before_the_first_job(
    tmp_path: Path, values: dict[str, object], asked: tuple[str, ...], said: str
) -> None:
    with pytest.raises(SystemExit, match=said) as refused:
        search(tmp_path, peak, RATIO, *asked, **values)
    assert len(str(refused.value).splitlines()) == 1
    assert not list(tmp_path.rglob("job.json"))


def test_a_database_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("not a database, and long enough to be looked at as one " * 9)
    with pytest.raises(SystemExit, match=r"a\.db cannot be opened: .*file is not a database"):
        search(tmp_path, peak, RATIO, storage=f"sqlite:///{tmp_path}/a.db")


def test_a_study_of_other_metrics_is_refused(tmp_path: Path) -> None:
    own = {"storage": f"sqlite:///{tmp_path}/a.db", "study": "mine", "n_trials": 1}
    search(tmp_path, peak, RATIO, **own)
    with pytest.raises(SystemExit, match=r"study mine of .* searches by val_accuracy, not by macs"):
        search(tmp_path, peak, RATIO, "objective_metric=macs", **own)


@pytest.mark.sweeps
def test_a_search_exits_with_0_when_what_failed_was_made_up_for(tmp_path: Path) -> None:
    """By others that the same command proposes. Nothing of the test set is shown: it is not to choose by."""
    first = ("hydra/sweeper=optuna", "hydra.sweeper.n_trials=2", "+hydra.sweeper.first.ratio=1.5")
    codes = []
    while 0 not in codes and len(codes) < 6:
        code, output = finish(start(tmp_path, "ratio=0.5,1.5", *first))
        codes.append(code)
        assert "test accuracy" not in output
    assert codes[0] == 1
    assert codes[-1] == 0
    assert "2 of 2 trials complete" in output
    assert any(job.state == "FAILED" for job in jobs.read(tmp_path))
