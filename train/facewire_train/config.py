"""The configuration of a training run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from itertools import accumulate
from math import inf
from operator import mul
from pathlib import Path
from typing import Any

from facewire_edge.errors import UsageError
from facewire_edge.settings import load_settings

LANDMARK_LOSSES = ("wing", "soft_wing", "smooth_l1", "l2", "distance")
STEM_STRIDE = 2
SMALLEST_PX, LARGEST_PX = 16, 2048  # of a network's input; a face of fewer pixels shows nothing


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Shape the network: a stem of stride 2, then depthwise-separable blocks of (channels, stride)."""

    width: int = 112
    height: int = 112
    stem: int = 24
    blocks: tuple[tuple[int, ...], ...] = ()
    head: int = 0  # channels of a 1x1 convolution before a landmark model's last layer; 0: none
    squeeze: int = 0  # squeeze and excitation in blocks whose maps are at most so wide; 0: in none
    pool: bool = False  # a landmark model's last map is averaged instead of weighed cell by cell
    # Channels of a pyramid whose heat maps tell the landmarks, as a teacher's may; 0: a dense layer does.
    heat_maps: int = 0
    min_presence: float = 0.5  # the threshold that a landmark model's card recommends
    uncertainty: bool = True  # a landmark model also says how far off it expects each point to be


@dataclass(frozen=True, slots=True)
class FitConfig:
    """Set optimizer and schedule: linear warm-up, cosine to zero, averaged weights."""

    epochs: int = 40
    batch: int = 48
    optimizer: str = "adamw"  # or adam, sgd
    learning_rate: float = 2e-3
    weight_decay: float = 5e-4
    warmup_epochs: float = 3.0
    average: float = 0.998  # momentum of the weights' moving average
    validate_every: int = 5  # epochs
    # 0: as many as show every face as often as its share says; of a detector, every image once
    steps_per_epoch: int = 0


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """Set the random changes of a sample: standard deviations, or probabilities where no unit is named.

    The first three are what the device's own crops are off by, and a little more (train/README.md).
    """

    rotation_deg: float = 8.0
    log_scale: float = 0.05
    shift: float = 0.022  # of the crop's side
    levelled: float = 0.5  # the canonical crop instead of the upright box
    flip: float = 0.5
    gain: float = 0.25  # log of the contrast
    offset: float = 25.0  # grey levels
    colour: float = 0.12  # log of each channel's gain
    grey: float = 0.15
    blur: float = 0.2
    low_resolution: float = 0.15
    noise: float = 0.15
    jpeg: float = 0.1
    occlusion: float = 0.35


@dataclass(frozen=True, slots=True)
class LossConfig:
    """Weigh the losses."""

    kind: str = "wing"  # of the landmarks; or one of the other LANDMARK_LOSSES
    wing_px: float = 8.0  # Wing: linear from here on, in crop pixels
    wing_epsilon_px: float = 1.5  # Wing: curvature near 0
    openings: float = 0.0  # weight of how far lids and lips are apart, against 1 for the landmarks
    presence: float = 4.0
    asides: float = 0.0  # weight of head pose and of data.attributes, which the exported model does not tell
    foreign: float = 0.3  # weight of a face labelled in another schema, against 1 for one in the model's own


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """Set a detector's levels, and how faces become targets."""

    strides: tuple[int, ...] = (8, 16, 32)
    reference_px: tuple[float, ...] = (20.0, 48.0, 112.0)
    channels: int = 48  # of the heads
    head_blocks: int = 1  # separable blocks of each head
    points_channels: tuple[int, ...] = ()  # of the five points' own blocks, for each stride; 0 or empty: none
    box_weight: float = 2.0
    points_weight: float = 1.0
    min_score: float = 0.5  # the threshold that the card recommends


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Choose the built-in data and what is held back."""

    synthetic_count: int = 3000  # rendered when no --data is given
    synthetic_seed: int = 1
    synthetic_px: int = 144
    negatives: float = 0.12  # share of off-face crops
    teacher: bool = False  # the shipped models look for unlabelled faces (detector) and for hard off-face crops
    # Set -> how often each of its faces is drawn, of a detector: how often the set is; 1 where not named.
    shares: dict[str, float] = field(default_factory=dict)
    hard: float = 0.0  # exponent: a face twice as far from the mean shape as usual is drawn 2 ** hard times as often
    expression: float = 0.0  # the same for how unusually far lids or lips are apart: closed eyes, open mouths
    offsets: dict[str, float] = field(default_factory=dict)  # set -> pixels by which its labels lie right and below
    attributes: tuple[str, ...] = ()  # of faces, as numbers, that a landmark model learns beside; see loss.asides
    offset: float = 0.0  # parts of the crop's side by which the model's points shall lie right and below


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Hold everything that decides a run; saved beside its result."""

    name: str
    kind: str = "landmarks"
    schema: str = "ibug68"
    seed: int = 1
    model: ModelConfig = field(default_factory=ModelConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    data: DataConfig = field(default_factory=DataConfig)


Rule = tuple[str, Callable[[Any], bool], str]  # keys, what holds for each of their values, the same in words

RULES: tuple[Rule, ...] = (
    ("name", lambda v: bool(v.strip()) and v.isprintable() and "/" not in v, "of printable letters, none a slash"),
    ("kind", lambda v: v in ("landmarks", "detector"), "landmarks or detector"),
    ("fit.optimizer", lambda v: v in ("adamw", "adam", "sgd"), "adamw, adam or sgd"),
    ("loss.kind", lambda v: v in LANDMARK_LOSSES, f"one of {', '.join(LANDMARK_LOSSES)}"),
    ("seed", lambda v: 0 <= v < 2**32, "0 or more and below 2**32"),
    ("model.width model.height", lambda v: SMALLEST_PX <= v <= LARGEST_PX, f"from {SMALLEST_PX} to {LARGEST_PX}"),
    (
        "model.stem fit.epochs fit.batch fit.validate_every detector.strides detector.channels detector.head_blocks "
        "data.synthetic_count data.synthetic_px",
        lambda v: v >= 1,
        "1 or more",
    ),
    (
        "fit.learning_rate loss.wing_px loss.wing_epsilon_px detector.reference_px",
        lambda v: 0 < v < inf,
        "finite and above 0",
    ),
    (
        "model.head model.squeeze model.heat_maps fit.steps_per_epoch fit.weight_decay fit.warmup_epochs "
        "augment.rotation_deg augment.log_scale augment.shift augment.gain augment.offset augment.colour "
        "loss.openings loss.presence loss.asides loss.foreign "
        "detector.points_channels detector.box_weight detector.points_weight "
        "data.synthetic_seed data.shares data.hard data.expression",
        lambda v: 0 <= v < inf,
        "finite and 0 or more",
    ),
    (
        "augment.levelled augment.flip augment.grey augment.blur augment.low_resolution augment.noise augment.jpeg "
        "augment.occlusion",
        lambda v: 0 <= v <= 1,
        "a probability from 0 to 1",
    ),
    ("model.min_presence fit.average data.negatives", lambda v: 0 <= v < 1, "in [0, 1)"),
    ("detector.min_score", lambda v: 0 < v < 1, "above 0 and below 1"),
    ("data.offset data.offsets", lambda v: -inf < v < inf, "finite"),
)


def load_config(path: Path) -> TrainConfig:
    """Read and check a configuration.

    Raises:
        UsageError: the file cannot be read, a key is unknown, a value cannot be meant.

    """
    config = load_settings(TrainConfig, path)
    for checks in (_rules, _network_relations, _detector_relations, _data_relations):
        for holds, message in checks(config):
            if not holds:
                raise UsageError(f"{path}: {message}")
    return config


def _rules(config: TrainConfig) -> Iterator[tuple[bool, str]]:
    for keys, holds, expected in RULES:
        for key, value in (pair for name in keys.split() for pair in _values(config, name)):
            yield holds(value), f"{key} must be {expected}, got {value!r}"


def _values(config: TrainConfig, key: str) -> list[tuple[str, Any]]:
    """Give a key's value, or each of those that it holds, with their names."""
    value = reduce(getattr, key.split("."), config)
    if isinstance(value, dict):
        return [(f"{key}.{name}", v) for name, v in value.items()]
    return [(f"{key}[{i}]", v) for i, v in enumerate(value)] if isinstance(value, tuple) else [(key, value)]


def _network_relations(config: TrainConfig) -> Iterator[tuple[bool, str]]:
    model = config.model
    yield bool(model.blocks), "model.blocks is empty; expected a list of [channels, stride]"
    wrong = [b for b in model.blocks if len(b) != 2 or b[0] < 1 or b[1] not in (1, 2)]
    yield not wrong, f"model.blocks must hold pairs [channels from 1 on, stride 1 or 2], got {list(*wrong[:1])}"
    square = config.kind != "landmarks" or model.width == model.height
    yield square, f"model.width and model.height of a landmark model must be equal, got {model.width}x{model.height}"
    stride = _strides(model)[-1]
    yield (
        not model.heat_maps or (stride > STEM_STRIDE and model.width % stride == 0),
        f"model.heat_maps needs blocks of stride 2, and a width that all strides together divide, got {model.width} "
        f"and {stride}",
    )


def _strides(model: ModelConfig) -> list[int]:
    """Give the stride of the map after the stem and after each block."""
    return list(accumulate((stride for _, stride in model.blocks), mul, initial=STEM_STRIDE))


def _detector_relations(config: TrainConfig) -> Iterator[tuple[bool, str]]:
    detector, model = config.detector, config.model
    strides = list(detector.strides)
    ascending = bool(strides) and strides == sorted(set(strides))
    yield ascending, f"detector.strides must be one or more, each above the one before it, got {strides}"
    for name, values in (("reference_px", detector.reference_px), ("points_channels", detector.points_channels)):
        fits = len(values) == len(strides) or (name == "points_channels" and not values)
        yield fits, f"detector.{name} needs a number for each stride {strides}, got {list(values)}"
    if config.kind == "detector":
        known = sorted(set(_strides(model)))
        missing = [stride for stride in strides if stride not in known]
        yield not missing, f"detector.strides {missing} are not among those of model.blocks, {known}"
        divides = model.width % strides[-1] == model.height % strides[-1] == 0
        yield divides, f"detector.strides {strides} must divide the input, got {model.width}x{model.height}"


def _data_relations(config: TrainConfig) -> Iterator[tuple[bool, str]]:
    useless = bool(config.data.attributes) and not config.loss.asides
    yield not useless, "data.attributes does nothing without loss.asides; set it, 1 for instance"
