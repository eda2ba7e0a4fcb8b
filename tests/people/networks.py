"""A tiny network in the file format of the light detector, and a wheel that contains it."""

import dataclasses
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from hfv_builder.backends.specs import File
from hfv_builder.people.specs import DETECTORS, PINS, Wheel
from hfv_builder.storage.checksum import file_sha256


def pose_network(path: Path) -> Path:
    """Write a network for TensorFlow Lite whose score is the sigmoid of the largest value of its input."""
    import flatbuffers

    tensors = [
        _tensor("input", (1, 224, 224, 3), 0),
        _tensor("axes", (3,), 1, schema.TensorType.INT32),
        _tensor("scores", (1, 1, 1), 2),
    ]
    options = schema.ReducerOptionsT()
    options.keepDims = False
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0, 1], [2]
    operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.ReducerOptions, options
    graph = schema.SubGraphT()
    graph.tensors, graph.inputs, graph.outputs, graph.operators = tensors, [0], [2], [operator]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.REDUCE_MAX
    buffers = [schema.BufferT() for _ in range(3)]
    buffers[1].data = [*np.array([1, 2, 3], "<i4").tobytes()]
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], buffers
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(builder.Output())
    return path


def _tensor(name: str, shape: tuple[int, ...], buffer: int, kind: int = schema.TensorType.FLOAT32) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(shape), kind, buffer
    return tensor


def pin_pose(monkeypatch: pytest.MonkeyPatch, network: Path, wheel: Path | None = None) -> None:
    """Pin the light detector to this network, and to this wheel if given."""
    spec = DETECTORS["pose"]
    published_wheel = spec.wheel
    assert published_wheel is not None
    files = (File(name="pose_detection.tflite", sha256=file_sha256(network), size=network.stat().st_size),)
    pin = dataclasses.replace(spec.weights, files=files)
    pinned_wheel: Wheel = dataclasses.replace(published_wheel, sha256=file_sha256(wheel)) if wheel else published_wheel
    monkeypatch.setitem(DETECTORS, "pose", dataclasses.replace(spec, weights=pin, wheel=pinned_wheel))
    monkeypatch.setitem(PINS, "pose", pin)


def wheel_with(network: Path, folder: Path) -> Path:
    """Write a wheel with the name and version of the published one that contains the network."""
    spec = DETECTORS["pose"].wheel
    assert spec is not None
    name, version = spec.requirement.split("==")
    info = f"{name}-{version}.dist-info"
    tag = f"cp{spec.python.replace('.', '')}"
    path = folder / f"{name}-{version}-{tag}-{tag}-{spec.platform}.whl"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(network, spec.member)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(
            f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}-{tag}-{spec.platform}\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path
