"""MediaPipe's own environment: its NumPy and OpenCV must not meet facewire's."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from facewire_edge.errors import UsageError

log = logging.getLogger(__name__)

VERSION = "0.10.21"  # the last that was built for NumPy 1 and holds FaceMesh and its models as files
REQUIREMENTS = (f"mediapipe=={VERSION}", "numpy<2")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")  # ours: a pip of its own would cost ten seconds
PLACE = """
from importlib.metadata import version
from importlib.util import find_spec
print(version("mediapipe"), find_spec("mediapipe").submodule_search_locations[0])
"""


@dataclass(frozen=True, slots=True)
class MediaPipe:
    """Say where MediaPipe is installed."""

    python: Path
    package: Path

    def model(self, name: str) -> Path:
        """Give one of the models that lie in the package, such as ``face_landmark/face_landmark``."""
        return self.package / "modules" / f"{name}.tflite"


def prepare(folder: Path) -> MediaPipe:
    """Give MediaPipe in an environment of its own, installed if it is not there yet.

    Raises:
        UsageError: it cannot be installed.

    """
    python = folder / "bin" / "python"
    if (found := _find(python)) is None:
        log.info("installing MediaPipe %s into %s", VERSION, folder)
        _call([sys.executable, "-m", "venv", "--without-pip", str(folder)], folder)
        _call([*PIP, "--python", str(python), "install", "--quiet", *REQUIREMENTS], folder)
        found = _find(python)
    if found is None:
        raise _refused(folder, "it is not there after pip has run")
    return MediaPipe(python.absolute(), found)


def _find(python: Path) -> Path | None:
    """Give the package's folder where the right version is installed."""
    if not python.exists():
        return None
    done = subprocess.run([python, "-c", PLACE], capture_output=True, text=True, check=False)
    version, _, place = done.stdout.strip().partition(" ")
    return Path(place) if done.returncode == 0 and version == VERSION else None


def _call(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    except OSError as error:
        raise _refused(folder, f"{command[0]}: {error.strerror}") from error
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stdout.splitlines() if line.strip()] or [f"exit code {error.returncode}"]
        errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
        raise _refused(folder, (errors or lines)[-1]) from error


def _refused(folder: Path, reason: str) -> UsageError:
    return UsageError(
        f"MediaPipe {VERSION} cannot be installed into {folder}: {reason}; it needs a package index and Python 3.9 to "
        "3.12 on Linux x86-64, macOS or Windows"
    )
