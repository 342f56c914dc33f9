"""Training of a face detector: its batches, losses and validation."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version

import keras
import numpy as np
from facewire_edge.card import DetectorSpec, InputSpec, ModelCard, OutputSpec
from facewire_edge.detect import cell_grid
from facewire_edge.facebox import MEAN_POINTS5
from facewire_edge.geometry import CropTransform
from numpy.typing import NDArray

from facewire_train.config import TrainConfig
from facewire_train.datasets import Dataset, Sample
from facewire_train.evaluate import evaluate_detector, has_points5, keras_runner, to_network
from facewire_train.faces import face_box
from facewire_train.fit import Task
from facewire_train.hardness import hardness
from facewire_train.labels import is_tight
from facewire_train.landmark_task import refuse_nothing
from facewire_train.losses import focal, smooth_l1
from facewire_train.model import detector_model
from facewire_train.scenes import Scene, compose, load_scenes
from facewire_train.targets import encode
from facewire_train.teacher import Teacher
from facewire_train.terms import joined_terms

log = logging.getLogger(__name__)

FOCAL_GAMMA = 2.0  # the paper's best
BEND = 0.02  # of smooth L1, in reference sizes; errors of a tenth of a face must still pull with full strength
VALIDATION_FACES = 300


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Hold a set's images, how often the set is drawn, and each image of it."""

    scenes: Sequence[Scene]
    share: float
    chances: NDArray[np.float64]  # (scenes,), sum 1


class DetectorEpoch:
    """Give the batches of one epoch; every picture is composed anew."""

    def __init__(self, groups: Sequence[Group], grid: NDArray[np.float32], config: TrainConfig, epoch: int) -> None:
        self._groups, self._grid, self._config, self._epoch = groups, grid, config, epoch
        shares = np.array([group.share for group in groups])
        self._chances = shares / shares.sum()

    def __len__(self) -> int:
        images = sum(len(group.scenes) for group in self._groups)
        return self._config.fit.steps_per_epoch or max(1, images // self._config.fit.batch)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
        batch = self._config.fit.batch
        samples = [self._sample(index * batch + i) for i in range(batch)]
        targets = {name: np.stack([t[name] for _, t in samples]) for name in samples[0][1]}
        return to_network(np.stack([image for image, _ in samples])), targets

    def _sample(self, index: int) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.float32]]]:
        """Take a set, then an image: the small complete sets teach the background, the large ones the faces."""
        rng = np.random.default_rng([self._config.seed, self._epoch, index])
        group = self._groups[int(rng.choice(len(self._groups), p=self._chances))]
        first, size = int(rng.choice(len(group.scenes), p=group.chances)), self._config.model
        picture = compose(group.scenes, first, size.width, size.height, self._config.augment, rng)
        return picture.image, encode(picture, self._grid)


def detector_task(config: TrainConfig, datasets: Sequence[Dataset]) -> Task:
    """Prepare the training of a detector.

    Raises:
        DataError: there is nothing to train on.
        UsageError: all sets with faces to learn have share 0.

    """
    card = _card(config, datasets)
    assert card.detector is not None
    grid = cell_grid(card.detector, config.model.width, config.model.height)
    shares = config.data.shares
    teacher = Teacher() if config.data.teacher else None
    sets = [d for d in datasets if d.split("train") or d.empty("train")]
    refuse_nothing(config, [d.name for d in sets for s in d.split("train") if not s.ignore])
    for dataset in sets:
        _warn_of_tight_boxes(dataset)
    scenes = [load_scenes(d.split("train"), teacher, d.empty("train")) for d in sets]
    groups = [group_of(s, shares.get(d.name, 1.0), config.data.hard) for s, d in zip(scenes, sets, strict=True)]
    held_back = _spread([s for d in datasets if d.name != "wider" for s in d.split("val") if has_points5(s)])
    return Task(
        network=lambda normed: _network(config, normed),
        losses={"scores": focal(FOCAL_GAMMA), "boxes": smooth_l1(BEND), "points": smooth_l1(BEND)},
        weights={"scores": 1.0, "boxes": config.detector.box_weight, "points": config.detector.points_weight},
        epoch=lambda epoch: DetectorEpoch(groups, grid, config, epoch),
        validate=lambda model: _validate(model, card, held_back),
        card=card,
    )


def _warn_of_tight_boxes(dataset: Dataset) -> None:
    """Say so where a set's faces have no more than their landmarks' box: it ends at the brows, a face's does not."""
    faces = [s for s in dataset.split("train") if not s.ignore]
    tight = sum(face_box(s) == s.box and is_tight(s.box, s.points) for s in faces)
    if tight:
        log.warning(
            "%s: %d of %d faces have only the box around their landmarks, without forehead and ears; label boxes, or "
            "give their schema points5",
            dataset.path,
            tight,
            len(faces),
        )


def group_of(scenes: Sequence[Scene], share: float, exponent: float) -> Group:
    """Let an image be drawn the more often the harder its wanted faces are, and of these the harder be shown."""
    faces = [scene.points[scene.wanted] for scene in scenes]
    hard = hardness(np.concatenate([_residuals(points) for points in faces])) ** exponent
    of_scenes = np.split(hard, np.cumsum([len(f) for f in faces])[:-1])
    chances = np.array([h.mean() if len(h) else 1.0 for h in of_scenes])
    shown = [_of_faces(scene, h) for scene, h in zip(scenes, of_scenes, strict=True)]
    return Group(shown, share, chances / chances.sum())


def _of_faces(scene: Scene, hard: NDArray[np.float64]) -> Scene:
    if not len(hard):
        return scene
    chances = np.zeros(len(scene.boxes))
    chances[scene.wanted] = hard / hard.sum()
    return replace(scene, chances=chances)


def _residuals(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give what is between faces' five points (M, 5, 2) and the mean's, in crop units; NaN where they are not known."""
    rows = [
        CropTransform.from_points5(five, MEAN_POINTS5, 1).to_units(five) if np.isfinite(five).all() else five
        for five in points
    ]
    return np.asarray(rows, np.float32).reshape(-1, 5, 2) - MEAN_POINTS5


def _network(config: TrainConfig, normed: bool) -> keras.Model:
    keras.utils.set_random_seed(config.seed)
    return detector_model(config.model, config.detector, normed)


def _spread(samples: Sequence[Sample]) -> list[Sample]:
    return list(samples[:: max(1, len(samples) // VALIDATION_FACES)])


def _validate(model: keras.Model, card: ModelCard, samples: Sequence[Sample]) -> dict[str, float]:
    if not samples:
        return {}
    figures = evaluate_detector(samples, card, keras_runner(model))
    found = {} if figures["nme5"] is None else {"val_nme5_percent": 100 * figures["nme5"]}
    return {"val_recall_percent": 100 * figures["recall"], **found}


def _card(config: TrainConfig, datasets: Sequence[Dataset]) -> ModelCard:
    spec = DetectorSpec(config.detector.strides, config.detector.reference_px)
    cells = len(cell_grid(spec, config.model.width, config.model.height))
    return ModelCard(
        kind="detector",
        name=config.name,
        input=InputSpec(config.model.width, config.model.height),
        outputs={
            name: OutputSpec(name, (1, cells, width)) for name, width in (("scores", 1), ("boxes", 4), ("points", 10))
        },
        detector=spec,
        min_score=config.detector.min_score,
        data=tuple({"name": d.name, "terms": d.terms} for d in datasets),
        terms=joined_terms(d.terms for d in datasets),
        version=version("facewire"),
    )
