"""Build a frozen dataclass from TOML, strictly, and write it back."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from facewire_edge.errors import UsageError

T = TypeVar("T")


def load_settings(cls: type[T], path: Path) -> T:
    """Read ``path`` as TOML into the dataclass ``cls``.

    Raises:
        UsageError: the file is missing or no TOML, a key is unknown, a value has the wrong type.

    """
    return from_mapping(cls, read_toml(path, "configuration"), str(path))


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Read a file that people write, ``what`` it is.

    Raises:
        UsageError: it is missing or no TOML.

    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        _refuse_wide(values)
    except OSError as error:
        raise UsageError(f"cannot read {what} {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # a path may hold a zero byte, a value thousands of brackets
        raise UsageError(f"{path} is no TOML: {error}") from error
    return values


def _refuse_wide(value: Any) -> None:
    """Refuse integers that TOML does not allow; Python would not even print one of some thousand digits.

    Raises:
        ValueError: there is one.

    """
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("a number of more than 64 bits")
    if isinstance(value, (dict, list)):
        for element in value.values() if isinstance(value, dict) else value:
            _refuse_wide(element)


def from_mapping(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """Build ``cls`` from a table; a missing key keeps its default, an unknown one is an error."""
    hints = get_type_hints(cls)
    known = {f.name: hints[f.name] for f in fields(cls)}  # type: ignore[arg-type]  # T is a dataclass by contract
    for key in values:
        if key not in known:
            raise UsageError(f"{where}: {unknown_key(key, known)}")
    for f in fields(cls):  # type: ignore[arg-type]
        if f.name not in values and f.default is MISSING and f.default_factory is MISSING:
            raise UsageError(f"{where}: key {f.name!r} is missing")
    return cls(**{key: _converted(known[key], value, f"{where}: {key}") for key, value in values.items()})


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Say that a key is unknown, and which one was probably meant."""
    names = list(known)
    nearest = get_close_matches(key, names, 1)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(names)}"
    return f"unknown key {key!r}; {hint}"


def to_toml(settings: Any) -> str:
    """Give a dataclass of scalars, tuples, tables and nested dataclasses as TOML; None is left out."""
    tables, lines = [], []
    for f in fields(settings):
        value = getattr(settings, f.name)
        if is_dataclass(value):
            tables.append(f"\n[{f.name}]\n{to_toml(value)}")
        elif value is not None:
            lines.append(f"{f.name} = {_toml_value(value)}\n")
    return "".join(lines) + "".join(tables)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(_toml_value(v) for v in value)}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_toml_value(k)} = {_toml_value(v)}' for k, v in value.items())} }}"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # TOML's one escape that JSON lacks
    return repr(value)


def _converted(hint: Any, value: Any, where: str) -> Any:
    """Check one TOML value against a type hint; lists become tuples, tables become dataclasses."""
    if is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise UsageError(f"{where}: expected a table, got {value!r}")
        return from_mapping(hint, value, where)
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise UsageError(f"{where}: expected a list, got {value!r}")
        element = get_args(hint)[0]
        return tuple(_converted(element, v, f"{where}[{i}]") for i, v in enumerate(value))
    if get_origin(hint) is dict:
        if not isinstance(value, Mapping):
            raise UsageError(f"{where}: expected a table, got {value!r}")
        return {key: _converted(get_args(hint)[1], v, f"{where}.{key}") for key, v in value.items()}
    allowed = tuple(t for t in (get_args(hint) or (hint,)) if t is not type(None))
    if float in allowed and type(value) is int:
        return float(value)
    if type(value) not in allowed:
        names = " or ".join(t.__name__ for t in allowed)
        raise UsageError(f"{where}: expected {names}, got {value!r}")
    return value
