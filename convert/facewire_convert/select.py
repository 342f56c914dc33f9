"""Choose few faces that stand for many: every kind of face, and every range that the network's layers reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

import cv2
import keras
import numpy as np
from facewire_edge.card import ModelCard
from facewire_edge.types import Image
from facewire_train.checkpoint import Checkpoint
from facewire_train.datasets import Sample
from facewire_train.evaluate import to_network, truth5_crop
from facewire_train.head_pose import head_poses
from facewire_train.images import read_labelled
from numpy.typing import NDArray

BATCH = 64
COVER_SHARE = 0.5  # of the chosen faces go where they widen the ranges most, the others where a kind is rare
ENOUGH = 0.99  # of the pool's ranges, on the average of the layers
MEASURED_LAYERS = ("Conv2D", "DepthwiseConv2D", "Dense", "ReLU", "Add")
YAW_DEG, PITCH_DEG, LIGHT, SIZE_PX, TONE_DEG = (
    *((-30, -10, 10, 30), (-15, 15), (60, 100, 140, 180), (48, 96, 192)),
    (-30, 10, 28, 41, 55),
)  # upper bounds of the kinds; the last are those of the individual typology angle
TONES = ("dark", "brown", "tan", "intermediate", "light", "very light")
CHEEKS = ((0.26, 0.45), (0.74, 0.45))  # in the canonical crop, beside the nose
CHEEK_REACH = 0.06  # of the crop
COMMON, RARE = 0.05, 0.01  # shares: a kind that the pool has and a set lacks


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Hold faces, what kind each is by each trait, and how far each drives the layers."""

    samples: tuple[Sample, ...]
    kinds: Mapping[str, NDArray[np.str_]]  # trait -> (S,)
    ranges: NDArray[np.float32]  # (S, layers, 2), smallest and largest activation


def look_at(samples: Sequence[Sample], checkpoint: Checkpoint) -> Pool:
    """Crop every face as the device does; give kinds and ranges."""
    crops = [truth5_crop(s, checkpoint.card).warp(read_labelled(s)) for s in samples]
    return Pool(tuple(samples), kinds_of(samples, crops, checkpoint.card), activation_ranges(checkpoint.model, crops))


def kinds_of(samples: Sequence[Sample], crops: Sequence[Image], card: ModelCard) -> dict[str, NDArray[np.str_]]:
    """Name the kind of each face by pose, light, size and skin tone."""
    assert card.schema is not None
    poses = head_poses(samples, card.schema)
    sizes = [truth5_crop(s, card).side_px / card.margin for s in samples]
    light = [float(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).mean()) for crop in crops]
    tones = np.digitize([skin_angle(crop) for crop in crops], TONE_DEG)
    return {
        "yaw": _binned(poses[:, 0], YAW_DEG, "degrees"),
        "pitch": _binned(poses[:, 1], PITCH_DEG, "degrees"),
        "brightness": _binned(light, LIGHT, "grey levels"),
        "face size": _binned(sizes, SIZE_PX, "px"),
        "skin tone": np.array([TONES[i] for i in tones]),
    }


def skin_angle(crop: Image) -> float:
    """Give the individual typology angle of the cheeks in degrees: small is dark.

    Source: Chardon et al. 1991, "Skin colour typology and suntanning pathways".
    """
    side = crop.shape[0]
    reach = max(1, round(CHEEK_REACH * side))
    patches = [crop[round(y * side) - reach :, round(x * side) - reach :][: 2 * reach, : 2 * reach] for x, y in CHEEKS]
    pixels = np.concatenate([patch.reshape(-1, 3) for patch in patches])
    lab = cv2.cvtColor(pixels[None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
    lightness, _, yellow = np.median(lab, axis=0)
    return float(np.degrees(np.arctan2(lightness - 50, max(float(yellow), 1e-3))))


def activation_ranges(model: Any, crops: Sequence[Image]) -> NDArray[np.float32]:
    """Give the smallest and the largest output of each layer for each crop: (S, layers, 2)."""
    layers = {layer.name: layer.output for layer in model.layers if type(layer).__name__ in MEASURED_LAYERS}
    probe = keras.Model(model.inputs[0], layers)
    rows = []
    for start in range(0, len(crops), BATCH):
        outputs = probe(to_network(np.stack(crops[start : start + BATCH])), training=False)
        flat = [np.asarray(keras.ops.convert_to_numpy(o)).reshape(o.shape[0], -1) for o in outputs.values()]
        rows.append(np.stack([np.stack([f.min(axis=1), f.max(axis=1)], axis=1) for f in flat], axis=1))
    return np.concatenate(rows).astype(np.float32)


def covered(ranges: NDArray[np.float32], pool: NDArray[np.float32]) -> float:
    """Give how much of a pool's ranges some faces' ranges cover, on the average of the layers."""
    low, high = np.minimum.reduce(pool[:, :, 0]), np.maximum.reduce(pool[:, :, 1])
    own_low, own_high = ranges[:, :, 0].min(axis=0), ranges[:, :, 1].max(axis=0)
    shared = np.minimum(high, own_high) - np.maximum(low, own_low)
    return float(np.mean(np.clip(shared / np.maximum(high - low, 1e-9), 0, 1)))


def choose(pool: Pool, count: int) -> list[int]:
    """Give the chosen faces in the order in which they were chosen: a shorter list is the better start."""
    chosen: list[int] = []
    wide = cover(pool.ranges, max(1, round(count * COVER_SHARE)))
    rare = iter(balanced(pool.kinds, count))
    for turn in range(len(pool.samples)):
        if len(chosen) >= count:
            break
        chosen = list(dict.fromkeys((*chosen, *wide[turn : turn + 1], *islice(rare, 1))))
    return chosen[:count]


def cover(ranges: NDArray[np.float32], count: int) -> list[int]:
    """Give faces, each the one that widens the covered ranges most; ends where none does."""
    low, high = ranges[:, :, 0], ranges[:, :, 1]
    whole = np.maximum(high.max(axis=0) - low.min(axis=0), 1e-9)
    chosen = [int(np.argmax(((high - low) / whole).mean(axis=1)))]
    reach_low, reach_high = low[chosen[0]].copy(), high[chosen[0]].copy()
    while len(chosen) < count:
        gain = (np.maximum(high - reach_high, 0) + np.maximum(reach_low - low, 0)) / whole
        best = int(np.argmax(gain.mean(axis=1)))
        if gain[best].mean() <= 0:
            break
        chosen.append(best)
        reach_low, reach_high = np.minimum(reach_low, low[best]), np.maximum(reach_high, high[best])
    return chosen


def balanced(kinds: Mapping[str, NDArray[np.str_]], count: int) -> list[int]:
    """Give faces, each the one whose kinds have been taken least often."""
    coded = np.stack([np.unique(values, return_inverse=True)[1].ravel() for values in kinds.values()], axis=1)
    taken = [np.zeros(int(column.max()) + 1) for column in coded.T]
    free = np.ones(len(coded), bool)
    chosen: list[int] = []
    while len(chosen) < min(count, len(coded)):
        cost = sum(counts[column] for counts, column in zip(taken, coded.T, strict=True))
        best = int(np.argmin(np.where(free, cost, np.inf)))
        free[best] = False
        chosen.append(best)
        for counts, value in zip(taken, coded[best], strict=True):
            counts[value] += 1
    return chosen


def how_many(pool: Pool, chosen: Sequence[int]) -> dict[str, Any]:
    """Say how much of the ranges the first so many of the chosen cover, and how many are enough."""
    counts = sorted({n for n in (5, 10, 20, 50, 100, 200, 500) if n < len(chosen)} | {len(chosen)})
    table = {str(n): round(covered(pool.ranges[list(chosen[:n])], pool.ranges), 4) for n in counts}
    enough = next((n for n in counts if table[str(n)] >= ENOUGH), None)
    return {"ranges_covered": table, "enough": enough}


def lacks(pool: Pool, other: Pool) -> dict[str, Any]:
    """Say what of a pool's kinds and ranges another set does not have."""
    missing = []
    for trait, values in pool.kinds.items():
        for kind in np.unique(values):
            here, there = float((values == kind).mean()), float((other.kinds[trait] == kind).mean())
            if here >= COMMON and there < RARE:
                missing.append(f"{trait}: {kind} ({100 * here:.0f} % here, {100 * there:.1f} % there)")
    return {"ranges_covered": round(covered(other.ranges, pool.ranges), 4), "kinds_missing": missing}


def _binned(values: Sequence[float] | NDArray[np.float64], bounds: tuple[int, ...], unit: str) -> NDArray[np.str_]:
    names = [f"below {bounds[0]} {unit}"]
    names += [f"{a} to {b} {unit}" for a, b in pairwise(bounds)]
    names += [f"{bounds[-1]} {unit} and more"]
    known = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(known), np.array(names)[np.digitize(np.nan_to_num(known), bounds)], "unknown")
