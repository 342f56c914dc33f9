"""Detectors of others, by networks made here: a YuNet that sees red, an SSD that always says the same."""

import io
import warnings
from contextlib import closing, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from facewire_edge import doctor
from facewire_edge.__main__ import main
from facewire_edge.camera import open_camera
from facewire_edge.config import EdgeConfig
from facewire_edge.detect import Int8Detector
from facewire_edge.detectors import open_detector
from facewire_edge.errors import ModelError
from facewire_edge.ssd import SsdDetector
from facewire_edge.yunet import YuNetDetector

STRIDES = (8, 16, 32)


def red_yunet(path: Path) -> Path:
    """Write a network with YuNet's inputs and outputs whose finest level finds a face where a cell is all red."""
    onnx = pytest.importorskip("onnx", reason="makes the network; a workstation has it")
    helper, numpy_helper, kind_of_float = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT

    nodes, constants = [], []

    def constant(name: str, values: object, kind: type) -> str:
        constants.append(numpy_helper.from_array(np.array(values, kind), name))
        return name

    rows = constant("rows", [1, -1, 1], np.int64)
    red = constant("red", np.array([0, 0, 1 / 255], np.float32).reshape(1, 3, 1, 1), np.float32)  # BGR
    nodes.append(helper.make_node("Conv", ["input", red], ["redness"]))
    for stride in STRIDES:
        pooled = f"pooled{stride}"
        nodes.append(
            helper.make_node("AveragePool", ["redness"], [pooled], kernel_shape=[stride] * 2, strides=[stride] * 2)
        )
        nodes.append(helper.make_node("Reshape", [pooled, rows], [f"cell{stride}"]))
        for name, values in (("cls", [1.0]), ("obj", [1.0]), ("bbox", [0.5, 0.5, 1, 1]), ("kps", np.arange(10) / 10)):
            scale = [1.0 if stride == STRIDES[0] else 0.0] if name in ("cls", "obj") else [0.0] * len(values)
            bias = [0.0] * len(values) if name in ("cls", "obj") else values
            weight = constant(f"{name}_w{stride}", [scale], np.float32)
            product = f"{name}_product{stride}"
            nodes.append(helper.make_node("MatMul", [f"cell{stride}", weight], [product]))
            offset = constant(f"{name}_b{stride}", bias, np.float32)
            nodes.append(helper.make_node("Add", [product, offset], [f"{name}_{stride}"]))
    picture = helper.make_tensor_value_info("input", kind_of_float, [1, 3, "height", "width"])
    widths = (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
    outputs = [
        helper.make_tensor_value_info(f"{name}_{stride}", kind_of_float, [1, None, width])
        for name, width in widths
        for stride in STRIDES
    ]
    graph = helper.make_graph(nodes, "red", [picture], outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def steady_ssd(path: Path, boxes: list[list[float]], scores: list[float]) -> Path:
    tf = pytest.importorskip("tensorflow", reason="makes the model; a workstation has it")

    @tf.function(input_signature=[tf.TensorSpec((1, 60, 80, 3), tf.uint8)])
    def network(image):  # type: ignore[no-untyped-def]
        nothing = tf.reduce_sum(tf.cast(image, tf.float32)) * 0.0
        return {
            "output_0": tf.constant([boxes]) + nothing,
            "output_1": tf.zeros((1, len(boxes))) + nothing,
            "output_2": tf.constant([scores]) + nothing,
            "output_3": tf.constant([float(len(boxes))]) + nothing,
        }

    holder = tf.Module()
    holder.network = network
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # TensorFlow's own
        converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()], holder)
        path.write_bytes(in_signature_order(converter.convert()))
    return path


def in_signature_order(flatbuffer: bytes) -> bytes:
    """Put the outputs, which TensorFlow shuffles, in the order of their names."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(flatbuffer, 0)
    outputs = sorted(model.signatureDefs[0].outputs, key=lambda o: o.name)
    model.subgraphs[0].outputs = [o.tensorIndex for o in outputs]
    model.signatureDefs = []
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_file_decides_which_detector_it_is(tmp_path: Path) -> None:
    assert isinstance(open_detector(Path(EdgeConfig().detector)), Int8Detector)
    assert isinstance(open_detector(red_yunet(tmp_path / "yunet.onnx")), YuNetDetector)
    ssd = steady_ssd(tmp_path / "ssd_face_postprocess.tflite", [[0.0, 0.0, 1.0, 1.0]], [0.9])
    assert isinstance(open_detector(ssd), SsdDetector)


@pytest.mark.parametrize("name", ["yunet.onnx", "ssd_postprocess.tflite"])
def test_detector_of_others_is_good_for_doctor_and_config_check(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path, config = tmp_path / name, tmp_path / "c.toml"
    config.write_text(f"detector = '{path}'\ninput = 'replay'\n")
    assert main(["config", "check", str(config)]) == 4
    assert not doctor._detector(path).ok
    red_yunet(path) if path.suffix == ".onnx" else steady_ssd(path, [[0.0, 0.0, 1.0, 1.0]], [0.9])
    assert main(["config", "check", str(config)]) == 0
    assert f"models {name}, landmarks68@" in capsys.readouterr().out
    assert doctor._detector(path).found == f"{name}, runs on cpu"


def test_detector_that_is_compiled_is_left_to_the_stick_by_config_check(tmp_path: Path) -> None:
    (tmp_path / "ssd_postprocess_edgetpu.tflite").write_bytes(b"edgetpu-custom-op")
    lines = f"detector = '{tmp_path}/ssd_postprocess_edgetpu.tflite'\ninput = 'replay'\n"
    for device, code in (("usb", 0), ("cpu", 4)):
        (tmp_path / "c.toml").write_text(f"{lines}device = '{device}'\n")
        assert main(["config", "check", str(tmp_path / "c.toml")]) == code


@pytest.mark.parametrize("shrink", [1, 2])
def test_yunet_rows_become_detections_in_frame_pixels(tmp_path: Path, shrink: int) -> None:
    image = np.zeros((480 * shrink, 640 * shrink, 3), np.uint8)
    image[160 * shrink : 168 * shrink, 80 * shrink : 88 * shrink, 0] = 255  # RGB: red; a cell of the finest level
    detections = open_detector(red_yunet(tmp_path / "yunet.onnx"))(image)
    assert len(detections) == 1
    found, side = detections[0], 8 * np.e * shrink
    assert found.score == pytest.approx(1.0, abs=1e-3)
    assert np.allclose(found.box.centre, (84 * shrink - 0.5, 164 * shrink - 0.5), atol=1e-2)
    assert found.box.width == pytest.approx(side, abs=1e-2)
    assert np.allclose(
        found.points5[1], (80 * shrink + 0.2 * 8 * shrink - 0.5, 160 * shrink + 0.3 * 8 * shrink - 0.5), atol=1e-2
    )


def test_yunet_finds_nothing_in_black(tmp_path: Path) -> None:
    assert open_detector(red_yunet(tmp_path / "yunet.onnx"))(np.zeros((480, 640, 3), np.uint8)) == []


def test_ssd_boxes_leave_the_letterbox_and_weak_ones_stay_behind(tmp_path: Path) -> None:
    boxes = [[0.25, 0.5, 0.5, 0.75], [0.0, 0.0, 0.5, 0.5]]
    detector = open_detector(steady_ssd(tmp_path / "x_postprocess.tflite", boxes, [0.8, 0.2]))
    (found,) = detector(np.zeros((120, 160, 3), np.uint8))  # twice the network's 80x60
    assert (found.box.x0, found.box.y0) == pytest.approx((79.5, 29.5))
    assert (found.box.x1, found.box.y1) == pytest.approx((119.5, 59.5))
    assert (found.points5[0, 0] + found.points5[1, 0]) / 2 == pytest.approx(99.5, abs=0.01)


@pytest.mark.parametrize(
    "name", ["absent.onnx", "absent_postprocess.tflite", "broken.onnx", "broken_postprocess.tflite"]
)
def test_file_that_is_no_detector_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"nonsense" * 50) if name.startswith("broken") else None
    with pytest.raises(ModelError, match=name) as caught:
        open_detector(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_model_with_other_outputs_is_refused(tmp_path: Path) -> None:
    shipped = Path(EdgeConfig().model).read_bytes()
    (tmp_path / "landmarks_postprocess.tflite").write_bytes(shipped)
    with pytest.raises(ModelError, match="expected one uint8 picture and boxes"):
        open_detector(tmp_path / "landmarks_postprocess.tflite")


def test_what_is_below_the_threshold_is_faint_or_not_given() -> None:
    path = Path(EdgeConfig().detector)
    with closing(open_camera("replay")) as camera:
        picture = camera.read().image
    (face,) = open_detector(path)(picture)
    above, below = face.score - 0.01, face.score + 0.01
    assert open_detector(path, below)(picture) == []
    assert [d.faint for d in open_detector(path, above, faint=True)(picture)][:1] == [False]
    (found, *_) = open_detector(path, below, faint=True)(picture)
    assert (found.faint, found.score) == (True, face.score)
    assert found.box.iou(face.box) > 0.9  # the same face; more of what the cells say is averaged: 0.969 on arm64
