"""What may be searched over, and the overrides of the jobs that come of it."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

distributions = pytest.importorskip("optuna.distributions")
IntDistribution, FloatDistribution = distributions.IntDistribution, distributions.FloatDistribution
CategoricalDistribution = distributions.CategoricalDistribution
parse_space = pytest.importorskip("experiments.search.space").parse_space


@pytest.mark.parametrize(
    ("typed", "distribution", "value", "job"),
    [
        ("ratio=interval(0.2,0.6)", FloatDistribution(0.2, 0.6), 0.123456, "ratio=0.1235"),
        ("ratio=interval(0,0.6)", FloatDistribution(0, 0.6), 0.5, "ratio=0.5"),
        ("rounds=int(interval(1,4))", IntDistribution(1, 4), 3, "rounds=3"),
        ("a.lr=tag(log,interval(1e-5,1))", FloatDistribution(1e-5, 1, log=True), 1e-5, "a.lr=1e-05"),
        ("recipe.batch=range(16,65,16)", IntDistribution(16, 64, step=16), 48, "recipe.batch=48"),
        ("method=l1,fpgm", CategoricalDistribution(["l1", "fpgm"]), "fpgm", "method=fpgm"),
        ("export=null,onnx", CategoricalDistribution(["null", "onnx"]), "null", "export=null"),
        ("store=choice(true,false)", CategoricalDistribution(["true", "false"]), "false", "store=false"),
        ("+a='b c',d", CategoricalDistribution(["'b c'", "d"]), "'b c'", "+a='b c'"),
    ],
)
def test_a_sweep_is_a_distribution_and_its_value_an_override(
    typed: str, distribution: object, value: object, job: str
) -> None:
    parsed = parse_space({}, ["seed=1", typed])
    ((path, found),) = parsed.distributions().items()
    assert found == distribution
    assert parsed.fill({path: value}) == ["seed=1", job]
    OverridesParser.create().parse_override(job)


def test_within_braces_and_brackets_only_the_sweeps_are_replaced() -> None:
    value = '{layer1.*: 0.5, layer2.*: interval(0.2,1), rest: [choice(1,2), null, "a b"]}'
    parsed = parse_space({"+allocation.rates": value}, [])
    assert list(parsed.sweeps) == ["allocation.rates.layer2.*", "allocation.rates.rest.0"]
    (job,) = parsed.fill({"allocation.rates.layer2.*": 0.25, "allocation.rates.rest.0": "2"})
    assert job == '+allocation.rates={layer1.*:0.5,layer2.*:0.25,rest:[2,null,"a b"]}'


def test_what_is_typed_goes_before_what_a_file_says() -> None:
    parsed = parse_space({"ratio": "interval(0.2,0.6)", "seed": "0"}, ["ratio=0.5", "method=l1,l2"])
    assert parsed.fill({"method": "l2"}) == ["seed=0", "ratio=0.5", "method=l2"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("ratio=0.5", "nothing to search over, for example ratio=interval"),
        ("ratio=interval(0.6,0.2)", r"ratio: interval\(0.6,0.2\) is no range to search over"),
        ("ratio=tag(log,interval(0.0,0.2))", r"ratio: interval\(0.0,0.2\) is no range to search over"),
        ("recipe.batch=range(8,8)", r"recipe.batch: range\(8,8,1\) is no range to search over"),
        ("method=glob(l*)", r"method=glob\(l\*\): .* name the choices"),
    ],
)
def test_what_cannot_be_searched_is_refused(typed: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_space({}, [typed]).distributions()


def test_a_files_parameter_that_cannot_be_read_is_named() -> None:
    with pytest.raises(ValueError, match=r"hydra\.sweeper\.params: ratio=interval\( cannot be read"):
        parse_space({"ratio": "interval("}, [])
