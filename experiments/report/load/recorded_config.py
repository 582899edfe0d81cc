"""What the report reads of a record's config, which may hold anything: typed, and refused where it is not that."""

from typing import NotRequired

from typing_extensions import TypedDict  # pydantic takes typing's own only from Python 3.12 on

from experiments.records.json_value import JSON
from experiments.records.record import adapter, first_error

Values = dict[str, JSON]


class Recipe(TypedDict):
    prune: NotRequired[Values]
    finetune: NotRequired[Values]
    batch: NotRequired[JSON]


class Published(TypedDict):
    dense: float | None
    tuned: float | None
    accuracy_mark: str | None
    macs_cut: NotRequired[float | None]
    params_cut: NotRequired[float | None]
    ops: NotRequired[str]


class RecordedConfig(TypedDict):
    data: Values
    model: Values
    method: Values
    recipe: Recipe
    budget: Values
    objective: Values
    choice: Values
    baseline: NotRequired[str | None]
    published: NotRequired[Published | None]


def read_config(config: Values) -> RecordedConfig:
    """Raises ValueError, which names the first key that the report could not read."""
    from pydantic import ValidationError

    try:
        checked: RecordedConfig = adapter(RecordedConfig).validate_python(config, strict=True)
    except ValidationError as error:
        raise ValueError(f"its config has no sound {first_error(error)}") from error
    return checked
