import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from experiments.run import baseline
from support.tiny_run import chain

SHAPE = (3, 8, 8)


def trained() -> dict[str, Tensor]:
    return chain(4, SHAPE, seed=7).state_dict()


def fresh() -> nn.Module:
    return chain(4, SHAPE, seed=0)


def equal(network: nn.Module, weights: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, weights[key]) for key, value in network.state_dict().items() if key in weights)


def saved(folder: Path, weights: object, name: str = "weights.safetensors") -> Path:
    path = folder / name
    save_file(weights, path) if name.endswith(".safetensors") else torch.save(weights, path)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt"])
def test_weights_come_from_either_kind_of_file(tmp_path: Path, name: str) -> None:
    network = fresh()
    baseline.load(network, saved(tmp_path, trained(), name))
    assert equal(network, trained())


def test_prefixes_and_the_old_missing_counter_are_tolerated(tmp_path: Path) -> None:
    old = {f"module.{key}": value for key, value in trained().items() if "num_batches" not in key}
    network = fresh()
    baseline.load(network, saved(tmp_path, {"state_dict": old, "epoch": 3}, "old.pt"))
    assert equal(network, trained())


@pytest.mark.parametrize(
    "prefix", ["module.", "net.", "_orig_mod.", "student.", "model._orig_mod.", "encoder.backbone."]
)
def test_one_prefix_of_all_weights_is_taken_off(tmp_path: Path, prefix: str) -> None:
    saved_as = {f"{prefix}{key}": value for key, value in trained().items()} | {"loss.weight": torch.ones(4)}
    network = fresh()
    baseline.load(
        network, saved(tmp_path, {"state_dict": saved_as, "epoch": 3, "hyper_parameters": {"lr": 0.1}}, "a.ckpt")
    )
    assert equal(network, trained())


@pytest.mark.parametrize("holder", ["state_dict", "model_state_dict", "model", "state_dict_ema"])
def test_checkpoints_that_hold_weights_are_opened(tmp_path: Path, holder: str) -> None:
    network = fresh()
    baseline.load(network, saved(tmp_path, {holder: trained(), "optimizer": {}}, "a.pth"))
    assert equal(network, trained())


def test_of_two_sets_of_weights_it_is_said_which_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network, zeros = fresh(), {key: torch.zeros_like(value) for key, value in trained().items()}
    baseline.load(network, saved(tmp_path, {"state_dict_ema": zeros, "state_dict": trained()}, "a.pth"))
    assert equal(network, trained())
    assert "a.pth holds state_dict and state_dict_ema: state_dict is taken" in capsys.readouterr().out
    both = {f"model.{k}": v for k, v in trained().items()} | {f"model_ema.{k}": v for k, v in zeros.items()}
    baseline.load(network, saved(tmp_path, both, "b.pth"))
    assert equal(network, trained())
    assert "b.pth holds model. and model_ema.: model. is taken" in capsys.readouterr().out
    twice = {f"{start}.{key}": value for key, value in trained().items() for start in ("student", "teacher")}
    with pytest.raises(ValueError, match=r"holds this network behind each of student\., teacher\.: save one"):
        baseline.load(network, saved(tmp_path, twice, "c.pth"))


def test_a_prefix_of_some_weights_is_another_network(tmp_path: Path) -> None:
    half = {f"model.{key}": value for key, value in trained().items() if "head" not in key}
    with pytest.raises(ValueError, match=r"lacks .* it is of another network"):
        baseline.load(fresh(), saved(tmp_path, half))


def test_a_norm_of_another_width_is_not_said_to_have_classes(tmp_path: Path) -> None:
    wide = trained() | {"body.1.running_mean": torch.zeros(16)}
    with pytest.raises(
        ValueError, match=r"body\.1\.running_mean has shape \(16,\), this network needs \(8,\); set model="
    ):
        baseline.load(fresh(), saved(tmp_path, wide))


def test_a_misfit_names_key_shapes_and_remedy(tmp_path: Path) -> None:
    wide = trained() | {"body.0.weight": torch.zeros(16, 3, 3, 3)}
    with pytest.raises(ValueError, match=r"body\.0\.weight has shape \(16, 3, 3, 3\), .* \(8, 3, 3, 3\); set model="):
        baseline.load(fresh(), saved(tmp_path, wide))


@pytest.mark.parametrize("change", ["width", "bias alone", "no bias"])
def test_a_head_that_differs_by_more_than_its_classes_is_refused(tmp_path: Path, change: str) -> None:
    other = chain(10, SHAPE, seed=0).state_dict()
    other["head.weight"] = torch.zeros(10, 16) if change == "width" else other["head.weight"]
    other["head.bias"] = torch.zeros(7) if change == "bias alone" else other["head.bias"]
    if change == "no bias":
        del other["head.bias"]
    with pytest.raises(
        ValueError, match=r"head\.weight has shape \(10, \d+\), this network needs \(4, 32\); set model="
    ):
        baseline.load(fresh(), saved(tmp_path, other))


def test_of_weights_for_other_classes_all_but_the_classifier_is_taken(tmp_path: Path) -> None:
    network, other = fresh(), {f"module.{key}": value for key, value in chain(10, SHAPE, seed=7).state_dict().items()}
    assert not baseline.load(network, saved(tmp_path, other))
    assert baseline.load(fresh(), saved(tmp_path, trained()))
    assert equal(network, trained() | {key: value for key, value in fresh().state_dict().items() if "head" in key})


def test_missing_and_extra_keys_are_named(tmp_path: Path) -> None:
    weights = trained() | {"tail.weight": torch.zeros(1)}
    del weights["body.3.weight"]
    with pytest.raises(ValueError, match=r"lacks body\.3\.weight and has besides tail\.weight: .*set model="):
        baseline.load(fresh(), saved(tmp_path, weights))


def test_a_refused_file_changes_nothing(tmp_path: Path) -> None:
    network, before = fresh(), fresh().state_dict()
    with pytest.raises(ValueError, match="lacks"):
        baseline.load(network, saved(tmp_path, {"body.0.weight": trained()["body.0.weight"]}))
    assert equal(network, before)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt"])
def test_what_is_no_weights_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not weights at all")
    with pytest.raises(ValueError, match="cannot be read as safetensors or a weights-only state dict"):
        baseline.load(fresh(), tmp_path / name)
    with pytest.raises(FileNotFoundError, match="is not a file"):
        baseline.load(fresh(), tmp_path / "nowhere.pt")


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    with pytest.raises(
        ValueError, match=r"damaged, or holds Python objects, which are never made: save network\.state_dict"
    ):
        baseline.load(fresh(), saved(tmp_path, {"trap": Trap()}, "trap.pt"))
    assert not (tmp_path / "sprung").exists()
