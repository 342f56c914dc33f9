import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from facewire_edge.errors import DataError, OutputError
from facewire_edge.schema import IBUG68
from facewire_train.__main__ import main
from facewire_train.datasets import read_dataset, read_labels
from facewire_train.evaluate import measurable
from facewire_train.faces import face_box
from facewire_train.image_facts import ImageFacts, difference_hash, image_facts
from facewire_train.images import place_of, read_image, read_labelled
from facewire_train.import_command import import_dataset
from facewire_train.label_checks import check_labels, doubles, people_across_splits, repeated
from facewire_train.labels import Background, in_one_split, is_placed, labelled_points
from facewire_train.shape_model import shape_model, swapped
from facewire_train.shapes import mean_shape

from tests.train.made_sets import WRITERS, picture, write_coco, write_kaggle, write_mtfl, write_pts


@pytest.mark.parametrize("name", WRITERS)
def test_imported_set_says_the_same_as_the_original(tmp_path: Path, name: str) -> None:
    original = read_labels(WRITERS[name](tmp_path / "set"))
    import_dataset(original, tmp_path / "out", "ours")
    copy = read_labels(tmp_path / "out")
    assert copy.terms == "ours"
    assert copy.schema.names == original.schema.names
    assert (copy.schema.mirror == original.schema.mirror).all()
    assert copy.schema.eye_corners == original.schema.eye_corners
    for one, other in zip(original.samples, copy.samples, strict=True):
        assert np.allclose(one.points, other.points, atol=1e-3, equal_nan=True)
        assert one.split == other.split
        assert one.subset == other.subset
        assert dict(one.attributes) == dict(other.attributes)
        assert (one.visible == other.visible).all()
        assert (read_image(one.image) == read_image(other.image)).all()


def test_folder_whose_name_is_no_utf8_is_imported(tmp_path: Path) -> None:
    folder = write_kaggle(tmp_path / "set").rename(tmp_path / os.fsdecode(b"j\xfc"))
    out = tmp_path / os.fsdecode(b"\xfc")
    import_dataset(read_labels(folder), out, "")
    copy = read_labels(out)
    assert copy.name == "j?"
    assert all(read_image(s.image).shape == (96, 96, 3) for s in copy.samples)


def test_picture_of_a_row_that_the_disk_does_not_take_ends_the_import(tmp_path: Path) -> None:
    table = write_kaggle(tmp_path / "set") / "training.csv"
    table.rename(table.with_name("a" * 250 + ".csv"))  # the picture's name is longer than a file's may be
    with pytest.raises(OutputError, match=r"cannot write .*out: File name too long"):
        import_dataset(read_labels(tmp_path / "set"), tmp_path / "out", "")


def test_level_points_of_a_face_without_a_box_survive_the_import(tmp_path: Path) -> None:
    folder = write_pts(tmp_path / "set", count=1, n=2)
    (folder / "mine.toml").write_text('name = "m"\nnames = ["a", "b"]\nmirror = [[0, 1]]\neye_corners = [0, 1]\n')
    (folder / "0.pts").write_text("11 21\n31 21\n")
    import_dataset(read_labels(folder), tmp_path / "out", "")
    box = read_labels(tmp_path / "out").samples[0].box
    assert (box.x0, box.y0, box.x1, box.y1) == (10, 19.5, 30, 20.5)


def test_person_of_a_face_survives_the_import(tmp_path: Path) -> None:
    import_dataset(read_labels(write_coco(tmp_path / "set")), tmp_path / "out", "")
    assert read_labels(tmp_path / "out").samples[0].subject == "p1"


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_the_same_faces_are_held_back_after_the_import(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    data = read_labels(write(tmp_path / "set"))
    import_dataset(data, tmp_path / "out", "")
    assert [s.subject for s in read_labels(tmp_path / "out").samples] == [s.subject for s in data.samples]


def test_picture_of_another_size_than_was_labelled_is_refused(tmp_path: Path, faces: Path) -> None:
    coco = write_coco(tmp_path / "coco")
    shutil.copytree(faces, tmp_path / "native")
    for folder, labels in ((coco, "annotations/person_keypoints_train.json"), (tmp_path / "native", "faces.jsonl")):
        file = folder / labels
        file.write_text(re.sub(r'("width": ?)\d+', r"\g<1>77", file.read_text(), count=1))
        data = read_labels(folder)
        with pytest.raises(DataError, match=r"its labels are of a picture of 77x\d+, the file shows"):
            read_labelled(data.samples[0])
        with pytest.raises(DataError, match=r"its labels are of a picture of 77x\d+, the file shows"):
            import_dataset(data, tmp_path / "out", "")
        assert not (tmp_path / "out").exists()


def test_size_of_nothing_is_no_size(tmp_path: Path) -> None:
    file = write_coco(tmp_path / "set") / "annotations/person_keypoints_train.json"
    file.write_text(re.sub(r'("width": ?)\d+', r"\g<1>0", file.read_text()))
    assert read_labels(tmp_path / "set").samples[0].size_px is None


def test_verb_reports_doubles_leaks_and_what_it_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_mtfl(tmp_path / "set", attributes=False)
    images = sorted((folder / "lfw_5590").iterdir())
    cv2.imwrite(str(images[3]), cv2.imread(str(images[0])), [cv2.IMWRITE_JPEG_QUALITY, 60])  # a test face of training
    lists = folder / "testImageList.txt"
    images[4].rename(images[4].with_name("Person_Of_B_0002.jpg"))
    text = lists.read_text().replace("Person_Of_E_0001", "Person_Of_B_0002")
    lists.write_text(text.replace("Person_Of_F_0001.jpg", "gone.jpg"))
    arguments = ["import", f"{folder}:mtfl", "--out", str(tmp_path / "out")]
    assert main(arguments) == 6
    assert not (tmp_path / "out").exists()
    assert main([*arguments, "--skip-broken"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["faces"] == 5
    assert report["refused"]["count"] == 1
    assert "gone.jpg" in report["refused"]["examples"][0]
    assert report["doubles_across_splits"]["count"] == 1
    assert report["people_across_splits"]["examples"] == ["Person_Of_B"]
    assert main(arguments) == 2  # there is something already


def test_backgrounds_are_copied_too(tmp_path: Path, faces: Path) -> None:
    data = read_labels(faces)
    first, second, *others = data.samples
    twin = tmp_path / "twin.jpg"
    shutil.copyfile(second.image, twin)
    empty = Background(first.image, "test", "streets", "a", first.size_px)
    left = replace(data, samples=(second, *others), backgrounds=(empty, Background(twin, "test", "", "b")))
    assert import_dataset(left, tmp_path / "twins", "")["doubles_across_splits"]["count"] == 1
    report = import_dataset(replace(left, backgrounds=(empty,)), tmp_path / "out", "")
    assert (report["images"], report["faces"]) == (len(data.samples), len(data.samples) - 1)
    (copy,) = read_labels(tmp_path / "out").backgrounds
    assert (copy.image.name, copy.split, copy.subset) == (first.image.name, "test", "streets")
    assert copy.image.read_bytes() == first.image.read_bytes()
    import_dataset(replace(data, samples=(), backgrounds=(empty,)), tmp_path / "empty", "")
    assert len(read_dataset(tmp_path / "empty").backgrounds) == 1


def test_letters_of_visibility_are_kept(tmp_path: Path, five: Path) -> None:
    data = read_labels(five)
    first, *others = (replace(s, visibility="", visible=labelled_points(s.points)) for s in data.samples)
    seen = np.array([True, False, False, True, True])
    lettered = replace(first, visibility="vosvv", visible=seen)
    import_dataset(replace(data, samples=(lettered, *others)), tmp_path / "out", "")
    copies = read_labels(tmp_path / "out").samples
    assert [s.visibility for s in copies] == ["vosvv", *("" for _ in others)]
    assert copies[0].visible.tolist() == seen.tolist()


def test_image_that_two_lists_name_for_two_splits_stays_in_the_test_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_mtfl(tmp_path / "set")
    leak = (folder / "training.txt").read_text().splitlines()[0]
    (folder / "testing.txt").write_text((folder / "testing.txt").read_text() + leak + "\n")
    assert main(["import", str(folder), "--out", str(tmp_path / "out")]) == 0
    assert "Person_Of_A_0001.jpg is listed in train and test (1 such images)" in caplog.text
    assert [s.split for s in read_labels(tmp_path / "out").samples if "_A_" in s.image.name] == ["test"]


def test_face_that_only_the_training_lists_of_a_test_image_is_neither_wanted_nor_background(
    tmp_path: Path, faces: Path
) -> None:
    face, *others = read_labels(faces).samples
    right = [replace(s, image=face.image, split="train", subject="b") for s in others[:2]]
    tested = replace(face, split="test", subject="a", complete=True)
    again = replace(face, split="train", subject="a", box=replace(face.box, x0=face.box.x0 - 3))
    kept = in_one_split([again, right[0], tested, right[0]])
    assert [(s.subject, s.split, s.ignore, s.complete) for s in kept] == [
        ("a", "test", False, True),
        ("b", "test", True, True),
    ]
    assert face_box(kept[1]) == face_box(right[0])
    assert measurable(kept, IBUG68) == (tested,)  # nor is it among the faces of a landmark model
    assert people_across_splits([*kept, replace(right[1], image=Path("b.png"))]) == []
    import_dataset(replace(read_labels(faces), samples=kept), tmp_path / "out", "")
    copy = read_labels(tmp_path / "out").samples
    assert [(s.split, s.ignore, is_placed(s.points)) for s in copy] == [("test", False, True), ("test", True, False)]


def test_image_that_cannot_be_read_ends_the_import_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_pts(tmp_path / "set")
    (folder / "1.png").write_bytes(b"no image")
    assert main(["import", str(folder), "--out", str(tmp_path / "out")]) == 6
    assert "1.png is no image that can be read (8 bytes, of no known kind)" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["set"]
    assert main(["import", str(folder), "--out", str(tmp_path / "out"), "--skip-broken"]) == 0
    assert len(read_dataset(tmp_path / "out").samples) == 2


def test_failed_import_waits_for_copies_under_way_so_that_none_makes_its_folder_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_pts(tmp_path / "set", count=20)
    (folder / "0.png").write_bytes(b"no image")

    def slow(source: Path, target: Path) -> None:
        time.sleep(0.05)
        target.write_bytes(source.read_bytes())

    monkeypatch.setattr("shutil.copyfile", slow)
    before = set(threading.enumerate())
    with pytest.raises(DataError):
        import_dataset(read_labels(folder), tmp_path / "out", "")
    copying = [t for t in set(threading.enumerate()) - before if t.name.startswith("ThreadPoolExecutor")]
    assert not copying
    assert sorted(p.name for p in tmp_path.iterdir()) == ["set"]


def test_rows_of_a_table_are_named_by_file_and_line(tmp_path: Path) -> None:
    table = write_kaggle(tmp_path / "set") / "training.csv"
    lines = table.read_text().splitlines()
    lines[3] = lines[3].replace(lines[3].split(",")[0], "900", 1)
    table.write_text("\n".join([lines[0], "", *lines[1:]]))
    report = import_dataset(read_labels(tmp_path / "set"), tmp_path / "out", "")
    assert report["far_outside"]["examples"] == ["training.csv:5"]
    table.write_text("\n".join([*lines[:2], lines[2][:-1] + "x"]))
    with pytest.raises(DataError, match=r"set/training\.csv:3: the picture's cell"):
        import_dataset(read_labels(tmp_path / "set"), tmp_path / "other", "")


@pytest.fixture
def heard_interrupts() -> Iterator[None]:
    """Let a child hear Ctrl-C: it inherits that a background job of a shell does not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard_interrupts")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_import_that_a_signal_ends_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    lines = [json.dumps({"image": f"{i}.png", "faces": [{"box": [5, 5, 25, 25]}]}) for i in range(4000)]
    first = picture(tmp_path / "set" / "0.png", 0)
    for i in range(1, len(lines)):
        first.with_name(f"{i}.png").hardlink_to(first)
    (tmp_path / "set" / "dataset.toml").write_text('format = 1\nname = "many"\nschema = "points5"\n')
    (tmp_path / "set" / "faces.jsonl").write_text("\n".join(lines))
    command = [sys.executable, "-m", "facewire_train", "import", str(tmp_path / "set"), "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not list(tmp_path.glob(".out-*/img/9.png")):
            time.sleep(0.01)
        process.send_signal(number)
        said, log = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "")
    assert "Traceback" not in log
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


def test_table_is_read_once_however_many_of_its_rows_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = read_labels(write_kaggle(tmp_path / "set", count=20)).samples
    opened = []
    real_open = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *more: opened.append(path) or real_open(path, *more))
    assert [place_of(s.image) for s in samples] == [f"training.csv:{line}" for line in range(2, 22)]
    assert len(opened) == 1


def test_rows_of_a_table_that_changed_are_counted_anew(tmp_path: Path) -> None:
    table = write_kaggle(tmp_path / "set") / "training.csv"
    last = read_labels(tmp_path / "set").samples[-1].image
    assert place_of(last) == "training.csv:5"
    table.write_text("\n" + table.read_text())
    assert place_of(last.with_name(f"training.csv#{int(last.name.split('#')[1]) + 1}")) == "training.csv:6"


def test_large_group_of_one_picture_is_shown_by_its_first_members_and_one_of_each_split(faces: Path) -> None:
    face = read_labels(faces).samples[0]
    samples = [replace(face, image=Path(f"{i}.png"), split="train" if i < 999 else "test") for i in range(1000)]
    facts = {s.image: ImageFacts(96, 96, np.zeros(256, bool)) for s in samples}
    report = check_labels(samples, facts, IBUG68)
    assert report["doubles"] == {"count": 1, "examples": [[*(f"{i}.png" for i in range(20)), "and 980 more"]]}
    assert "999.png" in report["doubles_across_splits"]["examples"][0][:2]


def test_far_point_and_sizes_are_reported(tmp_path: Path) -> None:
    folder = write_pts(tmp_path / "set")
    text = (folder / "0.pts").read_text().splitlines()
    text[3] = "-400 20"
    (folder / "0.pts").write_text("\n".join(text))
    report = import_dataset(read_labels(folder), tmp_path / "out", "")
    assert report["far_outside"] == {"count": 1, "examples": ["0.png"]}
    assert report["sizes"]["image_px"] == [96, 96, 96]


def test_face_that_an_image_lists_twice_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_mtfl(tmp_path / "set")
    lines = (folder / "training.txt").read_text().splitlines()
    beside = lines[1].replace(lines[1].split()[1], "31")  # another face of the second image
    (folder / "training.txt").write_text("\n".join([*lines, lines[0], beside]))
    assert main(["import", str(folder), "--out", str(tmp_path / "out")]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["faces_twice"] == {"count": 1, "examples": ["Person_Of_A_0001.jpg"]}


def test_box_that_an_image_lists_twice_is_reported_where_no_point_is_labelled(faces: Path) -> None:
    one = read_labels(faces).samples[0]
    bare = replace(one, points=np.full_like(one.points, np.nan))
    moved = replace(bare, box=replace(bare.box, x0=bare.box.x0 + 1))
    assert repeated([bare, moved, bare]) == [bare]


@pytest.mark.parametrize(("shift", "same"), [(0.001, True), (0.09, True), (0.2, False)])
def test_same_face_twice_is_told_by_the_pixels_between_not_by_how_each_rounds(
    faces: Path, shift: float, same: bool
) -> None:
    first = read_labels(faces).samples[0]
    points = np.round(first.points) + np.float32(0.0495)  # rounds down, and a thousandth more rounds up
    one = replace(first, points=points)
    other = replace(one, points=points + np.float32(shift), box=replace(one.box, x0=one.box.x0 - 3))
    assert bool(repeated([one, other])) == same
    assert len(in_one_split([one, replace(other, split="test")])) == (1 if same else 2)


def test_faces_whose_sides_were_swapped_are_found(faces: Path) -> None:
    points = np.stack([s.points for s in read_dataset(faces).samples])
    mean = mean_shape(list(points), IBUG68, 1.25)
    assert not swapped(points, IBUG68, mean).any()
    points[[3, 7]] = points[[3, 7]][:, IBUG68.mirror]
    assert np.flatnonzero(swapped(points, IBUG68, mean)).tolist() == [3, 7]


def test_set_with_all_sides_swapped_is_found(tmp_path: Path, faces: Path) -> None:
    data = read_labels(faces)
    for sample in data.samples:
        sample.points[:] = sample.points[IBUG68.mirror]
    assert import_dataset(data, tmp_path / "out", "")["swapped_sides"]["all"]


def test_hash_survives_compression_and_size_and_tells_pictures_apart(tmp_path: Path) -> None:
    hashes = []
    for seed in range(6):
        file = picture(tmp_path / f"{seed}.png", seed, side=300)
        grey = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        again = cv2.imdecode(cv2.imencode(".jpg", cv2.resize(grey, (150, 150)), [cv2.IMWRITE_JPEG_QUALITY, 40])[1], 0)
        hashes += [difference_hash(np.asarray(grey)), difference_hash(np.asarray(again))]
    assert doubles(hashes) == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]


def test_size_of_a_turned_photograph_is_the_one_that_training_sees(tmp_path: Path) -> None:
    from PIL import Image

    image = Image.new("RGB", (40, 20))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    facts = image_facts(tmp_path / "turned.jpg", (tmp_path / "turned.jpg").read_bytes())
    assert (facts.height, facts.width) == read_image(tmp_path / "turned.jpg").shape[:2] == (40, 20)


def test_subject_in_two_splits_is_a_leak(tmp_path: Path) -> None:
    assert people_across_splits(read_labels(write_coco(tmp_path)).samples) == []


def test_shape_model_finds_the_face_with_one_wrong_point(faces: Path) -> None:
    points = np.stack([s.points for s in read_dataset(faces).samples])
    points[11, 30] += (12, -9)
    points[4, 8:12] = np.nan
    model = shape_model(points, IBUG68)
    assert int(np.argmax(model.oddness(points))) == 11
    assert int(np.nanargmax(model.residuals(points)[11])) == 30
    assert model.explained.sum() > 0.9
    assert np.isnan(model.residuals(points)[4, 8:12]).all()
