"""The verb ``import``: a folder in any known format in, the native format and a report of what is odd out."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
from facewire_edge.errors import DataError
from rich.console import Console
from rich.progress import track

from facewire_train.datasets import read_labels
from facewire_train.folders import refuse_used, whole_folder
from facewire_train.image_facts import ImageFacts, image_facts
from facewire_train.images import ROW_MARK, image_bytes, is_row, read_image
from facewire_train.label_checks import EXAMPLES, check_labels
from facewire_train.labels import Dataset, Pictured, Refuse, group_by_image, refuse_all, refuse_other_size
from facewire_train.write_native import image_entry, write_header, write_lines

log = logging.getLogger(__name__)

WORKERS = 2  # threads that read, look and copy
AHEAD = 64  # images in work at a time: memory does not grow with the set


def run(arguments: argparse.Namespace) -> None:
    """Import; print the report as JSON, warn of what somebody should look at."""
    refuse_used(arguments.out)
    refused: list[DataError] = []
    refuse = refused.append if arguments.skip_broken else refuse_all
    dataset = read_labels(arguments.source, refuse)
    report = import_dataset(dataset, arguments.out, arguments.terms or dataset.terms, refuse)
    report["refused"] = {"count": len(refused), "examples": [str(e) for e in refused[:EXAMPLES]]}
    print(json.dumps(report, indent=1))
    for line in warnings_of(report):
        log.warning("%s", line)
    log.info("imported %d images, %d faces into %s", report["images"], report["faces"], arguments.out)


def import_dataset(dataset: Dataset, out: Path, terms: str, refuse: Refuse = refuse_all) -> dict[str, Any]:
    """Write a set in the native format; the folder appears when it is whole. Give the report.

    Raises:
        DataError: an image cannot be read.
        OutputError: the disk does not take it.

    """
    by_image = group_by_image(dataset.samples)
    pictured: dict[Path, Pictured] = {image: faces[0] for image, faces in by_image.items()}
    pictured |= {empty.image: empty for empty in dataset.backgrounds}
    root = _common_root(pictured)
    with whole_folder(out) as folder:
        names = {image: _new_name(image, root) for image in pictured}
        facts = _copy_all([(pictured[i], name) for i, name in names.items()], folder, refuse)
        about = f"imported from {dataset.path}"
        write_header(folder, dataset.name, dataset.schema, about, terms)
        write_lines(
            folder,
            (image_entry(names[i], f, pictured[i], by_image.get(i, ()), dataset.schema) for i, f in facts.items()),
        )
        kept = [s for image in facts for s in by_image.get(image, ())]
        if not facts:
            raise DataError(f"{dataset.path}: no image can be read")
        findings = check_labels(kept, facts, dataset.schema, dataset.backgrounds)
    splits = {name: sum(s.split == name for s in kept) for name in sorted({s.split for s in kept})}
    return {"schema": dataset.schema.name, "images": len(facts), "faces": len(kept), "splits": splits, **findings}


def warnings_of(report: Mapping[str, Any]) -> list[str]:
    """Say in one line each what somebody should look at."""
    lines = {
        "refused": "{} labels or images cannot be meant and were left out",
        "far_outside": "{} faces have a point far outside their image",
        "swapped_sides": "{} faces look as if left and right were swapped",
        "faces_twice": "{} faces are listed twice in their image: take one of each off",
        "doubles": "{} groups of images are the same picture",
        "doubles_across_splits": "{} groups of the same picture lie in several splits: the test is not a test",
        "people_across_splits": "{} people are in several splits: the test is not a test",
    }
    found = [text.format(report[key]["count"]) for key, text in lines.items() if report[key]["count"]]
    if report["swapped_sides"]["all"]:
        found.append("the mean face has its right eye on the right: left and right must be the subject's")
    return found


def _common_root(images: Mapping[Path, Any]) -> Path:
    """Give the folder below which all images lie."""
    parents = [image.parent.parts for image in images]
    shared = []
    for parts in zip(*parents, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return Path(*shared)


def _new_name(image: Path, root: Path) -> str:
    relative = image.relative_to(root).as_posix()
    return f"img/{relative.replace('.csv' + ROW_MARK, '-')}.png" if is_row(image) else f"img/{relative}"


def _copy_all(items: Sequence[tuple[Pictured, str]], folder: Path, refuse: Refuse) -> dict[Path, ImageFacts]:
    """Copy the images, each given by one of its faces and a new name; give what is known of each, in order."""
    found: dict[Path, ImageFacts] = {}
    with closing(_in_order(items, folder)) as results:
        for image, facts in track(results, "copying images", total=len(items), console=Console(stderr=True)):
            if isinstance(facts, DataError):
                refuse(facts)
            else:
                found[image] = facts
    return found


def _in_order(
    items: Sequence[tuple[Pictured, str]], folder: Path
) -> Generator[tuple[Path, ImageFacts | DataError], None, None]:
    """Work on a few images at a time; closed early, it waits until nothing is written any more."""
    pool, rest = ThreadPoolExecutor(WORKERS), iter(items)
    try:
        while part := list(islice(rest, AHEAD)):
            yield from zip((face.image for face, _ in part), pool.map(partial(_copy, folder=folder), part), strict=True)
    finally:
        pool.shutdown(cancel_futures=True)


def _copy(item: tuple[Pictured, str], folder: Path) -> ImageFacts | DataError:
    face, name = item
    image = face.image
    try:
        facts = image_facts(image, image_bytes(image))
        refuse_other_size(face, facts.width, facts.height)
    except DataError as error:
        return error
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if is_row(image):
        png = cv2.imencode(".png", read_image(image)[:, :, 0])[1]
        target.write_bytes(png.tobytes())  # imwrite does not say why it cannot
    else:
        shutil.copyfile(image, target)
    return facts
