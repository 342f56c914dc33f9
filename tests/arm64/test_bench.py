"""The count of instructions, as far as it goes without an emulated Pi."""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_missing_emulator_is_told_with_its_apt_command(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path), "ARM64": str(tmp_path)}
    done = subprocess.run([sys.executable, HERE / "bench.py"], env=environment, capture_output=True, text=True)
    assert done.returncode == 3
    assert done.stderr == "bench-arm: no qemu-system-aarch64; run: sudo apt install qemu-system-arm\n"


def test_count_holds_the_stages_and_of_them_the_models() -> None:
    command = [sys.executable, str(HERE / "count.py"), "20"]  # two turns of the detector
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    count = json.loads(done.stdout.removeprefix("RESULT "))
    assert 0 < count["detect: model"] < count["detect"]
    assert 0 < count["landmarks: model"] + count["landmarks: crop"] < count["landmarks"]
    assert count["detect"] + count["landmarks"] + count["publish"] < count["whole loop"]
