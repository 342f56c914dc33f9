"""The unit and the scripts that bring it to a board; what these do: test_deploy.py."""

import shutil
import subprocess
from pathlib import Path

import pytest

EDGE = Path(__file__).parents[2] / "edge"
UNIT, SCRIPTS = EDGE / "facewire.service", ("deploy.sh", "install.sh")
OK = 20  # tenths of exposure; systemd-analyze calls up to 4.9 OK


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_sandbox_of_the_unit_is_rated_ok() -> None:
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={OK}", "--no-pager", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True)
    if "unrecognized option" in done.stderr:
        pytest.skip("systemd before 250 cannot rate a unit offline")
    assert done.returncode == 0, done.stdout[-300:]


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_is_posix_shell(script: str) -> None:
    subprocess.run(["sh", "-n", str(EDGE / script)], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", "-s", "sh", str(EDGE / script)], check=True)


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_without_arguments_says_how_it_is_used(script: str) -> None:
    done = subprocess.run(["sh", str(EDGE / script)], capture_output=True, text=True)
    assert done.returncode != 0
    assert "usage: " in done.stderr
