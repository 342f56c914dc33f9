import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from facewire_edge.errors import DataError
from facewire_edge.schema import IBUG68
from facewire_train.datasets import read_dataset, read_labels
from facewire_train.images import read_image
from facewire_train.import_command import import_dataset
from facewire_train.pts import read_pts

HEADER = 'format = 1\nname = "mine"\nschema = "{schema}"\nterms = "free"\n'
FIVE = [[10, 10], [20, 10], [15, 15], [11, 20], [19, 20]]


def test_image_of_a_validation_subject_is_held_back_and_who_stands_beside_it_not_measured(tmp_path: Path) -> None:
    people = [{"box": [x, 5, x + 5, 10], "person": name} for x, name in ((2, "1"), (10, "44"), (20, "2"))]
    samples = read_dataset(write_native(tmp_path / "d", people, complete=True)).samples
    assert [(s.subject, s.split) for s in samples] == [("1", "val"), ("44", "val"), ("2", "val")]
    assert [s.ignore for s in samples] == [True, False, True]  # they are trained on elsewhere
    alone = read_dataset(write_native(tmp_path / "d", [people[0], people[2]], complete=True)).samples
    assert [s.split for s in alone] == ["train", "train"]


def test_complete_image_without_a_face_is_a_background(tmp_path: Path) -> None:
    folder = write_native(tmp_path / "d", [{"box": [5, 5, 25, 25], "points": FIVE}], split="test", complete=True)
    for name, complete in (("b.jpg", True), ("c.jpg", False)):
        shutil.copyfile(folder / "a.jpg", folder / name)
        line = {"image": name, "width": 40, "height": 30, "complete": complete, "faces": []}
        with (folder / "faces.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
    data = read_labels(folder)
    assert [(b.image.name, b.split, b.size_px) for b in data.backgrounds] == [("b.jpg", "train", (40, 30))]
    (folder / "faces.jsonl").write_text((folder / "faces.jsonl").read_text().replace('"a.jpg"', '"b.jpg"'))
    assert read_labels(folder).backgrounds == ()  # another line says that it shows a face


def test_image_on_two_lines_is_complete_where_both_say_so(tmp_path: Path) -> None:
    folder = write_native(tmp_path / "d", [{"box": [5, 5, 10, 10]}], complete=True)
    line = json.loads((folder / "faces.jsonl").read_text())
    for says in (True, False):
        other = {**line, "complete": says, "faces": [{"box": [20, 5, 25, 10]}]}
        (folder / "faces.jsonl").write_text(json.dumps(line) + "\n" + json.dumps(other) + "\n")
        assert [s.complete for s in read_dataset(folder).samples] == [says, says]


def test_files_that_begin_with_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    folder = write_native(tmp_path / "d", [{"box": [5, 5, 25, 25], "points": FIVE}])
    for name in ("dataset.toml", "faces.jsonl"):
        (folder / name).write_text((folder / name).read_text(), encoding="utf-8-sig")
    assert len(read_dataset(folder).samples) == 1


def write_native(folder: Path, faces: list[dict[str, object]], schema: str = "points5", **entry: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "a.jpg").write_bytes(b"looked at only when it is read")
    (folder / "dataset.toml").write_text(HEADER.format(schema=schema))
    line = {"image": "a.jpg", "width": 30, "height": 30, "split": "train", "subset": "s", "faces": faces, **entry}
    (folder / "faces.jsonl").write_text(json.dumps(line) + "\n")
    return folder


def write_pts(folder: Path, name: str, header: bool, count: int = 68) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.jpg").write_bytes(b"x")
    rows = "\n".join(f"{i + 1} {i + 2}" for i in range(count))
    text = f"version: 1\nn_points: {count}\n{{\n{rows}\n}}\n" if header else rows
    (folder / f"{name}.pts").write_text(text)
    return folder / f"{name}.pts"


def test_rendered_set_reads_with_points_and_splits(faces: Path) -> None:
    data = read_dataset(faces)
    assert data.schema is IBUG68
    assert len(data.samples) == 30
    assert len(data.split("test")) == 3
    assert {s.split for s in data.samples} <= {"train", "val", "test"}
    assert all(np.isfinite(s.points).all() for s in data.samples)


def test_null_point_becomes_nan_and_is_not_visible(tmp_path: Path) -> None:
    points: list[object] = [*FIVE[:4], None]
    sample = read_dataset(write_native(tmp_path / "d", [{"box": [5, 5, 25, 25], "points": points}])).samples[0]
    assert np.isnan(sample.points[4]).all()
    assert sample.visible.tolist() == [True] * 4 + [False]


def test_point_outside_its_image_is_valid(tmp_path: Path) -> None:
    points = [[-7.5, 10], *FIVE[1:]]
    sample = read_dataset(write_native(tmp_path / "d", [{"box": [5, 5, 25, 25], "points": points}])).samples[0]
    assert sample.points[0].tolist() == [-7.5, 10]


def test_face_without_a_box_gets_the_tight_box_of_its_points(tmp_path: Path) -> None:
    sample = read_dataset(write_native(tmp_path / "d", [{"box": None, "points": FIVE}])).samples[0]
    assert (sample.box.x0, sample.box.y1) == (10, 20)


@pytest.mark.parametrize(
    ("face", "entry", "words"),
    [
        ({"box": [5, 5, 25, 25], "points": FIVE[:4]}, {}, "4 points, the schema has 5"),
        ({"box": [5, 5, 25, 25], "points": [[float("nan"), 1], *FIVE[1:]]}, {}, "two finite numbers"),
        ({"box": [25, 5, 5, 25], "points": FIVE}, {}, "x0 < x1"),
        ({"box": [5, 5, 25, 25], "points": FIVE, "visibility": "vvvvx"}, {}, "letters of v, o, s"),
        ({"box": [5, 5, 25, 25], "points": FIVE}, {"split": "dev"}, 'split must be one of train, val, test, got "dev"'),
        ({"box": [5, 5, 25, 25], "points": FIVE}, {"image": "b.jpg"}, "no image"),
        ({"box": [5, 5, 25, 25], "points": FIVE}, {"image": "../d/a.jpg"}, "leaves the folder"),
        ({"box": [5, 5, 25, 25], "points": FIVE}, {"image": "/a.jpg"}, "leaves the folder"),
        ({"points": None}, {}, "needs a box or two points"),
        ({"points": [[10, 10], None, None, None, None]}, {}, "needs a box or two points"),
        ({"box": [5, 5, 25, 25], "points": [[3, 4]] * 5}, {}, r"all 5 points lie in one place, \(3, 4\)"),
        ({"box": [5, 5, 5 + 1e-9, 25], "points": FIVE}, {}, "x0 < x1"),
        ({"box": [5, 5, 25, 25], "points": [["a", "b"], *FIVE[1:]]}, {}, r'point 0 must be .*, got \["a", "b"\]'),
    ],
)
def test_broken_label_is_refused_with_file_and_line(
    tmp_path: Path, face: dict[str, object], entry: dict[str, object], words: str
) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read_dataset(write_native(tmp_path / "d", [face], **entry))
    assert "faces.jsonl:1" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["not json", "[]", '{"image": 3}', "{}"])
def test_line_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    folder = write_native(tmp_path / "d", [])
    (folder / "faces.jsonl").write_text(text)
    with pytest.raises(DataError):
        read_dataset(folder)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1, 2]", r"expected a JSON object with image and faces, got \[1, 2\]$"),
        ("null", "expected a JSON object with image and faces, got null$"),
        (json.dumps([1] * 99), r"got \[(1, ){19}1,\.\.\.$"),
        ('{"image": "a.jpg", "faces": {"box": 1}}', r'faces must be a list of JSON objects, got {"box": 1}$'),
        ('{"image": "a.jpg", "faces": null}', "faces must be a list of JSON objects, got null$"),
        ('{"image": "a.jpg", "faces": ["box"]}', 'a face must be a JSON object with box or points, got "box"$'),
        ('{"image": "a.jpg", "faces": [[1, 2, 3, 4]]}', "a face must be a JSON object with box or points, got"),
    ],
)
def test_line_that_is_no_object_of_objects_is_told_without_words_of_python(
    tmp_path: Path, text: str, words: str
) -> None:
    folder = write_native(tmp_path / "d", [])
    (folder / "faces.jsonl").write_text(text)
    with pytest.raises(DataError, match=words):
        read_dataset(folder)


WRONG = [
    None, True, 0, -1, 1.5, 1e39, 10**400, float("nan"), "", "x", "a" * 5000, "a\nb", "\0", "\ud800", [], [None],
    [[]], [[1, "2"]] * 5, [[1, [2]]] * 5, [[True, False]] * 5, [[1e39, 1]] * 5, [{}] * 5, "abcde", [1, 2, 3, "4"],
    [0, 0, 1, 10**400], {}, {"x": 1}, {"0": "x"}, {"9": 0.5}, {"\u0663": 0.5}, {"0": True},
]  # fmt: skip
PYTHON = re.compile(r"Error|None\b|True\b|'(str|int|float|list|dict|bool)'|convert|argument|iterable|codec|\\|array")
FACE_KEYS = ("box", "points", "visibility", "points5", "person", "ignore", "attributes", "filled")
IMAGE_KEYS = ("image", "split", "subset", "complete", "faces")


@pytest.mark.parametrize("key", [*FACE_KEYS, *IMAGE_KEYS])
def test_value_of_a_wrong_kind_gets_one_line_without_words_of_python(tmp_path: Path, key: str) -> None:
    folder = write_native(tmp_path / "d", [{"box": [5, 5, 25, 25], "points": FIVE}])
    entry = json.loads((folder / "faces.jsonl").read_text())
    lines = [{**entry, key: v} if key in IMAGE_KEYS else {**entry, "faces": [{"points": FIVE, key: v}]} for v in WRONG]
    (folder / "faces.jsonl").write_text("\n".join(map(json.dumps, [entry, *lines])))
    refused: list[DataError] = []
    read_labels(folder, refused.append)
    assert len(refused) > len(WRONG) / 2
    for error in refused:
        said = str(error).replace(str(tmp_path), "").replace("\ud800", "").split(", got ")[0]
        assert "\n" not in str(error)
        assert not PYTHON.search(said), said


@pytest.mark.parametrize(
    ("face", "entry", "words"),
    [
        ({"ignore": "false"}, {}, 'ignore must be true or false, got "false"'),
        ({}, {"complete": "no"}, 'complete must be true or false, got "no"'),
        ({"points": [["1", "2"], *FIVE[1:]]}, {}, r'point 0 must be two finite .*, got \["1", "2"\]'),
        ({"points": [[1e39, 2], *FIVE[1:]]}, {}, r"point 0 must be two finite .*, got \[1e\+39, 2\]"),
        ({"points": {"0": [1, 2]}}, {}, "points must be a list of 5 pairs"),
        ({"box": [5, 5, 25, True]}, {}, r"x0 < x1, y0 < y1, got \[5, 5, 25, true\]"),
        ({"visibility": 5}, {}, "visibility must be 5 letters of v, o, s, got 5"),
        ({"attributes": ["x"]}, {}, r'attributes must be a JSON object, got \["x"\]'),
        ({"filled": {"a": 1}}, {}, r'a weight in \(0, 1\], got {"a": 1}'),
        ({"person": ["x"]}, {}, r'person must be text, got \["x"\]'),
        ({}, {"image": None}, "image must be the name of a file, got null"),
        ({}, {"image": "a\nb.jpg"}, r'image must be the name of a file, got "a\\nb.jpg"'),
        ({}, {"image": "a" * 5000}, "no image aaa"),
    ],
)
def test_value_that_was_taken_for_another_is_refused(
    tmp_path: Path, face: dict[str, object], entry: dict[str, object], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        read_dataset(write_native(tmp_path / "d", [{"box": [5, 5, 25, 25], **face}], **entry))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"image": "a.jpg", "faces": ' + "9" * 5000 + "}", "{", "{'a': 1}"])
def test_line_that_is_no_json_is_told_without_words_of_python(tmp_path: Path, text: str) -> None:
    folder = write_native(tmp_path / "d", [])
    (folder / "faces.jsonl").write_text(text)
    with pytest.raises(DataError, match=r"faces\.jsonl:1 is no JSON") as caught:
        read_dataset(folder)
    assert not PYTHON.search(str(caught.value))


@pytest.mark.parametrize("person", [None, ""])
def test_face_of_nobody_in_particular_is_a_subject_by_its_image(tmp_path: Path, person: object) -> None:
    sample = read_dataset(write_native(tmp_path / "d", [{"box": [5, 5, 25, 25], "person": person}])).samples[0]
    assert sample.subject == "a.jpg"


def test_separators_of_lines_that_json_allows_in_a_text_part_no_line(tmp_path: Path) -> None:
    folder = write_native(tmp_path / "d", [{"box": [5, 5, 25, 25], "person": "a\u2028b\x85c"}])
    labels = folder / "faces.jsonl"
    labels.write_text(json.dumps(json.loads(labels.read_text()), ensure_ascii=False))
    assert read_dataset(folder).samples[0].subject == "a\u2028b\x85c"


def test_key_that_a_line_lacks_is_named_in_words(tmp_path: Path) -> None:
    folder = write_native(tmp_path / "d", [])
    (folder / "faces.jsonl").write_text('{"faces": []}')
    with pytest.raises(DataError, match=r"faces\.jsonl:1: not a line of the native format .key 'image' is missing"):
        read_dataset(folder)


@pytest.mark.parametrize("header", ["format = 2", "nonsense", HEADER.format(schema="ibug99"), 'format = 1\nname = "x"'])
def test_unknown_header_is_refused(tmp_path: Path, header: str) -> None:
    folder = write_native(tmp_path / "d", [{"box": [5, 5, 25, 25], "points": FIVE}])
    (folder / "dataset.toml").write_text(header)
    with pytest.raises(DataError, match=r"dataset\.toml"):
        read_dataset(folder)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("terms", "term", "unknown key 'term'; did you mean 'terms'"),
        ("format", "fromat", "unknown key 'fromat'; did you mean 'format'"),
        ("format = 1", "", "key 'format' is missing; expected format = 1"),
        ("format = 1", "format = 2\nnew = 1", "format 2, expected 1"),
    ],
)
def test_wrong_key_of_a_header_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    folder = write_native(tmp_path / "d", [{"box": [5, 5, 25, 25], "points": FIVE}])
    header = folder / "dataset.toml"
    header.write_text(header.read_text().replace(old, new))
    with pytest.raises(DataError, match=rf"dataset\.toml: {words}"):
        read_dataset(folder)


def test_unknown_keys_of_labels_are_named_in_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    face = {"box": [5, 5, 25, 25], "points": FIVE}
    folder = write_native(tmp_path / "d", [{**face, "atributes": {}}, {**face, "atributes": {}}], tool="x")
    line = (folder / "faces.jsonl").read_text()
    (folder / "faces.jsonl").write_text(2 * line)
    assert len(read_dataset(folder).samples) == 4
    assert [r.getMessage().split(": ")[1].split(";")[0] for r in caplog.records] == [
        "unknown keys 'atributes', 'tool' are passed over"
    ]


def test_unknown_keys_of_a_line_that_is_left_out_are_not_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_native(tmp_path / "d", [{"box": [5, 5, 25, 25], "points": FIVE}])
    line = (folder / "faces.jsonl").read_text()
    (folder / "faces.jsonl").write_text(line + '{"image": "a.jpg", "faces": ["box"]}\n' + line.replace("5, 5", "50, 5"))
    refused: list[DataError] = []
    assert len(read_labels(folder, refused.append).samples) == 1
    assert len(refused) == 2
    assert not caplog.records


def test_set_that_render_and_import_write_has_no_unknown_key(
    faces: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import_dataset(read_dataset(faces), tmp_path / "out", "")
    read_dataset(tmp_path / "out")
    assert not caplog.records


def test_missing_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no data folder"):
        read_dataset(tmp_path / "nowhere")
    with pytest.raises(DataError, match="neither"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("header", [True, False])
def test_pts_points_are_zero_based_with_and_without_header(tmp_path: Path, header: bool) -> None:
    points = read_pts(write_pts(tmp_path / "set", "face", header))
    assert points.shape == (68, 2)
    assert points[0].tolist() == [0, 1]


def test_pts_folder_reads_as_ibug68(tmp_path: Path) -> None:
    write_pts(tmp_path / "set", "one", header=True)
    data = read_dataset(tmp_path / "set")
    assert data.schema is IBUG68
    assert data.samples[0].points5 is not None


def test_pts_file_with_another_count_or_without_image_is_refused(tmp_path: Path) -> None:
    write_pts(tmp_path / "set", "one", header=True, count=29)
    with pytest.raises(DataError, match="29 points, expected 68"):
        read_dataset(tmp_path / "set")
    (tmp_path / "set" / "one.jpg").unlink()
    with pytest.raises(DataError, match="no image beside"):
        read_dataset(tmp_path / "set")


def test_user_schema_beside_the_data_is_found(tmp_path: Path) -> None:
    folder = write_native(tmp_path / "d", [{"box": [5, 5, 25, 25], "points": [[1, 2], [3, 2]]}], schema="eyes.toml")
    (folder / "eyes.toml").write_text(
        'name = "eyes"\nnames = ["right", "left"]\nmirror = [[0, 1]]\neye_corners = [0, 1]\n'
    )
    assert read_dataset(folder).schema.names == ("right", "left")


def test_broken_image_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match="no image that OpenCV can read"):
        read_image(tmp_path / "a.jpg")
    with pytest.raises(DataError, match="cannot read image"):
        read_image(tmp_path / "missing.jpg")


@pytest.mark.parametrize("change", [lambda t: t.replace('"five"', '"six"'), lambda t: t + 'terms = "none"\n'])
def test_fingerprint_changes_with_name_and_terms(five: Path, change: Callable[[str], str]) -> None:
    before = read_dataset(five).fingerprint
    header = five / "dataset.toml"
    header.write_text(change(header.read_text()))
    assert read_dataset(five).fingerprint != before
