"""The language of --sink."""

from contextlib import suppress

import pytest
from facewire_edge.addresses import hide_password, level, parse_sink
from facewire_edge.errors import UsageError
from hypothesis import given
from hypothesis import strategies as st

REFUSED = """ file jsonl: udp:// udp://host udp://host:0 udp://host:99999 udp://h:1/path udp://h:x ws mqtt:// mqtt:///prefix
mqtt://h/a/#/b mqtt://h/a+b osc://host http://h:1 ws://h:1/path ws://u:p@h:1 udp://[::1 mqtt://h?x=1"""


@pytest.mark.parametrize("spec", REFUSED.replace("\n", " ").split(" "))
def test_unknown_sink_names_the_known_forms(spec: str) -> None:
    with pytest.raises(UsageError, match=r"expected stdout, jsonl:FILE, udp://HOST:PORT"):
        parse_sink(spec)


def test_server_without_a_host_is_on_this_machine_alone() -> None:
    assert parse_sink("ws://:8080").host == "127.0.0.1"


def test_mqtt_has_user_prefix_and_the_registered_port() -> None:
    address = parse_sink("mqtt://me:p%40ss@broker/home/door")
    assert (address.user, address.password, address.port, address.path) == ("me", "p@ss", 1883, "home/door")
    assert parse_sink("mqtts://broker").port == 8883


def test_shown_address_has_no_user_and_no_password() -> None:
    address = parse_sink("mqtt://me:secret@broker/home")
    assert str(address) == "mqtt://broker:1883/home"
    assert "secret" not in repr(address)


def test_refused_address_does_not_repeat_its_password() -> None:
    with pytest.raises(UsageError) as caught:
        parse_sink("mqtt://me:secret@broker:x/home")
    assert "secret" not in str(caught.value)


def test_address_of_ipv6_is_shown_in_brackets() -> None:
    assert str(parse_sink("udp://[::1]:9")) == "udp://[::1]:9"


def test_name_of_a_camera_is_one_level_of_a_topic() -> None:
    assert [level(name) for name in ("cam0", "front door/+#", "Tür", "")] == ["cam0", "front_door___", "Tür", "_"]


@given(st.one_of(st.text(), st.text().map("udp://".__add__), st.text().map("mqtt://u:p@".__add__)))
def test_no_text_does_anything_else_than_parse_or_be_refused(spec: str) -> None:
    with suppress(UsageError):
        assert parse_sink(spec).kind


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        ("rtsp://me:secret@camera:554/live", "rtsp://camera:554/..."),
        ("rtsp://me:sec@ret@camera", "rtsp://camera"),
        ("rtsp://camera/live?user=admin&password=secret", "rtsp://camera/..."),
        ("rtsp://camera?password=secret", "rtsp://camera/..."),
        ("rtsp://[fe80::1]:554/user=admin_password=secret_channel=1.sdp", "rtsp://[fe80::1]:554/..."),
        ("RTSP://me:secret@camera/", "RTSP://camera"),
        ("my_cam://me:secret@camera/live", "my_cam://camera/..."),
        ("//me:secret@camera/live", "//camera/..."),
        ("rtsp://me:se/cret@camera/live", "rtsp://..."),  # FFmpeg takes `me` for the host
        ("rtsp://me:secret/", "rtsp://..."),
        ("udp://host:9000", "udp://host:9000"),
        ("usb:2", "usb:2"),
        ("films/a@b.mp4", "films/a@b.mp4"),
    ],
)
def test_address_is_shown_as_scheme_host_and_port(spec: str, shown: str) -> None:
    assert hide_password(spec) == shown


@given(st.text().map("rtsp://me:{}secret@camera/live".format))
def test_no_password_is_shown(spec: str) -> None:
    assert "secret" not in hide_password(spec)
