"""Fill in points that are not labelled: what a model sees, corrected by where it errs on the labelled ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import radians
from typing import NamedTuple

import numpy as np
from facewire_edge.card import ModelCard
from facewire_edge.detect import FaceDetector
from facewire_edge.geometry import Box, CropTransform
from facewire_edge.landmarks import decode_landmarks
from facewire_edge.schema import LandmarkSchema
from numpy.typing import NDArray

from facewire_train.augment import flip
from facewire_train.evaluate import BatchRunner, detector_crop
from facewire_train.images import read_labelled
from facewire_train.labels import Sample, follows, is_tight, labelled_points

VIEWS = 8  # crops of a face; every second one is mirrored
TURN_DEG, GROW, SHIFT = 10.0, 0.06, 0.03  # of the views: standard deviations; shift in crops
FEWEST_KNOWN = 2  # labelled points that a crop can be laid by; below it the detector finds the face
LABEL_NOISE = 0.006  # of the crop: how loosely people place a point (300-W, doubles labelled twice)
# Of the crop: a point with this spread counts half in training. Loose points are worth more than none: of what 70 % of
# the labels were worth, 64 % came back with 0.08 and every point filled, 47 % with 0.04, nothing with 0.012 and only
# points of a spread below 0.03 (train/README.md, the second seed; 2026-11-22).
FULL_WEIGHT = 0.08
# A face labelled with five points alone keeps just these where the points seen count less on average: on full profiles
# models that never saw one lay half a frontal face (107 of 2,454 faces of WIDER, looked at on 2026-11-22).
LEAST_WEIGHT = 0.5
ROUNDS = 10  # of expectation and maximisation
MOST_FACES = 400  # that the covariance is found from
BLOCK = 32  # faces at once
UNSEEN = 1e3  # variance, in crops, of what is not labelled
PRIOR_FACES = 10  # that are believed to err independently at every point: keeps small sets from certainty
SEED = 11


class Seer(NamedTuple):
    """Hold a landmark model that looks at faces."""

    card: ModelCard
    run: BatchRunner


@dataclass(frozen=True, slots=True, eq=False)
class Guess:
    """Hold what is believed of a face's points: places in crop units and how sure they are."""

    crop: CropTransform
    points: NDArray[np.float64]  # (N, 2) crop units
    spread: NDArray[np.float64]  # (N,) standard deviation, crop units
    known: NDArray[np.float64]  # (N, 2) the labels in crop units, NaN where there is none
    miss: float = np.nan  # how far off the five labelled points are, crop units; NaN where there are none


def fill(
    samples: Sequence[Sample], seers: Sequence[Seer], detector: FaceDetector | None, max_spread: float
) -> list[Sample]:
    """Fill the points of samples in which the models are confident; what they see is averaged.

    A face of which points are labelled is corrected by the models' errors there. Of a face labelled with five points
    alone, the models' are believed as far as their views agree and the five are no further off than usual; where that
    is not far, the face keeps its five.

    Args:
        samples: with the models' schema, some points or all NaN; see :func:`lifted`.
        seers: one or several models of one schema; the first lays the crops.
        detector: for faces with fewer than two labelled points and none of the five; None leaves those alone.
        max_spread: in crop units; a point of which the models are less sure stays unlabelled.

    Returns:
        The samples in their order; filled points are marked and weighted in ``filled``.

    """
    guesses = {i: guess for i, s in enumerate(samples) if (guess := look(s, seers, detector)) is not None}
    judge = _judge(list(guesses.values()))
    filled, schema = list(samples), seers[0].card.schema
    assert schema is not None
    for i, guess in guesses.items():
        filled[i] = _filled(samples[i], judge(guess), max_spread, schema)
    return filled


def lifted(sample: Sample, schema: LandmarkSchema) -> Sample:
    """Give a face of a set of five points as one of ``schema``, of which no point is labelled."""
    points = np.full((schema.n, 2), np.nan, np.float32)
    return replace(sample, points=points, visible=np.zeros(schema.n, bool), visibility="", filled={})


def _judge(guesses: Sequence[Guess]) -> Callable[[Guess], Guess]:
    """Give what corrects a guess, or doubts it, by what is known of all."""
    labelled = [guess.known - guess.points for guess in guesses if np.isfinite(guess.known).any()]
    errors = error_covariance(labelled) if labelled else None
    misses = [guess.miss for guess in guesses if np.isfinite(guess.miss)]
    usual = float(np.median(misses)) if misses else 0.0

    def judge(guess: Guess) -> Guess:
        return doubted(guess, usual) if errors is None or _five_alone(guess) else corrected(guess, errors)

    return judge


def _five_alone(guess: Guess) -> bool:
    return bool(np.isfinite(guess.miss) and not np.isfinite(guess.known).any())


def doubted(guess: Guess, usual: float) -> Guess:
    """Add to a guess' spread how much further off its five points are than ``usual`` (crop units)."""
    excess = max(0.0, guess.miss**2 - usual**2) if np.isfinite(guess.miss) else 0.0
    return replace(guess, spread=np.sqrt(guess.spread**2 + excess))


def look(sample: Sample, seers: Sequence[Seer], detector: FaceDetector | None) -> Guess | None:
    """Let the models see a face from several sides; None where the face cannot be found."""
    card, run = seers[0]
    assert card.mean_shape is not None
    crop = _first_crop(sample, card, detector)
    if crop is None:
        return None
    image = read_labelled(sample)
    first = crop.from_units(decode_landmarks(run(crop.warp(image)[None])["landmarks"][0], card))
    best = np.where(labelled_points(sample.points)[:, None], sample.points, first)
    crop = CropTransform.from_landmarks(best, card.mean_shape, card.input.width)
    seen = np.stack([crop.to_units(points) for seer in seers for points in _views(image, best, seer)]).astype(
        np.float64
    )
    points, spread = seen.mean(axis=0), np.sqrt(seen.var(axis=0).sum(axis=1))
    known = crop.to_units(sample.points).astype(np.float64)
    return Guess(crop, points, spread, known, _miss(sample, crop, points, card))


def _miss(sample: Sample, crop: CropTransform, points: NDArray[np.float64], card: ModelCard) -> float:
    """Give the root mean square distance of points (N, 2) from the five labelled ones, in crop units, or NaN."""
    assert card.schema is not None
    if sample.points5 is None or card.schema.points5 is None or not labelled_points(sample.points5).any():
        return float("nan")
    apart = card.schema.points5_of(points.astype(np.float32)) - crop.to_units(sample.points5)
    return float(np.sqrt(np.nanmean((apart**2).sum(axis=1))))


def error_covariance(errors: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Give how a model's errors at the points go together (2 N, 2 N), of what is known of each face (N, 2).

    Source: Dempster, Laird and Rubin 1977, section 4.1.3, the multivariate normal with missing values; the mean is 0.
    """
    flat = np.stack([e.ravel() for e in errors[:: max(1, len(errors) // MOST_FACES)]])
    known = np.isfinite(flat)
    values, noise = np.where(known, flat, 0), np.where(known, LABEL_NOISE**2, UNSEEN)
    scale = max(float((values**2).sum()) / max(int(known.sum()), 1), LABEL_NOISE**2)
    covariance = scale * np.eye(flat.shape[1])
    prior = PRIOR_FACES * covariance
    for _ in range(ROUNDS):
        means, gains = np.zeros_like(flat), np.zeros_like(covariance)
        for part in np.array_split(np.arange(len(flat)), -(-len(flat) // BLOCK)):
            inner = covariance + noise[part, :, None] * np.eye(flat.shape[1])
            gain = np.linalg.solve(inner, np.broadcast_to(covariance, inner.shape))
            means[part] = np.einsum("fkd,fk->fd", gain, values[part])
            gains += gain.sum(axis=0)
        total = prior + means.T @ means + len(flat) * covariance - covariance @ gains
        covariance = total / (len(flat) + PRIOR_FACES)
    return np.asarray((covariance + covariance.T) / 2)


def corrected(guess: Guess, covariance: NDArray[np.float64]) -> Guess:
    """Move the points by what the errors at the labelled ones say of the others."""
    mean, rest = _conditional((guess.known - guess.points).ravel(), covariance)
    variance = np.maximum(np.diag(rest), 0).reshape(-1, 2).sum(axis=1) + guess.spread**2
    return replace(guess, points=guess.points + mean.reshape(-1, 2), spread=np.sqrt(variance))


def _conditional(
    error: NDArray[np.float64], covariance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give mean (2 N,) and covariance of a face's errors, of which some are seen and the others NaN.

    Source: the conditional of a Gaussian; Rasmussen and Williams 2006, section 2.2.
    """
    seen = np.isfinite(error)
    inner = covariance[np.ix_(seen, seen)] + LABEL_NOISE**2 * np.eye(int(seen.sum()))
    gain = np.linalg.solve(inner, covariance[seen]).T  # (2 N, seen)
    return gain @ error[seen], covariance - gain @ covariance[seen]


def weight_of(spread: float) -> float:
    """Give what a filled point counts against a labelled one."""
    return round(1 / (1 + (spread / FULL_WEIGHT) ** 2), 3)


def _filled(sample: Sample, guess: Guess, max_spread: float, schema: LandmarkSchema) -> Sample:
    missing = ~labelled_points(sample.points)
    chosen = missing & (guess.spread <= max_spread)
    weights: Mapping[int, float] = {int(i): weight_of(float(guess.spread[i])) for i in np.flatnonzero(chosen)}
    if not weights or (_five_alone(guess) and np.mean(list(weights.values())) < LEAST_WEIGHT):
        return sample
    points = sample.points.copy()
    points[chosen] = guess.crop.from_units(guess.points.astype(np.float32))[chosen]
    letters = ("v" if i in weights and letter == "o" else letter for i, letter in enumerate(sample.visibility))
    return replace(
        _whole(sample, points, schema),
        filled={**sample.filled, **weights},
        visible=sample.visible | chosen,
        visibility="".join(letters),
    )


def _whole(sample: Sample, points: NDArray[np.float32], schema: LandmarkSchema) -> Sample:
    """Give the face with ``points`` (N, 2) instead of its own; what came of those comes of the new ones."""
    five, box = sample.points5, sample.box
    if five is not None and follows(five, sample.points, schema):
        five = schema.points5_of(points)
    if is_tight(box, sample.points):
        box = Box.around(points)
    return replace(sample, points=points, points5=five, box=box)


def _first_crop(sample: Sample, card: ModelCard, detector: FaceDetector | None) -> CropTransform | None:
    assert card.mean_shape is not None
    assert card.mean_points5 is not None
    if labelled_points(sample.points).sum() >= FEWEST_KNOWN:
        return CropTransform.from_landmarks(sample.points, card.mean_shape, card.input.width)
    if sample.points5 is not None and labelled_points(sample.points5).sum() >= FEWEST_KNOWN:
        return CropTransform.from_points5(sample.points5, card.mean_points5, card.input.width)
    return None if detector is None else detector_crop(sample, card, detector)


def _views(image: NDArray[np.uint8], around: NDArray[np.float32], seer: Seer) -> list[NDArray[np.float32]]:
    """Give the points (N, 2) that a model sees in moved, turned and mirrored crops around points; all in pixels."""
    card = seer.card
    assert card.schema is not None
    assert card.mean_shape is not None
    crop = CropTransform.from_landmarks(around, card.mean_shape, card.input.width)
    rng = np.random.default_rng(SEED)
    crops = [_moved(crop, rng) if i else crop for i in range(VIEWS)]
    pictures = [view.warp(image) for view in crops]
    pictures = [picture[:, ::-1] if i % 2 else picture for i, picture in enumerate(pictures)]
    outputs = seer.run(np.ascontiguousarray(np.stack(pictures)))["landmarks"]
    found = []
    for i, (view, output) in enumerate(zip(crops, outputs, strict=True)):
        points = decode_landmarks(output, card)
        if i % 2:
            points = flip(pictures[i], points, card.schema.mirror.astype(np.intp))[1]
        found.append(view.from_units(points))
    return found


def _moved(crop: CropTransform, rng: np.random.Generator) -> CropTransform:
    dx, dy = rng.normal(0, SHIFT, 2) * crop.side_px
    return replace(
        crop,
        x=crop.x + dx,
        y=crop.y + dy,
        side_px=crop.side_px * float(np.exp(rng.normal(0, GROW))),
        angle_rad=crop.angle_rad + radians(float(rng.normal(0, TURN_DEG))),
    )
