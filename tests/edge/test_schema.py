import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from facewire_edge.errors import UsageError
from facewire_edge.schema import (
    IBUG68,
    POINTS5,
    SCHEMAS,
    WFLW98,
    find_schema,
    linear_map,
    load_schema,
    schema_from_dict,
)

EYES = {"name": "eyes", "names": ["r", "l"], "mirror": [[0, 1]], "eye_corners": [0, 1]}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=lambda s: s.name)
def test_mirror_is_an_involution_that_swaps_right_and_left(schema: object) -> None:
    assert hasattr(schema, "mirror")
    assert (schema.mirror[schema.mirror] == np.arange(schema.n)).all()
    for i, name in enumerate(schema.names):
        other = schema.names[schema.mirror[i]]
        assert other == name.replace("right", "left") or name == other.replace("right", "left")
        assert ("right" in name or "left" in name) == (i != schema.mirror[i])


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=lambda s: s.name)
def test_dictionary_round_trip_keeps_everything(schema: object) -> None:
    assert schema_from_dict(schema.to_dict()).to_dict() == schema.to_dict()


@pytest.mark.parametrize(("source", "target"), [(WFLW98, IBUG68), (IBUG68, POINTS5), (WFLW98, POINTS5)])
def test_linear_maps_average(source: object, target: object) -> None:
    matrix = linear_map(source, target)
    assert matrix is not None
    assert matrix.shape == (2, target.n, source.n)
    assert np.allclose(matrix.sum(axis=2), 1)


def test_map_of_98_to_68_to_5_keeps_nose_tip_and_mouth_corners() -> None:
    points = np.random.default_rng(0).random((98, 2)).astype(np.float32)
    to68, to5 = linear_map(WFLW98, IBUG68), linear_map(WFLW98, POINTS5)
    assert to68 is not None
    assert to5 is not None
    through = IBUG68.points5_of(np.einsum("dmn,nd->md", to68, points).astype(np.float32))
    straight = np.einsum("dmn,nd->md", to5, points)
    assert np.allclose(through[2:], straight[2:], atol=1e-6)


def test_there_is_no_map_from_fewer_points_to_more() -> None:
    assert linear_map(POINTS5, IBUG68) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mirors": []}, "did you mean 'mirror'"),
        ({"names": ["r", "r"]}, "different strings"),
        ({"mirror": [[0, 2]]}, "pairs of different indices"),
        ({"mirror": [1, 1]}, "involution"),
        ({"eye_corners": [0, 0]}, "two different indices"),
        ({"eye_corners": [0, 7]}, "index 7 is not one of the 2"),
        ({"name": 3}, "schema: name has the wrong type; expected text"),
        ({"names": True}, "names has the wrong type; expected a list of names"),
        ({"names": [["r"], ["l"]]}, "names has the wrong type; expected a list of names"),
        ({"mirror": "x"}, "mirror has the wrong type; expected a list of pairs of indices"),
        ({"mirror": [10**400, 0]}, "involution"),
        ({"contours": [{"name": "x"}]}, "contours has the wrong type; expected a list of tables with name, indices"),
        ({"contours": [{"name": "x", "indices": [1, 2], "closed": "false"}]}, "closed (true or false)"),
        ({"contours": "x"}, "contours has the wrong type"),
        ({"points5": [[0]]}, "five non-empty lists"),
        ({"points5": [["x"]]}, "points5 has the wrong type; expected five lists of indices"),
        ({"eye_corners": [0, float("inf")]}, "eye_corners has the wrong type; expected two indices"),
        ({"mirror": [[0, 0.5]]}, "mirror has the wrong type"),
    ],
)
def test_schema_that_contradicts_itself_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        schema_from_dict({**EYES, **change})


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({**EYES, "points5": None}, "names"),
        ({"eye_corners": [39, 42]}, "eye_corners"),
    ],
)
def test_other_points_under_the_name_of_a_built_in_schema_are_refused(change: dict[str, object], key: str) -> None:
    with pytest.raises(UsageError, match=f"built-in schema .* with other {key}; choose another name"):
        schema_from_dict({**IBUG68.to_dict(), "contours": [], **change, "name": "ibug68"})


def test_card_of_an_earlier_version_keeps_its_own_five_points() -> None:
    eyes = [list(range(36, 42)), list(range(42, 48))]
    earlier = schema_from_dict({**IBUG68.to_dict(), "contours": [], "points5": [*eyes, [30], [48], [54]]})
    assert earlier.points5 is not None
    assert [list(group) for group in earlier.points5[:2]] == eyes


def test_point_named_twice_counts_twice() -> None:
    schema = replace(IBUG68, points5=((36, 37, 37), (45,), (30,), (48,), (54,)))
    points = np.random.default_rng(1).uniform(0, 100, (68, 2)).astype(np.float32)
    expected = (points[36] + 2 * points[37]) / 3
    mapping = linear_map(schema, POINTS5)
    assert mapping is not None
    assert np.einsum("dmn,nd->md", mapping, points)[0] == pytest.approx(expected)
    assert schema.points5_of(points)[0] == pytest.approx(expected)


def test_built_in_schema_written_down_by_a_user_is_taken() -> None:
    assert schema_from_dict({**IBUG68.to_dict(), "contours": [], "points5": None}).n == 68


def test_users_own_toml_is_found_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "eyes.toml"
    path.write_text('name = "eyes"\nnames = ["r", "l"]\nmirror = [[0, 1]]\neye_corners = [0, 1]')
    assert find_schema(str(path)).n == 2
    with pytest.raises(UsageError, match="unknown schema"):
        find_schema("ibug86")
    with pytest.raises(UsageError, match="cannot read schema"):
        find_schema("nowhere.toml")


def test_schema_that_no_file_can_hold_is_refused(tmp_path: Path) -> None:
    (tmp_path / "deep.toml").write_text("name = " + "[" * 100_000)
    for name in ("a\0.toml", "deep.toml"):
        with pytest.raises(UsageError, match="is no TOML"):
            load_schema(tmp_path / name)
