"""The shipped models complete labels and find what looks like a face; the pictures are rendered."""

from pathlib import Path

import numpy as np
import pytest
from facewire_edge.geometry import Box
from facewire_train.labels import Sample, group_by_image
from facewire_train.off_face import OffFace
from facewire_train.scenes import Scene, completed
from facewire_train.synthetic import render
from facewire_train.teacher import Teacher

FIVE = np.array([[0.35, 0.4], [0.65, 0.4], [0.5, 0.6], [0.4, 0.75], [0.6, 0.75]], np.float32)


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    return Teacher()


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, list[Box]]:
    """Give a picture of two faces, and their boxes."""
    left, right = (render(3, i, 160) for i in (0, 1))
    boxes = [Box.around(left.points), Box.around(right.points + np.array([160, 0], np.float32))]
    return np.concatenate([left.image, right.image], axis=1), boxes


def test_a_teacher_names_the_faces_that_nobody_labelled(teacher: Teacher, pair: tuple[np.ndarray, list[Box]]) -> None:
    image, boxes = pair
    assert teacher.unlabelled(image, boxes) == []
    (found,) = teacher.unlabelled(image, boxes[:1])
    assert found.iou(boxes[1]) > 0.4


def test_a_completed_scene_neither_wants_nor_punishes_what_the_teacher_found(
    teacher: Teacher, pair: tuple[np.ndarray, list[Box]]
) -> None:
    image, boxes = pair
    listed = np.array([[boxes[0].x0, boxes[0].y0, boxes[0].x1, boxes[0].y1]], np.float32)
    scene = Scene(image, listed, np.zeros((1, 5, 2), np.float32), np.ones(1, bool), complete=False)
    whole = completed(scene, teacher)
    assert whole.complete
    assert whole.wanted.tolist() == [True, False]
    assert np.isnan(whole.points[1]).all()
    assert Box(*whole.boxes[1].tolist()).iou(boxes[1]) > 0.4


def test_alarms_are_off_the_listed_faces(teacher: Teacher, pair: tuple[np.ndarray, list[Box]]) -> None:
    image, boxes = pair
    rng = np.random.default_rng(0)
    for alarm in teacher.alarms(image, boxes, rng):
        x, y = alarm.box.centre
        assert not any(b.x0 <= x <= b.x1 and b.y0 <= y <= b.y1 for b in boxes)
    taken = [alarm.box.centre for alarm in teacher.alarms(image, [], rng)]
    assert any(b.x0 <= x <= b.x1 and b.y0 <= y <= b.y1 for x, y in taken for b in boxes)  # it does look at faces


def test_only_a_complete_image_gives_alarms(teacher: Teacher, pair: tuple[np.ndarray, list[Box]]) -> None:
    image, boxes = pair
    path = Path("a.png")
    for complete in (False, True):
        blank, hidden = np.zeros((68, 2), np.float32), np.zeros(68, bool)
        sample = Sample(path, boxes[0], blank, hidden, None, "train", "", "a", "made", complete)
        crops = OffFace(group_by_image([sample]), FIVE, 112, 1, teacher)(path, image)
        assert all(c.shape == (134, 134, 3) for c in crops)
        assert (len(crops) > 1) == complete  # the face on the right is not listed: the teacher takes it
