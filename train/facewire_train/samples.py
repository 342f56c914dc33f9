"""Cut labelled faces into regions that fit in memory, ready to be augmented."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from facewire_edge.geometry import Box, CropTransform
from numpy.typing import NDArray

from facewire_train.datasets import Sample
from facewire_train.images import read_labelled
from facewire_train.labels import is_placed, labelled_points

# Around a crop of side 1 an augmented crop reaches (rotation by 45 degrees, 20 % larger) at most sqrt(2) * 1.2.
REGION_MARGIN = 1.7
REGION_OVERSAMPLING = 1.3  # region pixels a crop pixel: a crop that is shrunk by augmentation stays sharp
MOSTLY = 0.5  # share of labelled points whose box is taken as the face's; a profile hides fewer than half of them


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """Hold a face's surroundings and its labels in the region's pixels."""

    image: NDArray[np.uint8]  # (P, P, 3)
    points: NDArray[np.float32]  # rows (R, 2), NaN where unlabelled
    upright: CropTransform  # of the tight box, no angle
    levelled: CropTransform  # canonical


@dataclass(frozen=True, slots=True, eq=False)
class CropPlan:
    """Say how faces are cropped: the rows' mean shape (R, 2) in crop units, how many are the model's, size, margin."""

    mean: NDArray[np.float32]
    n: int
    size: int
    margin: float


def cut_region(labels: NDArray[np.float32], image: NDArray[np.uint8], plan: CropPlan) -> Region:
    """Cut the region of a face, given its rows (R, 2); it is never sampled finer than its image."""
    base = _upright(labels, plan)
    side = base.side_px * REGION_MARGIN
    pixels = int(min(plan.size * REGION_MARGIN * REGION_OVERSAMPLING, max(side, plan.size * 0.5)))
    cut = CropTransform(base.x, base.y, side, 0.0, pixels)
    points = cut.to_crop(labels)
    levelled = CropTransform.from_landmarks(points, plan.mean, plan.size)
    return Region(cut.warp(image), points, _upright(points, plan), levelled)


def crop_of_box(
    points: NDArray[np.float32], mean_shape: NDArray[np.float32], size: int, margin: float
) -> CropTransform:
    """Give the upright square crop of the labelled points' tight box.

    Where most points (N, 2) are not labelled, their box says little of the face: the mean shape, laid on the labelled
    ones, then stands in for the others.
    """
    known = labelled_points(points)
    if known.mean() < MOSTLY:
        laid = CropTransform.from_landmarks(points, mean_shape, size).from_units(mean_shape)
        points = np.where(known[:, None], points, laid)
    return CropTransform.from_box(Box.around(points), size, margin)


def thinned(region: Region, certainty: NDArray[np.float32] | None, rng: np.random.Generator) -> Region:
    """Leave out rows (R,) at random, so that over many epochs each counts as often as its certainty says."""
    if certainty is None:
        return region
    points = region.points.copy()
    points[rng.random(len(certainty)) >= certainty] = np.nan
    return replace(region, points=points)


def _upright(labels: NDArray[np.float32], plan: CropPlan) -> CropTransform:
    """Crop around the tight box; where the model's own points are missing, turn the canonical crop upright."""
    own = labels[: plan.n]
    if is_placed(own):
        return crop_of_box(own, plan.mean[: plan.n], plan.size, plan.margin)
    return replace(CropTransform.from_landmarks(labels, plan.mean, plan.size), angle_rad=0.0)


def load_regions(
    faces: Sequence[tuple[Sample, NDArray[np.float32]]],
    plan: CropPlan,
    off_face: Callable[[Path, NDArray[np.uint8]], list[NDArray[np.uint8]]],
) -> tuple[list[Region], list[NDArray[np.uint8]]]:
    """Read all images once; give the regions of the faces, in their order, and what ``off_face`` cuts of the images."""
    by_image: dict[Path, list[int]] = {}
    for i, (sample, _) in enumerate(faces):
        by_image.setdefault(sample.image, []).append(i)
    regions: dict[int, Region] = {}
    crops = []
    for path, members in by_image.items():
        image = read_labelled(faces[members[0]][0])
        regions |= {i: cut_region(faces[i][1], image, plan) for i in members}
        crops += off_face(path, image)
    return [regions[i] for i in range(len(faces))], crops
