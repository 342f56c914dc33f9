"""The verb ``inspect-data``: a labelled set in, one page that shows what is in it out."""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Sequence

import cv2
import numpy as np
from facewire_edge.files import refuse_unwritable, write_text
from facewire_edge.geometry import Box
from facewire_edge.schema import LandmarkSchema
from numpy.typing import NDArray

from facewire_train.charts import bars, histogram, shape_mode, shape_values
from facewire_train.datasets import read_dataset
from facewire_train.head_pose import head_poses
from facewire_train.images import read_labelled
from facewire_train.labels import SPLITS, Dataset, Sample, is_placed, labelled_points
from facewire_train.page import charts, faces, note, page, section, table
from facewire_train.portraits import portrait
from facewire_train.shape_model import ShapeModel, shape_model

log = logging.getLogger(__name__)

MOST_READ = 1500  # images that are opened for their brightness
SHEET = 32  # faces of a contact sheet
ODDEST = 32
MODES = 6
ATTRIBUTE_VALUES = 12  # that a table lists of each attribute
SEED = 7


def run(arguments: argparse.Namespace) -> None:
    """Read, look, write the page."""
    refuse_unwritable(arguments.out)
    dataset = read_dataset(arguments.source)
    write_text(arguments.out, data_page(dataset))
    log.info("%s: %d faces of %s", arguments.out, len(dataset.samples), dataset.path)


def data_page(dataset: Dataset) -> str:
    """Give the page of a set."""
    usable = [s for s in dataset.samples if not s.ignore and is_placed(s.points)]
    points = np.stack([s.points for s in usable]) if usable else np.zeros((0, dataset.schema.n, 2), np.float32)
    complete = len(usable) > 1 and labelled_points(points).any(axis=0).all()
    model = shape_model(points, dataset.schema) if complete else None
    lead = f"{len(dataset.samples):,} faces, schema {dataset.schema.name} ({dataset.schema.n} points). {dataset.terms}"
    return page(
        f"Data: {dataset.name}",
        lead,
        [
            _counts(dataset),
            _histograms(usable, dataset.schema),
            _missing(points, dataset.schema, model),
            _shape(model, dataset.schema) if model else note("Too little is labelled for a shape model."),
            _sheet(usable, dataset.schema),
            _odd(usable, points, dataset.schema, model) if model else "",
        ],
    )


def _counts(dataset: Dataset) -> str:
    rows = [
        (
            name,
            len({s.image for s in part}),
            len(part),
            len({s.subject for s in part}),
            sum(bool(labelled_points(s.points).all()) for s in part),
            sum(bool(labelled_points(s.points).any()) for s in part),
        )
        for name in SPLITS
        if (part := dataset.split(name))
    ]
    subsets = Counter((s.subset, s.split) for s in dataset.samples)
    by_subset = [
        (name, *(subsets[name, split] or None for split in SPLITS))
        for name in sorted({subset for subset, _ in subsets})
    ]
    header = ("split", "images", "faces", "people or files", "all points", "some points")
    return section(
        "Counts", table(header, rows), table(("subset", *SPLITS), by_subset[:SHEET]), _attributes(dataset.samples)
    )


def _attributes(samples: Sequence[Sample]) -> str:
    counts: dict[str, Counter[str]] = {}
    for sample in samples:
        for name, value in sample.attributes.items():
            counts.setdefault(name, Counter())[str(value)] += 1
    rows = [
        (name, value, count)
        for name, values in counts.items()
        for value, count in sorted(values.most_common(ATTRIBUTE_VALUES))
    ]
    return table(("attribute", "value", "faces"), rows) if rows else ""


def _histograms(samples: Sequence[Sample], schema: LandmarkSchema) -> str:
    if not samples:
        return note("No face has two labelled points.")
    poses = head_poses(samples, schema)
    sizes = np.array([max((b := Box.around(s.points)).width, b.height) for s in samples], dtype=np.float64)
    read = samples[:: max(1, len(samples) // MOST_READ)]
    light = np.array([light_of(s) for s in read], dtype=np.float64)
    drawn = [
        histogram(sizes, "Face size", "px, longer side of the labelled points"),
        histogram(light[:, 0], "Brightness", "mean grey level of the face, 0 to 255"),
        histogram(light[:, 1], "Contrast", "standard deviation of the grey level"),
        histogram(light[:, 2], "Image size", "px, shorter side"),
    ]
    if np.isfinite(poses).all(axis=1).any():
        names = ("Yaw: > 0 towards the image's right", "Pitch: > 0 up", "Roll: > 0 clockwise")
        drawn += [histogram(poses[:, i], name, "degrees") for i, name in enumerate(names)]
    about = f"Brightness of {len(read):,} faces; poses are estimated from the labels with an average head."
    return section("Sizes, light, poses", note(about), charts(drawn))


def light_of(sample: Sample) -> tuple[float, float, int]:
    """Give mean and deviation of the face's grey levels, NaN off its image, and the image's shorter side."""
    image = read_labelled(sample)
    box = Box.around(sample.points)
    x0, y0 = max(0, int(box.x0)), max(0, int(box.y0))
    part = image[y0 : max(0, int(box.y1) + 1), x0 : max(0, int(box.x1) + 1)]
    if not part.size:
        return np.nan, np.nan, min(image.shape[:2])
    grey = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    return float(grey.mean()), float(grey.std()), min(image.shape[:2])


def _missing(points: NDArray[np.float32], schema: LandmarkSchema, model: ShapeModel | None) -> str:
    missing = 100 * (1 - labelled_points(points).mean(axis=0)) if len(points) else np.full(schema.n, 100.0)
    if not missing.any():
        return section("Missing points", note("Every point of every face is labelled."))
    order = np.argsort(-missing, kind="stable")[:20]
    drawn = [bars({schema.names[i]: float(missing[i]) for i in order}, "Most missing points", "% of the faces")]
    if model is not None:
        drawn.insert(0, shape_values(model.mean, missing, schema, "Missing, at each point", "% of the faces"))
    return section("Missing points", note(f"On average {missing.mean():.1f} % of the points."), charts(drawn))


def _shape(model: ShapeModel, schema: LandmarkSchema) -> str:
    drawn = []
    for i, mode in enumerate(model.modes[:MODES]):
        offset = (mode * model.deviations[i]).reshape(-1, 2)
        caption = f"{100 * model.explained[i]:.0f} % of the variance; blue and red: two standard deviations"
        drawn.append(shape_mode(model.mean, offset, schema, f"Mode {i + 1}", caption))
    about = f"Mean shape (grey) after scale, place and angle are taken off; {len(model.modes)} modes explain 95 %."
    return section("Shape", note(about), charts(drawn))


def _sheet(samples: Sequence[Sample], schema: LandmarkSchema) -> str:
    chosen = np.random.default_rng(SEED).permutation(len(samples))[:SHEET]
    tiles = [portrait(samples[i], schema, samples[i].image.name) for i in sorted(chosen)]
    return section("Drawn at random", faces(tiles))


def _odd(samples: Sequence[Sample], points: NDArray[np.float32], schema: LandmarkSchema, model: ShapeModel) -> str:
    residuals = model.residuals(points)
    odd = np.nan_to_num(model.oddness(points), nan=-1)
    tiles = []
    for i in np.argsort(-odd, kind="stable")[:ODDEST]:
        worst = schema.names[int(np.nanargmax(residuals[i]))]
        caption = f"{100 * odd[i]:.1f} %, most {worst}; {samples[i].image.name}"
        tiles.append(portrait(samples[i], schema, caption))
    about = "Furthest from the shape model, in % of the crop: wrong labels, or faces that the set has too few of."
    return section("Oddest labels", note(about), faces(tiles))
