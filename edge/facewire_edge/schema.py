"""Landmark schemas: what each point is, how a mirror swaps them, and how one schema maps to another.

Left and right are the subject's. Sources: index tables of 300-W (68), WFLW (98) and the five points of MTCNN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facewire_edge.errors import UsageError
from facewire_edge.settings import read_toml, unknown_key


@dataclass(frozen=True, slots=True)
class Contour:
    """Name a line through landmarks."""

    name: str
    indices: tuple[int, ...]
    closed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class LandmarkSchema:
    """Say what the N landmarks of a model or a data set are."""

    name: str
    names: tuple[str, ...]  # (N,)
    mirror: NDArray[np.int64]  # (N,) index of each point's mirror image; an involution
    eye_corners: tuple[int, int]  # normaliser of NME: subject's right, left
    contours: tuple[Contour, ...] = ()
    points5: tuple[tuple[int, ...], ...] | None = None  # the points whose mean is each of the five; order of POINTS5

    @property
    def n(self) -> int:
        """Give the number of landmarks."""
        return len(self.names)

    def to_dict(self) -> dict[str, Any]:
        """Give the schema as JSON values; :func:`schema_from_dict` reads it back."""
        return {
            "name": self.name,
            "names": list(self.names),
            "mirror": self.mirror.tolist(),
            "eye_corners": list(self.eye_corners),
            "contours": [{"name": c.name, "indices": list(c.indices), "closed": c.closed} for c in self.contours],
            "points5": None if self.points5 is None else [list(p) for p in self.points5],
        }

    def points5_of(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the five points (5, 2) of ``points`` (N, 2); NaN where a point that they rest on is NaN.

        Raises:
            UsageError: the schema does not say where its five points are.

        """
        if self.points5 is None:
            raise UsageError(f"schema {self.name!r} has no points5; add `points5 = [[...], ...]` to its TOML")
        return np.stack([points[list(indices)].mean(axis=0) for indices in self.points5]).astype(np.float32)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _are_indices(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int for item in value)


def _are_groups(value: Any) -> bool:
    return isinstance(value, list) and all(map(_are_indices, value))


def _are_contours(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_contour, value))


def _is_contour(value: Any) -> bool:
    named = isinstance(value, dict) and isinstance(value.get("name"), str) and _are_indices(value.get("indices"))
    return named and isinstance(value.get("closed", False), bool)


KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {  # key -> whether a value is of its kind, and what it must be
    "name": (lambda value: isinstance(value, str), "text"),
    "names": (_are_texts, "a list of names"),
    "mirror": (lambda value: _are_groups(value) or _are_indices(value), "a list of pairs of indices"),
    "eye_corners": (_are_indices, "two indices"),
    "contours": (_are_contours, "a list of tables with name, indices and closed (true or false)"),
    "points5": (lambda value: value is None or _are_groups(value), "five lists of indices"),
}


def schema_from_dict(values: dict[str, Any], where: str = "schema") -> LandmarkSchema:
    """Build a schema from JSON or TOML values and check it.

    ``mirror`` is either the whole permutation or a list of pairs; points in no pair mirror onto themselves.

    Raises:
        UsageError: a key is unknown or missing, or the values contradict each other.

    """
    for key in values:
        if key not in KINDS:
            raise UsageError(f"{where}: {unknown_key(key, KINDS)}")
    for key in ("name", "names", "mirror", "eye_corners"):
        if key not in values:
            raise UsageError(f"{where}: key {key!r} is missing")
    for key, value in values.items():
        holds, expected = KINDS[key]
        if not holds(value):
            raise UsageError(f"{where}: {key} has the wrong type; expected {expected}; see train/README.md")
    return _checked(values, where)


def load_schema(path: Path) -> LandmarkSchema:
    """Read a user's own schema from TOML.

    Raises:
        UsageError: the file is missing, is no TOML or does not describe a schema.

    """
    return schema_from_dict(read_toml(path, "schema"), str(path))


def find_schema(name: str) -> LandmarkSchema:
    """Give a built-in schema by name, or read a user's own from a path that ends in ``.toml``.

    Raises:
        UsageError: no such schema.

    """
    if name in SCHEMAS:
        return SCHEMAS[name]
    if name.endswith(".toml"):
        return load_schema(Path(name))
    raise UsageError(f"unknown schema {name!r}; expected one of {', '.join(SCHEMAS)} or a path to a .toml")


def linear_map(source: LandmarkSchema, target: LandmarkSchema) -> NDArray[np.float32] | None:
    """Give the map (2, M, N) from N source points to M target points, for x and for y; None where there is none.

    Apply it as ``einsum("dmn,nd->md", map, points)``.
    """
    if source.name == target.name and source.names == target.names:
        return np.stack([np.eye(source.n, dtype=np.float32)] * 2)
    if (source.name, target.name) == ("wflw98", "ibug68"):
        return _wflw98_to_ibug68()
    if target.name == "points5" and source.points5 is not None:
        matrix = np.zeros((5, source.n), np.float32)
        for row, indices in enumerate(source.points5):
            np.add.at(matrix[row], list(indices), 1 / len(indices))
        return np.stack([matrix, matrix])
    return None


def map_to_ibug68(schema: LandmarkSchema, user: str) -> NDArray[np.float32]:
    """Give the map (2, 68, N) from a schema's points to ibug68's, for ``user``, which measures those.

    Raises:
        UsageError: there is none.

    """
    mapping = linear_map(schema, IBUG68)
    if mapping is None:
        raise UsageError(f"{user} needs landmarks of ibug68 or wflw98, the model has {schema.name!r}")
    return mapping


def _checked(values: dict[str, Any], where: str) -> LandmarkSchema:
    names = tuple(values["names"])
    n = len(names)
    if len(set(names)) != n:
        raise UsageError(f"{where}: names must be different strings")
    mirror = _mirror(values["mirror"], n, where)
    corners = tuple(values["eye_corners"])
    contours = tuple(
        Contour(c["name"], tuple(c["indices"]), c.get("closed", False)) for c in values.get("contours", ())
    )
    five = values.get("points5")
    points5 = None if five is None else tuple(tuple(group) for group in five)
    if len(corners) != 2 or corners[0] == corners[1]:
        raise UsageError(f"{where}: eye_corners must be two different indices, got {list(corners)}")
    if points5 is not None and (len(points5) != 5 or not all(points5)):
        raise UsageError(f"{where}: points5 must be five non-empty lists of indices, got {five}")
    used = [*corners, *(i for c in contours for i in c.indices), *(i for group in points5 or () for i in group)]
    outside = [i for i in used if not 0 <= i < n]
    if outside:
        raise UsageError(f"{where}: index {outside[0]} is not one of the {n} landmarks (0 to {n - 1})")
    schema = LandmarkSchema(values["name"], names, mirror, (corners[0], corners[1]), contours, points5)
    _refuse_borrowed_name(schema, where)
    return schema


def _refuse_borrowed_name(schema: LandmarkSchema, where: str) -> None:
    """Refuse other points under the name of a built-in schema: models and maps know that one by its name.

    Which of them average to the five may differ: cards written before 2026-11-22 hold the eyes' plain means.
    """
    if schema.name not in SCHEMAS:
        return
    given, own = schema.to_dict(), SCHEMAS[schema.name].to_dict()
    for key in ("names", "mirror", "eye_corners"):
        if given[key] != own[key]:
            raise UsageError(
                f"{where}: {schema.name!r} is a built-in schema ({len(own['names'])} points) with other {key}; "
                f"choose another name for this one ({schema.n} points)"
            )


def _mirror(entries: list[Any], n: int, where: str) -> NDArray[np.int64]:
    pairs = bool(entries) and isinstance(entries[0], list)
    mirror = np.arange(n) if pairs or not entries else np.asarray(entries)
    if pairs:
        flat = [i for pair in entries for i in pair]
        if any(len(pair) != 2 for pair in entries) or len(set(flat)) != len(flat) or not all(0 <= i < n for i in flat):
            raise UsageError(f"{where}: mirror must hold pairs of different indices below {n}")
        for a, b in entries:
            mirror[a], mirror[b] = b, a
    if mirror.shape != (n,) or ((mirror < 0) | (mirror >= n)).any() or (mirror[mirror] != np.arange(n)).any():
        raise UsageError(f"{where}: mirror must be an involution of the {n} landmarks")
    return mirror.astype(np.int64)


def _span(first: int, last: int) -> tuple[int, ...]:
    return tuple(range(first, last + 1))


def _built_in(
    name: str,
    n: int,
    pairs: list[tuple[int, int]],
    names: dict[int, str],
    eye_corners: tuple[int, int],
    contours: tuple[Contour, ...],
    points5: tuple[tuple[int, ...], ...],
) -> LandmarkSchema:
    """Build a schema from its mirror pairs and the names of its right half and of its middle."""
    mirror = np.arange(n)
    all_names = dict(names)
    for right, left in pairs:
        mirror[right], mirror[left] = left, right
        all_names[left] = names[right].replace("right", "left")
    return LandmarkSchema(name, tuple(all_names[i] for i in range(n)), mirror, eye_corners, contours, points5)


def _numbered(prefix: str, indices: tuple[int, ...]) -> dict[int, str]:
    return {index: f"{prefix}_{k}" for k, index in enumerate(indices)}


# 300-W's 68 points, 0-based; flip list of accuracy tables in HRNet and STAR (MATCHED_PARTS["300W"]).
_PAIRS68 = [
    *((i, 16 - i) for i in range(8)),
    *((17 + i, 26 - i) for i in range(5)),
    *((31, 35), (32, 34), (36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)),
    *((48, 54), (49, 53), (50, 52), (59, 55), (58, 56), (60, 64), (61, 63), (67, 65)),
]
_NAMES68 = {
    **_numbered("right_jaw", _span(0, 7)),
    8: "chin",
    **_numbered("right_brow", _span(17, 21)),
    **_numbered("nose_bridge", _span(27, 30)),
    **_numbered("right_nostril", (31, 32)),
    33: "nose_base",
    **_numbered("right_eye", _span(36, 41)),
    **_numbered("right_outer_lip", (48, 49, 50, 58, 59)),
    51: "upper_lip_top",
    57: "lower_lip_bottom",
    **_numbered("right_inner_lip", (60, 61, 67)),
    62: "upper_lip_bottom",
    66: "lower_lip_top",
}
IBUG68 = _built_in(
    "ibug68",
    68,
    _PAIRS68,
    _NAMES68,
    (36, 45),
    (
        Contour("jaw", _span(0, 16)),
        Contour("right_brow", _span(17, 21)),
        Contour("left_brow", _span(22, 26)),
        Contour("nose_bridge", _span(27, 30)),
        Contour("nose_base", _span(31, 35)),
        Contour("right_eye", _span(36, 41), closed=True),
        Contour("left_eye", _span(42, 47), closed=True),
        Contour("outer_lip", _span(48, 59), closed=True),
        Contour("inner_lip", _span(60, 67), closed=True),
    ),
    # The eyes of five-point sets are pupils, which lie nearer to the upper lid: counted twice, it brings the eyes of
    # 878 faces of AFLW labelled both ways from 3.3 to 2.8 % of the eye distance, our model's of MMLAB's train rows from
    # 4.4 to 3.6 (2026-11-22).
    ((*_span(36, 41), 37, 38), (*_span(42, 47), 43, 44), (30,), (48,), (54,)),
)

# WFLW's 98 points, 0-based; MATCHED_PARTS["WFLW"] of HRNet and STAR.
_PAIRS98 = [
    *((i, 32 - i) for i in range(16)),
    *((33, 46), (34, 45), (35, 44), (36, 43), (37, 42), (38, 50), (39, 49), (40, 48), (41, 47)),
    *((55, 59), (56, 58), (60, 72), (61, 71), (62, 70), (63, 69), (64, 68), (65, 75), (66, 74), (67, 73)),
    *((76, 82), (77, 81), (78, 80), (87, 83), (86, 84), (88, 92), (89, 91), (95, 93), (96, 97)),
]
_NAMES98 = {
    **_numbered("right_jaw", _span(0, 15)),
    16: "chin",
    **_numbered("right_brow", _span(33, 41)),
    **_numbered("nose_bridge", _span(51, 54)),
    **_numbered("right_nostril", (55, 56)),
    57: "nose_base",
    **_numbered("right_eye", _span(60, 67)),
    **_numbered("right_outer_lip", (76, 77, 78, 86, 87)),
    79: "upper_lip_top",
    85: "lower_lip_bottom",
    **_numbered("right_inner_lip", (88, 89, 95)),
    90: "upper_lip_bottom",
    94: "lower_lip_top",
    96: "right_pupil",
}
WFLW98 = _built_in(
    "wflw98",
    98,
    _PAIRS98,
    _NAMES98,
    (60, 72),
    (
        Contour("jaw", _span(0, 32)),
        Contour("right_brow", _span(33, 41), closed=True),
        Contour("left_brow", _span(42, 50), closed=True),
        Contour("nose_bridge", _span(51, 54)),
        Contour("nose_base", _span(55, 59)),
        Contour("right_eye", _span(60, 67), closed=True),
        Contour("left_eye", _span(68, 75), closed=True),
        Contour("outer_lip", _span(76, 87), closed=True),
        Contour("inner_lip", _span(88, 95), closed=True),
    ),
    ((96,), (97,), (54,), (76,), (82,)),
)

# MTCNN, MTFL, WIDER: image-left eye first, that is the subject's right.
POINTS5 = _built_in(
    "points5",
    5,
    [(0, 1), (3, 4)],
    {0: "right_eye", 2: "nose_tip", 3: "right_mouth_corner"},
    (0, 1),
    (Contour("eyes", (0, 1)), Contour("mouth", (3, 4))),
    ((0,), (1,), (2,), (3,), (4,)),
)

SCHEMAS = {schema.name: schema for schema in (IBUG68, WFLW98, POINTS5)}


def _wflw98_to_ibug68() -> NDArray[np.float32]:
    """Give the map (2, 68, 98). Source: PIPNet, lib/preprocess.py, convert_wflw."""
    both = np.zeros((2, 68, 98), np.float32)

    def put(row: int, weights: dict[int, float], axes: tuple[int, ...] = (0, 1)) -> None:
        for axis in axes:
            for column, weight in weights.items():
                both[axis, row, column] = weight

    for row in range(17):
        put(row, {2 * row: 1})
    put(17, {33: 1})
    put(26, {46: 1})
    for row, upper, lower in ((18, 34, 41), (19, 35, 40), (20, 36, 39), (21, 37, 38)):
        put(row, {upper: 1}, (0,))
        put(row, {upper: 0.5, lower: 0.5}, (1,))
    for row, upper, lower in ((22, 42, 50), (23, 43, 49), (24, 44, 48), (25, 45, 47)):
        put(row, {upper: 1}, (0,))
        put(row, {upper: 0.5, lower: 0.5}, (1,))
    for row in range(27, 36):
        put(row, {row + 24: 1})
    for row, start in ((36, 60), (42, 68)):
        put(row, {start: 1})
        put(row + 1, {start + 1: 2 / 3, start + 2: 1 / 3})
        put(row + 2, {start + 3: 2 / 3, start + 2: 1 / 3})
        put(row + 3, {start + 4: 1})
        put(row + 4, {start + 5: 2 / 3, start + 6: 1 / 3})
        put(row + 5, {start + 7: 2 / 3, start + 6: 1 / 3})
    for row in range(48, 68):
        put(row, {row + 28: 1})
    return both
