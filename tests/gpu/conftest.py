"""`python -m pytest -m gpu tests/gpu`: what only a GPU can show. Skipped where there is none.

CNN_PRUNING_GPU_TESTS_ON=cpu runs the same bodies on a CPU, but for what only a GPU has: that shows that the tests work.
"""

import os

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as run.py does

import pytest
import torch

ON = os.environ.get("CNN_PRUNING_GPU_TESTS_ON", "cuda")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/gpu/" in str(item.path):
            item.add_marker(pytest.mark.gpu)
            item.add_marker(pytest.mark.filterwarnings("default"))  # what CUDA's libraries warn of is not known here


@pytest.fixture(scope="session")
def device() -> torch.device:
    if ON == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    return torch.device(ON, 0) if ON == "cuda" else torch.device(ON)
