import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from facewire_edge.errors import DataError, UsageError
from facewire_edge.schema import POINTS5, WFLW98
from facewire_train.coco import is_coco
from facewire_train.datasets import find_format, read_dataset, read_labels
from facewire_train.images import read_image
from facewire_train.kaggle import KAGGLE15

from tests.train.made_sets import (
    SIDE,
    WRITERS,
    face_points,
    write_coco,
    write_kaggle,
    write_mtfl,
    write_pts,
    write_wflw,
)


@pytest.mark.parametrize("name", WRITERS)
def test_format_is_detected_and_its_images_can_be_read(tmp_path: Path, name: str) -> None:
    folder = WRITERS[name](tmp_path / "set")
    assert find_format(folder) == name
    data = read_dataset(folder)
    assert data.samples
    assert data.fingerprint == read_dataset(Path(f"{folder}:{name}")).fingerprint
    for sample in data.samples:
        assert read_image(sample.image).shape == (SIDE, SIDE, 3)
        assert sample.points.shape == (data.schema.n, 2)


def test_wflw_line_gives_points_box_attributes_and_split(tmp_path: Path) -> None:
    data = read_labels(write_wflw(tmp_path))
    assert data.schema is WFLW98
    sample = data.split("test")[1]
    assert np.allclose(sample.points, face_points(98, 4))
    assert (sample.box.x0, sample.box.y1) == (20, 80)
    assert sample.attributes == {
        "pose": 1, "expression": 0, "illumination": 0, "make_up": 0, "occlusion": 0, "blur": 0
    }  # fmt: skip
    assert sample.subset == "0--Parade"


@pytest.mark.parametrize(("write", "pattern"), [(write_wflw, "list_*.txt"), (write_mtfl, "*ing.txt")])
def test_name_of_a_listed_image_may_hold_spaces(tmp_path: Path, write: Callable[[Path], Path], pattern: str) -> None:
    expected = [s.points.tolist() for s in read_labels(write(tmp_path)).samples]
    file = next(f for f in sorted(tmp_path.rglob(pattern)) if f.read_text().strip())
    image = next(p for p in tmp_path.rglob("*") if p.suffix in (".jpg", ".png") and p.name in file.read_text())
    image.rename(image.with_name(f"a b {image.name}"))
    file.write_text(file.read_text().replace(image.name, f"a b {image.name}", 1))
    found = read_labels(tmp_path).samples
    assert [s.points.tolist() for s in found] == expected
    assert any(s.image.name == f"a b {image.name}" for s in found)


def test_files_that_a_mac_lays_beside_others_are_none_of_the_set(tmp_path: Path) -> None:
    expected = len(read_labels(write_pts(tmp_path)).samples)
    labels = next(tmp_path.rglob("*.pts"))
    labels.with_name(f"._{labels.name}").write_bytes(b"\0\5\26\7")
    assert len(read_labels(tmp_path).samples) == expected


def test_wflw_list_without_boxes_gives_the_tight_box(tmp_path: Path) -> None:
    sample = read_labels(write_wflw(tmp_path, boxes=False)).samples[0]
    assert sample.box.x0 == sample.points[:, 0].min()


@pytest.mark.parametrize("attributes", [True, False])
def test_mtfl_lists_of_both_layouts_give_the_same_points(tmp_path: Path, attributes: bool) -> None:
    data = read_labels(write_mtfl(tmp_path, attributes=attributes))
    first = data.split("train")[0]
    assert data.schema is POINTS5
    assert np.allclose(first.points, face_points(5, 0))
    assert first.subject == "Person_Of_A"
    assert len(data.split("test")) == 3
    if attributes:
        assert first.attributes == {"gender": 1, "smile": 2, "glasses": 2, "pose": 3}
    else:
        assert first.box.x1 == 80


@pytest.mark.parametrize("word", ["img", "IMG", "DSC", "frame"])
def test_numbered_pictures_of_a_camera_are_not_one_person(tmp_path: Path, word: str) -> None:
    folder = write_mtfl(tmp_path)
    for i, image in enumerate(sorted((folder / "lfw_5590").iterdir())):
        image.rename(image.with_name(f"{word}_{i:04}.jpg"))
        for name in ("training.txt", "testing.txt"):
            _spoil(name, lambda text, old=image.stem, new=f"{word}_{i:04}": text.replace(old, new))(folder)
    assert len({s.subject for s in read_labels(folder).samples}) == 6


def test_kaggle_row_with_empty_cells_keeps_what_it_knows(tmp_path: Path) -> None:
    data = read_labels(write_kaggle(tmp_path))
    assert data.schema is KAGGLE15
    assert [int(np.isfinite(s.points).all(axis=1).sum()) for s in data.samples] == [15, 4, 15, 4]
    expected = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE))
    assert (read_image(data.samples[1].image)[:, :, 0] == expected).all()


def test_kaggle_table_as_excel_writes_it_is_the_same_set(tmp_path: Path) -> None:
    plain = read_labels(write_kaggle(tmp_path / "plain")).samples
    rows = [line.split(",") for line in (tmp_path / "plain" / "training.csv").read_text().splitlines()]
    bare = "\r\n".join(";".join(cell.replace(".", ",") for cell in row) for row in rows)
    quoted = "\n".join(",".join(f'"{cell}"' for cell in row) for row in rows)
    for name, text in (("semicolons", "\ufeff" + bare), ("quotes", quoted), ("both", quoted.replace('","', '";"'))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "training.csv").write_text(text + "\n")
        assert find_format(tmp_path / name) == "kaggle"
        for one, other in zip(plain, read_labels(tmp_path / name).samples, strict=True):
            assert np.array_equal(one.points, other.points, equal_nan=True)
            assert (read_image(one.image) == read_image(other.image)).all()


def test_kaggle_picture_that_is_larger_than_a_cell_of_the_csv_module_is_read(tmp_path: Path) -> None:
    lines = (write_kaggle(tmp_path) / "training.csv").read_text().splitlines()
    large = lines[1].rsplit(",", 1)[0] + "," + " ".join(["200"] * 240**2)
    (tmp_path / "training.csv").write_text("\n".join([lines[0], large, lines[2]]))
    assert [read_image(s.image).shape[0] for s in read_labels(tmp_path).samples] == [240, SIDE]


@pytest.mark.parametrize("change", [lambda t: t[: len(t) // 2], lambda t: "", lambda t: t.replace("Image", "Picture")])
def test_kaggle_table_that_changed_after_it_was_read_is_refused(tmp_path: Path, change: Callable[[str], str]) -> None:
    last = read_labels(write_kaggle(tmp_path)).samples[-1]
    _spoil("training.csv", change)(tmp_path)
    with pytest.raises(DataError, match=r"training\.csv: .* the table has changed: read it again"):
        read_image(last.image)


@pytest.mark.parametrize(("name", "split"), [("latest", "train"), ("contest", "train"), ("my_test", "test")])
def test_split_of_a_table_and_a_list_is_told_by_whole_words(tmp_path: Path, name: str, split: str) -> None:
    (write_kaggle(tmp_path / "table") / "training.csv").rename(tmp_path / "table" / f"{name}.csv")
    folder = write_wflw(tmp_path / "list")
    (folder / TRAIN).rename(folder / f"list_98pt_rect_attr_{name}.txt")
    assert {s.split for s in read_labels(tmp_path / "table").samples} == {split}
    assert {s.split for s in read_labels(folder).samples if s.image.stem == "0"} == {split}


def test_kaggle_quote_that_is_not_closed_spoils_its_own_line_alone(tmp_path: Path) -> None:
    folder = write_kaggle(tmp_path)
    _spoil("training.csv", lambda t: t.replace("\n36,40", '\n"36,40', 1))(folder)
    refused: list[DataError] = []
    assert len(read_labels(folder, refused.append).samples) == 3
    assert "training.csv:2: 1 columns, expected 31" in str(refused[0])


def test_kaggle_names_swap_left_and_right_in_the_mirror() -> None:
    for name, other in zip(KAGGLE15.names, KAGGLE15.mirror, strict=True):
        swapped = name.replace("left", "RIGHT").replace("right", "left").replace("RIGHT", "right")
        assert KAGGLE15.names[other] == swapped


def test_coco_takes_points_splits_people_and_attributes(tmp_path: Path) -> None:
    data = read_labels(write_coco(tmp_path))
    assert data.schema.names == ("right_eye", "left_eye", "chin")
    first = data.samples[0]
    assert np.isnan(first.points[2]).all()
    assert first.points[1].tolist() == [64, 41]
    assert (first.box.x0, first.box.x1, first.box.y1) == (20, 80, 90)
    assert first.attributes == {"glasses": 1}
    assert first.subject == "p1"
    assert {s.split for s in data.samples} == {"train", "val"}
    assert data.samples[1].visible.tolist() == [True, True, False]  # labelled, but hidden


def _rename_labels(folder: Path) -> None:
    (folder / COCO).rename(folder / COCO.replace("train", "test"))


@pytest.mark.parametrize(
    "change",
    [lambda folder: _spoil("face.toml", lambda t: t.replace("[[0, 1]]", "[]"))(folder), _rename_labels],
    ids=["schema", "split"],
)
def test_fingerprint_changes_with_what_labels_mean(tmp_path: Path, change: Callable[[Path], None]) -> None:
    before = read_labels(write_coco(tmp_path)).fingerprint
    assert read_labels(tmp_path).fingerprint == before
    change(tmp_path)
    assert read_labels(tmp_path).fingerprint != before


def test_coco_person_that_nobody_filled_in_is_no_person(tmp_path: Path) -> None:
    _coco(lambda values: [a["attributes"].update(person="") for a in values["annotations"]])(write_coco(tmp_path))
    assert [s.subject for s in read_labels(tmp_path).samples][:2] == ["images/1.png", "images/2.png"]


def test_coco_keypoints_in_another_order_are_taken_by_name(tmp_path: Path) -> None:
    write_coco(tmp_path)
    file = tmp_path / "annotations" / "person_keypoints_train.json"
    values = json.loads(file.read_text())
    values["categories"][0]["keypoints"] = ["chin", "left_eye", "right_eye"]
    file.write_text(json.dumps(values))
    sample = read_labels(tmp_path).split("train")[1]
    assert sample.points.tolist() == [[48, 80], [64, 42], [32, 40]]


@pytest.mark.parametrize("names", [["Chin", "left eye", "RIGHT-EYE"], ["right_eye", "nose", "left_eye", "chin"]])
def test_coco_names_may_be_written_otherwise_and_have_others_among_them(tmp_path: Path, names: list[str]) -> None:
    def rename(values: Any) -> None:
        values["categories"][0]["keypoints"] = names
        for annotation in values["annotations"]:
            right, left, chin = (annotation["keypoints"][i : i + 3] for i in (0, 3, 6))
            rows = [chin, left, right] if len(names) == 3 else [right, [1, 1, 2], left, chin]
            annotation["keypoints"] = [v for row in rows for v in row]

    expected = read_labels(write_coco(tmp_path / "a")).split("train")
    _coco(rename)(write_coco(tmp_path / "b"))
    found = read_labels(tmp_path / "b").split("train")
    assert all(np.array_equal(a.points, b.points, equal_nan=True) for a, b in zip(expected, found, strict=True))


def test_coco_keypoints_of_which_some_have_the_schemas_names_are_refused(tmp_path: Path) -> None:
    def misspell(values: Any) -> None:
        values["categories"][0]["keypoints"] = ["right_eye", "left_eye", "chn"]

    _coco(misspell)(write_coco(tmp_path))
    with pytest.raises(DataError, match="no keypoint is called chin, as in schema"):
        read_labels(tmp_path)


def test_coco_keypoints_of_other_names_are_taken_by_place_with_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def number(values: Any) -> None:
        values["categories"][0]["keypoints"] = ["0", "1", "2"]

    expected = read_labels(write_coco(tmp_path)).samples
    assert "by their place" not in caplog.text
    _coco(number)(tmp_path)
    found = read_labels(tmp_path).samples
    assert all(np.array_equal(a.points, b.points, equal_nan=True) for a, b in zip(expected, found, strict=True))
    assert "they are taken by their place" in caplog.text


def test_coco_category_keeps_its_points_in_its_own_order(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def add(values: Any) -> None:
        own, first = values["categories"][0], values["annotations"][0]
        turned = {**own, "id": 7, "name": "turned", "keypoints": own["keypoints"][::-1]}
        hand = {"id": 8, "name": "hand", "keypoints": ["thumb", "chin", "palm", "wrist"]}
        rows = [first["keypoints"][i : i + 3] for i in (6, 3, 0)]
        other = {**first, "id": 70, "category_id": 7, "keypoints": [v for row in rows for v in row]}
        values["categories"] = [turned, own, hand]
        values["annotations"] = [first, other, {**first, "id": 80, "category_id": 8, "keypoints": [1, 1, 2] * 4}]

    _coco(add)(write_coco(tmp_path))
    one, other = (s for s in read_labels(tmp_path).samples if s.split == "train")
    assert np.array_equal(one.points, other.points, equal_nan=True)
    assert "1 annotations have keypoints that schema" in caplog.text


def test_coco_images_of_one_id_are_refused(tmp_path: Path) -> None:
    _coco(lambda values: values["images"].append(values["images"][0]))(write_coco(tmp_path))
    with pytest.raises(DataError, match="every image must have an id of its own"):
        read_labels(tmp_path)


def test_coco_files_written_on_windows_are_read_and_a_file_that_is_none_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = len(read_labels(write_coco(tmp_path)).samples)
    file = tmp_path / "annotations" / "person_keypoints_train.json"
    text = file.read_text()
    file.write_text(text, encoding="utf-8-sig")
    assert len(read_labels(tmp_path).samples) == whole
    assert not caplog.records
    file.write_text("")
    assert len(read_labels(tmp_path).samples) < whole
    assert "person_keypoints_train.json is no COCO file" in caplog.text


@pytest.mark.parametrize("name", ["x.csv", "x.json"])
def test_folders_and_links_to_nothing_are_no_labels(tmp_path: Path, name: str) -> None:
    folder = write_pts(tmp_path)
    (folder / name).symlink_to("gone")
    assert find_format(folder) == "pts"
    (folder / name).unlink()
    (folder / name).mkdir()
    assert find_format(folder) == "pts"


@pytest.mark.parametrize("boundary", [1 << 16, (1 << 16) + (1 << 20)])
def test_coco_file_is_known_wherever_its_annotations_begin(tmp_path: Path, boundary: int) -> None:
    file = write_coco(tmp_path) / COCO
    text = file.read_text()
    file.write_text(text.replace('"annotations"', " " * (boundary - 5 - text.index('"annotations"')) + '"annotations"'))
    assert is_coco(file)


def test_image_whose_name_is_no_utf8_is_read(tmp_path: Path) -> None:
    folder = write_pts(tmp_path)
    for file in sorted(folder.rglob("*.*")):
        if file.suffix in (".pts", ".png", ".jpg"):
            file.rename(file.with_name(os.fsdecode(b"j\xfc") + file.name))
    assert read_labels(folder).samples[0].subject


def test_pts_with_a_schema_beside_them_may_have_any_count(tmp_path: Path) -> None:
    write_pts(tmp_path, n=3)
    (tmp_path / "mine.toml").write_text('name = "m"\nnames = ["a", "b", "c"]\nmirror = []\neye_corners = [0, 1]\n')
    assert read_labels(tmp_path).schema.n == 3


@pytest.mark.parametrize(
    ("place", "split", "subset"),
    [
        ("lfpw/trainset", "train", "lfpw/trainset"),
        ("lfpw/testset", "test", "common"),
        ("helen/testset", "test", "common"),
        ("afw", "train", "afw"),
        ("ibug", "test", "challenging"),
        ("300W/01_Indoor", "test", "private"),
        ("300W/02_Outdoor", "test", "private"),
        ("mine/testset", "test", "mine/testset"),
        ("test/1", "test", "test/1"),
        ("Test_images", "test", "Test_images"),
        ("my-test", "test", "my-test"),
        ("lfpw/testset/1", "test", "common"),
        ("contest", "train", "contest"),
        ("latest/1", "train", "latest/1"),
        ("test/lfpw/trainset", "train", "test/lfpw/trainset"),
    ],
)
def test_300w_folders_are_parted_as_its_protocol_says(tmp_path: Path, place: str, split: str, subset: str) -> None:
    write_pts(tmp_path / "ibug68" / place)
    assert {(s.split, s.subset) for s in read_labels(tmp_path / "ibug68").samples} == {(split, subset)}


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize(
    ("place", "below", "expected"),
    [
        ("ibug", "", ("test", "challenging")),
        ("ibug", "1", ("test", "challenging")),
        ("01_Indoor", "", ("test", "private")),
        ("02_Outdoor", "1", ("test", "private")),
        ("lfpw/testset", "", ("test", "common")),
        ("helen/testset", "1", ("test", "common")),
        ("lfpw/trainset", "", ("train", "trainset")),
        ("mine/testset", "", ("test", "testset")),
        ("testset/mine", "", ("train", "mine")),
        ("latest", "", ("train", "latest")),
    ],
)
def test_folder_of_300w_by_itself_is_parted_as_in_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, below: str, expected: tuple[str, str], inside: bool
) -> None:
    write_pts(tmp_path / place / below)
    if inside:
        monkeypatch.chdir(tmp_path / place)
    data = read_labels(Path() if inside else tmp_path / place)
    assert {(s.split, s.subset) for s in data.samples} == {expected}
    assert {data.name, *(s.source for s in data.samples)} == {Path(place).name}


def _spoil(file: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / file
        path.write_text(change(path.read_text()))

    return apply


def _first_eye(cells: str) -> Callable[[Path], None]:
    return _spoil("training.csv", lambda text: text.replace("36,40", cells, 1))


def _coco(change: Callable[[Any], object]) -> Callable[[Path], None]:
    def changed(text: str) -> str:
        values = json.loads(text)
        change(values)
        return json.dumps(values)

    return _spoil(COCO, changed)


TRAIN = "list_98pt_rect_attr_train.txt"
COCO = "annotations/person_keypoints_train.json"


@pytest.mark.parametrize(
    ("name", "spoil", "words"),
    [
        ("wflw", _spoil(TRAIN, lambda t: t.replace(" ", " 1 ", 1)), "207 numbers beside the image's name, expected"),
        ("wflw", _spoil(TRAIN, lambda t: "x" + t), 'expected finite numbers of pixels .*, got "x'),
        ("wflw", _spoil(TRAIN, lambda t: "nan" + t[t.index(" ") :]), 'expected finite numbers of pixels .*, got "nan"'),
        ("wflw", _spoil(TRAIN, lambda t: t.replace("0--Parade/0.png", "gone.png")), "no image gone.png"),
        ("wflw", _spoil(TRAIN, lambda t: t.replace("0--Parade/0.png", "../0.png")), "leaves the folder"),
        ("mtfl", _spoil("training.txt", lambda t: t.replace(" ", " 7 ", 1)), "15 numbers"),
        ("mtfl", _spoil("training.txt", lambda t: t.replace("_A_", "_Q_")), "no image"),
        ("mtfl", _spoil("training.txt", lambda t: t.split(" ")[0] + " 7" * 10 + " 1 2 2 3"), "all 5 points lie in one"),
        ("mtfl", _spoil("training.txt", lambda t: t.replace("_A_", "_A" * 999)), "no image"),
        (
            "mtfl",
            _spoil("training.txt", lambda t: t.replace(" 3\n", " \u00b2\n", 1)),
            "expected finite numbers of pixels",
        ),
        ("kaggle", _spoil("training.csv", lambda t: t.replace("nose_tip_x", "nose_x")), "no column 'nose_tip_x'"),
        ("kaggle", _spoil("training.csv", lambda t: t + "1,2\n"), "training.csv:6: 2 columns, expected 31"),
        ("kaggle", _spoil("training.csv", lambda t: t.rstrip()[:-2] + "\n"), "pixels, expected a square"),
        ("kaggle", _first_eye("a.5,40"), "center_x is 'a.5', expected a fin"),
        ("kaggle", _first_eye('"a,5",40'), "eye_center_x is 'a,5', expected"),
        ("kaggle", _first_eye("36,1e60"), "right_eye_center_y is '1e60', "),
        ("kaggle", _first_eye("36,-inf"), "right_eye_center_y is '-inf', "),
        ("coco", _spoil(COCO, lambda t: t.replace('"id"', '"key"')), "is no COCO file .key 'id' is missing"),
        ("coco", _spoil(COCO, lambda t: t.replace('"image_id": 1', '"image_id": 99')), "no image has the id 99"),
        ("coco", _spoil(COCO, lambda t: t.replace('"image_id": 1', '"image": 1')), "key 'image_id' is missing"),
        ("coco", _spoil(COCO, lambda t: t.replace('"file_name"', '"name"')), "key 'file_name' is missing"),
        ("coco", _spoil(COCO, lambda t: t.replace("[32, 40, 2,", "[32, 40,")), "points, expected 3"),
        ("coco", _spoil(COCO, lambda t: t.replace('"1.png"', '"gone.png"')), "no image gone.png"),
        ("coco", _coco(lambda v: v["images"].insert(0, 1)), "images must be a list of JSON objects, got "),
        ("coco", _coco(lambda v: v["images"][0].update(id=[1])), r"an image's id must be a number, got \[1\]"),
        ("coco", _coco(lambda v: v["images"][0].update(file_name=None)), "image must be the name of a file, got null"),
        ("coco", _coco(lambda v: v["categories"][0].update(keypoints=[[]])), "must be a list of names, got "),
        ("coco", _coco(lambda v: v["annotations"][0].update(image_id=[1])), r"no image has the id \[1\]"),
        ("coco", _coco(lambda v: v["annotations"][0].update(bbox=[1, 2, "3", 4])), "bbox must be x, y, width, height"),
        ("coco", _coco(lambda v: v["annotations"][0].update(bbox=[1, 2, 10**400, 4])), "bbox must be x, y, width, he"),
        ("coco", _coco(lambda v: v["annotations"][0].update(keypoints=[[1, 2]] * 9)), "must be finite numbers of pi"),
        ("coco", _coco(lambda v: v["annotations"][0].update(attributes=["x"])), "attributes must be a JSON object, "),
        ("coco", _coco(lambda v: v["annotations"][0].update(iscrowd="0")), 'iscrowd must be 0 or 1, got "0"'),
        ("coco", _spoil("face.toml", lambda t: "nonsense"), "is no TOML"),
        ("coco", lambda folder: (folder / "face.toml").unlink(), "has no schema"),
        ("pts", _spoil("0.pts", lambda t: t.replace("{", "{\n1 x")), r"0\.pts:4: got '1 x', .* is no .pts file"),
        ("pts", _spoil("0.pts", lambda t: t.replace("{", "{\nnan 3")), r"0\.pts:4: got 'nan 3', expected two finite"),
        ("pts", _spoil("0.pts", lambda t: t.replace("{", "{\n3 1e60")), r"0\.pts:4: got '3 1e60', expected two finite"),
        ("pts", _spoil("0.pts", lambda t: t.replace("{", "{\n1 2 3")), r"0\.pts:4: got '1 2 3', expected two finite"),
    ],
)
def test_wrong_file_of_each_kind_gets_one_line(
    tmp_path: Path, name: str, spoil: Callable[[Path], None], words: str
) -> None:
    folder = WRITERS[name](tmp_path / "set")
    spoil(folder)
    with pytest.raises(DataError, match=words) as caught:
        read_dataset(Path(f"{folder}:{name}"))
    assert "\n" not in str(caught.value)


def test_empty_last_cell_makes_no_square(tmp_path: Path) -> None:
    folder = write_kaggle(tmp_path)
    table = folder / "training.csv"
    table.write_text(table.read_text().rsplit(",", 1)[0] + ",\n")
    with pytest.raises(DataError, match="0 pixels"):
        read_dataset(folder)


def test_unknown_format_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown format 'voc'"):
        read_dataset(Path(f"{write_pts(tmp_path)}:voc"))


def test_format_that_the_folder_does_not_have_is_refused(tmp_path: Path) -> None:
    folder = write_pts(tmp_path)
    for name in ("wflw", "mtfl", "kaggle", "coco"):
        with pytest.raises(DataError, match="holds no"):
            read_dataset(Path(f"{folder}:{name}"))


def test_one_short_line_does_not_turn_the_others_into_another_style(tmp_path: Path) -> None:
    folder = write_mtfl(tmp_path)
    whole = {s.image: s.points.tolist() for s in read_labels(folder).samples}
    _spoil("training.txt", lambda t: "\n".join([t.splitlines()[0].rsplit(" ", 2)[0], *t.splitlines()[1:]]))(folder)
    refused: list[DataError] = []
    kept = read_labels(folder, refused.append).samples
    assert [("training.txt:1: 12 numbers" in str(error)) for error in refused] == [True]
    assert len(kept) == len(whole) - 1
    assert all(whole[s.image] == s.points.tolist() for s in kept)


def test_broken_labels_can_be_left_out(tmp_path: Path) -> None:
    folder = write_mtfl(tmp_path)
    _spoil("training.txt", lambda t: t.replace(" ", " 7 ", 1))(folder)
    refused: list[DataError] = []
    assert len(read_labels(folder, refused.append).samples) == 5
    assert len(refused) == 1
