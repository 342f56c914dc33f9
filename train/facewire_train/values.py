"""Take the values of a label file for what they must be, or say in one line what is there instead."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from facewire_edge.errors import DataError

LARGEST_PX = 1 << 20  # OpenCV reads no wider picture; a label further out than that cannot be meant
LONGEST_SHOWN = 60  # letters of a wrong value that a message quotes


def parse_json(text: str, where: str) -> Any:
    """Parse JSON.

    Raises:
        DataError: it is none.

    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{where} is no JSON: {error}") from error
    except (RecursionError, ValueError) as error:
        raise DataError(f"{where} is no JSON that can be read: lists too deep or a number too long") from error


def shown(value: Any) -> str:
    """Give a value as JSON has it, for a message."""
    text = json.dumps(value, default=str)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def expect(holds: bool, what: str, value: Any, where: str) -> None:
    """Refuse a value that is not what it must be.

    Raises:
        DataError: ``holds`` is false.

    """
    if not holds:
        raise DataError(f"{where}: {what}, got {shown(value)}")


def required(values: Mapping[str, Any], key: str, where: str) -> Any:
    """Give the value of a key that must be there.

    Raises:
        DataError: it is not; ``where`` says of what the key is.

    """
    if key not in values:
        raise DataError(f"{where} (key {key!r} is missing)")
    return values[key]


def are_numbers(values: Any, n: int) -> bool:
    """Say whether a value is a list of ``n`` numbers that can be coordinates."""
    return isinstance(values, list) and len(values) == n and all(map(is_number, values))


def is_number(value: Any) -> bool:
    """Say whether a value is a number that can be a coordinate; NaN and ``true`` are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_PX


def is_flag(value: Any) -> bool:
    """Say whether a value is ``true`` or ``false``, also as 1 or 0."""
    return isinstance(value, int | float) and value in (0, 1)


def is_name(value: Any) -> bool:
    """Say whether a value names something: a text, or a number as some tools count."""
    return isinstance(value, str | int) and not isinstance(value, bool)
