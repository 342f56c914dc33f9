from pathlib import Path

import pytest
from facewire_edge.__main__ import _parser, resolve
from facewire_edge.config import EdgeConfig, StreamConfig, check, load_config
from facewire_edge.errors import UsageError

EXAMPLE = Path(__file__).parents[2] / "edge" / "facewire.toml"


def resolved(*flags: str) -> EdgeConfig:
    return resolve(_parser(["run"]).parse_args(["run", *flags]))


@pytest.mark.parametrize("flags", [["--input", "a.mp4"], ["--sink", "jsonl:./a.mp4"], ["--model", "./a.mp4"]])
def test_sink_does_not_write_into_what_is_read_or_written(flags: list[str]) -> None:
    with pytest.raises(UsageError, match="is named twice"):
        resolved("--sink", "jsonl:a.mp4", *flags)


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("sink = ['jsonl:c.toml']", False),
        ("sink = ['jsonl:a']\n[stream]\ntoken_file = './a'", False),
        ("sink = ['jsonl:a']\n[stream]\ntls_certificate = 'b'\ntls_key = 'a'", False),
        ("sink = ['jsonl:a.2', 'jsonl:a']\n[stream]\nmax_file_mb = 1.0", False),
        ("sink = ['jsonl:c']\nmodel = 'c.1'\n[stream]\nmax_file_mb = 1.0", False),
        ("sink = ['jsonl:c.1']\nmodel = 'c'\n[stream]\nmax_file_mb = 1.0", True),
        ("sink = ['jsonl:a.2', 'jsonl:a']", True),
        ("sink = ['jsonl:/dev/null', 'jsonl:/dev/null']", True),
        ("sink = ['jsonl:a.b', 'jsonl:a']\n[stream]\nmax_file_mb = 1.0", True),
    ],
)
def test_sink_spares_configuration_secrets_and_what_another_has_finished(
    text: str, fine: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.toml").write_text(text)
    Path("c").touch()
    if fine:
        resolved("--config", "c.toml")
        return
    with pytest.raises(UsageError, match="is named twice"):
        resolved("--config", "c.toml")


def test_example_file_holds_the_defaults() -> None:
    assert load_config(EXAMPLE) == EdgeConfig()


def test_every_setting_stands_in_the_example_file() -> None:
    text = EXAMPLE.read_text()
    names = {*EdgeConfig.__dataclass_fields__, *StreamConfig.__dataclass_fields__} - {"stream"}
    assert all(f"{name} = " in text for name in names)


def test_flag_beats_file_beats_default(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('max_faces = 3\ndetect_every = 7\nsink = ["udp://a:1"]\nsmooth = false\n')
    config = resolved("--config", str(tmp_path / "c.toml"), "--max-faces", "2")
    assert (config.max_faces, config.detect_every, config.threads) == (2, 7, 1)
    assert config.sink == ("udp://a:1",)
    assert not config.smooth


def test_repeated_sinks_replace_the_default() -> None:
    assert resolved("--sink", "stdout", "--sink", "udp://h:9").sink == ("stdout", "udp://h:9")


def test_unknown_key_names_the_nearest_known_one(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("detect_evry = 3")
    with pytest.raises(UsageError, match="did you mean 'detect_every'"):
        load_config(tmp_path / "c.toml")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--max-faces", "0"), "max_faces must be 1 or more"),
        (("--min-score", "1.5"), "min_score must be between 0 and 1"),
        (("--fps", "-1"), "fps must be above 0"),
        (("--fps", "nan"), "fps must be above 0"),
        (("--frames", "0"), "frames must be 1 or more"),
        (("--model", "a\0b"), "model holds a zero character"),
        (("--sink", "pigeon://h:1"), "unknown sink"),
        (("--sink", "ws://0.0.0.0:8080"), "needs a token"),
        (("--preview", "blurred"), "preview needs a server"),
    ],
)
def test_value_that_cannot_be_meant_is_refused(flags: tuple[str, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        resolved(*flags)


def test_empty_sink_list_is_refused() -> None:
    with pytest.raises(UsageError, match="sink is empty"):
        check(EdgeConfig(sink=()))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_clients = 0", "stream.max_clients must be 1 to 10000, got 0"),
        ("keep_files = 1000000000", "stream.keep_files must be 1 to 1000"),
        ("max_file_mb = nan", "stream.max_file_mb must be above 0"),
        ("mqtt_landmarks_hz = -1", "stream.mqtt_landmarks_hz must be 0 or more"),
        ('tls_key = "a"', "belong together"),
    ],
)
def test_value_of_the_stream_table_that_cannot_be_meant_is_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(f"[stream]\n{text}\n")
    with pytest.raises(UsageError, match=words):
        resolved("--config", str(tmp_path / "c.toml"))


def test_preview_without_a_word_is_the_plain_picture() -> None:
    assert resolved("--sink", "ws://:8080", "--preview").preview == "plain"


def test_bare_name_is_a_model_that_ships() -> None:
    config = check(EdgeConfig(model="landmarks68", detector="./mine.tflite"))
    assert config.model == EdgeConfig().model
    assert config.detector == "./mine.tflite"


def test_bare_name_of_nothing_is_refused_with_those_that_ship() -> None:
    with pytest.raises(UsageError, match=r"no model 'mine'; .*face, .*landmarks68"):
        check(EdgeConfig(model="mine"))
