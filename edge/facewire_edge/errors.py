"""The error tree; a command's exit code is a property of the error that ended it.

FacewireError                1  a bug of ours, or anything unforeseen
├── UsageError               2  a command line or configuration that cannot be meant   (ValueError)
├── HardwareError            3  a camera or an accelerator that is not there            (OSError)
├── ModelError               4  a model that cannot be run                              (ValueError)
│   ├── ModelCardError       4  a card that is missing or contradicts its tensors
│   └── RuntimeMissingError  4  no TFLite runtime, or no OpenCV                         (ImportError)
├── GateError                5  a gate that did not hold                                (ValueError)
├── DataError                6  a data set or an image that cannot be read              (ValueError)
└── OutputError              7  a disk or a socket that does not take the result        (OSError)

A message says what, got, expected, what to do. Libraries raise; only ``__main__`` prints and exits.
"""

import errno
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar

BROKEN_PIPE_EXIT = 0
INTERRUPTED_EXIT = 130  # as shells have it, of a command that was to finish something
AGAIN_S = 0.1  # until a lost interrupt comes again


class FacewireError(Exception):
    """Be the root of all errors that facewire raises on purpose."""

    exit_code: ClassVar[int] = 1


class UsageError(FacewireError, ValueError):
    """Refuse a command line or a configuration."""

    exit_code = 2


class HardwareError(FacewireError, OSError):
    """Report a camera or an accelerator that is absent or does not answer."""

    exit_code = 3


class ModelError(FacewireError, ValueError):
    """Refuse a model file."""

    exit_code = 4


class ModelCardError(ModelError):
    """Refuse a model whose card is missing, unknown or contradicts its tensors."""


class RuntimeMissingError(ModelError, ImportError):
    """Report that no TFLite runtime or no OpenCV can be imported, or that the Edge TPU compiler is missing."""


class GateError(FacewireError, ValueError):
    """Report a gate that did not hold."""

    exit_code = 5


class DataError(FacewireError, ValueError):
    """Refuse a data set, an annotation or an image."""

    exit_code = 6


class OutputError(FacewireError, OSError):
    """Report a disk, file or socket that does not take the result."""

    exit_code = 7


def run_command(main: Callable[[], None], prog: str, interrupted: int = INTERRUPTED_EXIT) -> int:
    """Run a command's ``main`` and turn how it ended into an exit code, with one line on stderr.

    A closed pipe downstream (``facewire-edge run | head``) is an end, no error. SIGTERM is an interrupt like Ctrl-C:
    context managers close what is open, and the exit code is ``interrupted``. Use it in the main thread.
    """
    for number in (signal.SIGTERM, signal.SIGALRM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as `nohup` sets it
            signal.signal(number, _interrupt)
    _open_missing_streams()
    try:
        with _interrupts_kept():
            main()
            sys.stdout.flush()
    except FacewireError as error:
        logging.getLogger(prog).debug("traceback", exc_info=True)
        print(f"{prog}: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        sys.stdout = None  # the interpreter must not flush into the closed pipe at exit
        return BROKEN_PIPE_EXIT
    except KeyboardInterrupt:
        return interrupted
    except OSError as error:
        told = _told(error)
        if told is None:
            raise
        print(f"{prog}: {told}", file=sys.stderr)
        _give_up_stdout()
        return told.exit_code
    return 0


def _told(error: OSError) -> FacewireError | None:
    """Give what nobody met where it arose, in our words; None where that is a bug."""
    if error.errno in {errno.ENOSPC, errno.EROFS, errno.EDQUOT}:
        return OutputError(f"cannot write: {error}; free the disk or choose another folder")
    if error.errno == errno.EACCES:
        return DataError(f"cannot open {error.filename}: permission denied for user {os.getuid()}; change its mode")
    if error.errno in {errno.ENAMETOOLONG, errno.ELOOP}:
        return UsageError(f"{error.strerror}: {error.filename}; give a path of a file")
    return None


def _open_missing_streams() -> None:
    """Let standard streams that were closed lead nowhere: what a command does does not depend on them."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _give_up_stdout() -> None:
    """Let what standard output still holds go nowhere, if it is not taken: the interpreter writes it again at exit.

    Where that fails too, as with Python 3.11.2, the exit code is 120 and the error is told once more.
    """
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def _interrupts_kept() -> Iterator[None]:
    """Let an interrupt come again that fell into a finaliser or a callback of Python's, where errors are lost."""
    before = sys.unraisablehook

    def hook(lost: "sys.UnraisableHookArgs") -> None:
        if isinstance(lost.exc_value, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
        else:
            before(lost)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = before
