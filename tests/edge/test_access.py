"""Who may read."""

from pathlib import Path

import pytest
from facewire_edge.access import TOKEN_VARIABLE, Access, is_same_origin, load_access
from facewire_edge.addresses import parse_sink
from facewire_edge.errors import UsageError

TOKEN = "0123456789abcdef"
OPEN, LOCAL = parse_sink("ws://0.0.0.0:8080"), parse_sink("ws://:8080")


@pytest.fixture(autouse=True)
def _no_token_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)


def test_server_for_others_needs_a_token() -> None:
    with pytest.raises(UsageError, match=r"needs a token.*token_file"):
        load_access(OPEN, None)


def test_server_for_this_machine_needs_none() -> None:
    assert load_access(LOCAL, None).permits(None)


def test_token_comes_from_a_file_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "x" * 16)
    assert load_access(OPEN, None).permits("x" * 16)
    (tmp_path / "token").write_text(TOKEN + "\n")
    access = load_access(OPEN, str(tmp_path / "token"))
    assert access.permits(TOKEN)
    assert not access.permits("x" * 16)
    assert not access.permits(None)
    assert not access.permits("Ü\udcff")  # a header's bytes that are no text


def test_token_shows_in_no_text() -> None:
    assert TOKEN not in repr(Access(False, TOKEN))


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 20, "ü".encode() * 20])
def test_weak_or_broken_token_is_refused_without_repeating_it(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(UsageError, match="make one: ") as caught:
        load_access(OPEN, str(tmp_path / "token"))
    assert "short" not in str(caught.value)


def test_missing_token_file_is_named() -> None:
    with pytest.raises(UsageError, match="cannot read token_file /nowhere"):
        load_access(OPEN, "/nowhere")


def test_local_server_refuses_foreign_names_that_lead_to_it() -> None:
    local, other = Access(loopback=True), Access(loopback=False, token=TOKEN)
    assert all(local.knows_host(host) for host in ("127.0.0.1:8080", "localhost", "[::1]:80"))
    assert not any(local.knows_host(host) for host in ("evil.example", "127.0.0.1.evil.example:8080", "", "["))
    assert other.knows_host("board.lan")


def test_only_the_own_page_and_programs_are_of_the_same_origin() -> None:
    assert is_same_origin(None, "board:8080")
    assert is_same_origin("http://board:8080", "board:8080")
    assert not any(is_same_origin(o, "board:8080") for o in ("http://evil", "null", "http://[", "", "http://board:80"))
