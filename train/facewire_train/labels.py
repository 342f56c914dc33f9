"""What a labelled face is, whatever format it was read from."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np
from facewire_edge.errors import DataError, UsageError
from facewire_edge.geometry import Box
from facewire_edge.schema import LandmarkSchema, load_schema
from numpy.typing import NDArray

from facewire_train.values import are_numbers, expect

log = logging.getLogger(__name__)

VALIDATION_PERCENT = 5  # of the training subjects, chosen by a hash so that everybody holds back the same ones
SPLITS = ("train", "val", "test")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
SAME_PX = 0.1  # labels of one image that differ by less are the same face: formats round their numbers
TEST_WORD, TRAIN_WORD = (re.compile(f"(^|[^a-z]){word}") for word in ("test", "train"))  # `my-test`; not `contest`
SMALLEST_PX = 0.01  # side of a box: a smaller one vanishes when it is written
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
UNKNOWN_TERMS = "unknown; see the set's own terms"
HEADER_FILE, LABEL_FILE = "dataset.toml", "faces.jsonl"  # of the native format

T = TypeVar("T")
S = TypeVar("S")
Refuse = Callable[[DataError], None]  # what becomes of a label that cannot be meant


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Hold one labelled face; points in image pixels, NaN where a point is not labelled."""

    image: Path
    box: Box  # as the set gives it: conventions differ
    points: NDArray[np.float32]  # (N, 2)
    visible: NDArray[np.bool_]  # (N,) labelled and seen
    points5: NDArray[np.float32] | None  # (5, 2), where the set has them too
    split: str  # train, val or test
    subset: str
    subject: str  # split key: the person, or the file where no person is named
    source: str  # name of the set
    complete: bool = False  # every face of the image is listed
    ignore: bool = False  # a face that is neither wanted nor background
    attributes: Mapping[str, Any] = field(default_factory=dict)  # what else the set says of the face
    filled: Mapping[int, float] = field(default_factory=dict)  # point that a model filled in -> its weight in training
    visibility: str = ""  # a letter a point (v, o, s) as a native set has them; empty: as ``visible`` says
    size_px: tuple[int, int] | None = None  # of the picture that was labelled, width and height, where the set says it


@dataclass(frozen=True, slots=True)
class Background:
    """Hold an image of which a set says that it shows no face."""

    image: Path
    split: str  # train, val or test
    subset: str
    subject: str  # split key: the file
    size_px: tuple[int, int] | None = None  # as a sample's


Pictured = Sample | Background  # names the image that labels are of


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Hold all samples of a folder."""

    name: str
    schema: LandmarkSchema
    samples: tuple[Sample, ...]
    terms: str
    path: Path  # as it was asked for, with the format where one was named
    fingerprint: str  # of the labels and what they mean: changes when they change
    backgrounds: tuple[Background, ...] = ()

    def split(self, name: str) -> tuple[Sample, ...]:
        """Give the samples of one split."""
        return tuple(s for s in self.samples if s.split == name)

    def empty(self, name: str) -> tuple[Background, ...]:
        """Give the images of one split that show no face."""
        return tuple(b for b in self.backgrounds if b.split == name)


def split_of(name: str) -> str:
    """Give the split that the name of a file or folder says: ``test`` where the word begins a part of it."""
    return "test" if TEST_WORD.search(name.lower()) else "train"


def group_by_image(samples: Iterable[Sample]) -> dict[Path, list[Sample]]:
    """Give the faces of each image, in order."""
    groups: dict[Path, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.image, []).append(sample)
    return groups


def number_of(name: str) -> int:
    """Give a number that everybody gets for a name; a file's name may be no UTF-8."""
    return int(hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8], 16)


def is_validation(subject: str) -> bool:
    """Say whether a subject is held back for validation; everybody holds back the same ones."""
    return number_of(subject) % 100 < VALIDATION_PERCENT


def hold_back(samples: Iterable[Sample], held: Callable[[str], bool] = is_validation) -> tuple[Sample, ...]:
    """Move the subjects that are ``held`` off the training split, with all faces of their images.

    Who stands beside them there, and is not held, is trained on elsewhere: such faces are kept as ``ignore``.
    """
    samples = tuple(samples)
    images = {s.image for s in samples if s.split == "train" and held(s.subject)}
    return tuple(_held_back(s, held) if s.split == "train" and s.image in images else s for s in samples)


def _held_back(sample: Sample, held: Callable[[str], bool]) -> Sample:
    return replace(sample if held(sample.subject) else ignored(sample, sample), split="val")


def only_labelled(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Take the points that a model filled in off all faces that are measured on, not trained."""
    return tuple(s if s.split == "train" or not s.filled else _without_filled(s) for s in samples)


def complete_by_all(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """Let an image that several lines list be complete only where all of them say so."""
    open_ = {s.image for s in samples if not s.complete}
    return tuple(replace(s, complete=False) if s.complete and s.image in open_ else s for s in samples)


def in_one_split(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """Keep images that lie in several splits in the last of these alone: what was trained on tests nothing.

    Faces that only the other splits list stay as ``ignore``, without points: they are no background.
    """
    parted = {image: faces for image, faces in group_by_image(samples).items() if len({s.split for s in faces}) > 1}
    if not parted:
        return tuple(samples)
    _warn_of_parted(parted)
    whole = (s for s in samples if s.image not in parted)
    return (*whole, *(s for faces in parted.values() for s in _in_last_split(faces)))


def _warn_of_parted(parted: Mapping[Path, Sequence[Sample]]) -> None:
    image, faces = next(iter(parted.items()))
    log.warning(
        "%s is listed in %s (%d such images): what was trained on tests nothing; only the faces of the last split "
        "count, others are kept as `ignore`",
        image,
        " and ".join(name for name in SPLITS if name in {s.split for s in faces}),
        len(parted),
    )


def _in_last_split(faces: Sequence[Sample]) -> list[Sample]:
    """Give the faces of an image as its last split lists them, then what only the other splits list."""
    last = max((s.split for s in faces), key=SPLITS.index)
    kept = [s for s in faces if s.split == last]
    for face in faces:
        if not any(is_same_face(face, other) for other in kept):
            kept.append(ignored(face, kept[0]))
    return kept


def is_same_face(one: Sample, other: Sample) -> bool:
    """Say whether two labels of an image have the same box or the same points, to the pixel's tenth."""
    box, other_box = ((b.x0, b.y0, b.x1, b.y1) for b in (one.box, other.box))
    if all(abs(a - b) <= SAME_PX for a, b in zip(box, other_box, strict=True)):
        return True
    if (np.abs(one.points - other.points) > SAME_PX).any():
        return False
    return is_placed(one.points) and np.array_equal(labelled_points(one.points), labelled_points(other.points))


def ignored(face: Sample, beside: Sample) -> Sample:
    """Give a face as one that is neither wanted nor background, in the split of another (or of itself) of its image."""
    blank = np.full_like(face.points, np.nan)
    face = replace(face, points=blank, visible=labelled_points(blank), visibility="", filled={})
    return replace(face, split=beside.split, complete=beside.complete, ignore=True)


def _without_filled(sample: Sample) -> Sample:
    points, visible = sample.points.copy(), sample.visible.copy()
    points[list(sample.filled)], visible[list(sample.filled)] = np.nan, False
    return replace(sample, points=points, visible=visible, filled={})


def refuse_all(error: DataError) -> None:
    """Let no label pass that cannot be meant."""
    raise error


def accepted(items: Iterable[T], parse: Callable[[T], S], refuse: Refuse) -> Iterator[S]:
    """Parse items one by one; give those that can be meant, hand the errors of the others to ``refuse``."""
    for item in items:
        try:
            parsed = parse(item)
        except DataError as error:
            refuse(error)
        else:
            yield parsed


def own_schema(folder: Path) -> LandmarkSchema | None:
    """Give the user's schema that lies in a folder, None where there is none.

    Raises:
        DataError: there are several, or it is not valid.

    """
    found = sorted(p for p in folder.glob("*.toml") if p.name != HEADER_FILE)
    if len(found) > 1:
        raise DataError(f"{folder} holds {len(found)} schemas ({', '.join(p.name for p in found)}); keep one")
    try:
        return load_schema(found[0]) if found else None
    except UsageError as error:
        raise DataError(str(error)) from error


def digest_of(files: Iterable[Path]) -> str:
    """Give one hash of the bytes of all files."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def read_label_text(path: Path) -> str:
    """Read a text of labels.

    Raises:
        DataError: it cannot be read or is no text.

    """
    try:
        return path.read_text(encoding="utf-8-sig")  # lists written on Windows begin with a byte-order mark
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text: byte {error.start} is no UTF-8; save it as UTF-8") from error


def find_image(name: Any, folders: Iterable[Path], where: str) -> Path:
    """Find an image in the first folder that has it, whichever way the slashes of its name lean.

    Raises:
        DataError: there is none, or its name leaves the folder.

    """
    expect(isinstance(name, str) and not CONTROL.search(name), "image must be the name of a file", name, where)
    relative = PurePosixPath(name.replace("\\", "/"))
    if relative.is_absolute() or ".." in relative.parts:
        raise DataError(f"{where}: image {name} leaves the folder; expected a name below it")
    found = next((folder / relative for folder in folders if os.path.isfile(folder / relative)), None)  # noqa: PTH113
    if found is None:  # Path.is_file raises for a name that is too long
        raise DataError(f"{where}: no image {name}; expected the name of a file below the set's folder")
    return found


def labelled_size(values: Mapping[str, Any], where: str) -> tuple[int, int] | None:
    """Give an image's ``width`` and ``height`` as its labels have them; None where they are missing or 0.

    Raises:
        DataError: they are no numbers.

    """
    size = [values.get(key) or 0 for key in ("width", "height")]
    expect(are_numbers(size, 2), "width and height must be numbers of pixels", size, where)
    return (int(size[0]), int(size[1])) if min(size) > 0 else None


def refuse_other_size(sample: Pictured, width: int, height: int) -> None:
    """Refuse a picture that is not as large as the one that was labelled.

    Raises:
        DataError: it is not.

    """
    if sample.size_px is None or sample.size_px == (width, height):
        return
    labelled_width, labelled_height = sample.size_px
    raise DataError(
        f"{sample.image}: its labels are of a picture of {labelled_width}x{labelled_height}, the file shows "
        f"{width}x{height}: it was resized, or is turned by its EXIF tag; label it as it is, or put back the file that "
        "was labelled"
    )


def point_array(values: Any, n: int, where: str) -> NDArray[np.float32]:
    """Give (N, 2) with NaN for ``None``; a NaN in the file itself is a broken label.

    Raises:
        DataError: the count is not ``n``, or an entry is no pair of finite numbers.

    """
    points = np.full((n, 2), np.nan, np.float32)
    if values is None:
        return points
    expect(isinstance(values, list), f"points must be a list of {n} pairs of numbers", values, where)
    if len(values) != n:
        raise DataError(f"{where}: {len(values)} points, the schema has {n}")
    for i, value in enumerate(values):
        if value is not None:
            expect(are_numbers(value, 2), f"point {i} must be two finite numbers of pixels or null", value, where)
            points[i] = value
    return points


def box_array(values: Any, where: str) -> Box:
    """Give the box of x0, y0, x1, y1.

    Raises:
        DataError: it is empty, inverted or not finite.

    """
    holds = are_numbers(values, 4) and min(values[2] - values[0], values[3] - values[1]) >= SMALLEST_PX
    expect(holds, "box must be finite x0 < x1, y0 < y1", values, where)
    return Box(*map(float, values))


def follows(points5: NDArray[np.float32], points: NDArray[np.float32], schema: LandmarkSchema) -> bool:
    """Say whether the five points (5, 2) are those that the schema makes of the points (N, 2)."""
    return schema.points5 is not None and np.allclose(points5, schema.points5_of(points), atol=0.01, equal_nan=True)


def is_tight(box: Box, points: NDArray[np.float32]) -> bool:
    """Say whether a box is no more than what the labelled of the points (N, 2) take up."""
    return np.allclose(astuple(box), astuple(Box.around(points)), atol=0.01)


def box_or_tight(box: Box | None, points: NDArray[np.float32], where: str) -> Box:
    """Give a face's box; where the set draws none, the tight one of its points (N, 2), a pixel wide at least.

    Raises:
        DataError: all points lie in one place, or there is neither a box nor a second point.

    """
    known = points[labelled_points(points)]
    if len(known) > 1 and not np.ptp(known, axis=0).any():
        raise DataError(f"{where}: all {len(known)} points lie in one place, ({known[0, 0]:g}, {known[0, 1]:g})")
    if box is not None:
        return box
    if len(known) < 2:
        raise DataError(f"{where}: a face needs a box or two points")
    tight = Box.around(known)
    (x, y), half_w, half_h = tight.centre, max(tight.width, 1) / 2, max(tight.height, 1) / 2
    return Box(x - half_w, y - half_h, x + half_w, y + half_h)


def labelled_points(points: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Say of each point (..., 2) whether it is labelled."""
    return np.asarray(np.isfinite(points).all(axis=-1), dtype=np.bool_)


def is_placed(points: NDArray[np.float32]) -> bool:
    """Say whether labels (N, 2) tell where a face is and how large: at least two are there."""
    return int(labelled_points(points).sum()) > 1
