"""Sinks: whole lines, refused disks, lost datagrams."""

import json
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from facewire_edge.errors import OutputError, UsageError
from facewire_edge.publish import UdpSink, open_sink

MESSAGE = {"v": 1, "type": "faces", "faces": []}

# A disk that is full after 150 bytes, for a line of about 100.
FULL_DISK = """
import resource, sys
from facewire_edge.errors import run_command
from facewire_edge.publish import open_sink
resource.setrlimit(resource.RLIMIT_FSIZE, (150, 150))
def main():
    sink = open_sink("jsonl:" + sys.argv[1])
    for number in range(5):
        sink.publish({"number": number, "text": "x" * 80})
sys.exit(run_command(main, "facewire-edge"))
"""
STDOUT = """
import sys
from facewire_edge.errors import run_command
from facewire_edge.publish import open_sink
def main():
    sink = open_sink("stdout")
    for number in range(20000):
        sink.publish({"number": number})
sys.exit(run_command(main, "facewire-edge"))
"""


@pytest.mark.parametrize(
    "spec", ["", "file", "jsonl:", "udp://", "udp://host", "udp://host:0", "udp://host:99999", "ws"]
)
def test_unknown_sink_names_the_known_forms(spec: str) -> None:
    with pytest.raises(UsageError, match=r"stdout, jsonl:FILE or udp://HOST:PORT"):
        open_sink(spec)


def test_stdout_gives_one_line_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    with closing(open_sink("stdout")) as sink:
        sink.publish(MESSAGE)
        sink.publish(MESSAGE)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [MESSAGE] * 2


def test_closed_pipe_ends_the_command_without_a_word() -> None:
    with subprocess.Popen([sys.executable, "-c", STDOUT], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(10) == 0


def test_full_disk_behind_stdout_ends_with_7() -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run([sys.executable, "-c", STDOUT], stdout=full, stderr=subprocess.PIPE, timeout=10)
    assert ended.returncode == 7
    assert ended.stderr.count(b"\n") == 1


def test_jsonl_appends_to_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "log.jsonl"
    for _ in range(2):
        with closing(open_sink(f"jsonl:{path}")) as sink:
            sink.publish(MESSAGE)
    assert [json.loads(line) for line in path.read_text().splitlines()] == [MESSAGE] * 2


def test_jsonl_does_not_continue_a_line_that_a_power_cut_left(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"v":1,"ty')
    with closing(open_sink(f"jsonl:{path}")) as sink:
        sink.publish(MESSAGE)
        sink.publish(MESSAGE)
    assert [json.loads(line) for line in path.read_text().splitlines()[1:]] == [MESSAGE] * 2


def test_full_disk_leaves_whole_lines_and_ends_with_7(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    ended = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, timeout=10)
    assert ended.returncode == 7
    assert ended.stderr.startswith(f"facewire-edge: cannot write {path}")
    assert path.read_text().endswith("\n")
    assert [json.loads(line)["number"] for line in path.read_text().splitlines()] == [0]


@pytest.mark.parametrize("target", ["/dev/full", "/proc/no/log.jsonl", "/"])
def test_jsonl_that_cannot_be_written_is_an_output_error(target: str) -> None:
    with pytest.raises(OutputError, match="cannot write"), closing(open_sink(f"jsonl:{target}")) as sink:
        sink.publish(MESSAGE)


def test_udp_sends_a_datagram_a_face() -> None:
    faces = [{"id": n, "landmarks": [[0.5, 0.25]]} for n in range(2)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        with closing(open_sink(f"udp://127.0.0.1:{receiver.getsockname()[1]}")) as sink:
            sink.publish({**MESSAGE, "faces": faces})
        got = [json.loads(receiver.recv(2000)) for _ in range(2)]
    assert [(g["face"], g["of"], g["faces"][0]["landmarks"]) for g in got] == [
        (0, 2, [5000, 2500]),
        (1, 2, [5000, 2500]),
    ]


def test_udp_counts_what_the_network_does_not_take() -> None:
    with closing(UdpSink("127.0.0.1", 9)) as sink:
        sink.publish({**MESSAGE, "padding": "x" * 70_000})  # above the largest datagram
        sink.publish(MESSAGE)
        assert sink.failed == 1


def test_udp_to_an_unknown_host_is_an_output_error() -> None:
    with pytest.raises(OutputError, match="unknown address"):
        open_sink("udp://no.such.host.invalid:9000")
