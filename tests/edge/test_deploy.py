"""The scripts that bring a release to a board, on a board that is a folder."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EDGE = ROOT / "edge"

# What the scripts call, on the board: the service is what its four files say at its last start.
COMMANDS = {
    "bin/id": "echo 0",
    "bin/getent": "exit 0",
    "bin/chgrp": 'echo "$@" >> "$FACEWIRE_PREFIX/groups"',
    "bin/sleep": "exit 0",
    "bin/systemctl": """
        cd "$FACEWIRE_PREFIX"
        case $1 in
            enable) touch enabled ;;
            disable) rm -f enabled runs ;;
            restart) cat opt/facewire/.venv/code opt/facewire/models/* etc/facewire/facewire.toml \
                etc/systemd/system/facewire.service > runs ;;
            show) echo NRestarts=0 ;;
            is-active)
                state=active
                if [ ! -e runs ] || grep -qsxf sick opt/facewire/current/release; then state=failed; fi
                [ "$2" = --quiet ] || echo "$state"
                [ "$state" = active ] ;;
        esac""",
    # python3 -m venv --system-site-packages FOLDER; the wheel's content is the code.
    "usr/bin/python3": """
        [ "$1" != -V ] || { echo Python 3.11.2; exit; }
        mkdir -p "$4/bin"
        cp "$FACEWIRE_PREFIX/pip" "$FACEWIRE_PREFIX/facewire-edge" "$4/bin/" """,
    # pip install --quiet --disable-pip-version-check WHEEL[EXTRAS]
    "pip": 'cp "${4%%[[]*}" "${0%/bin/pip}/code"',
    # facewire-edge config check FILE: each model that is named must be there.
    "facewire-edge": """
        [ ! -e "$FACEWIRE_PREFIX/refuse" ] || exit 2
        for model in $(sed -n 's/^model = "\\(.*\\)"/\\1/p' "$3"); do [ -f "$model" ] || exit 2; done""",
    # ssh HOST COMMAND
    "ssh": 'shift; exec sh -c "$(printf %s "$*" | sed "s#/opt/facewire#$FACEWIRE_PREFIX&#")"',
}


def write_command(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def text_of(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


class Board:
    """A folder that stands for a board's /."""

    def __init__(self, root: Path) -> None:
        self.root, self.facewire = root, root / "opt/facewire"
        self.unit = root / "etc/systemd/system/facewire.service"
        self.unit.parent.mkdir(parents=True)
        for name, text in COMMANDS.items():
            write_command(root / name, text)
        self.environment = os.environ | {"FACEWIRE_PREFIX": str(root), "PATH": f"{root / 'bin'}:{os.environ['PATH']}"}

    def config(self, name: str) -> str:
        return f'# {name}\nmodel = "{self.facewire}/models/m.tflite"\n'

    def stage(self, name: str, code: str, unit: str) -> Path:
        stage = self.root / "tmp" / name
        (stage / "models").mkdir(parents=True, exist_ok=True)
        (stage / "models/m.tflite").write_text(f"model {name}\n")
        (stage / "facewire-1-py3-none-any.whl").write_text(f"code {code}\n")
        (stage / "facewire.toml").write_text(self.config(name))
        (stage / "facewire.service").write_text(unit)
        (stage / "extras").write_text("edge\n")
        (stage / "release").write_text(f"{name}\n")
        return stage

    def install(self, name: str, code: str = "", unit: str = "", stderr: int | None = None) -> int:
        stage = self.stage(name, code or name, unit or f"unit {name}\n")
        return subprocess.run(["sh", EDGE / "install.sh", stage], env=self.environment, stderr=stderr).returncode

    def set_up_by_hand(self) -> None:
        for path, text in {
            self.facewire / ".venv/code": "code hand\n",
            self.facewire / "models/m.tflite": "model hand\n",
            self.root / "etc/facewire/facewire.toml": self.config("hand"),
            self.unit: "unit hand\n",
            self.root / "enabled": "",
            self.root / "runs": self.all_of("hand"),
        }.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def make_sick(self, name: str) -> None:
        (self.root / "sick").write_text(f"{name}\n")

    def all_of(self, name: str) -> str:
        return f"code {name}\nmodel {name}\n{self.config(name)}unit {name}\n"

    @property
    def runs(self) -> str:
        return (self.root / "runs").read_text()

    @property
    def releases(self) -> set[str]:
        return {path.name for path in (self.facewire / "releases").iterdir()}


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path / "board")


def test_unit_names_only_paths_that_a_release_brings(board: Board) -> None:
    unit = (EDGE / "facewire.service").read_text()
    assert board.install("a", unit=unit) == 0
    settings = re.sub(r"^#.*", "", unit, flags=re.MULTILINE)
    paths = re.findall(r"/(?:opt|etc)/\S+", settings)
    assert paths
    assert [path for path in paths if not (board.root / path[1:]).exists()] == []


def test_configuration_with_its_passwords_is_for_the_service_alone(board: Board) -> None:
    assert board.install("a") == 0
    config = (board.root / "etc/facewire/facewire.toml").resolve()
    assert config.stat().st_mode & 0o777 == 0o640
    assert (board.root / "groups").read_text() == f"0 {config.parent}.new/{config.name}\n"  # the group that `id` gives


def test_release_takes_the_place_of_what_was_set_up_by_hand(board: Board) -> None:
    board.set_up_by_hand()
    assert board.install("a") == 0
    assert board.runs == board.all_of("a")
    assert (board.facewire / ".venv.before-deploy/code").read_text() == "code hand\n"
    assert (board.facewire / "models.before-deploy/m.tflite").read_text() == "model hand\n"


def test_second_release_is_kept_with_the_one_before(board: Board) -> None:
    assert [board.install(name) for name in "abc"] == [0, 0, 0]
    assert board.runs == board.all_of("c")
    assert board.releases == {"b", "c"}
    assert len(list((board.facewire / "environments").iterdir())) == 2


def test_unhealthy_release_goes_back(board: Board) -> None:
    board.make_sick("b")
    assert [board.install(name) for name in "ab"] == [0, 1]
    assert board.runs == board.all_of("a")


def test_repeated_release_that_turned_unhealthy_goes_back(board: Board) -> None:
    assert [board.install(name) for name in "abb"] == [0, 0, 0]
    board.make_sick("b")
    assert board.install("b") == 1
    assert board.runs == board.all_of("a")
    assert (board.root / "enabled").exists()


def test_repeated_release_that_was_left_half_way_goes_back(board: Board) -> None:
    assert board.install("a") == 0
    write_command(board.root / "bin/sleep", "kill -KILL $PPID")
    assert board.install("b") < 0
    write_command(board.root / "bin/sleep", "exit 0")
    board.make_sick("b")
    assert board.install("b") == 1
    assert board.runs == board.all_of("a")


@pytest.mark.parametrize("signal", ["HUP", "INT", "TERM"])
def test_signal_while_waiting_does_not_keep_it_from_going_back(board: Board, signal: str) -> None:
    assert board.install("a") == 0
    board.make_sick("b")
    write_command(board.root / "bin/sleep", f"kill -{signal} $PPID")
    assert board.install("b") == 1
    assert board.runs == board.all_of("a")


def test_lost_connection_does_not_keep_it_from_going_back(board: Board) -> None:
    assert board.install("a") == 0
    board.make_sick("b")
    reader, writer = os.pipe()
    os.close(reader)
    assert board.install("b", code="a", stderr=writer) == 1
    os.close(writer)
    assert board.runs == board.all_of("a")


@pytest.mark.parametrize("before", ["a", "hand"])
def test_disk_that_is_full_in_the_middle_goes_back(board: Board, before: str) -> None:
    if before == "hand":
        board.set_up_by_hand()
    else:
        assert board.install("a") == 0
    # The first unit finds no room; what goes back is smaller.
    no_room = (
        'case $2 in *.service.new) [ -e "$FACEWIRE_PREFIX/full" ] || { touch "$FACEWIRE_PREFIX/full"; exit 1; };; esac'
    )
    write_command(board.root / "bin/cp", f'{no_room}\nexec /bin/cp "$@"')
    assert board.install("b") == 1
    assert board.runs == board.all_of(before)
    assert not list(board.unit.parent.glob("*.new"))


def test_refused_repeat_of_the_running_release_leaves_it(board: Board) -> None:
    assert board.install("a") == 0
    before = text_of(board.facewire)
    (board.root / "refuse").touch()
    assert board.install("a") == 1
    assert text_of(board.facewire) == before
    assert (board.facewire / "current/.venv/code").read_text() == "code a\n"


def test_release_without_its_model_is_refused(board: Board) -> None:
    stage = board.stage("a", "a", "unit a\n")
    (stage / "models/m.tflite").unlink()
    assert subprocess.run(["sh", EDGE / "install.sh", stage], env=board.environment).returncode == 1
    assert not board.unit.exists()


@pytest.mark.parametrize("attempts", [1, 2])
def test_unhealthy_first_release_gives_way_to_what_was_set_up_by_hand(board: Board, attempts: int) -> None:
    board.set_up_by_hand()
    before = text_of(board.root / "etc")
    board.make_sick("a")
    for _ in range(attempts):
        assert board.install("a") == 1
    assert board.runs == board.all_of("hand")
    assert (board.root / "enabled").exists()
    assert text_of(board.root / "etc") == before


def test_unhealthy_first_release_on_an_empty_board_is_switched_off(board: Board) -> None:
    board.make_sick("a")
    assert [board.install(name) for name in "aa"] == [1, 1]
    assert not (board.root / "runs").exists()
    assert not (board.root / "enabled").exists()
    assert not text_of(board.root / "etc")


class Checkout:
    """A few sources, with the real scripts; its wheel is what setuptools would take, as text."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, root)
        for name in ("edge", "train", "convert"):
            (root / name / f"facewire_{name}").mkdir(parents=True)
            (root / name / f"facewire_{name}/__init__.py").write_text(f"{name} = 1\n")
        for name in ("deploy.sh", "install.sh", "facewire.service"):
            shutil.copy(EDGE / name, root / "edge")
        (root / "facewire.toml").touch()
        write_command(  # -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir FOLDER SOURCE
            root / "python",
            'mkdir -p "$9/build/lib" && cp -r "$9/edge" "$9/train" "$9/convert" "$9/build/lib/" && cd "$9/build/lib" &&'
            " find . -name '*.py' -printf '# %p %m\\n' -exec cat {} + | sort > \"$8/facewire-1-py3-none-any.whl\"",
        )

    def deploy(self, *models: Path, environment: Mapping[str, str] = os.environ) -> subprocess.CompletedProcess[str]:
        command = ["sh", "edge/deploy.sh", "pi@board", "facewire.toml", *map(str, models)]
        environment = {"SSH": "false", **environment, "PYTHON": str(self.root / "python")}
        return subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True)

    def release(self, *models: Path) -> str:
        """Give the release's name; the board does not answer."""
        said = re.search(r"release (\w{12}) to pi@board", self.deploy(*models).stderr)
        assert said is not None
        return said[1]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    (tmp_path / "checkout").mkdir()
    return Checkout(tmp_path / "checkout")


def test_deploy_runs_on_the_board_and_the_same_again_changes_nothing(board: Board, checkout: Checkout) -> None:
    model = checkout.root / "m.tflite"
    model.write_text("model x\n")
    (checkout.root / "facewire.toml").write_text(board.config("x"))
    environment = board.environment | {"SSH": str(board.root / "ssh")}
    first, again = (checkout.deploy(model, environment=environment) for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert "model x\n" + board.config("x") in board.runs
    assert "edge = 1\n" in board.runs
    assert again.returncode == 0
    assert "nothing to do" in again.stderr


def test_wheel_has_nothing_of_earlier_builds(checkout: Checkout) -> None:
    release = checkout.release()
    deleted = checkout.root / "build/lib/edge/facewire_edge/deleted.py"
    deleted.parent.mkdir(parents=True)
    deleted.touch()
    assert checkout.release() == release


def test_modes_of_the_checkout_do_not_make_another_release(checkout: Checkout) -> None:
    release = checkout.release()
    for path in checkout.root.rglob("*.py"):
        path.chmod(0o600)
    assert checkout.release() == release


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
def test_make_clean_removes_the_build(checkout: Checkout) -> None:
    shutil.copy(ROOT / "Makefile", checkout.root)
    (checkout.root / "tests").mkdir()
    (checkout.root / "build/lib").mkdir(parents=True)
    subprocess.run(["make", "clean"], cwd=checkout.root, check=True, capture_output=True)
    assert not (checkout.root / "build").exists()


def test_model_whose_name_has_a_space_makes_another_release(checkout: Checkout) -> None:
    model = checkout.root / "my model.tflite"
    model.write_text("1")
    release = checkout.release(model)
    model.write_text("2")
    assert checkout.release(model) != release


def test_two_models_of_one_name_are_refused(checkout: Checkout) -> None:
    models = [checkout.root / folder / "m.tflite" for folder in ("a", "b")]
    for model in models:
        model.parent.mkdir()
        model.touch()
    done = checkout.deploy(*models)
    assert done.returncode == 2
    assert done.stderr == "deploy: two models are named m.tflite; rename one of them\n"
