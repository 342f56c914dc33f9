import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from facewire_edge.card import InputSpec, ModelCard, OutputSpec, attach_card, card_from_json, card_to_json, read_card
from facewire_edge.errors import ModelCardError, ModelError
from facewire_edge.schema import POINTS5

FLATBUFFER = b"\0\0\0\0TFL3" + bytes(range(200))
MEAN = np.array([[0.3, 0.25], [0.7, 0.25], [0.5, 0.45], [0.35, 0.6], [0.65, 0.6]], np.float32)
CARD = ModelCard(
    kind="landmarks",
    name="five",
    input=InputSpec(32, 32),
    outputs={"landmarks": OutputSpec("a", (1, 10)), "presence": OutputSpec("b", (1, 1))},
    schema=POINTS5,
    mean_shape=MEAN,
    mean_points5=MEAN,
    data=({"name": "mine", "terms": "free"},),
    terms="free",
)


def test_card_survives_the_round_trip_through_the_file(tmp_path: Path) -> None:
    written = attach_card(FLATBUFFER, CARD, tmp_path / "m.tflite")
    card, flatbuffer = read_card(tmp_path / "m.tflite")
    assert flatbuffer == FLATBUFFER
    assert card_to_json(card) == card_to_json(written)
    assert card.schema is not None
    assert card.schema.names == POINTS5.names


def test_same_model_gives_the_same_file(tmp_path: Path) -> None:
    for name in "ab":
        attach_card(FLATBUFFER, CARD, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_cut_off_file_is_refused_at_any_length(tmp_path: Path) -> None:
    attach_card(FLATBUFFER, CARD, tmp_path / "m.tflite")
    data = (tmp_path / "m.tflite").read_bytes()
    for length in range(0, len(data), 7):
        (tmp_path / "cut.tflite").write_bytes(data[:length])
        with pytest.raises(ModelError):
            read_card(tmp_path / "cut.tflite")


def test_changed_byte_of_the_model_is_refused(tmp_path: Path) -> None:
    attach_card(FLATBUFFER, CARD, tmp_path / "m.tflite")
    data = bytearray((tmp_path / "m.tflite").read_bytes())
    data[50] ^= 1
    (tmp_path / "m.tflite").write_bytes(data)
    with pytest.raises(ModelCardError, match="another model"):
        read_card(tmp_path / "m.tflite")


def test_foreign_and_missing_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(b"PK not a model")
    with pytest.raises(ModelError, match="no TFLite model"):
        read_card(tmp_path / "x.tflite")
    (tmp_path / "x.tflite").write_bytes(FLATBUFFER)
    with pytest.raises(ModelCardError, match="no facewire card"):
        read_card(tmp_path / "x.tflite")
    with pytest.raises(ModelError, match="cannot read model"):
        read_card(tmp_path / "missing.tflite")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "card format 2, expected 1"),
        ({"kind": "dancer"}, "unknown kind"),
        ({"outputs": {}}, "names no output 'landmarks'"),
        ({"mean_shape": None}, "needs schema, mean_shape"),
        ({"mean_shape": [[0.1, 0.2]]}, "does not fit"),
        ({"mean_shape": [[0.1, float("nan")]] * 5}, "not valid"),
        ({"schema": {"name": "x"}}, "not valid"),
        ({"input": {"width": 1}}, "not valid"),
        ({"sha256": 7}, "expected sha256 to be text, got 7"),
    ],
)
def test_card_that_contradicts_itself_is_refused(change: dict[str, object], words: str) -> None:
    text = json.dumps({**json.loads(card_to_json(CARD)), **change})
    with pytest.raises(ModelCardError, match=words):
        card_from_json(text, "m.tflite")


def test_swapped_outputs_are_refused() -> None:
    swapped = {"landmarks": CARD.outputs["presence"], "presence": CARD.outputs["landmarks"]}
    with pytest.raises(ModelCardError, match="has shape"):
        card_from_json(card_to_json(replace(CARD, outputs=swapped)), "m.tflite")
