import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from facewire_convert.__main__ import main
from facewire_convert.select import (
    Pool,
    activation_ranges,
    balanced,
    choose,
    cover,
    covered,
    how_many,
    lacks,
    skin_angle,
)
from facewire_convert.select_command import with_neighbours
from facewire_train.checkpoint import save_checkpoint
from facewire_train.config import ModelConfig, TrainConfig
from facewire_train.datasets import read_dataset
from facewire_train.landmark_task import landmark_task
from facewire_train.render import write_dataset

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras 3.15, NumPy 2


def pool_of(ranges: np.ndarray, kinds: dict[str, list[str]]) -> Pool:
    return Pool((), {name: np.array(values) for name, values in kinds.items()}, ranges.astype(np.float32))


def random_ranges(count: int, layers: int = 5) -> np.ndarray:
    middle = np.random.default_rng(0).normal(0, 1, (count, layers))
    return np.stack([middle - 0.1, middle + 0.1], axis=2)


@pytest.mark.parametrize("seed", range(20))
def test_no_face_is_chosen_twice(seed: int) -> None:
    tones = np.random.default_rng(seed).choice(["light", "dark"], 30).tolist()
    pool = pool_of(np.random.default_rng(seed).normal(0, 1, (30, 5, 2)), {"tone": tones})
    chosen = choose(replace(pool, samples=(object(),) * 30), 30)  # type: ignore[arg-type]  # only counted
    assert sorted(chosen) == list(range(30))


def test_cover_reaches_all_ranges_with_few_faces() -> None:
    ranges = random_ranges(300)
    chosen = cover(ranges, 50)
    assert len(chosen) <= 20  # ten ends, some reached in two steps
    assert covered(ranges[chosen], ranges) == pytest.approx(1.0)
    assert covered(ranges[:5], ranges) < 0.9


def test_balanced_draw_takes_rare_kinds_as_often_as_common_ones() -> None:
    kinds = {"tone": np.array(["light"] * 95 + ["dark"] * 5), "yaw": np.array(["front", "side"] * 50)}
    chosen = balanced(kinds, 10)
    assert sum(kinds["tone"][i] == "dark" for i in chosen) == 5
    assert sum(kinds["yaw"][i] == "side" for i in chosen) == 5
    assert len(set(balanced(kinds, 1000))) == 100


def test_how_many_says_when_more_faces_widen_nothing() -> None:
    pool = pool_of(random_ranges(300), {"tone": ["a"] * 300})
    found = how_many(pool, cover(pool.ranges, 50) + list(range(100)))
    assert found["enough"] in (10, 20)
    assert list(found["ranges_covered"].values()) == sorted(found["ranges_covered"].values())


def test_set_without_a_kind_lacks_it() -> None:
    ranges = random_ranges(100)
    pool = pool_of(ranges, {"yaw": ["front"] * 80 + ["side"] * 20})
    other = pool_of(ranges[:30], {"yaw": ["front"] * 30})
    found = lacks(pool, other)
    assert found["ranges_covered"] < 1
    assert found["kinds_missing"] == ["yaw: side (20 % here, 0.0 % there)"]


def test_darker_skin_has_a_smaller_angle() -> None:
    light, dark = (np.full((32, 32, 3), colour, np.uint8) for colour in ((235, 200, 180), (90, 60, 45)))
    assert skin_angle(light) > 41 > 10 > skin_angle(dark)


def test_ranges_are_those_of_every_layer_for_every_crop() -> None:
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(2, 1, kernel_initializer="ones", use_bias=False)(inputs))
    ranges = activation_ranges(model, [np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)])
    assert ranges.shape == (2, 1, 2)
    assert np.allclose(ranges[:, 0], [[-3, -3], [3, 3]])


def test_verb_writes_a_set_that_calibrates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faces = tmp_path / "faces"
    write_dataset(faces, 12, seed=5, size_px=80)
    config = TrainConfig(name="tiny", model=ModelConfig(width=32, height=32, stem=4, blocks=((8, 2), (8, 1))))
    task = landmark_task(config, [read_dataset(faces)])
    save_checkpoint(task.network(False), task.card, tmp_path / "model.keras")
    capsys.readouterr()
    select = ["select", "--checkpoint", str(tmp_path / "model.keras"), "--data", str(faces), "--count", "5"]
    assert main([*select, "--out", str(tmp_path / "out"), "--against", str(faces)]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["chosen"] == 5
    assert figures["against"] == {"ranges_covered": 1.0, "kinds_missing": []}
    assert len(read_dataset(tmp_path / "out").samples) == 5
    assert main([*select[:-1], "99", "--out", str(tmp_path / "all")]) == 0
    held_back = {s.image.name for s in read_dataset(faces).split("val")}
    assert held_back
    assert not held_back & {s.image.name for s in read_dataset(tmp_path / "all").samples}
    assert main([*select, "--out", str(tmp_path / "out")]) == 2  # there is something already
    assert main([*select, "--out", str(tmp_path / "no"), "--against", str(tmp_path / "nowhere")]) == 6
    assert not (tmp_path / "no").exists()
    capsys.readouterr()
    write_dataset(tmp_path / "five", 4, seed=5, size_px=80)
    settings = tmp_path / "five" / "dataset.toml"
    settings.write_text(settings.read_text().replace('"ibug68"', '"points5"'))
    rows = [json.loads(line) for line in (tmp_path / "five" / "faces.jsonl").read_text().splitlines()]
    for face in (face for row in rows for face in row["faces"]):
        face["points"] = face["points"][:5]
        face.pop("visibility", None)
    (tmp_path / "five" / "faces.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main([*select, "--out", str(tmp_path / "no"), "--against", str(tmp_path / "five")]) == 6
    assert "has schema points5, the checkpoint ibug68" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_faces_beside_a_chosen_one_stay_as_ignore(tmp_path: Path) -> None:
    write_dataset(tmp_path / "faces", 2, seed=5, size_px=80)
    samples = read_dataset(tmp_path / "faces").samples
    first, other = samples[:2]
    neighbour = replace(first, box=replace(first.box, x0=first.box.x0 + 30, x1=first.box.x1 + 30))
    kept = with_neighbours([first], [neighbour, first, other])
    assert [s.ignore for s in kept] == [True, False]
    assert kept[0].box == neighbour.box
    assert kept[1] is first


def test_choice_holds_every_kind_and_the_ends_of_the_ranges(tmp_path: Path) -> None:
    pool = Pool(tuple(range(200)), {"tone": np.array(["a"] * 190 + ["b"] * 10)}, random_ranges(200))  # type: ignore[arg-type]
    chosen = choose(pool, 30)
    assert len(set(chosen)) == len(chosen) == 30
    assert covered(pool.ranges[chosen], pool.ranges) == pytest.approx(1.0)
    assert sum(i >= 190 for i in chosen) >= 5
