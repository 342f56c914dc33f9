"""How a scene is lit: one lamp, the sky, the ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

SHINE = 18.0  # exponent of the highlight
SOFT_EDGE = 0.25  # how far light reaches round the edge of the shade


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """Hold how a scene is lit."""

    direction: Array  # (3,) unit, from the face to the lamp
    lamp: Array  # (3,) strength by colour
    sky: Array  # (3,) from above
    ground: Array  # (3,) from below
    shine: float


def light_of(rng: np.random.Generator) -> Light:
    """Give a light."""
    direction = rng.normal([0, -0.6, 1.0], [0.7, 0.4, 0.25])
    tint = np.exp(rng.normal(0, 0.07, 3))
    lamp, ambient = rng.uniform(0.35, 0.8), rng.uniform(0.35, 0.6)
    return Light(
        (direction / np.linalg.norm(direction)).astype(np.float32),
        (lamp * tint).astype(np.float32),
        (ambient * 1.15 / tint).astype(np.float32),
        np.full(3, ambient * rng.uniform(0.6, 0.95), np.float32),
        float(rng.uniform(0.0, 26)),
    )


def shade(normals: Array, light: Light) -> Array:
    """Give by how much surfaces with normals (N, 3) scale their colour (N, 3): Lambert's law, its edge softened."""
    facing = np.clip((normals @ light.direction + SOFT_EDGE) / (1 + SOFT_EDGE), 0, 1)
    up = 0.5 - 0.5 * normals[:, 1]
    colours = zip(light.lamp, light.sky, light.ground, strict=True)
    return np.stack([facing * lamp + up * sky + (1 - up) * ground for lamp, sky, ground in colours], axis=1)


def highlight(normals: Array, light: Light) -> Array:
    """Give the levels (N,) that a shiny surface adds. Source: Blinn 1977."""
    half = light.direction + np.array([0, 0, 1], np.float32)
    glance = np.clip(normals @ (half / np.linalg.norm(half)), 0, 1) ** SHINE
    return np.asarray(glance * light.shine, dtype=np.float32)
