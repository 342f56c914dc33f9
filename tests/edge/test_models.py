"""The shipped models, as files and as tensors."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from facewire_edge import interpreter
from facewire_edge.__main__ import main
from facewire_edge.camera import REPLAY
from facewire_edge.card import InputSpec, OutputSpec, attach_card, read_card
from facewire_edge.config import MODELS
from facewire_edge.detectors import open_detector
from facewire_edge.errors import ModelCardError, ModelError, RuntimeMissingError
from facewire_edge.interpreter import load_model
from facewire_edge.landmarks import LandmarkModel
from facewire_edge.media import VideoFile
from facewire_edge.track import Tracker, TrackSettings
from facewire_edge.types import Image
from numpy.typing import NDArray

LANDMARKS = MODELS / "landmarks68_int8.tflite"


@pytest.mark.parametrize(("name", "kind"), [("landmarks68_int8", "landmarks"), ("face_int8", "detector")])
def test_shipped_model_names_its_data_and_terms_and_runs(name: str, kind: str) -> None:
    model = load_model(MODELS / f"{name}.tflite", kind)
    size = model.card.input
    outputs = model.run(np.full((size.height, size.width, 3), 90, np.uint8))
    assert all(np.isfinite(values).all() for values in outputs.values())
    assert "research" in model.card.terms
    assert model.card.data


def test_model_of_another_kind_is_refused() -> None:
    with pytest.raises(ModelError, match="expected a detector model"):
        load_model(LANDMARKS, "detector")


def test_picture_of_another_size_or_type_is_refused() -> None:
    model = load_model(LANDMARKS)
    for picture in (np.zeros((128, 128, 3), np.uint8), np.zeros((112, 112, 3), np.int8)):
        with pytest.raises(ModelError, match="expects 112x112 uint8 RGB"):
            model.run(picture)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"input": InputSpec(112, 112, scale=0.01)}, "scale 0.01"),
        ({"input": InputSpec(96, 96)}, "the card says input"),
        ({"landmarks": OutputSpec("nobody", (1, 136))}, "no output tensor 'nobody'"),
    ],
)
def test_card_that_contradicts_its_tensors_is_refused(change: dict[str, object], words: str, tmp_path: Path) -> None:
    card, flatbuffer = read_card(LANDMARKS)
    if "landmarks" in change:
        change = {"outputs": {**card.outputs, **change}}
    attach_card(flatbuffer, replace(card, **change), tmp_path / "m.tflite")  # type: ignore[arg-type]
    with pytest.raises(ModelCardError, match=words):
        load_model(tmp_path / "m.tflite")


def test_without_a_runtime_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "RUNTIMES", (("absent", "no_such_module", "Interpreter"),))
    with pytest.raises(RuntimeMissingError, match="pip install ai-edge-litert"):
        load_model(LANDMARKS)


def test_inspect_doctor_and_bench_speak(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(LANDMARKS)]) == 0
    assert "CONV_2D" in capsys.readouterr().out
    assert main(["doctor"]) == 0
    assert "ok   runtime" in capsys.readouterr().out
    assert main(["doctor", "--model", "missing.tflite"]) == 4
    assert main(["bench", "--frames", "5"]) == 0
    assert {"capture", "detect", "crop", "landmarks", "publish"} <= set(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("frames", "pictures", "code", "words"), [("0", 3, 2, "frames must be 1"), ("5", 3, 6, "ends within")]
)
def test_bench_without_a_frame_has_no_figures(
    frames: str, pictures: int, code: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(pictures):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros((48, 64, 3), np.uint8))
    assert main(["bench", "--frames", frames, "--input", str(tmp_path)]) == code
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.out == ""


class Eyes:
    """Be the shipped lite model with nothing but the eyes' corners."""

    corners = (36, 39, 42, 45)

    def __init__(self) -> None:
        self._model = load_model(MODELS / "landmarks68_lite_int8.tflite")
        card = self._model.card
        assert card.mean_shape is not None
        self.card = replace(card, mean_shape=card.mean_shape[list(self.corners)])
        self.device = self._model.device

    def run(self, image: Image) -> dict[str, NDArray[np.float32]]:
        outputs = self._model.run(image)
        return outputs | {
            "landmarks": outputs["landmarks"].reshape(-1, 2)[list(self.corners)].ravel(),
            "uncertainty": outputs["uncertainty"][list(self.corners)],
        }


def test_face_of_which_only_the_eyes_are_marked_is_one_face_and_all_of_it() -> None:
    tracker = Tracker(open_detector(MODELS / "face_int8.tflite"), LandmarkModel(Eyes()), TrackSettings())  # type: ignore[arg-type]
    searches = 0
    with closing(VideoFile(REPLAY)) as clip:
        for _ in range(41):
            frame = clip.read()
            assert frame is not None
            faces, _ = tracker(frame)
            assert [face.id for face in faces] == [0]
            assert faces[0].whole is not None
            assert faces[0].whole.height > 4 * faces[0].box.height
            if (detection := faces[0].detection) is not None:
                searches += 1
                assert detection.box.iou(faces[0].whole) > 0.5
    assert searches == 5  # the first frame and every tenth: no search finds the face anew


def _of_the_clip(wrong: int | None) -> list[NDArray[np.float32]]:
    """Give the first face's landmarks in each frame; in frame ``wrong``, three points are a step of the output off."""
    model = load_model(LANDMARKS)
    step, answer, frame = float(model._outputs["landmarks"].scale), model.run, 0

    def run(image: Image) -> dict[str, NDArray[np.float32]]:
        outputs = answer(image)
        if frame == wrong:
            outputs["landmarks"][[3, 50, 101]] += step
        return outputs

    model.run = run  # type: ignore[method-assign]
    settings = TrackSettings(min_presence=model.card.min_presence, smooth=False)
    tracker = Tracker(open_detector(MODELS / "face_int8.tflite"), LandmarkModel(model), settings)
    found = []
    with closing(VideoFile(REPLAY)) as clip:
        while frame < 12:
            picture = clip.read()
            assert picture is not None
            found.append(tracker(picture)[0][0].landmarks)
            frame += 1
    return found


@pytest.mark.parametrize("wrong", [3, 5])
def test_what_one_processor_rounds_otherwise_leaves_no_trace(wrong: int) -> None:
    apart = [np.abs(a - b).max() for a, b in zip(_of_the_clip(None), _of_the_clip(wrong), strict=True)]
    assert apart[wrong] > 0.05
    assert max(apart[wrong + 3 :]) == 0
