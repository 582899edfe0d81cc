"""Folders of runs that never ran, varied from committed records by a seeded draw: for tests and speed of the report."""

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np

from experiments.records import metrics
from experiments.records.record import Layer, Network, Record, read
from experiments.system.checkout import ROOT
from pruning.files import bitmap

TEMPLATES = ROOT / "experiments" / "results" / "cifar10_resnet20"
METHODS = {"random": 0.0, "l1": 0.05, "fcf": 0.03, "fcf-norm": 0.045}  # accuracy over random at a full cut


def write_runs(folder: Path, methods: Iterable[str], ratios: Iterable[float], seeds: Iterable[int]) -> list[Path]:
    """Each run's folder, with its record and its curves."""
    folders = []
    for method, ratio, seed in product(methods, ratios, seeds):
        record = synthetic_record(method, ratio, seed)
        run_folder = folder / f"{record.name}-{record.digest[:8]}"
        run_folder.mkdir(parents=True)
        record.write(run_folder / "record.json")
        (run_folder / "metrics.jsonl").write_bytes(metrics.encode(metric_lines(record)))
        folders.append(run_folder)
    return folders


def synthetic_record(method: str, ratio: float, seed: int) -> Record:
    """One trained dense network for each seed; one rate for every method at one ratio, as `budget=macs` gives it."""
    draws = random.Random(f"{method} {ratio} {seed}")
    template = read(TEMPLATES / f"{method}.json")
    dense = replace(template.dense, accuracy=round(0.9173 + random.Random(seed).gauss(0, 0.002), 4))
    accuracy = dense.accuracy - 0.15 * ratio**3 + METHODS[method] * ratio**2 + draws.gauss(0, 0.003)
    pruned = scale_network(dense, ratio, 0.1 + draws.random() / 10)
    config = json.loads(json.dumps(template.config))
    config |= {"seed": seed, "ratio": ratio} | {"data": config["data"] | {"seed": seed}}
    config["budget"] = config["method"]["budget"] = {"_target_": "pruning.budget.Share", "ratio": ratio, "of": "macs"}
    config["choice"]["budget"] = "macs"
    return replace(
        template,
        digest=f"{draws.getrandbits(256):064x}",
        name=f"{method}-resnet20-cifar10-{ratio:g}-s{seed}",
        command=f"python run.py method={template.method} model=resnet20 budget=macs ratio={ratio:g} seed={seed}",
        seed=seed,
        ratio=ratio,
        budget=replace(template.budget, of="macs", asked=ratio, got_macs=ratio, got_params=ratio),
        dense=dense,
        pruned=pruned,
        tuned=replace(pruned, accuracy=round(accuracy, 4)),
        layers=thin_layers(template, ratio, draws),
        config=config,
    )


def scale_network(dense: Network, ratio: float, accuracy: float) -> Network:
    counts = {of: max(1, round(getattr(dense, of) * (1 - ratio))) for of in ("macs", "params", "bytes")}
    times = {batch: time * (1 - 0.7 * ratio) for batch, time in dense.latency_ms.items()}
    return replace(dense, accuracy=round(accuracy, 4), latency_ms=times, **counts)  # type: ignore[arg-type]


def thin_layers(template: Record, ratio: float, draws: random.Random) -> dict[str, Layer]:
    return {name: thin_layer(layer, ratio, draws) for name, layer in template.layers.items()}


def thin_layer(layer: Layer, ratio: float, draws: random.Random) -> Layer:
    """Rows at random, a share that varies from layer to layer."""
    total, columns = layer.filters_total, layer.kernels_total // layer.filters_total
    count = max(1, min(total, round(total * (1 - ratio * draws.uniform(0.4, 1.2)))))
    mask = np.zeros((total, columns), bool)
    mask[draws.sample(range(total), count)] = True
    return Layer(count, total, count * columns, layer.kernels_total, bitmap.encode(mask))


def metric_lines(record: Record) -> Iterator[dict[str, object]]:
    for stage in record.stages:
        for epoch in range(stage.epochs):
            share = (epoch + 1) / stage.epochs
            line: dict[str, object] = {"stage": stage.name, "step": 391 * (epoch + 1), "epoch": epoch}
            yield line | {"val_accuracy": record.tuned.accuracy - 0.2 * (1 - share) ** 2}
            if stage.name == "prune":
                yield line | {"rho": 6 * share, "gap": 0.4 * (1 - share), "crossings": 1000 * share}
