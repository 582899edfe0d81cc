import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from experiments.cli import help
from experiments.cli.commandline import check_quotes, run_and_exit
from experiments.config.choices import explain
from experiments.config.hydra_versions import instantiate
from experiments.config.refusal import Refusal, error_message, refusals
from experiments.system import preemption


@pytest.mark.parametrize(
    "argument", ["baseline=runs/a=b.pt", "baseline=runs(1)/a.pt", "data.root=photos (old)", "folder=/home/jürgen"]
)
def test_a_path_that_needs_quotes_is_shown_with_them(argument: str) -> None:
    key, _, value = argument.partition("=")
    with pytest.raises(SystemExit, match="needs two pairs of quotes") as refused:
        check_quotes([argument])
    assert f"'{key}=\"{value}\"'" in str(refused.value)


def test_what_hydra_reads_is_left_to_it() -> None:
    check_quotes(
        [
            "ratio=0.5",
            "ratio=choice(0.1,0.2)",
            'baseline="a=b"',
            "-m",
            "--help",
            "seed=range(3)",
            "method=l1,fcf",
            "+x=",
        ]
    )


def test_the_help_lists_every_choice_with_its_headline() -> None:
    assert "smoke            minutes on two cores" in explain("recipe")
    assert "paper_l1" not in explain("recipe")


@pytest.mark.parametrize("flag", [["--config-dir", "{}"], ["--config-dir={}"], ["-cd", "{}"], ["-cd={}"]])
def test_the_help_lists_the_choices_of_a_folder_of_the_users_own(tmp_path: Path, flag: list[str]) -> None:
    (tmp_path / "method").mkdir()
    (tmp_path / "method" / "mine.yaml").write_text("# the largest Euclidean norms\n_target_: mymethod.L2\n")
    arguments = [word.format(tmp_path) for word in flag]
    methods, models = (
        help.text([*arguments, "--help"]).partition(f"{group}=\n")[2].partition("\n\n")[0]
        for group in ("method", "model")
    )
    assert "    mine             the largest Euclidean norms" in methods
    assert "    l1  " in methods
    assert "mine" not in models
    assert "Euclidean" not in help.text(["--help"])


def test_the_help_of_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=rf"^--config-dir={tmp_path}/none is no folder: name the one that holds"):
        help.text([f"--config-dir={tmp_path}/none", "--help"])


def test_a_bad_value_is_one_line_and_a_fault_stays_a_fault() -> None:
    with pytest.raises(Refusal, match=r"^ratio must lie in 0, got 1$"), refusals():
        raise ValueError("ratio must lie in 0,\n   got 1")
    with pytest.raises(KeyError), refusals():
        raise KeyError("a bug")


def test_where_pythons_own_words_name_nothing_the_class_is_named() -> None:
    with pytest.raises(Refusal, match=r"^Error in call to target '.*untyped': TypeError\('not all arg"), refusals():
        instantiate({"_target_": f"{__name__}.untyped", "width": "abc"})


def untyped(width: int) -> int:
    return width % 2


def test_a_constructor_is_quoted_in_its_own_words_not_in_those_of_its_cause() -> None:
    within = {"_target_": "builtins.dict", "weights": {"_target_": f"{__name__}.fetched"}}
    with pytest.raises(Refusal, match=r"^cannot be fetched: give baseline=PATH$"), refusals():
        instantiate(within)


def fetched() -> None:
    raise OSError("cannot be fetched: give baseline=PATH") from TimeoutError("timed out")


def test_an_empty_message_still_says_something() -> None:
    assert error_message(PermissionError()) == "PermissionError"


def test_ctrl_c_is_answered_as_such_where_lightning_makes_an_exit_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preemption.request, "can_resume", bool)

    def stopped(config: object) -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            sys.exit(1)

    with pytest.raises(SystemExit, match=r"^interrupted: nothing new was kept, give the same command again$"):
        run_and_exit(stopped, OmegaConf.create())


@pytest.mark.parametrize(
    ("code", "said"),
    [(3, "ended with exit code 3 before the run was complete"), ("no licence\nfor it", "no licence for it")],
)
def test_whoever_ends_the_run_is_quoted_in_its_own_words(code: object, said: str) -> None:
    with pytest.raises(SystemExit, match=f"^{said}$"):
        run_and_exit(lambda config: sys.exit(code), OmegaConf.create())  # type: ignore[arg-type]
