"""Writing rendered faces: a data set or a clip, whole or not at all."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from facewire_edge.errors import OutputError, UsageError
from facewire_train import render as writer
from facewire_train.__main__ import main
from facewire_train.datasets import read_dataset
from facewire_train.synthetic import SyntheticFace, render, render_group


def test_data_set_round_trip(tmp_path: Path) -> None:
    writer.write_dataset(tmp_path / "faces", 10, seed=4, size_px=64)
    dataset = read_dataset(tmp_path / "faces")
    face = render(4, 0, 64)
    by_image = {sample.image.name: sample for sample in dataset.samples}
    first = by_image["000000.jpg"]
    assert len(dataset.samples) == 10
    assert np.abs(first.points - face.points).max() <= 0.0051  # two decimals
    assert (first.visible == face.visible).all()
    assert first.complete
    assert by_image["000009.jpg"].split == "test"
    assert dataset.terms.startswith("free")


def test_images_are_what_was_rendered(tmp_path: Path) -> None:
    writer.write_dataset(tmp_path / "faces", 1, seed=4, size_px=64, jpeg_quality=98)
    image = cv2.imread(str(tmp_path / "faces" / "img" / "000000.jpg"))[:, :, ::-1].astype(float)
    assert np.abs(image - render(4, 0, 64).image).mean() < 6  # levels: JPEG halves the colour's resolution


def test_several_faces_in_a_picture_are_all_listed(tmp_path: Path) -> None:
    writer.write_dataset(tmp_path / "faces", 4, seed=4, size_px=128, most=4)
    entries = [json.loads(line) for line in (tmp_path / "faces" / "faces.jsonl").read_text().splitlines()]
    groups = [render_group(4, index, 128, 4) for index in range(4)]
    assert [len(entry["faces"]) for entry in entries] == [len(group) for group in groups]
    assert max(map(len, groups)) > 1
    assert all(sample.complete for sample in read_dataset(tmp_path / "faces").samples)


def test_face_behind_others_is_neither_wanted_nor_background() -> None:
    face = render(4, 0, 64)
    assert "ignore" not in writer._labels(face)
    assert writer._labels(replace(face, visible=np.zeros(68, bool)))["ignore"] is True


def test_box_is_the_tight_box_of_the_points(tmp_path: Path) -> None:
    writer.write_dataset(tmp_path / "faces", 1, seed=4, size_px=64)
    entry = json.loads((tmp_path / "faces" / "faces.jsonl").read_text())
    points = np.array(entry["faces"][0]["points"])
    assert entry["faces"][0]["box"] == [*points.min(axis=0), *points.max(axis=0)]
    assert (entry["width"], entry["height"], entry["subset"]) == (64, 64, "synthetic")


def test_quality_changes_the_size(tmp_path: Path) -> None:
    for quality in (50, 95):
        writer.write_dataset(tmp_path / str(quality), 1, seed=4, size_px=96, jpeg_quality=quality)
    small, large = ((tmp_path / q / "img" / "000000.jpg").stat().st_size for q in ("50", "95"))
    assert small < 0.7 * large


def test_interrupted_data_set_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(seed: int, index: int, size_px: int) -> SyntheticFace:
        if index == 2:
            raise KeyboardInterrupt
        return render(seed, index, size_px)

    monkeypatch.setattr(writer, "render", stop)
    with pytest.raises(KeyboardInterrupt):
        writer.write_dataset(tmp_path / "faces", 5, seed=1, size_px=48)
    assert list(tmp_path.iterdir()) == []


def test_folder_with_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        writer.write_dataset(tmp_path, 1, seed=1, size_px=48)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_link_to_an_empty_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "faces").symlink_to("there")
    writer.write_dataset(tmp_path / "faces", 1, seed=1, size_px=48)
    assert (tmp_path / "faces").is_symlink()
    assert (tmp_path / "there" / "faces.jsonl").is_file()


def test_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "faces").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        writer.write_dataset(tmp_path / "faces", 1, seed=1, size_px=48)


def test_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        writer.write_dataset(tmp_path / "file" / "faces", 1, seed=1, size_px=48)


def test_clip_has_its_frames_size_and_rate(tmp_path: Path) -> None:
    writer.write_clip(tmp_path / "a.mp4", seed=2, frames=5, width=96, height=64, fps=20.0)
    video = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    frames = [video.read()[1].shape for _ in range(5)]
    assert frames == [(64, 96, 3)] * 5
    assert not video.read()[0]
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(20)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_interrupted_clip_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(seed: int, frames: int, width: int, height: int) -> Iterator[SyntheticFace]:
        yield render(seed, 0, height)
        raise KeyboardInterrupt

    monkeypatch.setattr(writer, "render_clip", stop)
    with pytest.raises(KeyboardInterrupt):
        writer.write_clip(tmp_path / "a.mp4", seed=2, frames=5, width=64, height=64)
    assert list(tmp_path.iterdir()) == []


def test_clip_of_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.mp4"):
        writer.write_clip(tmp_path / "a.gif", seed=2, frames=2)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--seed", "-1"], "--seed must be 0 or more"),
        (["--size", "100000"], "--size must be 2048 or less"),
        (["--clip", "2", "--faces", "3"], "leave out --faces"),
    ],
)
def test_option_that_cannot_be_meant_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], words: str
) -> None:
    assert main(["render", "--out", str(tmp_path / "r.mp4"), *flags]) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
