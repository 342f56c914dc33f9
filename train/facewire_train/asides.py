"""What a landmark model may learn beside its landmarks, and forgets when it is exported: head pose and attributes.

Source: Zhang et al. 2014, "Facial Landmark Detection by Deep Multi-task Learning" (TCDCN), section 3; PFLD (arXiv
1902.10859), section 2.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from facewire_edge.errors import UsageError
from facewire_edge.schema import IBUG68, LandmarkSchema, linear_map
from numpy.typing import NDArray

from facewire_train.config import TrainConfig
from facewire_train.head import mean_head
from facewire_train.head_pose import JAW, pose_of_points
from facewire_train.labels import Sample, labelled_points
from facewire_train.losses import PENALTIES, Loss, weighted_mean

ANGLES = 3  # yaw, pitch, roll
USUAL_DEG = 15.0  # of an angle: one unit of its target


class Asides:
    """Tell the head pose and the attributes of faces as targets of training."""

    def __init__(self, schema: LandmarkSchema, samples: Sequence[Sample], attributes: Sequence[str]) -> None:
        """Take the attributes of ``samples`` in, each brought to mean 0 and deviation 1.

        Raises:
            UsageError: no sample has one of the attributes as a number.

        """
        self._to_ibug68 = linear_map(schema, IBUG68)
        self._attributes = np.stack([_standardised(samples, name) for name in attributes], 1) if attributes else None

    def of(self, face: int, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give value and weight (K, 2) of each target of a face, whose points (N, 2) lie in its crop so."""
        pose = self._pose(points) / USUAL_DEG
        values = pose if self._attributes is None else np.concatenate([pose, self._attributes[face]])
        known = np.isfinite(values)
        return np.stack([np.where(known, values, 0.0), known], axis=1).astype(np.float32)

    def _pose(self, points: NDArray[np.float32]) -> NDArray[np.float64]:
        """Give yaw, pitch and roll (3,) in degrees, NaN where the points do not tell them."""
        if self._to_ibug68 is None:
            return np.full(ANGLES, np.nan)
        known = labelled_points(points)
        places = np.einsum("dmn,nd->md", self._to_ibug68, np.where(known[:, None], points, 0))
        places[np.einsum("dmn,n->m", np.abs(self._to_ibug68), ~known) > 0] = np.nan
        inner = np.arange(IBUG68.n) >= JAW.stop
        return pose_of_points(places[inner].astype(np.float32), mean_head()[inner].astype(np.float64))


def count(config: TrainConfig) -> int:
    """Give the number of targets that a configuration asks for; 0 where it weighs them with nothing."""
    return ANGLES + len(config.data.attributes) if config.loss.asides else 0


def aside_loss() -> Loss:
    """Give the loss of targets (B, K, 2), value and weight, and predictions (B, K)."""
    penalty = PENALTIES["smooth_l1"]

    def loss(target: Any, predicted: Any) -> Any:
        return weighted_mean(penalty((predicted - target[..., 0])[..., None]), target[..., 1])

    return loss


def _standardised(samples: Sequence[Sample], name: str) -> NDArray[np.float64]:
    """Give an attribute of samples (S,), NaN where it is not known."""
    said = [sample.attributes.get(name) for sample in samples]
    values = np.array([float(v) if isinstance(v, int | float) else np.nan for v in said])
    if not np.isfinite(values).any():
        there = ", ".join(sorted(set(chain.from_iterable(s.attributes for s in samples)))) or "none"
        raise UsageError(f"data.attributes names {name!r}, which no training face has as a number; there are: {there}")
    return np.asarray((values - np.nanmean(values)) / max(float(np.nanstd(values)), 1e-6))
