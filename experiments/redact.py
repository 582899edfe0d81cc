"""Secrets of the environment, kept out of every file and line we write. Imports no torch."""

import os
from typing import Any

NAMES = ("WANDB_API_KEY",)


def hidden(value: Any) -> Any:
    """The same text, or nested values, with three stars wherever a secret stood."""
    if isinstance(value, dict):
        return {key: hidden(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(hidden(each) for each in value)
    for name in NAMES:
        secret = os.environ.get(name)
        if secret and isinstance(value, str):
            value = value.replace(secret, "***")
    return value
