"""The configuration of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from pathlib import Path

from facewire_edge.errors import UsageError
from facewire_edge.settings import load_settings

LANDMARK_LOSSES = ("wing", "soft_wing", "smooth_l1", "l2", "distance")


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


def load_config(path: Path) -> TrainConfig:
    """Read and check a configuration.

    Raises:
        UsageError: the file cannot be read, a key is unknown, a value cannot be meant.

    """
    config = load_settings(TrainConfig, path)
    stride = 2 * prod(s for block in config.model.blocks for s in block[1:2])  # of the last map
    checks = (
        (config.kind in ("landmarks", "detector"), f"kind must be landmarks or detector, got {config.kind!r}"),
        (bool(config.model.blocks), "model.blocks is empty; expected a list of [channels, stride]"),
        (all(len(b) == 2 for b in config.model.blocks), "model.blocks must hold pairs [channels, stride]"),
        (
            not config.model.heat_maps or (stride > 2 and config.model.width % stride == 0),
            f"model.heat_maps needs blocks of stride 2, and a width that all strides together divide, got "
            f"{config.model.width} and {stride}",
        ),
        (config.fit.epochs > 0 and config.fit.batch > 0, "fit.epochs and fit.batch must be positive"),
        (0 <= config.fit.average < 1, f"fit.average must be in [0, 1), got {config.fit.average}"),
        (
            config.fit.optimizer in ("adamw", "adam", "sgd"),
            f"fit.optimizer must be adamw, adam or sgd, got {config.fit.optimizer!r}",
        ),
        (
            config.loss.kind in LANDMARK_LOSSES,
            f"loss.kind must be one of {', '.join(LANDMARK_LOSSES)}, got {config.loss.kind!r}",
        ),
        (config.fit.validate_every > 0, "fit.validate_every must be positive"),
        (0 <= config.model.min_presence < 1, f"model.min_presence must be in [0, 1), got {config.model.min_presence}"),
        (
            len(config.detector.points_channels) in (0, len(config.detector.strides))
            and min(config.detector.points_channels, default=0) >= 0,
            f"detector.points_channels needs a number, 0 or more, for each stride {list(config.detector.strides)}, got "
            f"{list(config.detector.points_channels)}",
        ),
        (
            not config.data.attributes or config.loss.asides > 0,
            "data.attributes does nothing without loss.asides; set it, 1 for instance",
        ),
        (0 <= config.data.negatives < 1, f"data.negatives must be in [0, 1), got {config.data.negatives}"),
    )
    for holds, message in checks:
        if not holds:
            raise UsageError(f"{path}: {message}")
    return config
