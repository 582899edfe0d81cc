from pathlib import Path

import pytest

from pruning.files.artifact import save
from support.kept_network import RESNET, SHAPE, pruned


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "new" / "model"
    save(pruned(RESNET, SHAPE), folder)
    return folder
