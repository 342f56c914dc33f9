"""Who may read a server of this board."""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from facewire_edge.addresses import Address
from facewire_edge.errors import UsageError

TOKEN_VARIABLE = "FACEWIRE_TOKEN"
MIN_TOKEN = 16  # characters; 64 bits even where they are hexadecimal digits
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
MAKE_TOKEN = "python3 -c 'import secrets; print(secrets.token_urlsafe(24))' > FILE"


@dataclass(frozen=True, slots=True)
class Access:
    """Hold the rule of one server."""

    loopback: bool
    token: str | None = field(default=None, repr=False)

    def permits(self, offered: str | None) -> bool:
        """Say whether a caller may read; takes the same time for every wrong token."""
        if self.token is None:
            return True
        if offered is None:
            return False
        return hmac.compare_digest(
            offered.encode(errors="surrogateescape"), self.token.encode()
        )  # bytes may be no text

    def knows_host(self, host: str) -> bool:
        """Say whether the request's Host may be meant: a foreign name that leads here is a rebinding attack."""
        return not self.loopback or _hostname(f"//{host}") in LOOPBACK_HOSTS


def is_same_origin(origin: str | None, host: str) -> bool:
    """Say whether a browser's Origin is this server's own page; programs send none."""
    return origin is None or (origin != "null" and _netloc(origin) == host.lower())


def check_access(address: Address, token_file: str | None) -> None:
    """Refuse a server that others can reach and that has no token.

    Raises:
        UsageError: with the command that makes a token.

    """
    if address.kind != "ws" or address.host in LOOPBACK_HOSTS or token_file or os.environ.get(TOKEN_VARIABLE):
        return
    raise UsageError(
        f"{address} is open to other machines and needs a token, got none; set token_file in [stream] or "
        f"{TOKEN_VARIABLE}; make one: {MAKE_TOKEN}"
    )


def load_access(address: Address, token_file: str | None) -> Access:
    """Give the rule of a server, with its token from the file or the environment.

    Raises:
        UsageError: the file cannot be read, the token is too short, or one is needed.

    """
    check_access(address, token_file)
    token = os.environ.get(TOKEN_VARIABLE) or None
    if token_file is not None:
        token = _read_token(Path(token_file))
    if token is not None and (len(token) < MIN_TOKEN or not token.isascii() or not token.isprintable()):
        raise UsageError(
            f"the token has {len(token)} characters, expected {MIN_TOKEN} or more of printable ASCII; "
            f"make one: {MAKE_TOKEN}"
        )
    return Access(address.host in LOOPBACK_HOSTS, token)


def _read_token(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text"
        raise UsageError(f"cannot read token_file {path}: {reason}; make one: {MAKE_TOKEN}") from error


def _netloc(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:  # no URL
        return ""


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
