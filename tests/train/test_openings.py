import numpy as np
import pytest
from facewire_edge.openness import FaceOpenness
from facewire_edge.schema import IBUG68, POINTS5, WFLW98
from facewire_train.losses import PENALTIES, between
from facewire_train.openings import BOUNDS, EYES, opening_maps, rarity
from facewire_train.shapes import mean_shape


def face(rng: np.random.Generator, lids: float = 1.0) -> np.ndarray:
    """Give 68 points of which each eye is ``lids`` times as far open as it was drawn."""
    points = rng.normal(0, 0.01, (68, 2)) + np.stack([np.arange(68) % 9, np.arange(68) // 9], axis=1)
    for upper, lower in EYES:
        points[upper] = points[lower] + (0, -lids + rng.normal(0, 0.05))
    return points.astype(np.float32)


def test_ways_are_those_that_the_device_measures_by() -> None:
    points = face(np.random.default_rng(0), lids=0.7)
    ways = np.einsum("dpn,nd->pd", opening_maps(IBUG68), points)
    heights = np.linalg.norm(ways, axis=1)[:2].mean()
    width = np.linalg.norm(points[36] - points[39])
    assert FaceOpenness(IBUG68)(points).right_eye == pytest.approx(heights / width)


def test_schema_that_leads_to_none_has_no_ways_and_nothing_rare() -> None:
    assert opening_maps(POINTS5).shape == (2, 0, 5)
    assert opening_maps(WFLW98).shape == (2, 7, 98)
    assert (rarity(np.zeros((3, 5, 2), np.float32), opening_maps(POINTS5)) == 1).all()


def test_closed_eyes_are_rare_and_a_face_without_labels_is_usual() -> None:
    rng = np.random.default_rng(0)
    faces = np.stack([face(rng) for _ in range(50)] + [face(rng, lids=0.05), np.full((68, 2), np.nan, np.float32)])
    faces[50, 0] = np.nan  # of the jaw: says nothing of the eyes
    found = rarity(faces, opening_maps(IBUG68))
    assert found[50] == BOUNDS[1]
    assert np.median(found[:51]) == pytest.approx(1, abs=0.05)
    assert found[51] == 1


def test_loss_between_points_sees_lids_but_not_a_face_that_moved_as_a_whole() -> None:
    loss = between(PENALTIES["distance"], 100, opening_maps(IBUG68))
    truth = mean_shape([face(np.random.default_rng(i)) for i in range(5)], IBUG68, 1.25)
    target = np.concatenate([truth, np.ones((68, 1), np.float32)], axis=1)[None]
    shut = truth.copy()
    shut[37] = shut[41]
    assert float(loss(target, (truth + 0.1).reshape(1, -1))) < 0.01
    assert float(loss(target, shut.reshape(1, -1))) > 0.1
    target[0, 41, 2] = 0  # without the lower lid there is no way to measure
    assert float(loss(target, shut.reshape(1, -1))) < 0.01
