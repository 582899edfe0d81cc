"""A LightningDataModule that knows nothing of this program, as the data of a run."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from datamodules.foreign import ForeignData
from support.own import MyData
from support.tiny_images import digest, stand

FACTS = {"classes": 4, "image_shape": [3, 8, 8], "identity": "of this test"}


def adapted(module: LightningDataModule, **facts: Any) -> ForeignData:
    data = ForeignData(module, facts or FACTS, batch=16, seed=3)
    data.load()
    return data


def epoch(data: ForeignData, number: int, after: int = 0) -> str:
    stand(data, epoch=number)
    loader = data.train_dataloader()
    data.load_state_dict({"epoch": number, "delivered": after})
    return digest(loader)


def test_it_has_all_that_a_run_asks_of_data() -> None:
    data = adapted(MyData())
    assert data.classes == ("class 0", "class 1", "class 2", "class 3")
    assert data.image_shape == (3, 8, 8)
    assert data.sizes == {"train": 68, "val": 12, "test": 40}
    assert [len(labels) for _, labels in data.train_dataloader()] == [16, 16, 16, 16, 4]
    assert torch.cat([labels for _, labels in data.test_dataloader()]).tolist() == [
        number % 4 for number in range(80, 120)
    ]
    assert not data.divisible


def test_facts_come_from_attributes_and_a_key_goes_before() -> None:
    module = MyData()
    module.classes, module.image_shape, module.identity = ["a", "b", "c", "d"], torch.Size((3, 8, 8)), "mine"
    own, typed = adapted(module, none=None), adapted(module, identity="changed")
    assert own.classes == typed.classes == ("a", "b", "c", "d")
    assert own.identity != typed.identity
    assert own.identity == adapted(module, none=None).identity


@pytest.mark.parametrize("workers", [0, 1])
def test_order_follows_seed_and_epoch_and_an_epoch_is_resumed_where_it_was(workers: int) -> None:
    data, other = adapted(MyData(workers=workers)), adapted(MyData(workers=workers))
    torch.manual_seed(workers)  # whatever came before
    assert epoch(data, 1) == epoch(other, 1) != epoch(data, 2)
    stand(data, epoch=1)
    rest = [batch for number, batch in enumerate(data.train_dataloader()) if number >= 1]
    torch.manual_seed(17)
    assert epoch(other, 1, after=1) == digest(rest)


class Endless(IterableDataset):
    def __iter__(self) -> Iterator[tuple[torch.Tensor, int]]:
        return ((torch.zeros(3, 8, 8), number % 4) for number in range(10**6))


class WithHook(MyData):
    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return batch


class WithoutTest(MyData):
    test_dataloader = LightningDataModule.test_dataloader


def images(**kind: Any) -> torch.Tensor:
    return torch.zeros(120, 3, 8, 8, **kind)


@pytest.mark.parametrize(
    ("module", "facts", "said"),
    [
        (
            MyData(),
            {"classes": 4},
            r"MyData lacks image_shape \(\[channels, height, width\]\) and identity \(any text .*\): "
            r"give it such an attribute, or type data\.image_shape=\.\.\. data\.identity=\.\.\.",
        ),
        (
            MyData(),
            FACTS | {"image_shape": [8, 8]},
            r"data\.image_shape must be \[channels, height, width\], got \[8, 8\]",
        ),
        (MyData(), FACTS | {"image_shape": 16}, r"data\.image_shape must be \[.*\], got 16: for example \[3,32,32\]"),
        (
            MyData(),
            FACTS | {"classes": 1.5},
            r"data\.classes must be how many, or their names, got 1\.5: for example 2",
        ),
        (MyData(), FACTS | {"classes": "cat"}, r"data\.classes must be .* got 'cat': for example 2, or \[cat,dog\]"),
        (MyData(), FACTS | {"classes": True}, r"data\.classes must be .* got True"),
        (
            MyData(),
            FACTS | {"image_shape": [3, 9, 9]},
            r"MyData\.train_dataloader gives images of torch.float32 and of shape \(3, 8, 8\)",
        ),
        (MyData(), FACTS | {"classes": 3}, r"gives labels from 0 to 3: 0 to 2 are needed, by data\.classes"),
        (MyData(labels=torch.zeros(120)), FACTS, r"labels of torch\.float32"),
        (MyData(images=images(dtype=torch.uint8)), FACTS, r"images of torch\.uint8"),
        (MyData(batch_size=8), FACTS, r"batches of 8 images, and recipe\.batch=16: set recipe\.batch=8, or hand it on"),
        (MyData(train=[{"image": images()}]), FACTS, r"gives a dict for a batch: two tensors are needed"),
        (MyData(train=DataLoader(Endless(), 16)), FACTS, r"gives a DataLoader without a length: one loader is needed"),
        (MyData(train=iter([])), FACTS, r"gives a list_iterator without a length"),
        (WithHook(), FACTS, r"WithHook\.on_after_batch_transfer is called while training alone"),
        (WithoutTest(), FACTS, r"WithoutTest has no test_dataloader"),
    ],
)
def test_what_no_run_can_be_made_of_is_refused_with_a_remedy(module: MyData, facts: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        adapted(module, **facts)


class Restless(MyData):
    def train_dataloader(self) -> Any:
        return DataLoader(
            TensorDataset(
                torch.randn(68, 3, 8, 8, generator=torch.Generator().manual_seed(torch.seed())), self.labels[:68]
            ),
            16,
        )


def test_what_a_loader_cannot_promise_is_said() -> None:
    assert len(adapted(MyData()).remarks) == 1
    assert "draws other batches from the same seed" in adapted(Restless()).remarks[-1]


def test_a_loader_that_ends_early_is_named() -> None:
    class Short(list):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return 3

    data = adapted(MyData(train=Short([(images()[:16], torch.zeros(16, dtype=torch.long))])))
    with pytest.raises(ValueError, match="a Short ended after 1 of its 3 batches"):
        list(data.train_dataloader())
