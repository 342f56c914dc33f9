import errno
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from facewire_edge import errors
from facewire_edge.errors import INTERRUPTED_EXIT, FacewireError, run_command

CODES = {
    errors.FacewireError: 1,
    errors.UsageError: 2,
    errors.HardwareError: 3,
    errors.ModelError: 4,
    errors.ModelCardError: 4,
    errors.RuntimeMissingError: 4,
    errors.GateError: 5,
    errors.DataError: 6,
    errors.OutputError: 7,
}
BUILTINS = {
    errors.UsageError: ValueError,
    errors.HardwareError: OSError,
    errors.ModelCardError: ValueError,
    errors.RuntimeMissingError: ImportError,
    errors.GateError: ValueError,
    errors.DataError: ValueError,
    errors.OutputError: OSError,
}


def raising(error: BaseException) -> Callable[[], None]:
    def main() -> None:
        raise error

    return main


def all_errors(root: type[FacewireError] = FacewireError) -> set[type[FacewireError]]:
    return {root}.union(*(all_errors(child) for child in root.__subclasses__()))


def test_table_names_every_error_of_the_tree() -> None:
    assert {e for e in all_errors() if e.__module__ == errors.__name__} == set(CODES)


@pytest.mark.parametrize(("error", "code"), CODES.items(), ids=lambda v: getattr(v, "__name__", ""))
def test_error_is_one_line_on_stderr_and_its_exit_code(
    error: type[FacewireError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(raising(error("what; do this")), "facewire-x") == code
    assert capsys.readouterr() == ("", "facewire-x: what; do this\n")


@pytest.mark.parametrize(("error", "builtin"), BUILTINS.items())
def test_error_is_also_the_builtin_that_a_caller_expects(error: type[FacewireError], builtin: type[Exception]) -> None:
    assert issubclass(error, builtin)


def test_good_end_is_zero_and_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(lambda: None, "p") == 0
    assert capsys.readouterr() == ("", "")


def test_interrupt_is_an_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(raising(KeyboardInterrupt()), "p", interrupted=0) == 0
    assert run_command(raising(KeyboardInterrupt()), "p") == 130  # what was to be finished is not
    assert capsys.readouterr().err == ""


def test_closed_pipe_is_an_end(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # the command gives stdout up; put it back
    assert run_command(raising(BrokenPipeError()), "p") == 0
    assert sys.stdout is None
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_disk_that_takes_nothing_is_an_output_error(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(raising(OSError(number, "no")), "p") == 7
    assert capsys.readouterr().err.startswith("p: cannot write: ")


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [(errno.EACCES, 6, "cannot open f: permission denied for user"), (errno.ENAMETOOLONG, 2, "no: f; give a path")],
)
def test_file_that_cannot_be_opened_is_named(
    number: int, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(raising(OSError(number, "no", "f")), "p") == code
    assert capsys.readouterr().err.startswith(f"p: {words}")


@pytest.mark.parametrize("closed", [">&-", "<&-", ">&- 2>&-"])
def test_closed_standard_stream_changes_nothing(closed: str, tmp_path: Path) -> None:
    out = tmp_path / "m.jsonl"
    run = f"{sys.executable} -m facewire_edge run --input replay --frames 2 --sink jsonl:{out} {closed}"
    assert subprocess.run(["sh", "-c", run], capture_output=True).returncode == 0
    assert len(out.read_text().splitlines()) == 2


@pytest.mark.parametrize("error", [OSError(errno.EIO, "odd"), ZeroDivisionError()])
def test_unforeseen_error_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error)):
        run_command(raising(error), "p")


def test_full_disk_behind_stdout_is_one_line_and_exit_code_seven() -> None:
    code = "import sys; from facewire_edge.errors import run_command as r; sys.exit(r(lambda: print('x'), 'p'))"
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 7, done.stderr
    assert done.stderr.splitlines() == [
        "p: cannot write: [Errno 28] No space left on device; free the disk or choose another folder"
    ]


def test_interrupt_that_falls_into_a_finaliser_comes_again() -> None:
    class Fragile:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    def busy() -> None:
        Fragile()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            time.sleep(0.01)

    before = sys.unraisablehook
    assert run_command(busy, "test") == INTERRUPTED_EXIT
    assert sys.unraisablehook is before
