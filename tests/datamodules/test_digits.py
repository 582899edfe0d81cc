import numpy as np
import pytest


def test_the_split_is_stratified_and_whole(digits):
    data = digits()
    assert data.sizes == {"train": 1078, "val": 270, "test": 449}
    assert data.image_shape == (3, 32, 32)
    assert data.classes == tuple("0123456789")
    train, test = data.labels
    for labels, size in ((train[data._indices_by_part["val"]], 270), (test, 449)):
        assert np.abs(np.bincount(labels) / size - np.bincount(np.concatenate([train, test])) / 1797).max() < 1 / size


def test_the_split_and_identity_do_not_depend_on_seed_or_batch(digits):
    first, second = digits(), digits(seed=5, batch=32)
    assert first._indices_by_part["val"].tolist() == second._indices_by_part["val"].tolist()
    assert first.identity == second.identity


@pytest.mark.parametrize("changed", [{"val": 0.1}, {"mean": [0.5] * 3}])
def test_the_identity_knows_split_and_normalisation(digits, changed):
    assert digits().identity != digits(**changed).identity


def test_without_validation_all_are_trained_on(digits):
    data = digits(val=0)
    assert data.sizes == {"train": 1348, "val": 0, "test": 449}
    assert list(data.val_dataloader()) == []


def test_images_are_normalised(digits):
    images = next(iter(digits(batch=1078, pad=0).train_dataloader()))[0]
    assert abs(images.mean()) < 0.02
    assert abs(images.std() - 1) < 0.02


@pytest.mark.parametrize("batch", [0, -1, True])
def test_an_impossible_batch_is_refused(digits, batch):
    with pytest.raises(ValueError, match="batch must be a whole number of 1 or more"):
        digits(batch=batch)
