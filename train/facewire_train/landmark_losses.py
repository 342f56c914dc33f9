"""Which losses a landmark model's configuration asks for, and what each weighs."""

from __future__ import annotations

import logging

import keras

from facewire_train.asides import aside_loss, count
from facewire_train.config import LossConfig, TrainConfig
from facewire_train.losses import PENALTIES, Loss, Penalty, between, regression, soft_wing, spread, wing
from facewire_train.openings import opening_maps
from facewire_train.rows import Rows

log = logging.getLogger(__name__)
WINGS = {"wing": wing, "soft_wing": soft_wing}


def outputs_of(config: TrainConfig) -> tuple[str, ...]:
    """Give the names of a landmark model's outputs."""
    return ("landmarks", "presence", *(("uncertainty",) if config.model.uncertainty else ()))


def learned_by(config: TrainConfig) -> tuple[str, ...]:
    """Give the names of what a landmark model is trained on: its outputs, and what it learns beside."""
    return (*outputs_of(config), *(("asides",) if count(config) else ()))


def losses_of(config: TrainConfig, rows: Rows) -> dict[str, Loss]:
    """Give the loss of each output."""
    losses = {
        "landmarks": _landmark_loss(config, rows),
        "presence": keras.losses.BinaryCrossentropy(),
        "uncertainty": spread(rows.n),
        "asides": aside_loss(),
    }
    return {name: losses[name] for name in learned_by(config)}


def weights_of(config: TrainConfig) -> dict[str, float]:
    """Give the weight of each output's loss."""
    weights = {"landmarks": 1.0, "presence": config.loss.presence, "uncertainty": 1.0, "asides": config.loss.asides}
    return {name: weights[name] for name in learned_by(config)}


def _landmark_loss(config: TrainConfig, rows: Rows) -> Loss:
    penalty, side, openings = _penalty(config.loss), config.model.width, opening_maps(rows.schemas[0])
    places = regression(penalty, side, rows.maps)
    if not config.loss.openings:
        return places
    if not openings.shape[1]:
        log.warning("loss.openings does nothing: schema %s does not lead to the lids of ibug68", config.schema)
        return places
    ways = between(penalty, side, openings)
    return lambda target, predicted: places(target, predicted) + config.loss.openings * ways(target, predicted)


def _penalty(config: LossConfig) -> Penalty:
    if config.kind in WINGS:
        return WINGS[config.kind](config.wing_px, config.wing_epsilon_px)
    return PENALTIES[config.kind]
