"""What JSON can hold: the type of a config, and of whatever else travels in a record without a class of its own."""

from typing_extensions import TypeAliasType

# typing's own TypeAlias cannot refer to itself where pydantic reads it; Python 3.12's `type` can
JSON = TypeAliasType("JSON", "bool | int | float | str | list[JSON] | dict[str, JSON] | None")
