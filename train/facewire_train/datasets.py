"""Read labelled faces of any format that is known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from facewire_edge.errors import DataError, UsageError

from facewire_train.coco import is_coco, read_coco
from facewire_train.face_lists import MTFL_LISTS, WFLW_LISTS, read_mtfl, read_wflw
from facewire_train.folders import files_under
from facewire_train.kaggle import is_kaggle, read_kaggle
from facewire_train.labels import (
    HEADER_FILE,
    IMAGE_SUFFIXES,
    LABEL_FILE,
    Background,
    Dataset,
    Refuse,
    Sample,
    complete_by_all,
    hold_back,
    in_one_split,
    is_validation,
    only_labelled,
    refuse_all,
)
from facewire_train.native import read_native
from facewire_train.pts import read_pts_folder

__all__ = ["IMAGE_SUFFIXES", "Dataset", "Sample", "find_format", "names_format", "read_dataset", "read_labels"]

READERS: dict[str, Callable[[Path, Refuse], Dataset]] = {
    "native": read_native,
    "pts": read_pts_folder,
    "wflw": read_wflw,
    "mtfl": read_mtfl,
    "kaggle": read_kaggle,
    "coco": read_coco,
}


def read_dataset(path: Path) -> Dataset:
    """Read a folder of labelled faces; the validation subjects are held back from its training split.

    Points that a model filled in are kept in the training split alone.

    Args:
        path: the folder, with ``:format`` behind it where the format shall not be detected.

    Raises:
        DataError: the folder is missing, empty or in no known format, or a label cannot be meant; the message names
            file and line.

    """
    dataset = read_labels(path)
    empty = tuple(map(_held_back, dataset.backgrounds))
    return replace(dataset, samples=only_labelled(hold_back(dataset.samples)), backgrounds=empty)


def _held_back(empty: Background) -> Background:
    return replace(empty, split="val") if empty.split == "train" and is_validation(empty.subject) else empty


def refuse_repeated(paths: Sequence[Path], option: str = "--data") -> None:
    """Refuse a data set that is named twice, with or without its format: its faces would count twice.

    Raises:
        UsageError: the message names it.

    """
    places = [_parted(path)[0].resolve() for path in paths]
    for number, path in enumerate(paths):
        if places[number] in places[:number]:
            raise UsageError(f"{option} {path} is named twice; name each set once")


def read_labels(path: Path, refuse: Refuse = refuse_all) -> Dataset:
    """Read a folder of labelled faces with the splits as it names them; see :func:`read_dataset`."""
    folder, wanted = _parted(path)
    if not folder.is_dir():
        raise DataError(
            f"no data folder {folder}; expected a folder with dataset.toml and faces.jsonl, or images and .pts"
        )
    found = wanted or find_format(folder)
    if found is None:
        raise DataError(
            f"{folder} holds neither {HEADER_FILE} and {LABEL_FILE} (native) nor .pts files (300-W), {WFLW_LISTS} "
            f"(WFLW), {MTFL_LISTS[0]} (MTFL), a Kaggle .csv or a COCO .json"
        )
    dataset = READERS[found](folder, refuse)
    if not dataset.samples and not dataset.backgrounds:
        raise DataError(f"{folder} ({found}) lists no face that can be used")
    name, samples = dataset.name or folder.resolve().name, in_one_split(complete_by_all(dataset.samples))
    listed = {s.image for s in samples}
    empty = tuple(b for b in dict.fromkeys(dataset.backgrounds) if b.image not in listed)
    dataset = replace(dataset, path=path, name=name, samples=samples, backgrounds=empty)
    return replace(dataset, fingerprint=_with_meaning(dataset, folder))


def _with_meaning(dataset: Dataset, folder: Path) -> str:
    """Give a hash of the labels and of what they mean: schema, name, terms, and the split that each image lies in."""
    splits = [(str(s.image).removeprefix(str(folder)), s.split) for s in dataset.samples]
    meaning = json.dumps([dataset.schema.to_dict(), dataset.name, dataset.terms, splits])
    return hashlib.sha256(f"{dataset.fingerprint} {meaning}".encode()).hexdigest()


def find_format(folder: Path) -> str | None:
    """Give the format of a folder by what lies in it, None where nothing is known."""
    if (folder / HEADER_FILE).is_file() or (folder / LABEL_FILE).is_file():
        return "native"
    if files_under(folder, WFLW_LISTS):
        return "wflw"
    if any(file.name in MTFL_LISTS for file in files_under(folder, "*.txt")):
        return "mtfl"
    if any(is_kaggle(file) for file in folder.glob("*.csv")):
        return "kaggle"
    if any(is_coco(file) for place in (folder, folder / "annotations") for file in place.glob("*.json")):
        return "coco"
    return "pts" if files_under(folder, "*.pts") else None


def names_format(path: Path) -> bool:
    """Say whether a path is a folder with a format named behind it."""
    return _parted(path)[1] is not None


def _parted(path: Path) -> tuple[Path, str | None]:
    """Part ``FOLDER:format``; a colon before anything else belongs to the folder's name."""
    folder, colon, name = str(path).rpartition(":")
    if not colon or path.is_dir():
        return path, None
    if name in READERS:
        return Path(folder), name
    if Path(folder).is_dir():
        raise UsageError(f"unknown format {name!r} of {folder}; expected one of {', '.join(READERS)}")
    return path, None
