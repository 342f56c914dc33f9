"""Find what is probably wrong in a labelled set: far points, swapped sides, doubles, people in several splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from facewire_edge.geometry import Box
from facewire_edge.schema import LandmarkSchema
from numpy.typing import NDArray

from facewire_train.image_facts import HASH_BITS, ImageFacts
from facewire_train.images import place_of
from facewire_train.labels import Background, Sample, group_by_image, is_placed, is_same_face, labelled_points
from facewire_train.shape_model import MOST_FACES, swapped
from facewire_train.shapes import mean_shape

FAR = 0.5  # a point further outside its image than this much of the face's box is hardly meant
DOUBLE_BITS = 12  # two pictures whose hashes differ in fewer of 256 bits are the same one, saved twice
BLOCK = 256  # rows of hashes compared at once
EXAMPLES = 20  # that a report lists of each kind, and of each group
MARGIN = 1.25


def check_labels(
    samples: Sequence[Sample],
    facts: Mapping[Path, ImageFacts],
    schema: LandmarkSchema,
    empty: Sequence[Background] = (),
) -> dict[str, Any]:
    """Give the findings as JSON values: a count and the first examples of each kind."""
    images = list(facts)
    groups = [[images[i] for i in group] for group in doubles([facts[image].hash for image in images])]
    splits = {s.image: s.split for s in samples} | {b.image: b.split for b in empty}
    across = [_splits_first(group, splits) for group in groups if len({splits[i] for i in group}) > 1]
    return {
        "sizes": _sizes(samples, facts),
        "far_outside": _listed([s.image for s in samples if is_far_outside(s, facts[s.image])]),
        "swapped_sides": _swapped(samples, schema),
        "faces_twice": _listed([s.image for s in repeated(samples)]),
        "doubles": _listed(groups),
        "doubles_across_splits": _listed(across),
        "people_across_splits": _listed(people_across_splits(samples)),
    }


def is_far_outside(sample: Sample, facts: ImageFacts) -> bool:
    """Say whether a labelled point lies far outside the image."""
    known = sample.points[labelled_points(sample.points)]
    if not len(known):
        return False
    reach = FAR * max(sample.box.width, sample.box.height)
    low, high = known.min(axis=0), known.max(axis=0)
    return bool((low < -reach).any() or high[0] > facts.width + reach or high[1] > facts.height + reach)


def repeated(samples: Sequence[Sample]) -> list[Sample]:
    """Give the faces that their image lists already."""
    return [
        face
        for faces in group_by_image(samples).values()
        for i, face in enumerate(faces)
        if any(is_same_face(face, other) for other in faces[:i])
    ]


def doubles(hashes: Sequence[NDArray[np.bool_]]) -> list[list[int]]:
    """Give the groups of two or more pictures whose hashes (B,) hardly differ."""
    if not hashes:
        return []
    signs = np.stack(hashes).astype(np.float32) * 2 - 1
    parent = list(range(len(signs)))
    for start in range(0, len(signs), BLOCK):
        # The product of two rows of +-1 is the count of bits that agree less that of those that differ.
        agree = signs[start : start + BLOCK] @ signs[start:].T
        rows, columns = np.nonzero(agree > HASH_BITS - 2 * DOUBLE_BITS)
        for i, j in zip((rows + start).tolist(), (columns + start).tolist(), strict=True):
            if i < j:
                parent[_root(parent, j)] = _root(parent, i)
    groups: dict[int, list[int]] = {}
    for i in range(len(parent)):
        groups.setdefault(_root(parent, i), []).append(i)
    return [group for group in groups.values() if len(group) > 1]


def people_across_splits(samples: Sequence[Sample]) -> list[str]:
    """Give the subjects that are in more than one split; a face that is ``ignore`` is neither learned nor measured."""
    found: dict[str, set[str]] = {}
    for sample in samples:
        if not sample.ignore:
            found.setdefault(sample.subject, set()).add(sample.split)
    return sorted(subject for subject, splits in found.items() if len(splits) > 1)


def _splits_first(group: Sequence[Path], splits: Mapping[Path, str]) -> list[Path]:
    """Give a group with an image of each split before the others: a report shows the first ones."""
    firsts = list({splits[image]: image for image in reversed(group)}.values())
    return [*firsts, *(image for image in group if image not in firsts)]


def _root(parent: list[int], i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


def _sizes(samples: Sequence[Sample], facts: Mapping[Path, ImageFacts]) -> dict[str, Any]:
    """Give smallest, median and largest side of images and faces, nothing of what there is none of."""
    boxes = [Box.around(s.points) if is_placed(s.points) else s.box for s in samples]
    sides: dict[str, list[float]] = {
        "image_px": [min(f.width, f.height) for f in facts.values()],
        "face_px": [max(b.width, b.height) for b in boxes],
    }
    return {
        name: [round(float(v), 1) for v in np.quantile(values, (0, 0.5, 1))] for name, values in sides.items() if values
    }


def _swapped(samples: Sequence[Sample], schema: LandmarkSchema) -> dict[str, Any]:
    """List the faces whose left and right are swapped; ``all`` where the whole set's are."""
    usable = [s for s in samples if labelled_points(s.points).sum() > 2]
    shapes = np.stack([s.points for s in usable]) if usable else np.zeros((0, schema.n, 2), np.float32)
    if not labelled_points(shapes).any(axis=0).all():
        return {**_listed([]), "all": False}
    mean = mean_shape(list(shapes[:: max(1, len(shapes) // MOST_FACES)]), schema, MARGIN)
    right, left = schema.eye_corners
    odd = swapped(shapes, schema, mean)
    odd_images = [s.image for s, is_odd in zip(usable, odd, strict=True) if is_odd]
    return {**_listed(odd_images), "all": bool(mean[right, 0] > mean[left, 0])}


def _listed(items: Sequence[Any]) -> dict[str, Any]:
    return {"count": len(items), "examples": [_shown(item) for item in items[:EXAMPLES]]}


def _shown(item: Any) -> Any:
    """Give images, alone or the first of a group, by the names under which they are found."""
    if isinstance(item, list):
        more = [f"and {len(item) - EXAMPLES} more"] if len(item) > EXAMPLES else []
        return [*(_shown(one) for one in item[:EXAMPLES]), *more]
    return place_of(item) if isinstance(item, Path) else item
