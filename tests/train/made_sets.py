"""Small sets in every format that training reads, made of drawn pictures."""

import json
from pathlib import Path

import cv2
import numpy as np
from facewire_edge.schema import IBUG68, POINTS5, WFLW98
from facewire_train.kaggle import NAMES

SIDE = 96
TRIANGLE = 'name = "triangle"\nnames = ["right_eye", "left_eye", "chin"]\nmirror = [[0, 1]]\neye_corners = [0, 1]\n'


def picture(path: Path, seed: int, side: int = SIDE) -> Path:
    """Write a smooth picture that no other seed gives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC))
    return path


def face_points(n: int, seed: int = 0) -> np.ndarray:
    """Give n points of a face: the schema's own five where it has them, the others around them."""
    rng = np.random.default_rng(seed)
    schema = {68: IBUG68, 98: WFLW98, 5: POINTS5}.get(n)
    points = rng.uniform(30, 66, (n, 2))
    five = np.array([[35.0, 40], [61, 40], [48, 52], [38, 64], [58, 64]])
    for indices, place in zip(schema.points5 if schema and schema.points5 else (), five, strict=False):
        points[list(indices)] = place
    if schema is not None:
        points[list(schema.eye_corners)] = [[32, 40], [64, 40]]
    return np.round(points, 2)


def write_pts(folder: Path, count: int = 3, n: int = 68) -> Path:
    for i in range(count):
        picture(folder / f"{i}.png", i)
        rows = "\n".join(f"{x + 1} {y + 1}" for x, y in face_points(n, i))
        (folder / f"{i}.pts").write_text(f"version: 1\nn_points: {n}\n{{\n{rows}\n}}\n")
    return folder


def write_wflw(folder: Path, count: int = 3, boxes: bool = True) -> Path:
    for split, first in (("train", 0), ("test", count)):
        lines = []
        for i in range(first, first + count):
            picture(folder / "WFLW_images" / "0--Parade" / f"{i}.png", i)
            numbers = [*face_points(98, i).ravel(), *((20, 20, 80, 80, 1, 0, 0, 0, 0, i % 2) if boxes else ())]
            lines.append(" ".join([*(f"{v:g}" for v in numbers), f"0--Parade/{i}.png"]))
        name = f"list_98pt_rect_attr_{split}.txt" if boxes else f"list_98pt_{split}.txt"
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder


def write_mtfl(folder: Path, count: int = 3, attributes: bool = True) -> Path:
    names = ("training.txt", "testing.txt") if attributes else ("trainImageList.txt", "testImageList.txt")
    for name, first in zip(names, (0, count), strict=True):
        lines = []
        for i in range(first, first + count):
            image = f"lfw_5590\\Person_Of_{chr(65 + i)}_0001.jpg"
            picture(folder / image.replace("\\", "/"), i)
            points = face_points(5, i)
            numbers = [*points.T.ravel(), 1, 2, 2, 3] if attributes else [20, 80, 22, 84, *points.ravel()]
            lines.append(" ".join([image, *(f"{v:g}" for v in numbers)]))
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder


def write_kaggle(folder: Path, count: int = 4) -> Path:
    """Write a table; every second row knows only eye centres, nose and lower lip, as most rows of the set do."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = [f"{name}_{axis}" for name in NAMES for axis in "xy"]
    lines = [",".join([*columns, "Image"])]
    for i in range(count):
        points = face_points(15, i)
        points[:2], points[10], points[4:6] = [[36, 40], [60, 40]], [48, 52], [[31, 40], [65, 40]]
        known = range(15) if i % 2 == 0 else (0, 1, 10, 14)
        cells = [f"{v:g}" if k // 2 in known else "" for k, v in enumerate(points.ravel())]
        grey = np.random.default_rng(i).integers(0, 256, (SIDE, SIDE))
        lines.append(",".join([*cells, " ".join(map(str, grey.ravel()))]))
    (folder / "training.csv").write_text("\n".join(lines) + "\n")
    return folder


def write_coco(folder: Path, count: int = 3, schema: str | None = TRIANGLE, n: int = 3) -> Path:
    """Write two COCO files; the last point of every second face is not labelled."""
    number = 0
    names = ["right_eye", "left_eye", "chin"] if n == 3 else [f"p{k}" for k in range(n)]
    for split in ("train", "val"):
        images, annotations = [], []
        for _ in range(count):
            number += 1
            picture(folder / "images" / f"{number}.png", number)
            rows = [[32, 40, 2], [64, 40 + number, 2], [48, 80, 0 if number % 2 else 1]][:n]
            rows += [[50, 50, 2]] * (n - len(rows))
            images.append({"id": number, "file_name": f"{number}.png", "width": SIDE, "height": SIDE})
            annotations.append(
                {
                    "id": number,
                    "image_id": number,
                    "category_id": 1,
                    "bbox": [20, 20, 60, 70],
                    "keypoints": [v for row in rows for v in row],
                    "attributes": {"glasses": number % 2, "person": f"p{number}"},
                }
            )
        categories = [{"id": 1, "name": "face", "keypoints": names}]
        (folder / "annotations").mkdir(exist_ok=True)
        text = json.dumps({"images": images, "annotations": annotations, "categories": categories})
        (folder / "annotations" / f"person_keypoints_{split}.json").write_text(text)
    if schema is not None:
        (folder / "face.toml").write_text(schema)
    return folder


WRITERS = {"pts": write_pts, "wflw": write_wflw, "mtfl": write_mtfl, "kaggle": write_kaggle, "coco": write_coco}
