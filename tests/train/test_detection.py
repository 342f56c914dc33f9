import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from facewire_edge.card import DetectorSpec, InputSpec, ModelCard
from facewire_edge.detect import cell_grid
from facewire_edge.errors import DataError
from facewire_edge.geometry import Box
from facewire_edge.types import Detection
from facewire_train.datasets import Sample, read_dataset
from facewire_train.detection import MISSED, average_precision, detect_scenes, detection_figures, judged, match
from facewire_train.detection_report import write_detection_report
from facewire_train.evaluate import evaluate_detector
from facewire_train.faces import face_box
from facewire_train.labels import Background

FIVE = np.zeros((5, 2), np.float32)
SPEC = DetectorSpec((8,), (40.0,))
CARD = ModelCard(kind="detector", name="d", input=InputSpec(80, 80), outputs={}, detector=SPEC, min_score=0.5)


def found(x: float, y: float, side: float, score: float) -> Detection:
    return Detection(Box(x, y, x + side, y + side), score, FIVE)


@pytest.fixture
def complete(faces: Path) -> list[Sample]:
    """Give ten faces of which every image lists all, one of them to be ignored."""
    samples = [replace(s, complete=True) for s in read_dataset(faces).samples[:10]]
    return [*samples[:9], replace(samples[9], ignore=True)]


def oracle(samples: list[Sample], offset: float) -> object:
    """Give a network that says each face's box, image by image in order, moved by ``offset`` of its width."""
    grid = cell_grid(SPEC, 80, 80)
    images = iter(samples)

    def run(letters: np.ndarray) -> dict[str, np.ndarray]:
        answers = [answer(face_box(next(images))) for _ in letters]
        return {name: np.concatenate([a[name] for a in answers]) for name in answers[0]}

    def answer(box: Box) -> dict[str, np.ndarray]:
        x, y = box.centre
        row = int(np.argmin(np.abs(grid[:, :2] - (x, y)).max(axis=1)))
        outputs = {name: np.zeros((1, len(grid), n), np.float32) for name, n in (("boxes", 4), ("points", 10))}
        outputs["scores"] = np.full((1, len(grid), 1), -9, np.float32)
        outputs["scores"][0, row] = 3
        moved = np.array([x + offset * box.width, y]) - grid[row, :2]
        outputs["boxes"][0, row] = [*(moved / 40), np.log(box.width / 40), np.log(box.height / 40)]
        return outputs

    return run


def test_each_face_is_taken_once_by_the_best_detection() -> None:
    faces = [Box(0, 0, 10, 10), Box(20, 0, 30, 10)]
    detections = [found(0, 0, 10, 0.9), found(1, 0, 10, 0.8), found(21, 0, 10, 0.7), found(50, 50, 10, 0.6)]
    assert match(faces, detections).tolist() == [0, MISSED, 1, MISSED]


@pytest.mark.parametrize(
    ("hits", "wanted", "area"),
    [
        ([1, 1], 2, 1.0),
        ([1, 0, 1], 2, 0.5 + 0.5 * 2 / 3),
        ([0, 1], 1, 0.5),
        ([1], 4, 0.25),
        ([], 3, 0.0),
        ([0], 0, 0.0),
    ],
)
def test_average_precision_of_short_lists(hits: list[int], wanted: int, area: float) -> None:
    assert average_precision(np.array(hits, bool), wanted) == pytest.approx(area)


def test_detector_that_knows_all_has_full_precision(complete: list[Sample], tmp_path: Path) -> None:
    scenes = detect_scenes(complete, CARD, oracle(complete, 0.0))  # type: ignore[arg-type]
    figures = detection_figures(scenes, CARD)
    assert figures["0px"] == {"faces": 9, "ap": 1.0, "recall": 1.0, "false_alarms_per_image": 0.0}
    write_detection_report(scenes, CARD, tmp_path / "report")
    names = {p.name for p in (tmp_path / "report").iterdir()}
    assert names == {"precision_recall.png", "missed.png", "false_alarms.png"}


def test_detector_that_is_beside_every_face_has_only_false_alarms(complete: list[Sample]) -> None:
    scenes = detect_scenes(complete, CARD, oracle(complete, 1.5))  # type: ignore[arg-type]
    figures = detection_figures(scenes, CARD)
    assert figures["0px"] == {"faces": 9, "ap": 0.0, "recall": 0.0, "false_alarms_per_image": 1.0}


def test_picture_of_another_size_than_the_labelled_one_is_refused(complete: list[Sample]) -> None:
    other = [replace(s, size_px=(640, 480)) for s in complete]
    with pytest.raises(DataError, match="its labels are of a picture of 640x480"):
        detect_scenes(other, CARD, oracle(other, 0.0))  # type: ignore[arg-type]


def test_detector_that_finds_nothing_has_no_point_error(complete: list[Sample]) -> None:
    def silent(letters: np.ndarray) -> dict[str, np.ndarray]:
        cells, widths = len(cell_grid(SPEC, 80, 80)), (("scores", 1), ("boxes", 4), ("points", 10))
        return {name: np.full((len(letters), cells, width), -9, np.float32) for name, width in widths}

    figures = evaluate_detector(complete, CARD, silent)
    assert figures == {"recall": 0.0, "nme5": None, "loss": 1.0, "faces": 9}


def test_what_is_found_in_a_background_is_a_false_alarm(complete: list[Sample], tmp_path: Path) -> None:
    listed, last = complete[:8], complete[8]
    empty = Background(last.image, "test", "", "a", last.size_px)
    scenes = detect_scenes(listed, CARD, oracle(complete, 0.0), [empty])  # type: ignore[arg-type]
    figures = detection_figures(scenes, CARD)
    assert (figures["images"], figures["0px"]["faces"], figures["0px"]["recall"]) == (9, 8, 1.0)
    assert figures["0px"]["false_alarms_per_image"] == pytest.approx(1 / 9, abs=1e-4)
    write_detection_report(scenes, CARD, tmp_path / "report")
    alone = detection_figures(detect_scenes([], CARD, oracle([last], 0.0), [empty]), CARD)  # type: ignore[arg-type]
    assert alone["0px"] == {"faces": 0, "ap": None, "recall": None, "false_alarms_per_image": 1.0}


def test_faces_below_the_size_do_not_count_either_way(complete: list[Sample]) -> None:
    scenes = detect_scenes(complete, CARD, oracle(complete, 0.0))  # type: ignore[arg-type]
    scores, _, wanted = judged(scenes, 1e4)
    assert len(scores) == wanted == 0


def test_images_that_do_not_list_every_face_are_left_out(faces: Path) -> None:
    lines = (faces / "faces.jsonl").read_text().splitlines()
    assert json.loads(lines[0]).get("complete", False) is True  # rendered: all are listed
    samples = [replace(s, complete=False) for s in read_dataset(faces).samples]
    assert detect_scenes(samples, CARD, oracle(samples, 0.0)) == []  # type: ignore[arg-type]
