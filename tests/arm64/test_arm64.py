"""What the emulated Pi's scripts do without one."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
WIDTH = 640
Run = Callable[..., subprocess.CompletedProcess[str]]


def run(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)


def message(frame: int, ids: tuple[int, ...] = (0,), right_px: float = 0.0) -> dict[str, Any]:
    points = [[0.5 + right_px / WIDTH, 0.5], [0.6, 0.5]]
    face = {"state": "tracked", "score": 0.9, "presence": 1.0, "box": [0.5, 0.5, 0.6, 0.6], "landmarks": points}
    faces = [{"id": number, **face} for number in ids]
    times = {"t_capture": 1.0, "t_publish": 1.0}
    origin = {"source": "cam0", "schema": "any", "model": "any"}
    return {"v": 1, "type": "faces", "frame": frame, "width": WIDTH, "height": 480, **times, **origin, "faces": faces}


@pytest.fixture
def compare(tmp_path: Path) -> Run:
    def comparing(*runs: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
        files = [tmp_path / f"{number}.jsonl" for number in range(len(runs))]
        for file, messages in zip(files, runs, strict=True):
            file.write_text("".join(json.dumps(m) + "\n" for m in messages))
        return run(sys.executable, HERE / "compare.py", *files, "0.2", "0.5")

    return comparing


def test_same_faces_at_nearly_the_same_points_pass(compare: Run) -> None:
    done = compare([message(0), message(1)], [message(0), message(1, right_px=0.3)])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "2 frames, 2 faces: a face's points within 0.15 px on average, at most 0.2; "
        "every point within 0.30 px, at most 0.5\n"
    )


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([message(0), message(1, right_px=1)], "frame 1, face 0: point 0 is 1.00 px off, at most 0.5"),
        (
            [message(0), message(1, right_px=0.48)],
            "frame 1, face 0: its points are 0.24 px off on average, at most 0.2",
        ),
        ([message(0), message(1, ids=(1,))], "frame 1: faces [1], expected [0]"),
        ([message(0), message(1, ids=(0, 1))], "frame 1: faces [0, 1], expected [0]"),
        ([message(0), message(1, ids=())], "frame 1: faces [], expected [0]"),
        ([message(0)], "1 frames, expected 2"),
        ([message(0), message(2)], "2 frames, expected 2, or others"),
    ],
)
def test_other_faces_or_points_are_told_in_one_line(compare: Run, found: list[dict[str, Any]], words: str) -> None:
    done = compare([message(0), message(1)], found)
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith(f"compare: {words}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("messages", [[], [message(0, ids=())]])
def test_runs_without_a_face_compare_nothing(compare: Run, messages: list[dict[str, Any]]) -> None:
    done = compare(messages, messages)
    assert done.returncode == 5
    assert "no face" in done.stderr


def test_one_file_is_nothing_to_compare(compare: Run) -> None:
    done = compare([message(0)])
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")


def test_root_of_another_debian_is_refused() -> None:
    done = run("sh", HERE / "root.sh", "sid", "true")
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")


def test_missing_debootstrap_is_told_with_its_apt_command(tmp_path: Path) -> None:
    for name in ("dirname", "mkdir", "mktemp", "rm", "sh"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    (tmp_path / "id").write_text("#!/bin/sh\necho 0\n")
    (tmp_path / "id").chmod(0o755)
    environment = {"PATH": str(tmp_path), "ARM64": str(tmp_path / "arm64")}
    done = run("sh", HERE / "root.sh", "trixie", "true", env=environment)
    assert done.returncode == 3
    assert done.stderr == "arm64: no debootstrap; run: sudo apt install debootstrap qemu-user-static\n"
    assert list((tmp_path / "arm64").iterdir()) == []


@pytest.mark.parametrize("script", ["root.sh", "test.sh"])
def test_script_is_posix_shell(script: str) -> None:
    run("sh", "-n", HERE / script, check=True)
    if shutil.which("shellcheck"):
        run("shellcheck", "-s", "sh", HERE / script, check=True)
