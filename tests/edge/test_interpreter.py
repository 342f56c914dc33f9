import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from facewire_edge import interpreter
from facewire_edge.card import InputSpec, OutputSpec, attach_card
from facewire_edge.errors import ModelCardError, ModelError, RuntimeMissingError
from facewire_edge.interpreter import find_runtime, load_model

INT8_STEP = 2 / 255  # of an output in [-1, 1]


def coloured(tiny: Any, red: int, green: int, blue: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    size = tiny.card.input
    return np.full((size.height, size.width, 3), (red, green, blue), np.uint8)


def test_raw_pixels_come_out_as_dequantised_numbers(tiny: Any) -> None:
    outputs = load_model(tiny.path, "landmarks").run(coloured(tiny, 255, 127, 0))
    assert outputs["landmarks"].dtype == np.float32
    assert outputs["landmarks"] == pytest.approx(np.resize([1, 0, -1], 10), abs=2 * INT8_STEP)
    assert outputs["presence"] == pytest.approx(1 / (1 + np.exp(-4)), abs=2 * INT8_STEP)


def test_a_second_picture_owes_nothing_to_the_first(tiny: Any) -> None:
    model = load_model(tiny.path)
    first = model.run(coloured(tiny, 10, 200, 90))["landmarks"]
    kept = first.copy()
    model.run(coloured(tiny, 250, 0, 250))
    assert (first == kept).all()
    assert (model.run(coloured(tiny, 10, 200, 90))["landmarks"] == kept).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"input": InputSpec(32, 32, scale=1 / 255)}, "raw pixels would be misread"),
        ({"input": InputSpec(32, 32, zero_point=128)}, "zero point 128, the tensor has 0.007843 and 127"),
        ({"input": InputSpec(48, 32)}, r"the card says input \[1, 32, 48, 3\]"),
        ({"presence": OutputSpec("nobody", (1, 1))}, "no output tensor 'nobody' for 'presence'"),
    ],
)
def test_card_that_contradicts_its_tensors_is_refused(
    tiny: Any, change: dict[str, Any], words: str, tmp_path: Path
) -> None:
    if "presence" in change:
        change = {"outputs": {**tiny.card.outputs, **change}}
    attach_card(tiny.flatbuffer, replace(tiny.card, **change), tmp_path / "m.tflite")
    with pytest.raises(ModelCardError, match=words):
        load_model(tmp_path / "m.tflite")


def test_outputs_that_name_each_others_tensors_are_refused(tiny: Any, tmp_path: Path) -> None:
    marks, presence = tiny.card.outputs["landmarks"], tiny.card.outputs["presence"]
    swapped = {"landmarks": replace(marks, tensor=presence.tensor), "presence": replace(presence, tensor=marks.tensor)}
    attach_card(tiny.flatbuffer, replace(tiny.card, outputs=swapped), tmp_path / "m.tflite")
    with pytest.raises(ModelCardError, match=r"has shape \(1, 1\), the card says \(1, 10\)"):
        load_model(tmp_path / "m.tflite")


@pytest.mark.parametrize(("shape", "kind"), [((31, 32, 3), np.uint8), ((32, 32), np.uint8), ((32, 32, 3), np.float32)])
def test_picture_of_another_shape_or_type_is_refused(tiny: Any, shape: tuple[int, ...], kind: type) -> None:
    with pytest.raises(ModelError, match="tiny expects 32x32 uint8 RGB, got"):
        load_model(tiny.path).run(np.zeros(shape, kind))


def test_flatbuffer_that_the_runtime_cannot_read_is_refused(tiny: Any, tmp_path: Path) -> None:
    attach_card(b"\0\0\0\0TFL3" + bytes(64), tiny.card, tmp_path / "m.tflite")
    with pytest.raises(ModelError, match="cannot run"):
        load_model(tmp_path / "m.tflite")


def test_first_runtime_that_can_be_imported_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("pretended_runtime")
    module.lite = SimpleNamespace(Interpreter=dict)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pretended_runtime", module)
    absent = ("absent", "no_such_module", "Interpreter")
    empty = ("empty", "pretended_runtime", "Interpreter")
    present = ("present", "pretended_runtime", "lite.Interpreter")
    monkeypatch.setattr(interpreter, "RUNTIMES", (absent, empty, present))
    assert find_runtime() == ("present", dict)


def test_ai_edge_litert_comes_before_tflite_runtime_and_tensorflow() -> None:
    assert [name for name, *_ in interpreter.RUNTIMES] == ["ai-edge-litert", "tflite-runtime", "tensorflow"]


def test_without_a_runtime_each_refusal_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "RUNTIMES", (("absent", "no_such_module", "Interpreter"),))
    with pytest.raises(RuntimeMissingError, match=r"absent: No module .*pip install ai-edge-litert"):
        find_runtime()


def test_runtime_built_for_another_numpy_is_a_model_error(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(**_: object) -> None:
        raise SystemError("initialization of _pywrap_tensorflow_interpreter_wrapper raised unreported exception")

    monkeypatch.setattr(interpreter, "find_runtime", lambda: ("tflite-runtime", die))
    with pytest.raises(ModelError, match="tflite-runtime cannot run"):
        load_model(tiny.path)
