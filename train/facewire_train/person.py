"""Draw a person into a picture: mesh, texture and light come together; say which landmarks are seen."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire_train.body import Mesh, build
from facewire_train.glasses import draw_glasses
from facewire_train.head import Pose, controls, jaw_lines, outline_jaw, project, rotation
from facewire_train.light import Light, highlight, shade
from facewire_train.look import Look
from facewire_train.paint import Picture, Points
from facewire_train.raster import Seen, rasterise
from facewire_train.skin import paint_face
from facewire_train.supersample import enlarged, values_at
from facewire_train.texture import CELL
from facewire_train.wear import hides

_PIXEL = np.dtype((np.void, 12))  # three floats moved as one: half the time
NEAR = 0.12  # half jaw widths that a landmark may lie below the drawn surface and still be seen


def draw_person(
    picture: Picture,
    look: Look,
    head: NDArray[np.float32],
    pose: Pose,
    light: Light,
    gaze: NDArray[np.float64],
    cell: int,
) -> tuple[Points, NDArray[np.bool_], NDArray[np.bool_]]:
    """Draw a person into the supersampled ``picture``.

    ``cell`` is the fineness of the texture, pixels a grid cell. Give the landmarks in final pixels, which of them
    are seen (68,), and where the person is drawn (H, W).
    """
    mesh = build(look, head, pose)
    h, w = picture.shape[:2]
    attributes = np.concatenate([mesh.texture.T, _lit(mesh, light)])
    xy = enlarged(project(mesh.places, pose))
    seen = rasterise(xy, mesh.places[:, 2], attributes, mesh.triangles, mesh.two_sided, (h, w))
    colours = _textured(paint_face(look, head, gaze, cell), seen.values[:2] * np.float32(cell / CELL))
    colours *= _pixels(seen.values[2:5])
    colours += _pixels(seen.values[[5, 5, 5]])
    picture.reshape(-1).view(_PIXEL)[seen.pixels] = colours.reshape(-1).view(_PIXEL)
    turn = rotation(pose).T.astype(np.float32)
    points = project(head @ turn, pose)
    lines = project(jaw_lines().through(controls(head)) @ turn, pose)
    points = outline_jaw(points, lines, pose)
    hidden = hides(look.worn)
    if look.glasses:
        hidden = hidden | draw_glasses(picture, look, head, pose, points)
    return points, _seen(points, head @ turn, seen) & ~hidden, seen.depth > -np.inf


def _textured(texture: Picture, places: NDArray[np.float32]) -> Picture:
    """Give the texture's colours (P, 3) at ``places`` (2, P), x and y in its pixels."""
    side = 4096  # OpenCV remaps pictures of less than 32,768 rows: fold the list
    count = places.shape[1]
    padded = np.zeros((2, -(-count // side) * side), np.float32)
    padded[:, :count] = places
    x, y = padded.reshape(2, -1, side)
    colours = cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(colours, np.float32).reshape(-1, 3)[:count]


def _pixels(channels: NDArray[np.float32]) -> Picture:
    """Give pixels (P, 3) of channels (3, P)."""
    return np.asarray(cv2.merge(list(channels)), np.float32).reshape(-1, 3)


def _lit(mesh: Mesh, light: Light) -> NDArray[np.float32]:
    """Give each vertex's shade by colour, then its highlight (4, V)."""
    normals = np.where(mesh.normals[:, 2:] < -0.2, -mesh.normals, mesh.normals)  # the inside of hair and clothes
    scale = shade(normals, light) * mesh.openness[:, None]
    return np.concatenate([scale.T, highlight(normals, light)[None]])


def _seen(points: Points, turned: NDArray[np.float32], seen: Seen) -> NDArray[np.bool_]:
    """Say which landmarks (68,) nothing of the person covers; the jaw's lie on the outline."""
    drawn = values_at(seen.depth, points)
    visible = turned[:, 2] > drawn - NEAR
    visible[:17] = True
    return np.asarray(visible, dtype=np.bool_)
