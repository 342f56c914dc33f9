"""The unit and the scripts that bring it to a board."""

import re
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


def test_unit_runs_what_the_scripts_install() -> None:
    install = (EDGE / "install.sh").read_text()
    command = re.search(r"^ExecStart=(\S+).*--config (\S+)$", UNIT.read_text(), re.MULTILINE)
    assert command is not None
    assert command[1] == "/opt/facewire/.venv/bin/facewire-edge"
    assert 'ln -sfn current/.venv "$root/.venv"' in install
    assert f'"$root/current/facewire.toml" {command[2]}' in install


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
