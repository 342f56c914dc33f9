"""Training of a landmark model: its batches, losses and validation."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import keras
import numpy as np
from facewire_edge.card import InputSpec, ModelCard, OutputSpec
from facewire_edge.errors import DataError, UsageError
from facewire_edge.schema import LandmarkSchema, find_schema
from numpy.typing import NDArray

from facewire_train.augment import augment_face, augment_off_face
from facewire_train.config import TrainConfig
from facewire_train.datasets import Dataset, Sample
from facewire_train.evaluate import evaluate_landmarks, keras_runner, summary, to_network
from facewire_train.fit import Task
from facewire_train.losses import wing
from facewire_train.model import landmark_model
from facewire_train.samples import Region, load_regions
from facewire_train.shapes import mean_shape

MARGIN = 1.25  # side of the crop over the tight landmark box; HRNet's and STAR's protocol


class LandmarkEpoch:
    """Give the batches of one epoch: images in [-1, 1] and targets."""

    def __init__(
        self,
        regions: Sequence[Region],
        off_face: Sequence[NDArray[np.uint8]],
        mean: NDArray[np.float32],
        schema: LandmarkSchema,
        config: TrainConfig,
        epoch: int,
    ) -> None:
        self._regions, self._off_face, self._mean, self._schema = regions, off_face, mean, schema
        self._config, self._epoch = config, epoch
        self._order = np.random.default_rng([config.seed, epoch]).permutation(len(regions))

    def __len__(self) -> int:
        return max(1, len(self._order) // self._config.fit.batch)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
        batch = self._config.fit.batch
        samples = [self._sample(int(i)) for i in self._order[index * batch : (index + 1) * batch]]
        images, landmarks, presence = (np.stack(column) for column in zip(*samples, strict=True))
        return to_network(images), {"landmarks": landmarks, "presence": presence}

    def _sample(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
        """Give image, (N, 3) residual and weight, (1,) presence."""
        rng = np.random.default_rng([self._config.seed, self._epoch, index])
        target = np.zeros((self._schema.n, 3), np.float32)
        size = self._config.model.width
        if self._off_face and rng.random() < self._config.data.negatives:
            picture = self._off_face[int(rng.integers(len(self._off_face)))]
            return augment_off_face(picture, size, self._config.augment, rng), target, np.zeros(1, np.float32)
        image, points = augment_face(self._regions[index], self._schema, self._config.augment, rng)
        target[:, :2] = np.nan_to_num(points - self._mean)
        target[:, 2] = np.isfinite(points).all(axis=1)
        return image, target, np.ones(1, np.float32)


def landmark_task(config: TrainConfig, datasets: Sequence[Dataset]) -> Task:
    """Prepare the training of a landmark model.

    Raises:
        DataError: a set's schema is not the configuration's, or there is nothing to train on.

    """
    schema = _common_schema(config, datasets)
    if config.model.width != config.model.height:
        raise UsageError(f"a landmark model needs a square input, got {config.model.width}x{config.model.height}")
    training = [s for d in datasets for s in d.split("train") if _usable(s)]
    held_back = [s for d in datasets for s in d.split("val") if np.isfinite(s.points).all()]
    if not training:
        raise DataError("no labelled face in the training split; check `split` and `points` in faces.jsonl")
    mean = mean_shape([s.points for s in training], schema, MARGIN)
    card = _card(config, schema, mean, datasets)
    regions, off_face = load_regions(training, mean, config.model.width, MARGIN, config.seed)
    return Task(
        model=_model(config, schema),
        losses={
            "landmarks": wing(config.loss.wing_px, config.loss.wing_epsilon_px, config.model.width),
            "presence": keras.losses.BinaryCrossentropy(),
        },
        weights={"landmarks": 1.0, "presence": config.loss.presence},
        epoch=lambda epoch: LandmarkEpoch(regions, off_face, mean, schema, config, epoch),
        validate=lambda model: _validate(model, card, held_back),
        card=card,
    )


def _model(config: TrainConfig, schema: LandmarkSchema) -> Any:
    keras.utils.set_random_seed(config.seed)
    return landmark_model(config.model, schema.n)


def _usable(sample: Sample) -> bool:
    return not sample.ignore and int(np.isfinite(sample.points).all(axis=1).sum()) > 1


def _common_schema(config: TrainConfig, datasets: Sequence[Dataset]) -> LandmarkSchema:
    schema = next((d.schema for d in datasets if d.schema.name == config.schema), None) or find_schema(config.schema)
    for dataset in datasets:
        if dataset.schema.names != schema.names:
            raise DataError(
                f"{dataset.path} has schema {dataset.schema.name}, the configuration wants {schema.name}; "
                "set `schema` in the configuration or choose other data"
            )
    return schema


def _card(
    config: TrainConfig, schema: LandmarkSchema, mean: NDArray[np.float32], datasets: Sequence[Dataset]
) -> ModelCard:
    return ModelCard(
        kind="landmarks",
        name=config.name,
        input=InputSpec(config.model.width, config.model.height),
        outputs={"landmarks": OutputSpec("landmarks", (1, 2 * schema.n)), "presence": OutputSpec("presence", (1, 1))},
        schema=schema,
        mean_shape=mean,
        mean_points5=schema.points5_of(mean),
        margin=MARGIN,
        data=tuple({"name": d.name, "terms": d.terms} for d in datasets),
        terms=terms_of(datasets),
        version=version("facewire"),
    )


def terms_of(datasets: Sequence[Dataset]) -> str:
    """Give the terms of a model trained on these sets: those of all of them together."""
    return "; ".join(dict.fromkeys(d.terms for d in datasets if d.terms)) or "not stated"


def _validate(model: Any, card: ModelCard, samples: Sequence[Sample]) -> dict[str, float]:
    if not samples:
        return {}
    figures = summary(evaluate_landmarks(samples, card, keras_runner(model)))
    return {"val_nme_percent": float(figures["nme_percent"])}
