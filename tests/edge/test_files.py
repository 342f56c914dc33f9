import os
from pathlib import Path

import pytest
from facewire_edge.errors import OutputError, UsageError
from facewire_edge.files import refuse_unwritable, replacing, write_bytes, write_text
from facewire_edge.media import VideoFile
from facewire_edge.yunet import YuNetDetector


def test_exception_inside_keeps_the_old_file_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_text("old")

    def half() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_readers_see_the_old_file_until_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_temporary_file_lies_beside_the_target_with_its_suffix(tmp_path: Path) -> None:
    with replacing(tmp_path / "clip.mp4") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".mp4"
        temporary.write_bytes(b"x")


def test_missing_folders_are_made_and_others_may_read(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.bin"
    write_bytes(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert path.stat().st_mode & 0o777 == 0o644


def test_text_is_utf8(tmp_path: Path) -> None:
    write_text(tmp_path / "t", "naïve ☂")
    assert (tmp_path / "t").read_bytes().decode() == "naïve ☂"


def test_folder_that_is_a_file_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*choose another folder"):
        write_text(tmp_path / "file" / "x", "")


def test_what_could_not_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    for path in (tmp_path, tmp_path / "file" / "x", Path("/proc/nowhere/x")):
        with pytest.raises(OutputError, match=f"cannot write {path}: "):
            refuse_unwritable(None, tmp_path / "new", path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_what_can_be_written_is_tried_without_a_trace(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    refuse_unwritable(tmp_path / "file", tmp_path / "new" / "deep" / "x", None)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["kept"]


def test_target_that_is_a_folder_is_an_output_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "kept").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        write_text(tmp_path / "x", "")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_path_that_is_no_utf8_is_refused_before_opencv_ends_the_process(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xfc.mp4")
    path.write_bytes(b"looked at by OpenCV alone")
    for opened in (VideoFile, YuNetDetector):
        with pytest.raises(UsageError, match="is no UTF-8, which OpenCV cannot open; rename it"):
            opened(path, 0.5)
