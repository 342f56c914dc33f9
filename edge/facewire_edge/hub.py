"""Spread messages to the clients of a server, each with a mailbox of its own; lives in the server's thread."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from facewire_edge.message import to_line

MAILBOX_SIZE = 4  # messages; a client that is slower gets the newest


class Mailbox:
    """Hold the newest lines for one client."""

    def __init__(self, size: int = MAILBOX_SIZE) -> None:
        self.dropped = 0
        self._lines: deque[str] = deque(maxlen=size)
        self._filled = asyncio.Event()

    def put(self, line: str) -> None:
        """Add a line; the oldest gives way."""
        self.dropped += len(self._lines) == self._lines.maxlen
        self._lines.append(line)
        self._filled.set()

    async def get(self) -> str:
        """Wait for a line."""
        while not self._lines:
            self._filled.clear()
            await self._filled.wait()
        return self._lines.popleft()


class Hub:
    """Know the clients, and what a new one must hear first."""

    def __init__(self, max_clients: int) -> None:
        self._max_clients = max_clients
        self._mailboxes: set[Mailbox] = set()
        self._gone_dropped = 0
        self._statuses: dict[str, str] = {}  # the last status that had this field

    @property
    def clients(self) -> int:
        """Give how many read now."""
        return len(self._mailboxes)

    @property
    def dropped(self) -> int:
        """Give how many lines slow clients have missed, gone ones included."""
        return self._gone_dropped + sum(mailbox.dropped for mailbox in self._mailboxes)

    @property
    def is_full(self) -> bool:
        """Say whether no further client is taken."""
        return len(self._mailboxes) >= self._max_clients

    def spread(self, message: dict[str, Any]) -> None:
        """Put a message into every mailbox."""
        is_status = message["type"] == "status"
        if not self._mailboxes and not is_status:
            return
        line = to_line(message)
        if is_status:
            self._statuses["state" if "state" in message else "board"] = line
        for mailbox in self._mailboxes:
            mailbox.put(line)

    @contextmanager
    def client(self) -> Iterator[Mailbox]:
        """Take a client in for as long as the block lasts."""
        mailbox = Mailbox()
        for line in self._statuses.values():
            mailbox.put(line)
        self._mailboxes.add(mailbox)
        try:
            yield mailbox
        finally:
            self._mailboxes.discard(mailbox)
            self._gone_dropped += mailbox.dropped
