"""Find OpenCV, or say why it cannot be used."""

from __future__ import annotations

from importlib import import_module

from facewire_edge.errors import RuntimeMissingError

INSTALL_OPENCV = "pip install 'facewire[edge]'"  # which has the versions that go with a board's other packages


def require_opencv() -> str:
    """Give OpenCV's version.

    Raises:
        RuntimeMissingError: it cannot be imported; the message says why.

    """
    try:
        return str(import_module("cv2").__version__)
    except (ImportError, AttributeError) as error:  # AttributeError: a broken install leaves an empty package
        reason = next((line for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)
        raise RuntimeMissingError(f"OpenCV cannot be imported: {reason.strip()}; run: {INSTALL_OPENCV}") from error
