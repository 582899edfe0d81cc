"""Names for curves and sections: the method, and only what tells it from its neighbours."""

import json
from collections import Counter

from experiments.records.json_value import JSON
from experiments.records.record import UNIFORM, Record
from experiments.report.load.grouping import canonical_json, curve_key, distinguishing_settings, leaves, short_hash
from experiments.report.load.recorded_config import read_config
from experiments.report.load.text import printable

DEFAULT_OBJECTIVE = "cross_entropy"
MOST = 4  # settings named in one label
LONGEST = 32  # characters of one value
# A choice by name stands for all the values of its group.
CHOICES = {
    "choice.objective": ("objective.",),
    "choice.recipe": ("recipe.",),
    "choice.budget": ("budget.", "method.budget."),
    "choice.allocation": ("allocation.", "budget.allocation.", "method.budget.allocation."),
}


def curve_labels(records: list[Record]) -> list[str]:
    """One record of each curve of a section in, its label out."""
    curve_names = []
    for record in records:
        rivals = [distinguishing_settings(other) for other in records if other.method == record.method]
        words = [*distinguishing_words(distinguishing_settings(record), rivals), *objective_words(record, records)]
        words += allocation_words(record)
        curve_names.append(printable(record.method) + (f" ({', '.join(dict.fromkeys(words))})" if words else ""))
    return disambiguate(curve_names, [short_hash(curve_key(record)) for record in records])


def allocation_words(record: Record) -> list[str]:
    """Which layers give how much changes more than which method says it."""
    allocation = record.budget.allocation
    return [] if allocation == UNIFORM else [format_setting("choice.allocation", allocation)]


def objective_words(record: Record, rivals: list[Record]) -> list[str]:
    """A lesson that other methods did without is half of a lead, and belongs into the name."""
    differs = record.objective != DEFAULT_OBJECTIVE and any(rival.objective == DEFAULT_OBJECTIVE for rival in rivals)
    return [format_setting("choice.objective", record.objective)] if differs else []


def comparison_titles(records: list[Record]) -> list[str]:
    """One record of each section in, its title out."""
    plain = [f"{network_name(record)} on {printable(record.data)}" for record in records]
    models = [dict(leaves(record.config["model"], "model")) for record in records]
    titles = []
    for title, model in zip(plain, models, strict=True):
        rivals = [rival_model for other, rival_model in zip(plain, models, strict=True) if other == title]
        titles.append(", ".join([title, *distinguishing_words(model, rivals)]))
    return disambiguate(titles, [f"{record.dense.macs:,} MACs" for record in records])


def network_name(record: Record) -> str:
    """torchvision's and timm's networks have a name beside their source."""
    name = read_config(record.config)["model"].get("name")
    return printable(f"{record.model} {name}" if name else record.model)


def distinguishing_words(settings: dict[str, JSON], rivals: list[dict[str, JSON]]) -> list[str]:
    paths = sorted({path for rival in [settings, *rivals] for path in rival}, key=path_priority)
    paths = [path for path in paths if path.rpartition(".")[2] != "ratio"]
    differing = [path for path in paths if any(rival.get(path) != settings.get(path) for rival in rivals)]
    implied = tuple(prefix for choice, prefixes in CHOICES.items() if choice in differing for prefix in prefixes)
    selected = select_paths([path for path in differing if not path.startswith(implied)], [settings, *rivals])
    present = [path for path in selected if path in settings]  # a class takes what another does not
    return [format_setting(path, settings[path]) for path in present[:MOST]]


def select_paths(paths: list[str], rivals: list[dict[str, JSON]]) -> list[str]:
    """As few of the paths as tell apart what all of them do; the first ones are preferred."""
    chosen: list[str] = []
    groups = 1
    for path in paths:
        count = len({canonical_json([rival.get(selected) for selected in (*chosen, path)]) for rival in rivals})
        if count > groups:
            chosen, groups = [*chosen, path], count
    return chosen


def path_priority(path: str) -> tuple[bool, bool, str]:
    return not path.startswith("method."), not path.startswith("choice."), path


def format_setting(path: str, value: JSON) -> str:
    if path == "repair.steps" and isinstance(value, list):
        path, value = "repair", "+".join(map(str, value)) or "none"
    if path == "modified" and value == []:
        return "unmodified"
    text = value if isinstance(value, str) else json.dumps(value)
    text = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    if path == "choice.objective":
        return printable(text).replace("_", "-")
    return printable(f"{path.removeprefix('method.').removeprefix('choice.').removeprefix('model.')}={text}")


def disambiguate(names: list[str], marks: list[str]) -> list[str]:
    """Names that are still alike get their marks."""
    count = Counter(names)
    return [name if count[name] == 1 else f"{name} ({mark})" for name, mark in zip(names, marks, strict=True)]
