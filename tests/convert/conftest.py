"""One tiny landmark model, trained for seconds on drawn faces and converted once for all tests."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from facewire_convert.calibrate import Calibration, calibrate
from facewire_convert.quantize import int8_card, quantize
from facewire_edge.card import InputSpec, ModelCard, OutputSpec, attach_card
from facewire_edge.geometry import CropTransform
from facewire_edge.schema import POINTS5
from facewire_train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from facewire_train.config import ModelConfig
from facewire_train.evaluate import to_network
from facewire_train.fold import folded
from facewire_train.losses import spread
from facewire_train.model import landmark_model
from facewire_train.shapes import mean_shape
from numpy.typing import NDArray

SIDE = 48  # of the network's input
FRAME = 96
FACES, EPOCHS, BATCH = 800, 15, 50  # of the training
LOOSE_PX = 2.5  # of the five points against the true ones, like a detector's
SHAPE = np.float32([[-12, -10], [12, -10], [0, 2], [-9, 13], [9, 13]])  # eyes, nose, mouth; pixels about the centre
MARGIN = 2.0


def draw_face(rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Give a frame (96, 96, 3) with a plain face and its five points."""
    image = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    image = np.asarray(cv2.resize(image, (FRAME, FRAME)))
    angle, scale = rng.normal(0, 0.15), rng.uniform(0.9, 1.3)
    turn = scale * np.float32([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    centre = FRAME / 2 + rng.normal(0, 5, 2)
    points = ((SHAPE + rng.normal(0, 1.2, SHAPE.shape)) @ turn + centre).astype(np.float32)
    middle = tuple(int(v) for v in centre)
    skin = tuple(int(v) for v in rng.integers(150, 230, 3))
    cv2.ellipse(image, middle, (int(24 * scale), int(30 * scale)), float(np.degrees(-angle)), 0, 360, skin, -1)
    for x, y in points[:2]:
        cv2.circle(image, (round(float(x)), round(float(y))), 4, (20, 30, 60), -1, cv2.LINE_AA)
    cv2.circle(image, (round(float(points[2, 0])), round(float(points[2, 1]))), 3, (120, 60, 60), -1, cv2.LINE_AA)
    ends = [tuple(round(float(v)) for v in p) for p in points[3:]]
    cv2.line(image, ends[0], ends[1], (150, 20, 40), 3, cv2.LINE_AA)
    return image, points


def write_faces(folder: Path, count: int, seed: int, split: str) -> Path:
    """Write a native-format set of drawn faces, its ``points5`` as loose as a detector's."""
    rng = np.random.default_rng(seed)
    (folder / "img").mkdir(parents=True)
    lines = []
    for number in range(count):
        image, points = draw_face(rng)
        name = f"img/{number:04}.png"
        cv2.imwrite(str(folder / name), image[..., ::-1])
        face = {"points": points.tolist(), "points5": (points + rng.normal(0, LOOSE_PX, points.shape)).tolist()}
        lines.append(json.dumps({"image": name, "split": split, "faces": [face]}))
    (folder / "faces.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "dataset.toml").write_text('format = 1\nname = "drawn"\nschema = "points5"\nterms = "free"\n')
    return folder


def train_tiny(mean: NDArray[np.float32]) -> keras.Model:
    """Train a tiny landmark model for a few seconds."""
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    images, residuals = [], []
    for _ in range(FACES):
        image, points = draw_face(rng)
        loose = (points + rng.normal(0, LOOSE_PX, points.shape)).astype(np.float32)
        crop = CropTransform.from_landmarks(loose, mean, SIDE)
        images.append(crop.warp(image))
        residuals.append((crop.to_units(points) - mean).ravel())
    config = ModelConfig(SIDE, SIDE, 8, ((16, 2), (24, 2), (24, 1), (32, 2)))
    model = landmark_model(config, POINTS5.n)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-2, FACES // BATCH * EPOCHS)),
        loss={"landmarks": "mae", "presence": "binary_crossentropy", "uncertainty": spread(POINTS5.n)},
        jit_compile=False,
    )
    told = np.stack(residuals)
    weighed = np.concatenate([told.reshape(FACES, POINTS5.n, 2), np.ones((FACES, POINTS5.n, 1))], axis=2)
    targets = {"landmarks": told, "presence": np.ones((FACES, 1), np.float32), "uncertainty": weighed}
    model.fit(to_network(np.stack(images)), targets, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    return folded(model, landmark_model(config, POINTS5.n, normed=False))


def tiny_card(mean: NDArray[np.float32]) -> ModelCard:
    widths = {"landmarks": 2 * POINTS5.n, "presence": 1, "uncertainty": POINTS5.n}
    return ModelCard(
        kind="landmarks",
        name="tiny5",
        input=InputSpec(SIDE, SIDE),
        outputs={name: OutputSpec(name, (1, width)) for name, width in widths.items()},
        schema=POINTS5,
        mean_shape=mean,
        mean_points5=mean,
        margin=MARGIN,
        data=({"name": "drawn", "terms": "free"},),
        terms="free",
    )


@dataclass(frozen=True, slots=True, eq=False)
class Conversion:
    """Hold one conversion and the data around it; tests only read it."""

    checkpoint: Checkpoint
    calibration_folder: Path
    gate_folder: Path
    calibration: Calibration
    flatbuffer: bytes
    card: ModelCard
    model_path: Path


@pytest.fixture(scope="session")
def conversion(tmp_path_factory: pytest.TempPathFactory) -> Conversion:
    folder = tmp_path_factory.mktemp("conversion")
    rng = np.random.default_rng(0)
    mean = mean_shape([draw_face(rng)[1] for _ in range(200)], POINTS5, MARGIN)
    with warnings.catch_warnings():
        # Keras 3.15 copies TensorFlow variables in a way that NumPy 2 deprecates.
        warnings.filterwarnings("ignore", "__array__ implementation doesn't accept a copy", DeprecationWarning)
        save_checkpoint(train_tiny(mean), tiny_card(mean), folder / "tiny5.keras")
    checkpoint = load_checkpoint(folder / "tiny5.keras")
    calibration_folder = write_faces(folder / "calibration", 40, 2, "train")
    gate_folder = write_faces(folder / "gate", 50, 3, "test")
    calibration = calibrate(calibration_folder, checkpoint.card)
    flatbuffer = quantize(checkpoint, calibration.images)
    path = folder / "tiny5.tflite"
    card = attach_card(flatbuffer, int8_card(checkpoint, flatbuffer), path)
    return Conversion(checkpoint, calibration_folder, gate_folder, calibration, flatbuffer, card, path)
