"""The Edge TPU's delegate: the runtime's own loader, with a library that stands where libedgetpu stands."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from facewire_edge import delegate
from facewire_edge.__main__ import main
from facewire_edge.card import attach_card, read_card
from facewire_edge.config import EdgeConfig, check
from facewire_edge.errors import HardwareError, ModelError, UsageError
from facewire_edge.interpreter import load_model
from facewire_edge.pipeline import load_models, open_tracker

# TfLiteDelegate of tensorflow/lite/core/c/common.h: what maps nothing, and a device that does not answer.
SOURCE = r"""
#include <stddef.h>
#include <stdint.h>
#include <string.h>
struct Delegate {
  void *data; int (*prepare)(void *, struct Delegate *); void *from, *to, *free; int64_t flags; void *more;
};
static int prepare(void *context, struct Delegate *self) { return 0; }
static struct Delegate only = {NULL, prepare, NULL, NULL, NULL, 0, NULL};
void *tflite_plugin_create_delegate(char **keys, char **values, size_t n, void (*report)(const char *)) {
  if (n == 1 && !strcmp(keys[0], "device") && !strcmp(values[0], "usb:0")) return &only;
  report("no such\ndevice");
  return NULL;
}
void tflite_plugin_destroy_delegate(void *delegate) {}
"""


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build a library that answers as usb:0 alone."""
    if (compiler := shutil.which("cc")) is None:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("delegate")
    (folder / "d.c").write_text(SOURCE)
    out = folder / "libpretended.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(out), str(folder / "d.c")], check=True)
    return str(out)


@pytest.fixture
def compiled(tiny: Any, tmp_path: Path) -> Path:
    """Give a model that carries the mark of the compiler."""
    path = tmp_path / "tiny_edgetpu.tflite"
    attach_card(tiny.flatbuffer + delegate.COMPILED, replace(tiny.card), path)
    return path


@pytest.mark.parametrize("device", ["cpu", "usb", "usb:1", "pci", "pci:0"])
def test_devices_that_can_be_meant(device: str) -> None:
    assert check(EdgeConfig(device=device)).device == device


@pytest.mark.parametrize("device", ["", "gpu", "usb:", "usb:x", "CPU", "usb:1\n"])
def test_device_that_cannot_be_meant_is_refused(device: str) -> None:
    with pytest.raises(UsageError, match="expected cpu, usb, usb:N, pci or pci:N"):
        check(EdgeConfig(device=device))


def test_compiled_model_runs_on_the_device_that_answers(
    compiled: Path, library: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(delegate, "LIBRARY", library)
    with caplog.at_level("INFO"):
        model = load_model(compiled, device="usb:0")
    assert model.device == "usb:0"
    assert f"runs on {model.runtime}, usb:0" in caplog.text
    assert model.run(np.full((32, 32, 3), 255, np.uint8))["presence"][0] > 0.9


def test_device_that_does_not_answer_is_one_line(compiled: Path, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delegate, "LIBRARY", library)
    with pytest.raises(HardwareError, match=r"no Edge TPU answers as pci.*no such device") as caught:
        load_model(compiled, device="pci")
    assert "\n" not in str(caught.value)


def test_model_that_is_not_compiled_runs_on_the_cpu_with_a_warning(
    tiny: Any, library: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(delegate, "LIBRARY", library)
    assert load_model(tiny.path, device="usb:0").device == "cpu"
    assert "not compiled for the Edge TPU" in caplog.text


def test_compiled_model_is_replaced_by_its_source_on_the_cpu(compiled: Path, tiny: Any) -> None:
    with pytest.raises(ModelError, match="compiled for the Edge TPU and cannot run on the CPU"):
        load_model(compiled)
    shutil.copy(tiny.path, compiled.with_name("tiny.tflite"))
    assert load_model(compiled).device == "cpu"


def test_compiled_model_is_inspected_as_itself_without_a_stick(
    compiled: Path, tiny: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(tiny.path, compiled.with_name("tiny.tflite"))
    assert main(["inspect", str(compiled), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["card"]["sha256"] == read_card(compiled)[0].sha256 != read_card(tiny.path)[0].sha256
    assert found["operations"]
    assert found["inputs"][0]["type"] == "uint8"


def test_missing_library_takes_the_cpu_with_one_line_and_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(delegate, "LIBRARY", "libno_such_library.so.1")
    _, origin = open_tracker(EdgeConfig(device="usb"))
    assert origin.device == "cpu"
    assert len(caplog.records) == 1
    assert "no Edge TPU library" in caplog.text


def test_required_device_that_is_missing_ends_with_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(delegate, "LIBRARY", "libno_such_library.so.1")
    assert main(["run", "--input", "replay", "--device", "usb", "--device-required"]) == 3
    assert "libedgetpu" in capsys.readouterr().err.splitlines()[-1]


def test_required_device_needs_compiled_models(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delegate, "LIBRARY", library)
    with pytest.raises(ModelError, match="is not compiled"):
        load_models(EdgeConfig(device="usb:0", device_required=True))
