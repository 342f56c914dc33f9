"""The sink that speaks MQTT: state for a home, landmarks for who wants them.

Topics below PREFIX: ``available`` (online or offline, retained, the broker says offline when the board is gone),
``state`` (a summary, at most twice a second, and with each status), ``status`` (retained) and ``landmarks`` (whole
messages, at a limited rate). Home Assistant finds the device by itself.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Any

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion

from facewire_edge.addresses import Address, level
from facewire_edge.config import EdgeConfig
from facewire_edge.discovery import HOME_ASSISTANT_STATUS, discovery
from facewire_edge.errors import OutputError, UsageError
from facewire_edge.limits import Bucket
from facewire_edge.message import to_line
from facewire_edge.publish import Sink
from facewire_edge.queued import Queued
from facewire_edge.summary import Summary

log = logging.getLogger(__name__)

PASSWORD_VARIABLE = "FACEWIRE_MQTT_PASSWORD"
KEEP_ALIVE_S = 30
CONNECT_S = 5.0
RECONNECT_S = (1, 30)  # between attempts: first, longest
MAX_UNSENT = 50  # messages given to the client and not on the wire: a broker that takes nothing is as good as gone
STATE_HZ, STATE_EVERY_S = 2.0, 1.0  # at most, at least
FAREWELL_S = 0.4


def open_sink(address: Address, config: EdgeConfig) -> Sink:
    """Open the sink; the broker may be away, now and later.

    Raises:
        UsageError: the library of mqtts:// finds no certificates.

    """
    return Queued(MqttSink(address, config.source, config.stream.mqtt_landmarks_hz), str(address))


class MqttSink:
    """Publish to a broker; the client's own thread connects, and connects again for ever."""

    def __init__(
        self, address: Address, source: str, landmarks_hz: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._address, self._clock = address, clock
        self._prefix = address.path or f"facewire/{level(source)}"
        self._unsent, self._lock = 0, Lock()
        self._refused: str | None = None
        self._discovery_topic, self._discovery = discovery(self._prefix, source)
        self._summary = Summary(clock())
        self._state_limit = Bucket(STATE_HZ, 1, clock)
        self._landmarks_limit = Bucket(landmarks_hz, 1, clock) if landmarks_hz else None
        self._client = self._new_client()
        self._client.loop_start()  # last: its thread may call back at once

    def publish(self, message: dict[str, Any]) -> None:
        """Publish what is due.

        Raises:
            OutputError: the broker is away or takes nothing.

        """
        now_s = self._clock()
        self._summary.take(message, now_s)
        if not self._client.is_connected():
            raise OutputError(f"{self._address} is not connected; check the broker and the network")
        if message["type"] == "status":
            self._send("status", to_line(message), retain=True)
        elif message["type"] == "faces" and self._landmarks_limit is not None and self._landmarks_limit.take():
            self._send("landmarks", to_line(message))
        # A status is rare, and where the camera is lost nothing follows it for 10 s.
        if self._summary.is_due(now_s, STATE_EVERY_S) and (self._state_limit.take() or message["type"] == "status"):
            self._send("state", json.dumps(self._summary.give(now_s)))

    def close(self) -> None:
        """Say goodbye if the broker is there, and end the client's thread."""
        with suppress(RuntimeError, ValueError):  # the broker has gone: its will says the same
            self._available("offline").wait_for_publish(FAREWELL_S if self._client.is_connected() else 0.0)
        connected = self._client.is_connected()
        self._client.disconnect()
        if connected:  # else it may wait for a name server: it is a daemon thread
            self._client.loop_stop()

    def _new_client(self) -> Client:
        address = self._address
        client = Client(CallbackAPIVersion.VERSION2)
        if address.user is not None:
            client.username_pw_set(address.user, address.password or os.environ.get(PASSWORD_VARIABLE))
        if address.kind == "mqtts":
            try:
                client.tls_set()
            except (OSError, ValueError) as error:
                raise UsageError(f"{address}: no TLS here ({error}); run: apt install ca-certificates") from error
        client.will_set(f"{self._prefix}/available", "offline", qos=1, retain=True)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_publish, client.on_message = self._on_publish, self._on_message
        client.connect_timeout = CONNECT_S
        client.reconnect_delay_set(*RECONNECT_S)
        client.connect_async(address.host, address.port, KEEP_ALIVE_S)
        return client

    def _send(self, topic: str, payload: str, retain: bool = False) -> None:
        with self._lock:
            if self._unsent >= MAX_UNSENT:
                raise OutputError(f"{self._address} takes nothing; check the broker")
            self._unsent += 1
        self._client.publish(f"{self._prefix}/{topic}", payload, retain=retain)

    def _available(self, word: str) -> MQTTMessageInfo:
        return self._client.publish(f"{self._prefix}/available", word, qos=1, retain=True)

    def _on_connect(self, client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            if str(reason) != self._refused:  # said once, tried for ever
                log.warning("%s refuses: %s; check user and password", self._address, reason)
            self._refused = str(reason)
            return
        self._refused = None
        log.info("%s is connected, topics %s/...", self._address, self._prefix)
        client.subscribe(HOME_ASSISTANT_STATUS)
        self._introduce()

    def _introduce(self) -> None:
        self._client.publish(self._discovery_topic, json.dumps(self._discovery), qos=1, retain=True)
        self._available("online")

    def _on_message(self, _client: Client, _data: Any, message: Any) -> None:
        """Introduce the board again when Home Assistant has started."""
        if message.payload == b"online":
            self._introduce()

    def _on_publish(self, *_: Any) -> None:
        with self._lock:
            self._unsent = max(0, self._unsent - 1)

    def _on_disconnect(self, *_: Any) -> None:
        with self._lock:
            self._unsent = 0
