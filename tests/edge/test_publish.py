"""Sinks: whole lines, refused disks, lost datagrams."""

import errno
import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from facewire_edge.addresses import parse_sink
from facewire_edge.errors import OutputError, UsageError
from facewire_edge.jsonl import JsonlSink
from facewire_edge.publish import UdpSink, close_all, dropped, open_sink

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
# The same disk behind a live camera; at the end it has room again.
FULL_FOR_A_WHILE = """
import resource, sys, time
from facewire_edge.publish import open_sink
resource.setrlimit(resource.RLIMIT_FSIZE, (150, -1))
sink = open_sink(sys.argv[1], live=True)
for number in range(5):
    sink.publish({"number": number, "text": "x" * 80})
while sink.dropped < 4:
    time.sleep(0.001)
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
sink.publish({"number": 5})
sink.close()
"""
STDOUT = """
import sys
from contextlib import closing
from facewire_edge.errors import run_command
from facewire_edge.publish import open_sink
def main():
    with closing(open_sink("stdout", live=len(sys.argv) > 1)) as sink:
        for number in range(20000):
            sink.publish({"number": number, "text": "x" * 1000})  # more than a pipe holds
sys.exit(run_command(main, "facewire-edge"))
"""


@pytest.mark.parametrize("live", [False, True])
def test_stdout_gives_one_line_a_message(live: bool, capfd: pytest.CaptureFixture[str]) -> None:
    with closing(open_sink("stdout", live=live)) as sink:
        sink.publish(MESSAGE)
        sink.publish(MESSAGE)
    assert [json.loads(line) for line in capfd.readouterr().out.splitlines()] == [MESSAGE] * 2


@pytest.mark.parametrize("live", [[], ["live"]])
def test_closed_pipe_ends_the_command_without_a_word(live: list[str]) -> None:
    command = [sys.executable, "-c", STDOUT, *live]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
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


def test_jsonl_finds_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with closing(open_sink("jsonl:~/faces.jsonl")) as sink:
        sink.publish(MESSAGE)
    assert [path.name for path in tmp_path.iterdir()] == ["faces.jsonl"]
    with pytest.raises(UsageError, match="name the whole path"):
        open_sink("jsonl:~nobody-of-this-name/faces.jsonl")


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


def test_full_disk_behind_a_live_camera_costs_messages_until_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    command = [sys.executable, "-c", FULL_FOR_A_WHILE, f"jsonl:{path}"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0
    assert ended.stderr.count("cannot write") == 1
    assert [json.loads(line)["number"] for line in path.read_text().splitlines()] == [0, 5]


@pytest.mark.parametrize("mode", ["wb", "ab"])
def test_full_disk_behind_stdout_costs_a_live_camera_messages_and_breaks_no_line(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "log.jsonl"
    command = [sys.executable, "-c", FULL_FOR_A_WHILE, "stdout"]
    with path.open(mode) as out:
        ended = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (ended.returncode, ended.stderr.count("cannot write")) == (0, 1)
    assert [json.loads(line)["number"] for line in path.read_text().splitlines()] == [0, 5]


def test_line_of_which_a_half_cannot_be_taken_back_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b" " * 999 + b"\n")  # longer than the disk allows: as if another process wrote to it too
    with path.open("r+b") as out:
        command = [sys.executable, "-c", FULL_FOR_A_WHILE, "stdout"]
        ended = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (ended.returncode, ended.stderr.count("cannot write")) == (0, 1)
    first, half, last, _ = path.read_text().splitlines()
    assert (json.loads(first)["number"], json.loads(last)["number"]) == (0, 5)
    assert half.startswith('{"number":1')


def test_stdout_that_is_set_not_to_wait_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    with os.fdopen(readable, "rb") as reader, os.fdopen(writable, "wb") as full, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        got: list[bytes] = []
        thread = threading.Thread(target=lambda: got.append(reader.readline()))
        thread.start()
        open_sink("stdout").publish({"padding": "x" * 1_000_000})
        thread.join(10)
    assert json.loads(got[0]) == {"padding": "x" * 1_000_000}


@pytest.mark.parametrize("target", ["/dev/full", "/proc/no/log.jsonl", "/"])
def test_jsonl_that_cannot_be_written_is_an_output_error(target: str) -> None:
    with pytest.raises(OutputError, match="cannot write"), closing(open_sink(f"jsonl:{target}")) as sink:
        sink.publish(MESSAGE)


def lines(path: Path) -> list[int]:
    return [json.loads(line)["n"] for line in path.read_text().splitlines()]


def test_jsonl_keeps_the_last_files_and_breaks_no_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with closing(JsonlSink(path, max_bytes=30, keep=2)) as sink:
        for n in range(10):
            sink.publish({"n": n})  # 8 bytes a line: three in a file
    assert [lines(tmp_path / name) for name in ("log.jsonl.2", "log.jsonl.1", "log.jsonl")] == [
        [3, 4, 5],
        [6, 7, 8],
        [9],
    ]
    assert not (tmp_path / "log.jsonl.3").exists()


def test_rotation_that_fails_takes_no_old_file(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with closing(JsonlSink(path, max_bytes=20, keep=2)) as sink:
        for n in range(5):
            sink.publish({"n": n})  # 8 bytes a line: two in a file
        (tmp_path / "log.jsonl.new").mkdir()  # in the way of the next file
        sink.publish({"n": 5})
        for n in range(6, 12):
            with pytest.raises(OutputError, match="cannot write"):
                sink.publish({"n": n})
        (tmp_path / "log.jsonl.new").rmdir()
        (tmp_path / "log.jsonl.new").write_text("what a crash left")
        sink.publish({"n": 12})
    found = [lines(tmp_path / name) for name in ("log.jsonl.2", "log.jsonl.1", "log.jsonl")]
    assert found == [[2, 3], [4, 5], [12]]
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("moved", [True, False])
def test_jsonl_begins_anew_where_its_file_was_moved_or_removed(moved: bool, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with closing(JsonlSink(path)) as sink:
        sink.publish({"n": 0})
        path.rename(tmp_path / "old") if moved else path.unlink()
        sink.publish({"n": 1})
    assert lines(path) == [1]
    assert not moved or lines(tmp_path / "old") == [0]


def test_jsonl_to_a_pipe_without_a_reader_is_an_output_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="nobody reads this pipe"):
        open_sink(f"jsonl:{tmp_path / 'pipe'}")


def test_jsonl_writes_a_message_that_is_larger_than_a_file_may_be(tmp_path: Path) -> None:
    with closing(JsonlSink(tmp_path / "log.jsonl", max_bytes=5, keep=1)) as sink:
        for n in range(2):
            sink.publish({"n": n})
    assert lines(tmp_path / "log.jsonl") == [1]


def test_sink_without_a_count_is_left_out() -> None:
    with closing(open_sink("udp://127.0.0.1:9")) as sink:
        assert dropped([sink, open_sink("stdout")]) == {"udp://127.0.0.1:9": 0}


def test_sink_whose_library_is_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "facewire_edge.osc", None)
    with pytest.raises(UsageError, match=r"pip install 'facewire\[stream\]'"):
        open_sink("osc://127.0.0.1:9")


def test_sink_whose_library_is_broken_says_so(tmp_path: Path) -> None:
    (tmp_path / "aiohttp").mkdir()
    (tmp_path / "aiohttp" / "__init__.py").write_text("raise ImportError('libssl.so.3: not found')")
    code = "from facewire_edge.publish import open_sink; open_sink('ws://:8080')"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert "UsageError: ws://127.0.0.1:8080 needs a library: libssl.so.3: not found" in done.stderr


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
    with closing(UdpSink(parse_sink("udp://127.0.0.1:9"))) as sink:
        sink.publish({**MESSAGE, "padding": "x" * 70_000})  # above the largest datagram
        sink.publish(MESSAGE)
        assert sink.dropped == 1


def test_udp_over_a_network_that_the_system_lacks_is_an_output_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(*_: object) -> None:
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))  # as a kernel without IPv6

    monkeypatch.setattr(socket, "socket", lacking)
    with pytest.raises(OutputError, match="take another address"):
        open_sink("udp://[::1]:9000")


class Meeting:
    """Be a sink whose end waits for that of another."""

    def __init__(self, barrier: threading.Barrier, error: Exception | None = None) -> None:
        self._barrier, self._error = barrier, error

    def publish(self, message: dict[str, object]) -> None: ...

    def close(self) -> None:
        self._barrier.wait(10)
        if self._error is not None:
            raise self._error


def test_sinks_end_side_by_side_and_none_swallows_its_error(caplog: pytest.LogCaptureFixture) -> None:
    barrier = threading.Barrier(3)
    with pytest.raises(OutputError, match="second"):
        close_all([Meeting(barrier), Meeting(barrier, OutputError("second")), Meeting(barrier, OutputError("third"))])
    assert "third" in caplog.text


def test_udp_to_an_unknown_host_is_an_output_error() -> None:
    with pytest.raises(OutputError, match="unknown address"):
        open_sink("udp://no.such.host.invalid:9000")
