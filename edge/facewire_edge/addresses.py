"""What ``--sink`` names: one small language, parsed in one place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from facewire_edge.errors import UsageError

KNOWN = (
    "stdout, jsonl:FILE, udp://HOST:PORT, ws://[HOST]:PORT, mqtt://[USER:PASSWORD@]HOST[:PORT]/PREFIX, osc://HOST:PORT"
)
LOOPBACK = "127.0.0.1"
PORTS = {"mqtt": 1883, "mqtts": 8883}  # the registered ports
SCHEMES = ("udp", "ws", "mqtt", "mqtts", "osc")
TOPIC = re.compile(r"[^+#\x00-\x1f]*")  # MQTT 3.1.1, 4.7: wildcards and control characters cannot be published to
ADDRESS = re.compile(r"(?P<scheme>([^/]*:)?)//(?P<authority>[^/?#]*)(?P<rest>.*)", re.DOTALL)
HOST = re.compile(r"(\[[\da-f:.]+\]|[\w.-]*)(:\d*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """Hold a parsed ``--sink``."""

    kind: str  # stdout, jsonl, udp, ws, mqtt, mqtts or osc
    host: str = ""
    port: int = 0
    path: str = ""  # of jsonl a file, of mqtt the prefix of all topics
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """Give the address as logs and metrics show it: without user and password."""
        if self.kind == "stdout":
            return self.kind
        if self.kind == "jsonl":
            return f"jsonl:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.kind}://{host}:{self.port}" + (f"/{self.path}" if self.path else "")


def parse_sink(spec: str) -> Address:
    """Parse what ``--sink`` names.

    Raises:
        UsageError: the text cannot be meant; the message does not repeat a password.

    """
    if spec == "stdout":
        return Address("stdout")
    if spec.startswith("jsonl:") and len(spec) > len("jsonl:") and "\0" not in spec:
        return Address("jsonl", path=spec.removeprefix("jsonl:"))
    try:
        return _parse_url(spec)
    except ValueError as error:
        reason = "" if isinstance(error, _NotASinkError) else f" ({error})"
        raise UsageError(f"unknown sink {hide_password(spec)!r}{reason}; expected {KNOWN}") from None


def level(name: str) -> str:
    """Give a name as one level of a topic or an OSC address: wildcards and slashes mean something there."""
    return re.sub(r"[^\w.-]", "_", name) or "_"


def hide_password(spec: str) -> str:
    """Give an address as scheme, host and port: cameras have passwords in path and query too.

    What is no address (a file, ``usb``) is given as it is.
    """
    match = ADDRESS.fullmatch(spec)
    if match is None:
        return spec
    host = match["authority"].rpartition("@")[2]
    if "@" in match["rest"] or not HOST.fullmatch(host):  # a slash in a password: nobody knows where the host begins
        return f"{match['scheme']}//..."
    return f"{match['scheme']}//{host}" + ("/..." if match["rest"].strip("/") else "")


class _NotASinkError(ValueError):
    """Refuse a text without saying more than what is known."""


def _parse_url(spec: str) -> Address:
    url = urlsplit(spec)
    kind, host, path = url.scheme, url.hostname or "", unquote(url.path.removeprefix("/")).rstrip("/")
    port = PORTS.get(kind) if url.port is None else url.port
    if kind == "ws" and not host:
        host = LOOPBACK
    is_mqtt = kind in PORTS
    if kind not in SCHEMES or not host or not port or url.query or url.fragment or not spec.isprintable():
        raise _NotASinkError
    if not is_mqtt and (path or url.username is not None):
        raise _NotASinkError
    if not TOPIC.fullmatch(path):
        raise _NotASinkError
    user = None if url.username is None else unquote(url.username)
    password = None if url.password is None else unquote(url.password)
    return Address(kind, host, port, path, user, password)


def file_of(address: Address) -> Path:
    """Give the file of a ``jsonl`` sink.

    Raises:
        UsageError: its folder is that of a user who is not known here.

    """
    try:
        return Path(address.path).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{address}: {error}; name the whole path") from error
