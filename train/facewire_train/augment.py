"""Change a sample at random: where it is cropped, how it is lit, what hides it.

All randomness is a function of (seed, epoch, sample), so that neither workers nor a resumed run change it.
"""

from __future__ import annotations

from dataclasses import replace
from math import radians

import cv2
import numpy as np
from facewire_edge.geometry import CropTransform
from numpy.typing import NDArray

from facewire_train.config import AugmentConfig
from facewire_train.images import shrunk
from facewire_train.samples import Region

Image = NDArray[np.uint8]


def jitter(crop: CropTransform, config: AugmentConfig, rng: np.random.Generator) -> CropTransform:
    """Move, scale and turn a crop."""
    dx, dy = rng.normal(0, config.shift, 2) * crop.side_px
    scale = float(np.exp(rng.normal(0, config.log_scale)))
    angle = crop.angle_rad + radians(float(rng.normal(0, config.rotation_deg)))
    return replace(crop, x=crop.x + dx, y=crop.y + dy, side_px=crop.side_px * scale, angle_rad=angle)


def augment_face(
    region: Region, mirror: NDArray[np.intp], config: AugmentConfig, rng: np.random.Generator
) -> tuple[Image, NDArray[np.float32]]:
    """Give a crop (size, size, 3) and its rows (R, 2) in crop units, NaN where unlabelled."""
    crop = jitter(region.levelled if rng.random() < config.levelled else region.upright, config, rng)
    image, points = crop.warp(region.image), crop.to_units(region.points)
    if rng.random() < config.flip:
        image, points = flip(image, points, mirror)
    return photometric(occlude(image, config, rng), config, rng), points


def augment_off_face(image: Image, size: int, config: AugmentConfig, rng: np.random.Generator) -> Image:
    """Give a crop (size, size, 3) of an off-face picture."""
    side = image.shape[0]
    crop = jitter(CropTransform((side - 1) / 2, (side - 1) / 2, side * 0.9, 0.0, size), config, rng)
    return photometric(crop.warp(image), config, rng)


def flip(image: Image, points: NDArray[np.float32], mirror: NDArray[np.intp]) -> tuple[Image, NDArray[np.float32]]:
    """Mirror a crop and its points in crop units; left and right change their names too."""
    mirrored = points[mirror] * np.array([-1, 1], np.float32) + np.array([1, 0], np.float32)
    return np.ascontiguousarray(image[:, ::-1]), mirrored.astype(np.float32)


def occlude(image: Image, config: AugmentConfig, rng: np.random.Generator) -> Image:
    """Cover a part with a rectangle of one colour or of noise."""
    if rng.random() >= config.occlusion:
        return image
    size = image.shape[0]
    w, h = (rng.uniform(0.1, 0.45, 2) * size).astype(int)
    x, y = int(rng.integers(-w // 2, size - w // 2)), int(rng.integers(-h // 2, size - h // 2))
    part = image[max(0, y) : y + h, max(0, x) : x + w]
    part[...] = rng.integers(0, 256, 3)
    if rng.random() < 0.3:
        part[...] = np.clip(part + rng.integers(-40, 41, part.shape), 0, 255)
    return image


def photometric(image: Image, config: AugmentConfig, rng: np.random.Generator) -> Image:
    """Change light, colour, sharpness and compression."""
    draws = rng.random(5)
    if draws[0] < config.low_resolution:
        image = _low_resolution(image, rng)
    if draws[1] < config.blur:
        image = _blurred(image, rng)
    image = _relit(image, config, rng)
    if draws[2] < config.grey:
        image = np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), dtype=np.uint8)
    if draws[3] < config.noise:
        noise = np.empty(image.shape, np.int16)
        cv2.setRNGSeed(int(rng.integers(1 << 30)))
        cv2.randn(noise, 0, float(rng.uniform(3, 15)))
        image = cv2.add(image, noise, dtype=cv2.CV_8U)
    if draws[4] < config.jpeg:
        quality = int(rng.integers(25, 80))
        image = np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1))
    return image


def _relit(image: Image, config: AugmentConfig, rng: np.random.Generator) -> Image:
    """Apply contrast about mid-grey, brightness and a colour cast as one table a channel."""
    contrast = np.exp(rng.normal(0, config.gain))
    gains = np.exp(rng.normal(0, config.colour, 3)) * contrast
    gamma = np.exp(rng.normal(0, config.gain))
    base = 255 * (np.arange(256) / 255) ** gamma - 128
    tables = base[:, None] * gains + 128 + rng.normal(0, config.offset)
    table = np.clip(tables, 0, 255).astype(np.uint8)[None]
    return np.asarray(cv2.LUT(image, table), dtype=np.uint8)


def _low_resolution(image: Image, rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    small = shrunk(image, float(rng.uniform(0.25, 0.7)))
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def _blurred(image: Image, rng: np.random.Generator) -> Image:
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 2.0))), dtype=np.uint8)
    length, angle = int(rng.integers(3, 10)), rng.uniform(0, np.pi)
    kernel = np.zeros((length, length), np.float32)
    middle, reach = (length - 1) / 2, np.array([np.cos(angle), np.sin(angle)], np.float32) * length / 2
    start, end = np.round(middle - reach).astype(int), np.round(middle + reach).astype(int)
    cv2.line(kernel, start.tolist(), end.tolist(), 1.0)
    return np.asarray(cv2.filter2D(image, -1, kernel / max(kernel.sum(), 1)), dtype=np.uint8)
