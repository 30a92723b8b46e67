"""Taking a JSON document apart, with types."""

from collections.abc import Mapping, Sequence

from forensic.untrusted import Json


def section(value: Json) -> Mapping[str, Json]:
    """An object of the report; an empty one where there is none."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"expected an object in the report, not {value!r}")
    return value


def items(value: Json) -> Sequence[Json]:
    """A list of the report; an empty one where there is none."""
    if value is None:
        return []
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"expected a list in the report, not {value!r}")
    return value


def sections(value: Json) -> list[Mapping[str, Json]]:
    """A list of objects."""
    return [section(item) for item in items(value)]


def numbers(value: Json) -> list[int | float]:
    """Every number in a document."""
    if isinstance(value, Mapping | Sequence) and not isinstance(value, str):
        inner = value.values() if isinstance(value, Mapping) else value
        return [number for each in inner for number in numbers(each)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []
