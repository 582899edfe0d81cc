"""Scores by lot."""

from __future__ import annotations

import hashlib

import torch
from jaxtyping import Float
from torch import Tensor


def random_scores(seed: int, name: str, count: int) -> Float[Tensor, " count"]:
    """In [0, 1), a pure function of the seed and of a unit's name.

    Both are hashed into 32 bits: a generator of torch on the CPU (Mersenne twister) takes no notice of those above.
    """
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return torch.rand(count, generator=torch.Generator().manual_seed(int.from_bytes(digest[:4], "little")))
