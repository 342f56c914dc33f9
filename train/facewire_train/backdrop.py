"""What is not the face: the background, the camera's faults."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire_train.paint import Picture, fill, line, noise

GREY = 0.06  # share of pictures without colour
JPEG = 0.5  # share of pictures that were compressed before
SMALLEST = 0.4  # of the resolution, when a picture was enlarged


def background(rng: np.random.Generator, width: int, height: int) -> Picture:
    """Give a picture (height, width, 3) of gradients, shapes, edges and texture."""
    cells = (int(rng.integers(2, 6)), int(rng.integers(2, 6)), 3)
    coarse = rng.uniform(0, 255, cells).astype(np.float32)
    coarse = coarse.mean(axis=2, keepdims=True) * np.float32(0.82) + coarse * np.float32(0.18)
    picture = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float32).clip(0, 255)
    for _ in range(int(rng.integers(0, 9))):
        centre, size = rng.uniform(0, 1, 2) * (width, height), rng.uniform(0.04, 0.35) * height
        _clutter(picture, centre, size, rng)
    if rng.random() < 0.5:
        fine = int(rng.integers(6, 60))
        picture += (np.float32(rng.uniform(2, 9)) * noise(rng, (fine, fine), height, width))[..., None]
    if rng.random() < 0.5:
        picture = np.asarray(cv2.blur(picture, (int(rng.integers(2, 16)),) * 2), np.float32)
    return picture.clip(0, 255)


def _clutter(picture: Picture, centre: NDArray[np.float64], size: float, rng: np.random.Generator) -> None:
    """Add a polygon, a bar or an upright rectangle."""
    tone = (rng.uniform(0, 255) + rng.normal(0, 25, 3)).clip(0, 255)
    kind, soft, strength = rng.integers(3), float(rng.uniform(0.5, 5)), float(rng.uniform(0.3, 1))
    if kind == 0:
        corners = centre + rng.normal(0, 1, (int(rng.integers(3, 7)), 2)) * size
        fill(picture, cv2.convexHull(corners.astype(np.float32))[:, 0], tone, soft, strength)
    elif kind == 1:
        along = rng.normal(0, 4, 2) * size
        bar = np.linspace(centre - along, centre + along, 5).astype(np.float32)
        line(picture, bar, tone, float(rng.uniform(0.1, 0.6) * size), strength)
    else:
        half = rng.uniform(0.3, 1.5, 2) * size
        corners = centre + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
        fill(picture, corners.astype(np.float32), tone, soft, strength)


def photograph(picture: Picture, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Make a photograph of a picture (H, W, 3): focus, resolution, exposure, cast, noise, compression."""
    image = picture
    h, w = image.shape[:2]
    if rng.random() < 0.25:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.2))), np.float32)
    elif rng.random() < 0.2:
        share = rng.uniform(SMALLEST, 1)
        small = cv2.resize(image, (max(int(w * share), 8), max(int(h * share), 8)), interpolation=cv2.INTER_AREA)
        image = np.asarray(cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR), np.float32)
    gain = np.exp(rng.normal(0, 0.16)) * np.exp(rng.normal(0, 0.05, 3))
    level = 110 + rng.normal(0, 14) - 110 * gain
    image = image.reshape(h, w * 3) * np.tile(gain, w).astype(np.float32) + np.tile(level, w).astype(np.float32)
    grain = rng.standard_normal((h, w), np.float32) * np.float32(rng.uniform(0.5, 5))
    image = image.reshape(h, w, 3) + cv2.merge([grain, grain, grain])
    if rng.random() < GREY:
        image = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    pixels = np.clip(image + 0.5, 0, 255).astype(np.uint8)
    return _compressed(pixels, int(rng.integers(30, 90))) if rng.random() < JPEG else pixels


def _compressed(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)
