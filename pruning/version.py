"""The version of what is installed, or of the checkout where nothing is. Its one home is pyproject.toml."""

import tomllib
from importlib import metadata
from pathlib import Path


def read_version() -> str:
    try:
        return metadata.version("cnn-pruning")
    except metadata.PackageNotFoundError:
        text = (Path(__file__).parents[1] / "pyproject.toml").read_text()
        return str(tomllib.loads(text)["project"]["version"])


__version__ = read_version()
