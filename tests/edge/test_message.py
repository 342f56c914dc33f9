import json
import math
from dataclasses import replace

import numpy as np
import pytest
from facewire_edge import message as message_module
from facewire_edge.errors import DataError
from facewire_edge.geometry import Box
from facewire_edge.message import Origin, decode, encode, encode_event, to_datagrams, to_line
from facewire_edge.types import Detection, Face, Openness, Pose, Result

ORIGIN = Origin("cam0", "wflw98", "landmarks98@3fa9c1")
ETHERNET_BYTES = 1472  # 1,500 without the headers of IP and UDP


def result(n: int = 98, faces: int = 1) -> Result:
    points = np.random.default_rng(0).uniform(-50, 700, (n, 2)).astype(np.float32)
    detection = Detection(Box(1, 2, 30, 40), 0.9, np.zeros((5, 2), np.float32))
    found = tuple(Face(i, "new", 0.93, 0.99, points, detection) for i in range(faces))
    return Result(7, 5_000_000_000, 640, 480, found, 2, {"detect": 1.234, "total": 9.0})


def line(made: Result) -> str:
    return to_line(encode(made, ORIGIN, 5_100_000_000, 10**18))


def test_round_trip_keeps_landmarks_within_a_hundredth_of_a_pixel() -> None:
    made = result()
    read = decode(line(made))
    assert read is not None
    assert np.abs(read.result.faces[0].landmarks - made.faces[0].landmarks).max() < 0.01  # 5 decimals of 640
    assert read.result.faces[0].detection is not None
    assert read.result.index == 7
    assert read.schema == "wflw98"


def test_times_are_unix_seconds_of_capture_and_publish() -> None:
    message = json.loads(line(result()))
    assert message["t_capture"] == pytest.approx(1_000_000_005.0)
    assert message["t_publish"] == pytest.approx(1_000_000_005.1)


def test_line_is_compact_and_whole() -> None:
    text = line(result())
    assert "\n" not in text
    assert ", " not in text


def test_both_encoders_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    message = encode(result(), ORIGIN, 5_100_000_000, 10**18)
    fast = to_line(message)
    monkeypatch.setattr(message_module, "_orjson_dumps", lambda: None)
    assert json.loads(to_line(message)) == json.loads(fast) == message


def test_file_name_that_is_no_utf8_is_published() -> None:
    made = replace(result(), image=b"caf\xe9.jpg".decode("utf-8", "surrogateescape"))
    assert json.loads(line(made))["image"] == made.image


def test_no_face_is_published_as_an_empty_list() -> None:
    assert json.loads(line(result(faces=0)))["faces"] == []


STAGES = {"detect": 12.34, "crop": 1.23, "landmarks": 13.21, "total": 29.05, "age": 40.12}


@pytest.mark.parametrize(("points", "measured"), [(68, True), (98, False)])
def test_datagram_of_a_face_fits_an_ethernet_frame(points: int, measured: bool) -> None:
    plain = result(points)
    landmarks = np.random.default_rng(0).uniform((150, 100), (1279, 719), (points, 2)).astype(np.float32)
    face = replace(plain.faces[0], id=1234, landmarks=landmarks)
    if measured:
        face = replace(face, pose=Pose(-13.1, -8.2, -10.4), openness=Openness(0.281, 0.277, 0.054), blink=False)
    made = replace(plain, index=12_345_678, width=1280, height=720, dropped=123_456, ms=STAGES, faces=(face,))
    (datagram,) = to_datagrams(encode(made, ORIGIN, 0, 1_763_668_800_123_400_000))
    assert len(datagram) <= ETHERNET_BYTES


def test_datagrams_carry_a_face_each() -> None:
    datagrams = to_datagrams(encode(result(faces=3), ORIGIN, 0, 0))
    assert len(datagrams) == 3
    last = json.loads(datagrams[-1])
    assert (last["face"], last["of"]) == (2, 3)
    assert len(last["faces"][0]["landmarks"]) == 196
    assert len(to_datagrams(encode(result(faces=0), ORIGIN, 0, 0))) == 1


def test_other_types_and_unknown_fields_are_skipped() -> None:
    assert decode(to_line(encode_event("status", "cam0", 0, 0, state="running"))) is None
    message = json.loads(line(result()))
    assert decode(json.dumps({**message, "mood": "good"})) is not None


@pytest.mark.parametrize("text", ['{"v":2,"type":"faces"}', "nonsense", "[]", '{"v":1,"type":"faces"}', "3"])
def test_line_that_is_no_message_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        decode(text)


@pytest.mark.parametrize(
    "change",
    [{"height": math.inf}, {"t_capture": math.inf}, {"faces": [{}]}, {"frame": []}],
    ids=lambda change: str(change),
)
def test_message_with_an_impossible_value_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(DataError):
        decode(json.dumps({**json.loads(line(result())), **change}))


@pytest.mark.parametrize("point", [[1e300, 0], [math.nan, 0], [0], "x"])
def test_message_with_a_point_that_is_none_is_refused(point: object) -> None:
    message = json.loads(line(result(faces=1)))
    message["faces"][0]["landmarks"][0] = point
    with pytest.raises(DataError):
        decode(json.dumps(message))


def test_message_nested_without_end_is_refused() -> None:
    with pytest.raises(DataError, match="not a facewire message"):
        decode("[" * 100_000)


def test_pose_and_openness_are_sent_where_they_are_measured() -> None:
    plain = result(faces=1)
    assert not {"pose", "open", "blink"} & set(json.loads(line(plain))["faces"][0])
    measured = replace(plain.faces[0], pose=Pose(3.14, -8.0, 0.44), openness=Openness(0.3, 0.31, 0.0), blink=True)
    sent = json.loads(line(replace(plain, faces=(measured,))))["faces"][0]
    assert sent["pose"] == {"yaw": 3.1, "pitch": -8.0, "roll": 0.4}
    assert sent["open"] == {"right_eye": 0.3, "left_eye": 0.31, "mouth": 0.0}
    assert sent["blink"] is True


def test_uncertainty_is_sent_in_widths_of_the_frame_and_read_back() -> None:
    plain = result(faces=1)
    face = replace(plain.faces[0], uncertainty=np.array([0.512, 2.048], np.float32))
    message = json.loads(line(replace(plain, faces=(face,))))
    assert message["faces"][0]["uncertainty"] == [0.0008, 0.0032]  # of 640
    read = decode(json.dumps(message))
    assert read is not None
    assert read.result.faces[0].uncertainty == pytest.approx([0.512, 2.048], abs=1e-5 * plain.width)
    assert "uncertainty" not in json.loads(to_datagrams(message)[0])["faces"][0]  # it would pass an Ethernet frame


@pytest.mark.parametrize("value", [[None], ["x"], 3, [[1.0]], [1e999], [1e300]])
def test_uncertainty_that_is_no_list_of_numbers_is_refused(value: object) -> None:
    message = json.loads(line(result(faces=1)))
    message["faces"][0]["uncertainty"] = value
    with pytest.raises(DataError):
        decode(json.dumps(message))


def test_what_a_later_version_adds_is_passed_over() -> None:
    plain = result(faces=1)
    face = replace(plain.faces[0], pose=Pose(3.1, -8.0, 0.4), openness=Openness(0.3, 0.31, 0.0))
    sent = json.loads(line(replace(plain, faces=(face,))))
    sent["faces"][0]["pose"]["gaze"] = 7
    sent["faces"][0]["open"]["jaw"] = None
    found = decode(json.dumps({**sent, "weather": "fine"}))
    assert found is not None
    assert (found.result.faces[0].pose, found.result.faces[0].openness) == (face.pose, face.openness)


def test_pose_and_openness_are_read_back() -> None:
    plain = result(faces=1)
    face = replace(plain.faces[0], pose=Pose(3.1, -8.0, 0.4), openness=Openness(0.3, 0.31, 0.0), blink=True)
    read = decode(line(replace(plain, faces=(face,))))
    assert read is not None
    found = read.result.faces[0]
    assert (found.pose, found.openness, found.blink) == (face.pose, face.openness, True)
