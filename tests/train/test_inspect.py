import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from facewire_edge.schema import IBUG68
from facewire_train.__main__ import main
from facewire_train.datasets import read_labels
from facewire_train.head import Pose, mean_head, project, rotation
from facewire_train.head_pose import head_poses, pose_of_points
from facewire_train.inspect_command import data_page, light_of

from tests.train.made_sets import WRITERS, write_kaggle


@pytest.mark.parametrize("turn", [(0, 0, 0), (25, -10, 5), (-40, 15, -20), (10, 25, 160)])
def test_pose_of_a_projected_head_is_found_with_the_messages_signs(turn: tuple[float, float, float]) -> None:
    pose = Pose(*turn, x=50, y=60, scale=30, distance=1000)  # so far away that the view is orthographic
    points = project(mean_head() @ rotation(pose).T.astype(np.float32), pose)
    assert np.abs(pose_of_points(points, mean_head().astype(np.float64)) - turn).max() < 0.5
    points[:62] = np.nan
    assert np.abs(pose_of_points(points, mean_head().astype(np.float64)) - turn).max() < 0.5
    points[:65] = np.nan
    assert np.isnan(pose_of_points(points, mean_head().astype(np.float64))).all()


def test_face_left_of_its_picture_has_no_light(faces: Path) -> None:
    sample = read_labels(faces).samples[0]
    level, deviation, side = light_of(replace(sample, points=sample.points - (1000, 0)))
    assert np.isnan([level, deviation]).all()
    assert light_of(sample)[0] > 0
    assert side == light_of(sample)[2]


def test_rendered_heads_are_level_on_average(faces: Path) -> None:
    poses = head_poses(read_labels(faces).samples, IBUG68)
    assert poses.shape == (30, 3)
    assert np.abs(np.median(poses, axis=0)).max() < 15


def test_verb_writes_one_page_that_needs_nothing_else(tmp_path: Path, faces: Path) -> None:
    assert main(["inspect-data", str(faces), "--out", str(tmp_path / "page.html")]) == 0
    text = (tmp_path / "page.html").read_text()
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
    assert not re.search(r'(src|href)="(?!data:)', text)
    for title in ("Counts", "Face size", "Yaw", "Mode 1", "Drawn at random", "Oddest labels", "Every point of every"):
        assert title in text


@pytest.mark.parametrize("name", WRITERS)
def test_page_can_be_made_of_every_format(tmp_path: Path, name: str) -> None:
    assert "Counts" in data_page(read_labels(WRITERS[name](tmp_path)))


def test_page_of_incomplete_labels_says_what_is_missing(tmp_path: Path) -> None:
    text = data_page(read_labels(write_kaggle(tmp_path)))
    assert "Most missing points" in text
    assert "36.7 % of the points" in text  # 11 of 15 in every second row


def test_page_of_points_outside_their_images_shows_them(tmp_path: Path, faces: Path) -> None:
    folder = tmp_path / "outside"
    shutil.copytree(faces, folder)
    lines = [json.loads(line) for line in (folder / "faces.jsonl").read_text().splitlines()]
    for line in lines:
        (face,) = line["faces"]
        moved = [[x + 500, y - 500] for x, y in face["points"]]
        line["faces"] = [{"points": moved}]
    (folder / "faces.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    text = data_page(read_labels(folder))
    assert text.count("not known of any face") == 2  # brightness and contrast
    assert text.count('alt="face: ') > 30


def test_page_of_a_set_with_boxes_alone_is_made(tmp_path: Path) -> None:
    folder = write_kaggle(tmp_path)
    table = folder / "training.csv"
    header, *rows = table.read_text().splitlines()
    table.write_text("\n".join([header, *("," * 30 + row.rsplit(",", 1)[1] for row in rows)]))
    assert "No face has two labelled points" in data_page(read_labels(folder))
