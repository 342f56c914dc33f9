import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from facewire_edge.errors import DataError, ModelError, UsageError
from facewire_edge.facebox import MEAN_POINTS5
from facewire_edge.geometry import Box
from facewire_edge.settings import to_toml
from facewire_train.checkpoint import load_checkpoint, save_checkpoint
from facewire_train.config import LANDMARK_LOSSES, DataConfig, DetectorConfig, ModelConfig, TrainConfig, load_config
from facewire_train.datasets import Dataset, read_dataset
from facewire_train.detector_task import detector_task, group_of
from facewire_train.fit import Task, base_record, compiled, fingerprint, fit, prefetched, read_record, run_folder
from facewire_train.fold import folded
from facewire_train.images import read_image
from facewire_train.labels import Background
from facewire_train.landmark_task import draw, landmark_task
from facewire_train.model import detector_model, landmark_model
from facewire_train.off_face import OffFace
from facewire_train.scenes import Scene, compose, load_scenes
from facewire_train.train_command import initialised, train

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras 3.15, NumPy 2


class InterruptionError(Exception):
    """Stand for a power cut."""


def prepared(config: TrainConfig, faces: Path) -> tuple[Task, dict[str, Any]]:
    data = [read_dataset(faces)]
    return landmark_task(config, data), base_record(config, data, fingerprint(config, data))


def weights(folder: Path) -> list[np.ndarray]:
    return [np.asarray(keras.ops.convert_to_numpy(v)) for v in load_checkpoint(folder / "model.keras").model.variables]


def test_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(
    tmp_path: Path, faces: Path, config: TrainConfig
) -> None:
    task, record = prepared(config, faces)
    fit(task, config, tmp_path / "whole", record)
    task, record = prepared(config, faces)
    with pytest.raises(InterruptionError):
        fit(replace(task, epoch=_failing_from(task, 2)), config, tmp_path / "cut", record)
    task, record = prepared(config, faces)
    fit(task, config, tmp_path / "cut", record)
    for one, other in zip(weights(tmp_path / "whole"), weights(tmp_path / "cut"), strict=True):
        assert np.abs(one - other).max() < 1e-5
    histories = [json.loads((tmp_path / name / "history.json").read_text()) for name in ("whole", "cut")]
    assert [row["epoch"] for row in histories[1]] == [1, 2, 3]
    assert histories[0][-1]["loss"] == pytest.approx(histories[1][-1]["loss"], abs=1e-4)


def test_uncertainty_costs_the_landmarks_nothing(tmp_path: Path, faces: Path, config: TrainConfig) -> None:
    found = []
    for uncertainty in (True, False):
        network = replace(config.model, uncertainty=uncertainty)
        task, record = prepared(replace(config, model=network), faces)
        fit(task, replace(config, model=network), tmp_path / str(uncertainty), record)
        found.append(load_checkpoint(tmp_path / str(uncertainty) / "model.keras"))
    one, other = (c.model.get_layer("landmarks").get_weights()[0] for c in found)
    assert np.abs(one - other).max() < 1e-5
    assert [set(c.card.outputs) for c in found] == [{"landmarks", "presence", "uncertainty"}, {"landmarks", "presence"}]


@pytest.mark.parametrize("kind", LANDMARK_LOSSES)
def test_every_landmark_loss_trains_the_landmarks(kind: str, faces: Path, config: TrainConfig) -> None:
    config = replace(config, loss=replace(config.loss, kind=kind))
    task, _ = prepared(config, faces)
    model = compiled(task, config.fit, steps=10)
    before = model.get_layer("landmarks").get_weights()[0]
    images, targets = task.epoch(0)[0]
    losses = [float(model.train_on_batch(images, targets, return_dict=True)["loss"]) for _ in range(10)]
    assert losses[-1] < losses[0]
    assert np.abs(model.get_layer("landmarks").get_weights()[0] - before).max() > 1e-4


def _failing_from(task: Task, first: int) -> Any:
    def epoch(number: int) -> Any:
        batches = task.epoch(number)
        if number < first:
            return batches

        class Cut:
            def __len__(self) -> int:
                return len(batches)

            def __getitem__(self, index: int) -> Any:
                if index == 1:
                    raise InterruptionError
                return batches[index]

        return Cut()

    return epoch


def test_finished_run_leaves_every_result_and_no_state(tmp_path: Path, faces: Path, config: TrainConfig) -> None:
    config = replace(config, fit=replace(config.fit, epochs=1))
    task, record = prepared(config, faces)
    fit(task, config, tmp_path / "run", record)
    names = {p.name for p in (tmp_path / "run").iterdir()}
    assert names == {"config.toml", "run.json", "model.keras", "history.json", "history.csv", "curves.png"}
    assert read_record(tmp_path / "run")["finished"]
    assert load_config(tmp_path / "run" / "config.toml") == config
    card = load_checkpoint(tmp_path / "run" / "model.keras").card
    assert card.terms == "free: rendered by facewire"
    assert card.data[0]["name"] == "synthetic"


def test_history_holds_the_mean_over_each_epoch(tmp_path: Path, faces: Path, config: TrainConfig) -> None:
    config = replace(config, fit=replace(config.fit, epochs=1))
    task, record = prepared(config, faces)
    fit(task, config, tmp_path / "run", record)
    task, _ = prepared(config, faces)
    batches = list(prefetched(task.epoch(0)))
    model = compiled(task, config.fit, len(batches))
    losses = [float(model.train_on_batch(images, targets)[0]) for images, targets in batches]
    assert len(losses) > 1
    written = json.loads((tmp_path / "run" / "history.json").read_text())[0]["loss"]
    assert written == pytest.approx(np.mean(losses), rel=1e-3)


def test_no_batch_norm_knows_a_feature_by_one_cell_of_each_image(config: TrainConfig) -> None:
    norms = [layer for layer in landmark_model(config.model, 5).layers if layer.name.endswith("_bn")]
    assert norms
    assert all(layer.output.shape[1] > 1 for layer in norms)


def test_another_configuration_does_not_overwrite_a_run(tmp_path: Path, faces: Path, config: TrainConfig) -> None:
    data = [read_dataset(faces)]
    out = tmp_path / "run"
    out.mkdir()
    (out / "run.json").write_text(json.dumps({"fingerprint": fingerprint(config, data)}))
    assert run_folder(config, fingerprint(config, data), out) == out
    with pytest.raises(UsageError, match="another run"):
        run_folder(config, fingerprint(replace(config, seed=2), data), out)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("")
    with pytest.raises(UsageError, match="not empty"):
        run_folder(config, "0" * 64, tmp_path / "other")


@pytest.mark.parametrize("place", ["file", "file/fold-0"])
def test_a_file_where_the_run_shall_lie_is_named(tmp_path: Path, config: TrainConfig, place: str) -> None:
    (tmp_path / "file").write_text("")
    assert read_record(tmp_path / "file") == {}
    with pytest.raises(UsageError, match="file is a file, expected a folder; choose another --out"):
        run_folder(config, "0" * 64, tmp_path / place)


def test_samples_are_a_function_of_seed_epoch_and_index(faces: Path, config: TrainConfig) -> None:
    task, _ = prepared(config, faces)
    forwards = list(prefetched(task.epoch(1)))
    backwards = [task.epoch(1)[i] for i in reversed(range(len(forwards)))][::-1]
    for one, other in zip(forwards, backwards, strict=True):
        assert (one[0] == other[0]).all()
        assert (one[1]["landmarks"] == other[1]["landmarks"]).all()
    assert (task.epoch(2)[0][0] != forwards[0][0]).any()


def test_loss_that_is_not_finite_ends_the_run_in_one_line(tmp_path: Path, faces: Path, config: TrainConfig) -> None:
    config = replace(config, fit=replace(config.fit, learning_rate=1e30, epochs=5))
    task, record = prepared(config, faces)
    with pytest.raises(DataError, match=r"the loss is .* check the labels of the batch in .*broken_batch\.npz"):
        fit(task, config, tmp_path / "run", record)
    assert not (tmp_path / "run" / "model.keras").exists()
    with np.load(tmp_path / "run" / "broken_batch.npz") as batch:
        assert batch["images"].shape == (8, 32, 32, 3)
        assert batch["landmarks"].shape == (8, 68, 3)


def test_data_of_another_schema_is_refused(faces: Path, config: TrainConfig) -> None:
    with pytest.raises(DataError, match="has schema ibug68, the configuration wants points5"):
        landmark_task(replace(config, schema="points5"), [read_dataset(faces)])


def test_a_schema_that_nobody_knows_is_refused_and_the_datas_named(faces: Path, config: TrainConfig) -> None:
    with pytest.raises(UsageError, match=r"unknown schema 'ibug86'; .* the data have ibug68"):
        landmark_task(replace(config, schema="ibug86"), [read_dataset(faces)])


def test_faces_with_five_points_train_beside_those_with_all(five: Path, faces: Path, config: TrainConfig) -> None:
    config = replace(config, data=DataConfig(negatives=0, shares={"five": 3.0}))
    epoch = landmark_task(config, [read_dataset(faces), read_dataset(five)]).epoch(0)
    targets = np.concatenate([epoch[i][1]["landmarks"] for i in range(len(epoch))])
    training = len(read_dataset(five).split("train"))
    assert targets.shape == (4 * training // 8 * 8, 73, 3)  # one set once, the other three times, in whole batches
    weighed = targets[..., 2] > 0
    assert (weighed[:, :68].all(axis=1) ^ weighed[:, 68:].all(axis=1)).all()
    assert (weighed.sum(axis=1) == 5).mean() == pytest.approx(0.75, abs=0.05)
    assert np.abs(targets[..., :2]).max() < 0.5


def outputs(model: Any, images: np.ndarray) -> dict[str, np.ndarray]:
    """Give a model's outputs; uncertainty without the landmarks that stand before it while training."""
    found = {name: np.asarray(value) for name, value in model(images).items()}
    return found | {"uncertainty": found["uncertainty"][:, -found["landmarks"].shape[1] // 2 :]}


@pytest.mark.parametrize("options", [{"head": 6}, {"head": 6, "squeeze": 8, "pool": True}, {"heat_maps": 6}])
def test_folded_network_computes_the_same(config: TrainConfig, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    mean = rng.random((5, 2)).astype(np.float32)
    normed, plain = (landmark_model(replace(config.model, **options), 5, n, mean) for n in (True, False))
    for layer in normed.layers:
        if layer.name.endswith("_bn"):
            layer.set_weights([rng.uniform(0.5, 2, w.shape) for w in layer.get_weights()])
    folded(normed, plain)
    images = rng.uniform(-1, 1, (4, 32, 32, 3)).astype(np.float32)
    trained, kept = outputs(normed, images), outputs(plain, images)
    assert {name: np.abs(trained[name] - kept[name]).max() < 1e-4 for name in kept} == dict.fromkeys(kept, True)
    landmarks = np.asarray(normed(images)["uncertainty"])[:, :10]  # what its loss compares with the truth
    assert (landmarks == trained["landmarks"]).all()


def test_small_maps_are_gated_and_the_last_one_averaged() -> None:
    config = ModelConfig(32, 32, 4, ((6, 2), (6, 1), (8, 2)), squeeze=4, pool=True)  # maps of 16, 8, 8 and 4
    model = landmark_model(config, 5, normed=False)
    assert [layer.name for layer in model.layers if layer.name.endswith("_gated")] == ["block2_gated"]
    image = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3)).astype(np.float32)
    last, pooled = keras.Model(model.input, [model.get_layer("block2_pw_relu").output, model.get_layer("pool").output])(
        image
    )
    np.testing.assert_allclose(pooled, np.mean(last, axis=(1, 2), keepdims=True), atol=1e-5)


def test_heat_maps_tell_the_places_of_their_peaks() -> None:
    mean = np.random.default_rng(0).random((5, 2)).astype(np.float32)
    config = ModelConfig(32, 32, 4, ((6, 2), (8, 2)), heat_maps=6)
    model = landmark_model(config, 5, normed=False, mean=mean)
    heat = np.zeros((1, 8, 8, 5), np.float32)
    rows, columns = [0, 2, 7, 3, 5], [0, 7, 1, 3, 6]
    heat[0, rows, columns, range(5)] = 50.0
    told = np.asarray(keras.Model(model.get_layer("heat").output, model.output["landmarks"])(heat))[0]
    np.testing.assert_allclose(told.reshape(5, 2) + mean, (np.stack([columns, rows], 1) + 0.5) / 8, atol=1e-5)


def test_draw_gives_every_face_its_chance_give_or_take_one() -> None:
    chances = np.array([0.5, 0.3, 0.15, 0.05])
    for seed in range(20):
        counts = np.bincount(draw(chances, 40, np.random.default_rng(seed)), minlength=4)
        assert np.abs(counts - chances * 40).max() <= 1


def test_weights_of_another_model_are_taken_where_shapes_agree(
    tmp_path: Path, faces: Path, config: TrainConfig
) -> None:
    config = replace(config, fit=replace(config.fit, epochs=1))
    task, record = prepared(config, faces)
    fit(task, config, tmp_path / "run", record)
    fresh, _ = prepared(replace(config, seed=3), faces)
    taken = initialised(fresh, tmp_path / "run" / "model.keras").network(False)
    trained = load_checkpoint(tmp_path / "run" / "model.keras").model.get_layer("stem").get_weights()[0]
    assert (taken.get_layer("stem").get_weights()[0] == trained).all()
    wider = replace(config, model=ModelConfig(32, 32, 6, ((10, 2), (14, 2))))
    other, _ = prepared(wider, faces)
    with pytest.raises(ModelError, match="no layer agrees"):
        initialised(other, tmp_path / "run" / "model.keras").network(False)


def test_a_model_stands_under_the_terms_of_the_one_it_starts_from(
    tmp_path: Path, faces: Path, config: TrainConfig
) -> None:
    config = replace(config, fit=replace(config.fit, epochs=1, steps_per_epoch=1))
    task, _ = prepared(config, faces)
    parent, data = tmp_path / "parent.keras", [read_dataset(faces)]
    theirs = {"name": "theirs", "terms": "research only"}
    save_checkpoint(task.network(False), replace(task.card, data=(theirs,), terms="research only; free"), parent)
    run = train(config, data, parent, tmp_path / "run")
    card = load_checkpoint(run / "model.keras").card
    assert card.terms == f"{data[0].terms}; research only; free"
    assert [entry["name"] for entry in card.data] == [data[0].name, "theirs"]
    assert read_record(run)["init"] == {"path": str(parent), "sha256": load_checkpoint(parent).sha256()}


def test_run_that_cannot_begin_leaves_no_folder(tmp_path: Path, faces: Path, config: TrainConfig) -> None:
    def refuse(_: bool) -> None:
        raise ModelError("no layer agrees")

    task, record = prepared(config, faces)
    with pytest.raises(ModelError):
        fit(replace(task, network=refuse), config, tmp_path / "run", record)
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_goes_on_with_batch_norms_that_change_nothing(
    tmp_path: Path, faces: Path, config: TrainConfig
) -> None:
    task, record = prepared(config, faces)
    fit(task, config, tmp_path / "run", record)
    images = task.epoch(0)[0][0]
    plain = load_checkpoint(tmp_path / "run" / "model.keras").model
    normed = initialised(task, tmp_path / "run" / "model.keras").network(True)
    assert any(layer.name.endswith("_bn") for layer in normed.layers)
    found = outputs(normed, images)
    for name, expected in plain(images).items():
        np.testing.assert_allclose(found[name], expected, atol=1e-4)


def test_a_new_last_layer_starts_at_the_mean_shape(tmp_path: Path, faces: Path, config: TrainConfig) -> None:
    task, record = prepared(config, faces)
    fit(task, config, tmp_path / "run", record)
    fresh = replace(task, network=lambda normed: landmark_model(config.model, 5, normed))
    images = task.epoch(0)[0][0]
    residual = np.asarray(initialised(fresh, tmp_path / "run" / "model.keras").network(True)(images)["landmarks"])
    assert np.abs(residual.mean(axis=0)).max() < 0.1


def test_detector_trains_and_evaluates(tmp_path: Path, faces: Path, config: TrainConfig) -> None:
    detector = DetectorConfig(channels=8, points_channels=(0, 12, 16))
    blocks = ((8, 2), (8, 2), (12, 2), (12, 2))
    config = replace(config, kind="detector", model=ModelConfig(64, 64, 4, blocks), detector=detector)
    config = replace(config, fit=replace(config.fit, epochs=2, batch=2, steps_per_epoch=2))
    data = [read_dataset(faces)]
    task = detector_task(config, data)
    fit(task, config, tmp_path / "run", base_record(config, data, "x"))
    assert load_checkpoint(tmp_path / "run" / "model.keras").card.detector is not None
    with pytest.raises(UsageError, match="ibug68"):
        load_config(_written(tmp_path / "bad.toml", to_toml(config).replace('"detector"', '"ibug68"')))


def test_a_background_is_cut_for_a_landmark_models_presence(
    faces: Path, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path] = []

    def cut(self: OffFace, path: Path, image: np.ndarray) -> list[np.ndarray]:
        seen.append(path)
        return [image]

    monkeypatch.setattr(OffFace, "__call__", cut)
    data = read_dataset(faces)
    first, *others = data.samples
    empty = Background(first.image, "train", "", "a", first.size_px)
    landmark_task(config, [replace(data, samples=tuple(others), backgrounds=(empty,))])
    assert seen.count(first.image) == 1


def test_a_background_gives_crops_as_other_pictures_do(faces: Path) -> None:
    images = [s.image for s in read_dataset(faces).samples]
    cut = [OffFace({}, np.zeros((5, 2), np.float32), 32, seed, None) for seed in range(6)]
    crops = [off_face(image, read_image(image)) for image in images for off_face in cut]
    assert 0.3 < np.mean([len(found) for found in crops]) < 0.7  # every second picture gives one
    assert all(crop.shape == (38, 38, 3) for found in crops for crop in found)


def test_a_detector_learns_that_a_background_shows_no_face(tmp_path: Path, faces: Path, config: TrainConfig) -> None:
    blocks = ((8, 2), (8, 2), (12, 2), (12, 2))
    config = replace(config, kind="detector", model=ModelConfig(64, 64, 4, blocks))
    data = read_dataset(faces)
    empty = tuple(Background(s.image, "train", "", "a", s.size_px) for s in data.split("train"))
    for seed, scene in enumerate(scenes := load_scenes((), None, empty)):
        picture = compose(scenes, seed, 64, 64, config.augment, np.random.default_rng(seed))
        assert (len(scene.boxes), len(picture.boxes)) == (0, 0)
        assert picture.known.all()
        assert picture.image.std() > 5
    streets = replace(data, name="streets", samples=(), backgrounds=empty)
    shares = {"synthetic": 1e-9, "streets": 1.0}
    task = detector_task(replace(config, data=replace(config.data, shares=shares)), [data, streets])
    scores = task.epoch(0)[0][1]["scores"]
    assert not scores[..., 0].any()  # nothing to find
    assert scores[..., 1].all()  # and everything known


def test_a_detector_without_five_labelled_points_trains_to_the_end(
    tmp_path: Path, faces: Path, config: TrainConfig, caplog: pytest.LogCaptureFixture
) -> None:
    blocks = ((8, 2), (8, 2), (12, 2), (12, 2))
    config = replace(config, kind="detector", model=ModelConfig(64, 64, 4, blocks))
    config = replace(config, fit=replace(config.fit, epochs=1, batch=2, steps_per_epoch=2, validate_every=1))
    data = read_dataset(faces)
    detector_task(config, [data])
    assert "only the box around their landmarks" not in caplog.text
    data = replace(data, samples=tuple(replace(s, points5=None, box=Box.around(s.points)) for s in data.samples))
    fit(detector_task(config, [data]), config, tmp_path / "run", base_record(config, [data], "x"))
    assert (tmp_path / "run" / "model.keras").exists()
    faces_of_it = len(data.split("train"))
    assert f"{faces_of_it} of {faces_of_it} faces have only the box around their landmarks" in caplog.text


def test_a_detector_that_finds_nothing_leaves_valid_json(tmp_path: Path, faces: Path, config: TrainConfig) -> None:
    prepare, config = small(config, "detector")
    config = replace(config, fit=replace(config.fit, epochs=1, steps_per_epoch=1, batch=2, learning_rate=1e-9))
    data = read_dataset(faces)
    data = replace(data, samples=tuple(replace(s, split=("train", "val")[i % 2]) for i, s in enumerate(data.samples)))
    fit(prepare(config, [data]), config, tmp_path / "run", base_record(config, [data], "x"))
    for name in ("history.json", "run.json"):
        text = (tmp_path / "run" / name).read_text()
        assert '"val_recall_percent": 0.0' in text
        assert "NaN" not in text


@pytest.mark.parametrize("kind", ["landmarks", "detector"])
def test_a_set_without_a_face_to_learn_is_refused(faces: Path, config: TrainConfig, kind: str) -> None:
    data = read_dataset(faces)
    prepare, config = small(config, kind)
    ignored = replace(data, samples=tuple(replace(s, ignore=True) for s in data.samples))
    with pytest.raises(DataError, match="no face to learn in the training split"):
        prepare(config, [ignored])
    assert len(prepare(config, [ignored, replace(data, name="b")]).epoch(0)) > 0


@pytest.mark.parametrize("kind", ["landmarks", "detector"])
def test_shares_of_0_for_all_that_can_be_learned_are_refused(faces: Path, config: TrainConfig, kind: str) -> None:
    data = read_dataset(faces)
    prepare, config = small(config, kind)
    config = replace(config, data=replace(config.data, shares={data.name: 0.0}))
    with pytest.raises(UsageError, match=rf"\[data.shares\] is 0 for {data.name}, all that has faces"):
        prepare(config, [data])
    assert len(prepare(config, [data, replace(data, name="b")]).epoch(0)) > 0


def small(config: TrainConfig, kind: str) -> tuple[Any, TrainConfig]:
    """Give what prepares a task, and a small configuration of its kind."""
    if kind == "landmarks":
        return landmark_task, config
    return detector_task, replace(config, kind=kind, model=ModelConfig(64, 64, 4, ((8, 2), (8, 2), (12, 2), (12, 2))))


def test_sets_of_one_schema_under_two_names_train_together(faces: Path, config: TrainConfig) -> None:
    data = read_dataset(faces)
    other = replace(data, name="other", schema=replace(data.schema, name="ibug68_v2"))
    once, twice = (landmark_task(config, sets).epoch(0) for sets in ([data], [data, other]))
    assert len(twice) == pytest.approx(2 * len(once), abs=1)


def test_settings_for_sets_that_are_not_there_are_named(
    tmp_path: Path, faces: Path, config: TrainConfig, caplog: pytest.LogCaptureFixture
) -> None:
    config = replace(config, data=replace(config.data, offsets={"sinthetic": 1.0}), fit=replace(config.fit, epochs=1))
    with caplog.at_level("INFO"):
        train(config, [read_dataset(faces)], None, tmp_path / "run")
    assert "[data.offsets] also names sinthetic; the sets here are called" in caplog.text


def test_five_points_may_have_blocks_of_their_own(config: TrainConfig) -> None:
    model = replace(config.model, width=64, height=64, blocks=((8, 2), (8, 2), (12, 2), (12, 2)))
    shared = detector_model(model, DetectorConfig(channels=8), normed=False)
    own = detector_model(model, DetectorConfig(channels=8, points_channels=(0, 12, 16)), normed=False)
    assert {n: t.shape for n, t in own.output.items()} == {n: t.shape for n, t in shared.output.items()}
    assert [own.get_layer(f"points{s}").kernel.shape[2] for s in (8, 16, 32)] == [8, 12, 16]
    assert [own.get_layer(f"boxes{s}").kernel.shape[2] for s in (8, 16, 32)] == [8, 8, 8]


def test_a_detector_draws_hard_faces_more_often() -> None:
    usual, turned = MEAN_POINTS5 * 100, MEAN_POINTS5 * 100 + np.array([[20, 0]] * 3 + [[0, 0]] * 2, np.float32)
    even = group_of([scene(p) for p in (usual, usual + 1, usual, turned)], 1.0, 0.0)
    uneven = group_of([scene(p) for p in (usual, usual + 1, usual, turned)], 1.0, 1.0)
    assert even.chances == pytest.approx([0.25] * 4)
    assert uneven.chances[3] > 2 * uneven.chances[0]
    assert uneven.chances.sum() == pytest.approx(1)


def test_of_an_images_faces_the_harder_is_shown_more_often() -> None:
    usual, turned = MEAN_POINTS5 * 100, MEAN_POINTS5 * 100 + np.array([[20, 0]] * 3 + [[0, 0]] * 2, np.float32)
    both = replace(
        scene(usual),
        boxes=np.array([[0, 0, 100, 120]] * 3, np.float32),
        points=np.stack([usual, turned, usual]).astype(np.float32),
        wanted=np.array([True, True, False]),
    )
    shown = group_of([scene(usual), both], 1.0, 1.0).scenes[1].chances
    assert shown is not None
    assert shown[1] > 2 * shown[0]
    assert shown[2] == 0
    assert shown.sum() == pytest.approx(1)


def test_faces_without_five_points_are_drawn_as_usual() -> None:
    nobody = replace(scene(MEAN_POINTS5), points=np.zeros((0, 5, 2), np.float32), wanted=np.zeros(0, bool))
    unknown = scene(np.full((5, 2), np.nan, np.float32))
    assert group_of([nobody, unknown], 1.0, 1.0).chances == pytest.approx([0.5, 0.5])


def scene(five: np.ndarray) -> Scene:
    box = np.array([[0, 0, 100, 120]], np.float32)
    return Scene(np.zeros((120, 100, 3), np.uint8), box, five[None].astype(np.float32), np.ones(1, bool), True)


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name = "x"\nepoch = 3', "unknown key 'epoch'"),
        ('name = "x"\n[fit]\nepochss = 3', "did you mean 'epochs'"),
        ('name = "x"\n[fit]\nepochs = "three"', "expected int"),
        ("", "c.toml: key 'name' is missing"),
        ('name = "x"', "model.blocks is empty"),
        ('name = "x"\n[model]\nblocks = [[3]]', "pairs"),
        ('name = "x"\n[model]\nblocks = [[8, 2]]\n[detector]\npoints_channels = [8]', "for each stride"),
        ('name = "x"\n[model]\nblocks = [[8, 2]]\n[detector]\npoints_channels = [8, 8, -1]', "0 or more"),
        ('name = "x"\n[model]\nheat_maps = 8\nblocks = [[8, 1]]', "blocks of stride 2"),
        ('name = "x"\n[model]\nheat_maps = 8\nwidth = 114\nheight = 114\nblocks = [[8, 2]]', "got 114 and 4"),
        ('name = "x"\n[model]\nblocks = [[8, 2]]\n[data]\nattributes = ["smile"]', "without loss.asides"),
        ("name = ", "is no TOML"),
    ],
)
def test_configuration_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        load_config(_written(tmp_path / "c.toml", text))


DETECTOR = """name = "x"
kind = "detector"
[model]
width = 64
height = 64
blocks = [[8, 2], [8, 2], [8, 2], [8, 2]]
"""


@pytest.mark.parametrize(
    ("table", "values"),
    [
        ("", ["name = ''", "name = '../x'", "seed = -1", "seed = 4294967296"]),
        ("model", ["width = 0", "width = -64", "height = 8", "height = 100000", "stem = 0", "head = -1"]),
        ("model", ["squeeze = -4", "heat_maps = -3", "min_presence = 1.0", "min_presence = nan"]),
        ("fit", ["epochs = 0", "batch = -1", "steps_per_epoch = -5", "validate_every = 0"]),
        ("fit", ["learning_rate = 0.0", "learning_rate = nan", "weight_decay = -1.0", "average = 1.0"]),
        ("fit", ["warmup_epochs = -3.0", "warmup_epochs = inf"]),
        ("augment", ["flip = 7.0", "noise = -0.1", "jpeg = nan", "shift = -1.0", "gain = nan", "offset = inf"]),
        ("loss", ["wing_px = 0.0", "wing_epsilon_px = 0.0", "presence = -1.0", "foreign = nan"]),
        ("detector", ["channels = 0", "head_blocks = 0", "min_score = 7.0", "box_weight = -1.0"]),
        ("detector", ["reference_px = [20.0, 48.0, 0.0]", "strides = [0, 8, 16]"]),
        ("data", ["shares = { a = -1.0 }", "negatives = 1.0", "offset = nan", "offsets = { a = inf }", "hard = -3.0"]),
        ("data", ["expression = nan", "synthetic_count = 0", "synthetic_px = 0", "synthetic_seed = -1"]),
    ],
)
def test_values_that_no_run_can_have_are_refused_by_name(tmp_path: Path, table: str, values: list[str]) -> None:
    for value in values:
        text = to_toml(load_config(_written(tmp_path / "good.toml", DETECTOR)))
        key = value.split()[0]
        start = text.index(f"[{table}]") if table else 0
        line = next(line for line in text[start:].splitlines() if line.startswith(f"{key} = "))
        bad = _written(tmp_path / "bad.toml", text[:start] + text[start:].replace(line, value, 1))
        with pytest.raises(UsageError, match=rf"bad\.toml: {table}\.?{key}\S* must be .*, got "):
            load_config(bad)


def test_landmark_model_needs_a_square_input(tmp_path: Path, config: TrainConfig) -> None:
    text = to_toml(replace(config, kind="landmarks", model=replace(config.model, width=64, height=48)))
    with pytest.raises(UsageError, match="of a landmark model must be equal, got 64x48"):
        load_config(_written(tmp_path / "bad.toml", text))


@pytest.mark.parametrize(
    ("table", "values", "words"),
    [
        ("model", "blocks = [[8, 0]]", r"stride 1 or 2\], got \[8, 0\]"),
        ("model", "blocks = [[8, 2], [0, 2]]", r"got \[0, 2\]"),
        ("model", "blocks = [[]]", r"pairs .* got \[\]"),
        ("model", "blocks = [[8, 2], [8, 2]]", r"strides \[16, 32\] are not among .* \[2, 4, 8\]"),
        ("model", "width = 72", r"must divide the input, got 72x64"),
        ("detector", "strides = [8]", r"reference_px needs a number for each stride \[8\]"),
        ("detector", "strides = []", "must be one or more"),
        ("detector", "strides = [8, 8, 16]", "each above the one before"),
        ("detector", "strides = [32, 16, 8]", "each above the one before"),
    ],
)
def test_values_that_contradict_each_other_are_refused(tmp_path: Path, table: str, values: str, words: str) -> None:
    text = to_toml(load_config(_written(tmp_path / "good.toml", DETECTOR)))
    line = next(line for line in text.splitlines() if line.startswith(values[: values.index("=") + 1]))
    with pytest.raises(UsageError, match=words):
        load_config(_written(tmp_path / "bad.toml", text.replace(line, values, 1)))


@pytest.mark.parametrize("path", sorted(Path("train/configs").glob("*.toml")), ids=lambda p: p.stem)
def test_shipped_configurations_load_and_survive_a_round_trip(path: Path, tmp_path: Path) -> None:
    config = load_config(path)
    assert load_config(_written(tmp_path / "again.toml", to_toml(config))) == config


def test_labels_that_lie_off_are_moved_back_before_they_are_mirrored(faces: Path, config: TrainConfig) -> None:
    def batch(data: Dataset, **settings: Any) -> tuple[np.ndarray, np.ndarray]:
        changed = replace(config, data=replace(config.data, **settings))
        images, targets = landmark_task(changed, [data]).epoch(0)[0]
        return images, targets["landmarks"]

    data = read_dataset(faces)
    off = replace(data, samples=tuple(replace(s, points=s.points + 2) for s in data.samples))
    images, right = batch(data)
    assert np.abs(batch(off)[0] - images).max() > 0.1  # crops follow their labels
    assert np.abs(batch(off, offsets={data.name: 2.0})[0] - images).max() < 0.02  # two grey levels
    known = right[..., 2] > 0
    assert batch(data, offset=0.01)[1][known][:, :2] == pytest.approx(right[known][:, :2] + 0.01, abs=1e-6)


def test_training_without_validation_faces_says_so(
    faces: Path, config: TrainConfig, caplog: pytest.LogCaptureFixture
) -> None:
    whole = read_dataset(faces)
    landmark_task(config, [whole])
    assert "held back" not in caplog.text
    landmark_task(config, [replace(whole, samples=tuple(s for s in whole.samples if s.split != "val"))])
    assert "no face is held back for validation" in caplog.text
