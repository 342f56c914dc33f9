"""Training of a landmark model: its batches, losses and validation."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import keras
import numpy as np
from facewire_edge.card import InputSpec, ModelCard, OutputSpec
from facewire_edge.errors import DataError, UsageError
from facewire_edge.schema import LandmarkSchema, find_schema
from numpy.typing import NDArray

from facewire_train.asides import Asides, count
from facewire_train.augment import augment_face, augment_off_face
from facewire_train.config import TrainConfig
from facewire_train.datasets import Dataset, Sample
from facewire_train.evaluate import evaluate_landmarks, is_measurable, keras_runner, summary, to_network
from facewire_train.fit import Task
from facewire_train.five_points import mean_points5
from facewire_train.hardness import hardness
from facewire_train.images import read_labelled
from facewire_train.labels import group_by_image, is_placed
from facewire_train.landmark_losses import learned_by, losses_of, outputs_of, weights_of
from facewire_train.model import landmark_model
from facewire_train.off_face import OffFace
from facewire_train.openings import opening_maps, rarity
from facewire_train.rows import Rows, rows_for
from facewire_train.samples import CropPlan, Region, load_regions, thinned
from facewire_train.shapes import mean_shape
from facewire_train.teacher import Teacher
from facewire_train.terms import joined_terms

log = logging.getLogger(__name__)

MARGIN = 1.25  # side of the crop over the tight landmark box; HRNet's and STAR's protocol


class LandmarkEpoch:
    """Give the batches of one epoch: images in [-1, 1] and targets."""

    def __init__(self, faces: Faces, config: TrainConfig, epoch: int) -> None:
        self._faces, self._config, self._epoch = faces, config, epoch
        batch = config.fit.batch
        self._steps = config.fit.steps_per_epoch or max(1, round(faces.wanted) // batch)
        self._order = draw(faces.chances, self._steps * batch, np.random.default_rng([config.seed, epoch]))

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
        batch = self._config.fit.batch
        samples = [self._sample(i) for i in range(index * batch, (index + 1) * batch)]
        images, landmarks, presence, asides = (np.stack(column) for column in zip(*samples, strict=True))
        targets = {"landmarks": landmarks, "presence": presence, "uncertainty": landmarks, "asides": asides}
        return to_network(images), {name: targets[name] for name in learned_by(self._config)}

    def _sample(self, place: int) -> tuple[NDArray[Any], ...]:
        """Give image, (R, 3) residual and weight, (1,) presence, (K, 2) what is learned beside and its weight."""
        rng = np.random.default_rng([self._config.seed, self._epoch, place])
        faces, size = self._faces, self._config.model.width
        target, asides = np.zeros((len(faces.weights), 3), np.float32), np.zeros((count(self._config), 2), np.float32)
        if faces.off_face and rng.random() < self._config.data.negatives:
            picture = faces.off_face[int(rng.integers(len(faces.off_face)))]
            return augment_off_face(picture, size, self._config.augment, rng), target, np.zeros(1, np.float32), asides
        chosen = int(self._order[place])
        region = thinned(faces.regions[chosen], faces.certainty.get(chosen), rng)
        image, points = augment_face(region, faces.rows.mirror, self._config.augment, rng)
        known = np.isfinite(points).all(axis=1)
        target[known, :2] = (points - faces.plan.mean)[known] + self._config.data.offset
        target[:, 2] = known * faces.weights
        if faces.asides is not None:
            asides = faces.asides.of(chosen, points[: faces.plan.n])
        return image, target, np.ones(1, np.float32), asides


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Hold what an epoch is drawn from."""

    regions: Sequence[Region]
    chances: NDArray[np.float64]  # (faces,), sum 1
    wanted: float  # faces in an epoch: each as often as its set's share says
    off_face: Sequence[NDArray[np.uint8]]
    rows: Rows
    weights: NDArray[np.float32]  # (R,)
    plan: CropPlan
    certainty: Mapping[int, NDArray[np.float32]]  # region -> how often each row counts, where some were filled in
    asides: Asides | None  # what is learned beside, by region


def draw(chances: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw ``count`` indices in random order, each as often as its chance says, give or take one.

    Source: systematic sampling (Madow 1949).
    """
    ticks = (np.arange(count) + rng.random()) / count
    shuffled = rng.permutation(len(chances))  # else neighbours share their fate
    drawn = shuffled[np.minimum(np.searchsorted(np.cumsum(chances[shuffled]), ticks), len(chances) - 1)]
    return np.asarray(rng.permutation(drawn), dtype=np.intp)


def landmark_task(config: TrainConfig, datasets: Sequence[Dataset]) -> Task:
    """Prepare the training of a landmark model.

    Raises:
        DataError: a set's schema does not lead to the configuration's, or there is nothing to train on.
        UsageError: the configuration's input, schema or shares do not fit.

    """
    schema = _schema(config, datasets)
    rows = rows_for(schema, datasets)
    own = [d for d in datasets if d.schema.names == schema.names]
    shapes = [s.points for d in own for s in d.split("train") if is_placed(s.points)]
    if not shapes:
        raise DataError("no labelled face in the training split; check `split` and `points` in faces.jsonl")
    mean = mean_shape(shapes, schema, MARGIN)
    training = [s for d in own for s in d.split("train") if not s.ignore]
    five = mean_points5(training, schema, mean)
    card = _card(config, schema, mean, five, datasets)
    held_back = _held_back([s for d in own for s in d.split("val") if not s.ignore], schema)
    if not held_back:
        log.warning("no face is held back for validation: too few images or people, or none labelled in full")
    everyone = group_by_image([s for d in datasets for s in d.split("train")])
    off_face = OffFace(everyone, five, config.model.width, config.seed, Teacher() if config.data.teacher else None)
    faces = _faces(config, datasets, rows, CropPlan(rows.of(mean), schema.n, config.model.width, MARGIN), off_face)
    return Task(
        network=lambda normed: _network(config, mean, normed),
        losses=losses_of(config, rows),
        weights=weights_of(config),
        epoch=lambda epoch: LandmarkEpoch(faces, config, epoch),
        validate=lambda model: _validate(model, card, held_back),
        card=card,
    )


def _network(config: TrainConfig, mean: NDArray[np.float32], normed: bool) -> Any:
    keras.utils.set_random_seed(config.seed)
    return landmark_model(config.model, len(mean), normed, mean, count(config))


def _faces(config: TrainConfig, datasets: Sequence[Dataset], rows: Rows, plan: CropPlan, off_face: OffFace) -> Faces:
    labelled, names, certainty = [], [], []
    for dataset in datasets:
        for sample in dataset.split("train"):
            labels = rows.labels(sample, dataset.schema) - config.data.offsets.get(dataset.name, 0.0)
            if is_placed(labels) and not sample.ignore:
                labelled.append((sample, labels))
                names.append(dataset.name)
                certainty.append(rows.certainty(sample, dataset.schema))
    refuse_nothing(config, names)
    shares = [config.data.shares.get(name, 1.0) for name in names]
    regions, crops = load_regions(labelled, plan, off_face)
    for empty in (background for dataset in datasets for background in dataset.empty("train")):
        crops += off_face(empty.image, read_labelled(empty))
    own = np.stack([r.levelled.to_units(r.points)[: plan.n] for r in regions])
    rare = rarity(own, opening_maps(rows.schemas[0]))
    chances = np.array(shares) * hardness(own - plan.mean[: plan.n]) ** config.data.hard * rare**config.data.expression
    weights = rows.weights(config.loss.foreign)
    uncertain = {i: known for i, known in enumerate(certainty) if known is not None}
    samples = [sample for sample, _ in labelled]
    asides = Asides(rows.schemas[0], samples, config.data.attributes) if count(config) else None
    return Faces(regions, chances / chances.sum(), sum(shares), crops, rows, weights, plan, uncertain, asides)


def refuse_nothing(config: TrainConfig, names: Iterable[str]) -> None:
    """Refuse to train where no set has a face to learn, or where none of these, by their names, is ever drawn.

    Raises:
        DataError: there is none.
        UsageError: all have share 0.

    """
    named = sorted(set(names))
    if not named:
        raise DataError("no face to learn in the training split; check `split`, `points` and `ignore` in faces.jsonl")
    if not any(config.data.shares.get(name, 1.0) for name in named):
        raise UsageError(f"[data.shares] is 0 for {', '.join(named)}, all that has faces to learn; raise one of them")


def _held_back(samples: Sequence[Sample], schema: LandmarkSchema) -> list[Sample]:
    """Give the faces to validate on: those labelled in full, or, where a set has none, with both eye corners."""
    usable = [s for s in samples if is_measurable(s.points, schema)]
    return [s for s in usable if np.isfinite(s.points).all()] or usable


def _schema(config: TrainConfig, datasets: Sequence[Dataset]) -> LandmarkSchema:
    """Give the configured schema, as a data set defines it or as it is built in."""
    for dataset in datasets:
        if dataset.schema.name == config.schema:
            return dataset.schema
    try:
        return find_schema(config.schema)
    except UsageError as error:
        raise UsageError(f"{error}; the data have {', '.join({d.schema.name: '' for d in datasets})}") from error


def _card(
    config: TrainConfig,
    schema: LandmarkSchema,
    mean: NDArray[np.float32],
    five: NDArray[np.float32],
    datasets: Sequence[Dataset],
) -> ModelCard:
    widths = {"landmarks": 2 * schema.n, "presence": 1, "uncertainty": schema.n}
    return ModelCard(
        kind="landmarks",
        name=config.name,
        input=InputSpec(config.model.width, config.model.height),
        outputs={name: OutputSpec(name, (1, widths[name])) for name in outputs_of(config)},
        schema=schema,
        mean_shape=mean,
        mean_points5=five,
        margin=MARGIN,
        min_presence=config.model.min_presence,
        data=tuple({"name": d.name, "terms": d.terms} for d in datasets),
        terms=joined_terms(d.terms for d in datasets),
        version=version("facewire"),
    )


def _validate(model: Any, card: ModelCard, samples: Sequence[Sample]) -> dict[str, float]:
    if not samples:
        return {}
    nme = summary(evaluate_landmarks(samples, card, keras_runner(model)))["nme_percent"]
    return {} if nme is None else {"val_nme_percent": float(nme)}
