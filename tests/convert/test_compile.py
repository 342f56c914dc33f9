"""The Edge TPU compiler is not free to install anywhere; a stand-in on PATH has its command line."""

from pathlib import Path

import pytest
from facewire_convert.__main__ import main
from facewire_edge.card import read_card

MODELS = Path("edge/facewire_edge/models")
STAND_IN = """#!/bin/sh
[ "$1" = -s ] && [ "$2" = -o ] || exit 9
out=$3; shift 3
for model in "$@"; do
  name=$(basename "$model" .tflite)
  head -c 4 "$model" >/dev/null && cp "$model" "$out/${name}_edgetpu.tflite" || exit 1
done
"""


def install(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "edgetpu_compiler"
    program.write_text(text)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def compiled(out: Path) -> int:
    models = [str(MODELS / name) for name in ("face_int8.tflite", "landmarks68_int8.tflite")]
    return main(["compile", *models, "--out", str(out)])


def test_compiled_models_carry_their_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, STAND_IN, monkeypatch)
    assert compiled(tmp_path / "out") == 0
    for name in ("face_int8", "landmarks68_int8"):
        before, flatbuffer = read_card(MODELS / f"{name}.tflite")
        after, given = read_card(tmp_path / "out" / f"{name}_edgetpu.tflite")
        assert (after.name, after.outputs) == (before.name, before.outputs)
        assert given == flatbuffer  # the compiler saw the model without its card


def test_what_was_compiled_lies_beside_its_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, STAND_IN, monkeypatch)
    assert compiled(tmp_path / "out") == 0
    for name in ("face_int8.tflite", "landmarks68_int8.tflite"):
        assert (tmp_path / "out" / name).read_bytes() == (MODELS / name).read_bytes()
    copy = tmp_path / "out" / "face_int8.tflite"
    assert main(["compile", str(copy), "--out", str(tmp_path / "out")]) == 0  # into its own folder
    assert copy.read_bytes() == (MODELS / "face_int8.tflite").read_bytes()


def test_models_of_one_name_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(tmp_path, STAND_IN, monkeypatch)
    twin = tmp_path / "face_int8.tflite"
    twin.write_bytes((MODELS / "landmarks68_int8.tflite").read_bytes())
    assert main(["compile", str(MODELS / "face_int8.tflite"), str(twin), "--out", str(tmp_path / "out")]) == 2
    assert "two models are called face_int8.tflite" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_refusal_of_the_compiler_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(tmp_path, "#!/bin/sh\necho 'Internal compiler error.' >&2\nexit 1\n", monkeypatch)
    assert compiled(tmp_path / "out") == 4
    assert capsys.readouterr().err.splitlines()[-1].endswith("Internal compiler error.")
    assert not (tmp_path / "out").exists()


def test_missing_compiler_leaves_the_command_to_run_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compiled(tmp_path / "out") == 4
    captured = capsys.readouterr()
    assert captured.out.count("operations map to the Edge TPU") == 2
    assert f"facewire-convert compile --out {tmp_path / 'out'} {MODELS / 'face_int8.tflite'}" in captured.err
    assert f"edgetpu_compiler -s -o {tmp_path / 'out'} {MODELS / 'face_int8.tflite'}" in captured.err
