"""The built-in synthetic faces: same arguments, same face; points where the features are."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from facewire_edge.schema import IBUG68
from facewire_train import glasses, held, look, person, placing, synthetic
from facewire_train.hair import paint_brows
from facewire_train.head import Expression, Pose, express, identity, mean_head, project, rotation
from facewire_train.light import light_of
from facewire_train.raster import grid_triangles, rasterise
from facewire_train.supersample import SUPERSAMPLING, shrunk, upscaled
from facewire_train.synthetic import SyntheticFace, render, render_clip, render_group
from facewire_train.texture import FINE, Sheet, face_shape, pixels_a_cell, texture_points
from facewire_train.wear import NOTHING, Worn, wear_of

SIZE = 128
POSE = Pose(0, 0, 0, 80, 80, 40)
FACES = 20
# Of render(1, 0, 160), pixels.
LABELS = {
    0: (34.66, 61.45),
    8: (67.70, 127.33),
    30: (73.84, 87.37),
    36: (51.05, 65.48),
    45: (100.91, 72.70),
    54: (86.28, 106.79),
}


@pytest.fixture(scope="module")
def faces() -> list[SyntheticFace]:
    return [render(11, index, SIZE) for index in range(FACES)]


def test_same_arguments_give_the_same_face() -> None:
    first, second = render(3, 5, 96), render(3, 5, 96)
    assert (first.image == second.image).all()
    assert (first.points == second.points).all()
    assert (first.visible == second.visible).all()


@pytest.mark.parametrize("other", [(3, 6), (4, 5)])
def test_another_seed_or_index_gives_another_face(other: tuple[int, int]) -> None:
    assert not np.allclose(render(3, 5, 96).points, render(*other, 96).points, atol=0.5)


def test_labels_of_a_seed_are_the_same_everywhere() -> None:
    """A change of them changes every data set that a seed names."""
    points = render(1, 0, 160).points
    assert np.abs(points[list(LABELS)] - list(LABELS.values())).max() < 0.02  # pixels: rounding in float32


def test_shapes_and_types(faces: list[SyntheticFace]) -> None:
    face = faces[0]
    assert (face.image.shape, face.image.dtype) == ((SIZE, SIZE, 3), np.uint8)
    assert (face.points.shape, face.points.dtype) == ((68, 2), np.float32)
    assert (face.visible.shape, face.visible.dtype) == ((68,), np.bool_)


def test_landmark_box_is_about_half_the_picture_and_inside(faces: list[SyntheticFace]) -> None:
    points = np.stack([face.points for face in faces])
    side = np.sqrt(np.ptp(points, axis=1).prod(axis=1)) / SIZE
    assert side.min() > 0.38
    assert side.max() < 0.66
    assert (points > 0).all()
    assert (points < SIZE - 1).all()


def test_subject_right_is_image_left_when_frontal() -> None:
    head = mean_head()
    for name in ("right_eye_0", "right_brow_2", "right_jaw_3", "right_outer_lip_0"):
        index = IBUG68.names.index(name)
        assert head[index, 0] < 0 < head[IBUG68.mirror[index], 0]


def test_most_faces_turn_less_than_30_degrees_and_none_more_than_the_limit() -> None:
    rng = np.random.default_rng(0)
    yaw = np.array([placing.pose_of(rng, mean_head(), SIZE).yaw_deg for _ in range(500)])
    assert (np.abs(yaw) < 30).mean() > 0.75
    assert np.abs(yaw).max() <= placing.PROFILE
    assert np.abs(yaw).max() > 75  # full profiles: no real set here has them


def test_jaw_labels_are_even_on_each_side(faces: list[SyntheticFace]) -> None:
    for face in faces:
        for side in (face.points[:9], face.points[8:17]):
            steps = np.linalg.norm(np.diff(side, axis=0), axis=1)
            assert (
                np.abs(steps / steps.mean() - 1).max() < 0.2
            )  # even along the line, whose corners they cut: 0.17 of a profile


def test_brows_are_drawn_below_their_labels() -> None:
    rows, columns = face_shape(FINE)
    sheet = Sheet(np.full((rows, columns, 3), 250, np.float32), FINE)
    paint_brows(sheet, texture_points(), look.look_of(np.random.default_rng(1)), np.random.default_rng(1))
    dark = 250 - sheet.pixels.mean(axis=2)
    for x, y in texture_points()[[18, 19, 20, 23, 24, 25]]:
        column = dark[:, round(float(x))]  # a texture unit is a pixel of the fine texture
        edge = np.interp(0.5 * column.max(), np.maximum.accumulate(column), np.arange(rows))
        assert abs(edge - y) < 1.5  # units: 1.2 % of the eye distance
        assert column @ np.arange(rows) / column.sum() > y + 1.5


def test_turning_to_the_right_of_the_image_moves_the_nose_there() -> None:
    head = mean_head()
    for yaw, sign in ((30.0, 1), (-30.0, -1)):
        pose = Pose(yaw, 0, 0, 0, 0, 1)
        points = project(head @ rotation(pose).T.astype(np.float32), pose)
        assert sign * (points[30, 0] - points[[0, 16], 0].mean()) > 0.3


def test_expressions_move_what_they_name() -> None:
    head = mean_head()
    opened, shut = express(head, Expression(open_mouth=1)), express(head, Expression(close_eyes=1))
    assert opened[66, 1] - opened[62, 1] > 0.3
    assert (shut[[40, 41], 1] - shut[[38, 37], 1] < 0.03).all()


def test_people_differ_and_keep_lids_and_lips_in_order() -> None:
    people = np.stack([identity(np.random.default_rng(i)) for i in range(50)])
    assert people[:, :, :2].std(axis=0).mean() > 0.02
    assert (people[:, 66, 1] > people[:, 62, 1]).all()
    assert (people[:, 41, 1] > people[:, 37, 1]).all()


def test_drawn_features_lie_at_their_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a landmark is seen, the surface drawn there is the texture's place of that landmark."""
    drawn = []
    monkeypatch.setattr(person, "rasterise", lambda *a: drawn.append(rasterise(*a)) or drawn[-1])
    distances = [_distances(render(2, index, 160), drawn[-1]) for index in range(6)]
    # Drawn pixels are half a pixel apart; the surface is flat between vertices about 1.5 pixels apart.
    assert np.median(np.concatenate(distances)) < 0.4
    assert np.quantile(np.concatenate(distances), 0.95) < 1.0


def _distances(face: SyntheticFace, seen: object) -> np.ndarray:
    h, w = seen.depth.shape
    texture = np.full((h * w, 2), 1e6, np.float32)
    texture[seen.pixels] = seen.values[:2].T
    ys, xs = np.mgrid[0:h, 0:w]
    places = (np.stack([xs, ys], axis=2).reshape(-1, 2) + 0.5) / SUPERSAMPLING - 0.5
    found = [
        np.linalg.norm(places[np.abs(texture - texture_points()[k]).sum(axis=1).argmin()] - face.points[k])
        for k in range(17, 68)
        if face.visible[k]
    ]
    return np.array(found)


def test_odd_side_keeps_the_picture_where_the_points_are() -> None:
    """Drawn at one and a half times the size, which is not whole for an odd side."""
    y, x = np.mgrid[:81, :97].astype(np.float32)
    picture = np.repeat((200 * np.exp(-((x - 90) ** 2 + (y - 70) ** 2) / 8))[..., None], 3, axis=2)
    again = shrunk(upscaled(picture), 97, 81)[..., 0]
    assert again.shape == (81, 97)
    middle = np.array([(again * x).sum(), (again * y).sum()]) / again.sum()
    assert np.abs(middle - [90, 70]).max() < 0.05  # pixels: a sample and a half weigh a tenth too much on one side


def test_small_faces_look_alike_with_the_coarse_texture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert pixels_a_cell(30) < pixels_a_cell(100) == FINE
    coarse = render(1, 2, 96)
    monkeypatch.setattr(synthetic, "pixels_a_cell", lambda half_jaw_px: FINE)
    fine = render(1, 2, 96)
    assert (fine.points == coarse.points).all()
    assert np.abs(fine.image.astype(int) - coarse.image).mean() < 2  # levels


def test_points_on_the_far_side_of_a_turned_head_are_hidden() -> None:
    head = mean_head()
    pose = Pose(55, 0, 0, 80, 80, 40)
    picture = np.zeros((320, 320, 3), np.float32)
    someone = replace(look.look_of(np.random.default_rng(1)), head=head, style="bald", glasses=0.0, worn=NOTHING)
    light = light_of(np.random.default_rng(1))
    _, visible, _ = person.draw_person(picture, someone, head, pose, light, np.zeros(2), FINE)
    assert visible[[36, 37, 38, 39]].all()
    assert not visible[[42, 43]].any()  # behind the nose; the eye's outer corner lies on the outline


@pytest.mark.parametrize(
    ("mask", "headwear", "hidden"),
    [(np.full(3, 200.0), "", {30, 51, 57, 8, 6, 10}), (None, "scarf", {0, 16}), (None, "peaked", set())],
)
def test_what_is_worn_hides_points_and_moves_none(
    monkeypatch: pytest.MonkeyPatch, mask: np.ndarray | None, headwear: str, hidden: set[int]
) -> None:
    bare = _render_wearing(monkeypatch, NOTHING)
    worn = _render_wearing(monkeypatch, Worn(mask, headwear, np.full(3, 90.0), 0.6))
    assert (worn.points == bare.points).all()
    assert not worn.visible[sorted(hidden)].any()
    assert worn.visible[36:48].any()  # the eyes
    assert not (worn.visible & ~bare.visible).any()
    assert np.abs(worn.image.astype(int) - bare.image).mean() > 1


def _render_wearing(monkeypatch: pytest.MonkeyPatch, worn: Worn) -> SyntheticFace:
    monkeypatch.setattr(look, "wear_of", lambda rng: worn)
    return render(1, 2, SIZE)  # who has no beard and no cap of her own


@pytest.mark.parametrize(("dark", "glare", "hidden"), [(0.0, 0.0, False), (1.0, 0.0, True), (0.0, 1.0, True)])
def test_dark_and_mirroring_lenses_hide_eyes(
    monkeypatch: pytest.MonkeyPatch, dark: float, glare: float, hidden: bool
) -> None:
    for name, share in (("DARK_GLASSES", dark), ("MIRRORING", glare), ("GLARE", glare)):
        monkeypatch.setattr(glasses, name, share)
    head, light = mean_head(), light_of(np.random.default_rng(1))
    bare = replace(look.look_of(np.random.default_rng(1)), head=head, glasses=0.0, worn=NOTHING)
    drawn = [
        person.draw_person(np.zeros((240, 240, 3), np.float32), someone, head, POSE, light, np.zeros(2), FINE)
        for someone in (bare, replace(bare, glasses=0.3))
    ]
    (points, free, _), (same_points, visible, _) = drawn
    assert (points == same_points).all()
    assert free[36:48].all()
    assert (~visible[36:48]).any() == hidden
    assert (visible == free)[[8, 30, 48, 54]].all()


def hidden_by(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, share: str
) -> tuple[list[SyntheticFace], list[SyntheticFace]]:
    """Render without and always with something before faces; it must hide points only, and move none."""
    drawn = []
    for value in (0.0, 1.0):
        monkeypatch.setattr(module, share, value)
        drawn.append([render(6, index, 96) for index in range(8)])
    free, covered = drawn
    assert all((a.points == b.points).all() for a, b in zip(free, covered, strict=True))
    assert not any((b.visible & ~a.visible).any() for a, b in zip(free, covered, strict=True))
    return free, covered


def test_what_is_held_hides_points_and_moves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    free, covered = hidden_by(monkeypatch, held, "HELD")
    assert sum((a.visible & ~b.visible).sum() for a, b in zip(free, covered, strict=True)) > 20
    assert (render(6, 3, 96).image == covered[3].image).all()


@pytest.mark.parametrize("kind", held.KINDS)
def test_every_kind_of_thing_held_marks_what_it_hides(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(held, "HELD", 1.0)
    monkeypatch.setattr(held, "SHARES", [float(kind == other) for other in held.KINDS])
    points, light = render(1, 0, 160).points, light_of(np.random.default_rng(1))
    hidden = np.zeros(68, bool)
    for seed in range(8):
        picture = np.full((160, 160, 3), -1000, np.float32)  # a level that nothing painted has
        hidden |= (under := held.hold(picture, points, np.full(3, 150.0), light, np.random.default_rng(seed)))
        x, y = np.round(points).astype(int).T
        painted = picture[y, x].max(axis=1) > -500  # half of it, at an edge
        assert (painted | ~under).all()
    assert hidden.any()


def test_what_is_out_of_focus_before_a_face_hides_points_and_moves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    free, covered = hidden_by(monkeypatch, synthetic, "BLURRED")
    assert all((a.image != b.image).any() for a, b in zip(free, covered, strict=True))
    assert sum((a.visible & ~b.visible).sum() for a, b in zip(free, covered, strict=True)) > 10


def test_group_has_its_faces_apart_and_of_several_sizes() -> None:
    groups = [render_group(3, index, 160, 5) for index in range(8)]
    assert {len(group) for group in groups} > {1, 5}
    assert all(face.image is group[0].image for group in groups for face in group)
    group = max(groups, key=len)
    middles = np.array([face.points.mean(axis=0) for face in group])
    apart = np.linalg.norm(middles[:, None] - middles, axis=2)
    assert apart[~np.eye(len(group), dtype=bool)].min() > 25  # pixels, of cells of 53
    sides = [np.sqrt(np.ptp(face.points, axis=0).prod()) for face in group]
    assert max(sides) > 1.2 * min(sides)


def test_few_people_wear_or_hold_something() -> None:
    rng = np.random.default_rng(0)
    worn = [wear_of(rng) for _ in range(2000)]
    assert 0.045 < np.mean([w.mask is not None for w in worn]) < 0.075  # three deviations of 0.06
    assert 0.1 < np.mean([bool(w.headwear) for w in worn]) < 0.145


def test_pictures_are_neither_flat_nor_alike(faces: list[SyntheticFace]) -> None:
    means = np.array([face.image.mean() for face in faces])
    assert means.std() > 10
    assert min(face.image.std() for face in faces) > 8


def test_clip_moves_smoothly_and_blinks() -> None:
    clip = list(render_clip(5, 42, 96, 72))
    points = np.stack([face.points for face in clip])
    steps = np.linalg.norm(np.diff(points[:, 30], axis=0), axis=1)
    opening = (points[:, 41] - points[:, 37])[:, 1]
    assert clip[0].image.shape == (72, 96, 3)
    assert steps.max() < 4
    assert np.ptp(points[:, 30, 0]) > 10
    assert opening.min() < 0.3 * np.median(opening)


def test_nearer_triangle_hides_the_farther() -> None:
    square = np.array([[0, 0], [8, 0], [0, 8], [8, 8]], np.float32)
    xy, depth = np.concatenate([square, square]), np.repeat(np.array([1, 2], np.float32), 4)
    triangles = np.concatenate([grid_triangles(2, 2), grid_triangles(2, 2, first=4)], axis=1)
    colour = np.repeat(np.array([[10, 20]], np.float32), 4, axis=1)
    seen = rasterise(xy, depth, colour, triangles, np.zeros(triangles.shape[1], bool), (9, 9))
    assert len(seen.pixels) == 81
    assert np.allclose(seen.values, 20)


def test_small_and_large_triangles_meet_without_gaps_and_cover_each_pixel() -> None:
    """Small triangles are tried square by square, large ones row by row; at the border all go by rows."""
    for step in (2.3, 7.9):
        side = int(60 / step) + 2
        places = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=2).reshape(-1, 2) * np.float32(step) - 1.7
        xy = places.astype(np.float32)
        seen = rasterise(xy, xy[:, 0], xy.T, grid_triangles(side, side), np.zeros(2 * (side - 1) ** 2, bool), (50, 55))
        y, x = np.divmod(seen.pixels, 55)
        assert len(seen.pixels) == 50 * 55
        assert np.abs(seen.values - [x, y]).max() < 1e-3  # pixels
        assert np.abs(seen.depth.ravel() - x).max() < 1e-3


def test_triangle_that_faces_away_is_drawn_only_when_two_sided() -> None:
    xy = np.array([[0, 0], [0, 8], [8, 0]], np.float32)
    rest = np.ones(3, np.float32), np.ones((1, 3), np.float32), np.array([[0], [1], [2]])
    assert len(rasterise(xy, *rest, np.array([False]), (9, 9)).pixels) == 0
    assert len(rasterise(xy, *rest, np.array([True]), (9, 9)).pixels) == 45


def test_replay_and_calibration_set_are_small() -> None:
    root = Path(__file__).parents[2]
    assert (root / "edge/facewire_edge/replay.mp4").stat().st_size < 400_000
    assert sum(f.stat().st_size for f in (root / "calibration_data").rglob("*.jpg")) < 1_200_000
