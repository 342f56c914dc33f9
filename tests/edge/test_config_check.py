"""Whether a configuration would run, said in one line."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from facewire_edge.__main__ import main
from facewire_edge.card import attach_card, read_card
from facewire_edge.config import EdgeConfig
from facewire_edge.delegate import COMPILED
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXAMPLE = Path(__file__).parents[2] / "edge" / "facewire.toml"


def checked(folder: Path, text: str) -> int:
    (folder / "c.toml").write_text(text)
    return main(["config", "check", str(folder / "c.toml")])


def test_example_configuration_is_good(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", str(EXAMPLE)]) == 0
    assert capsys.readouterr().out.startswith(f"{EXAMPLE}: ok; usb -> stdout; models face@")


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("colour = 3", 2, "unknown key 'colour'"),
        ("[stream]\ntoken_fil = 'x'", 2, "did you mean 'token_file'"),
        ("max_faces = 'two'", 2, "expected int, got 'two'"),
        ("sink = ['ws://:8080']\n[stream]\ntoken_file = '/nowhere'", 2, "cannot read token_file"),
        ("sink = ['ws://:8080']\n[stream]\ntls_certificate = '/a'\ntls_key = '/b'", 2, "cannot use tls_certificate"),
        ("sink = ['mqtt://me:secret@h:0']", 2, "unknown sink 'mqtt://h:0'"),
        ("model = '/nowhere.tflite'", 4, "cannot read model /nowhere.tflite"),
        ("threads = 100000000000", 2, "threads must be 256 or less"),
        ("input = 'http://cam/video'", 2, "unknown input"),
        ("input = 'usb:x'", 2, "malformed input"),
        ("input = 'usb0'\nwait_camera = true", 6, "no file, folder or camera 'usb0'"),
        ("input = '-'", 2, "needs --raw"),
        ("input = 'EMPTY'", 6, "holds no image"),
        ("sink = ['jsonl:~nobody-of-this-name/x']", 2, "name the whole path"),
        ("device = 'usb'\ndevice_required = true", 4, "is not compiled for the Edge TPU, which is required"),
        ("= 3", 2, "is no TOML"),
        ("fps = 1" + "0" * 400, 2, "of more than 64 bits"),
        ("threads = 0x" + "f" * 5000, 2, "of more than 64 bits"),
        ("sink = [[0x" + "f" * 5000 + "]]", 2, "of more than 64 bits"),
        ("a = " + "[" * 3000, 2, "is no TOML"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    text: str, code: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert checked(tmp_path, text.replace("EMPTY", str(tmp_path / "empty"))) == code
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


@pytest.mark.parametrize("spec", ["rpi", "usb:250", "/dev/v4l/by-id/absent", "rtsp://camera/live", "replay"])
def test_camera_that_is_away_is_no_fault_of_the_configuration(spec: str, tmp_path: Path) -> None:
    assert checked(tmp_path, f"input = '{spec}'") == 0


def test_password_of_a_camera_is_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(tmp_path, "input = 'rtsp://camera/live?user=admin&password=secret'") == 0
    assert ": ok; rtsp://camera/... -> stdout" in capsys.readouterr().out


def test_models_in_each_others_place_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(EdgeConfig().detector, tmp_path / "m.tflite")
    assert checked(tmp_path, f"model = '{tmp_path}/m.tflite'") == 4
    assert "is a detector model, expected a landmarks model" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["cut", "compiled"])
def test_model_that_cannot_run_is_refused_before_a_service_is_stopped_for_it(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card, flatbuffer = read_card(Path(EdgeConfig().model))
    damaged = flatbuffer[: len(flatbuffer) // 2] if damage == "cut" else flatbuffer + COMPILED
    attach_card(damaged, card, tmp_path / "m_edgetpu.tflite")
    assert checked(tmp_path, f"model = '{tmp_path}/m_edgetpu.tflite'") == 4
    assert "cannot run" in capsys.readouterr().err
    if damage == "compiled":
        shutil.copy(EdgeConfig().model, tmp_path / "m.tflite")
        assert checked(tmp_path, f"model = '{tmp_path}/m_edgetpu.tflite'") == 0


@pytest.mark.parametrize("key", ["pose", "blink"])
def test_what_landmarks_of_ones_own_cannot_give_is_refused(
    key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card, flatbuffer = read_card(Path(EdgeConfig().model))
    assert card.schema is not None
    own = replace(card.schema, name="own", names=tuple(f"p{n}" for n in range(card.schema.n)))
    attach_card(flatbuffer, replace(card, schema=own), tmp_path / "own.tflite")
    assert checked(tmp_path, f"model = '{tmp_path}/own.tflite'") == 0
    assert checked(tmp_path, f"model = '{tmp_path}/own.tflite'\n{key} = true") == 2
    assert key in capsys.readouterr().err


KEYS = st.sampled_from([*EdgeConfig.__dataclass_fields__, "stream.max_clients", "stream.token_file", "colour"])
VALUES = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.text(), st.lists(st.text(), max_size=3), st.just("ws://0.0.0.0:1")
)


def toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08x}" for c in value if not 0xD800 <= ord(c) < 0xE000) + '"'
    return repr(value)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(KEYS, VALUES, max_size=3))
def test_no_configuration_crashes_the_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], values: dict[str, object]
) -> None:
    code = checked(tmp_path, "".join(f"{key} = {toml(value)}\n" for key, value in values.items()))
    captured = capsys.readouterr()
    assert code in (0, 2, 4, 6)
    assert "Traceback" not in captured.err


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_no_bytes_crash_the_check(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "c.toml").write_bytes(data)
    assert main(["config", "check", str(tmp_path / "c.toml")]) in (0, 2)
