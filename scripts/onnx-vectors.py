#!/usr/bin/env python3
"""Makes Tests/InterchangeTests/Vectors: small networks exported to ONNX by PyTorch, images and expected logits.

Each NAME.onnx goes with NAME.json: the images as bytes (hexadecimal, rows, columns, channels) and the logits that
PyTorch gives for pixel / 255, normalised as the file says. Versions: torch 2.13, onnx 1.23, onnxscript 0.7,
safetensors 0.8.

    pip install torch onnx onnxscript numpy safetensors
    python3 scripts/onnx-vectors.py
"""
import json
import pathlib
import sys

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from torch import nn

folder = pathlib.Path(__file__).resolve().parent.parent / "Tests/InterchangeTests/Vectors"
IMAGES = 4


def write(name, model, images, logits, **more):
    onnx.save(model, folder / f"{name}.onnx")
    record = {
        "images": [bytes(image.astype(np.uint8).ravel()).hex() for image in images],
        "shape": list(images.shape[1:]),
        "logits": [[float(x) for x in row] for row in np.asarray(logits)],
        **more,
    }
    (folder / f"{name}.json").write_text(json.dumps(record) + "\n")
    print(name, len(model.SerializeToString()), "bytes", [n.op_type for n in model.graph.node])


def settle(model):
    """Batch statistics that are not the initial ones, so that folding them is seen."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) or isinstance(module, nn.BatchNorm1d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.5, 0.5)
    return model.eval()


def from_torch(name, seed, make, shape, mean=0.0, std=1.0, dynamo=True, external=False, opset=None):
    torch.manual_seed(seed)
    model = settle(make())
    channels = shape[0]
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (IMAGES, shape[1], shape[2], channels))
    x = torch.tensor(images.transpose(0, 3, 1, 2), dtype=torch.float32) / 255
    x = (x - mean) / std
    with torch.no_grad():
        logits = model(x)
    if name == "lenet":
        save_file(model.state_dict(), folder / "lenet.safetensors")
    path = folder / f"{name}.onnx"
    batch = {"dynamic_shapes": ({0: "batch"},)} if dynamo else {"dynamic_axes": {"image": {0: "batch"}}}
    torch.onnx.export(
        model, (x,), path, dynamo=dynamo, external_data=external, input_names=["image"], output_names=["logits"],
        **({"opset_version": opset} if opset else {}), **batch)
    loaded = onnx.load(path, load_external_data=not external)
    loaded.doc_string = ""
    for node in loaded.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in list(loaded.graph.value_info) + list(loaded.graph.initializer):
        if hasattr(value, "metadata_props"):
            del value.metadata_props[:]
    write(name, loaded, images, logits.numpy(), mean=mean, std=std)


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 4, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 5))


def normalised():
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.5), nn.MaxPool2d(2),
        nn.BatchNorm2d(6), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 3 * 3, 4), nn.BatchNorm1d(4))


class Shapes(nn.Module):
    """Reshapes by computed sizes, an uneven border, a kernel that is not square, dilation, groups and a softmax."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, (1, 3), padding=(0, 1))
        self.second = nn.Conv2d(4, 4, 3, stride=2, groups=2)
        self.third = nn.Conv2d(4, 4, 3, padding=2, dilation=2)
        self.fc = nn.Linear(4 * 5 * 6, 3)

    def forward(self, x):
        x = torch.relu(self.first(x))
        x = torch.relu(self.second(nn.functional.pad(x, (0, 1, 1, 0))))
        x = self.third(x)
        x = x.reshape(x.shape[0], -1)
        return torch.softmax(self.fc(x), dim=1)


def keras_like():
    """Channels last outside, as converters of Keras models write it: transposes around every layer, Pad, MatMul, Add."""
    rng = np.random.default_rng(7)
    f1 = rng.normal(0, 0.4, (3, 3, 3, 5)).astype(np.float32)  # HWIO
    w1 = rng.normal(0, 0.2, (4 * 4 * 5, 6)).astype(np.float32)  # rows in the order row, column, channel
    b1, b2 = rng.normal(0, 0.2, 5).astype(np.float32), rng.normal(0, 0.2, 6).astype(np.float32)
    w2 = rng.normal(0, 0.3, (6, 3)).astype(np.float32)
    constants = {
        "f1": f1.transpose(3, 2, 0, 1), "b1": b1.reshape(1, 5, 1, 1), "w1": w1, "b2": b2, "w2": w2,
        "shape": np.array([-1, 80], np.int64), "center": np.float32(128), "scale": np.float32(64),
    }
    nodes = [
        helper.make_node("Sub", ["image", "center"], ["d"]),
        helper.make_node("Div", ["d", "scale"], ["c"]),
        helper.make_node("Transpose", ["c"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t", "f1"], ["v"], auto_pad="SAME_UPPER", strides=[2, 2], kernel_shape=[3, 3]),
        helper.make_node("Add", ["v", "b1"], ["a"]),
        helper.make_node("Clip", ["a", "zero"], ["r"]),
        helper.make_node("Transpose", ["r"], ["u"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["u", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w1"], ["m"]),
        helper.make_node("Add", ["m", "b2"], ["n"]),
        helper.make_node("Relu", ["n"], ["o"]),
        helper.make_node("MatMul", ["o", "w2"], ["p"]),
        helper.make_node("Softmax", ["p"], ["probabilities"], axis=-1),
    ]
    constants["zero"] = np.float32(0)
    graph = helper.make_graph(
        nodes, "keras-like", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 8, 8, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(np.ascontiguousarray(value), key) for key, value in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    onnx.checker.check_model(model)
    images = rng.integers(0, 256, (IMAGES, 8, 8, 3))
    x = (torch.tensor(images.transpose(0, 3, 1, 2), dtype=torch.float64) - 128) / 64
    x = nn.functional.pad(x, (0, 1, 0, 1))  # SAME with stride 2 on 8 rows: one more row at the end
    y = nn.functional.conv2d(x, torch.tensor(constants["f1"]).double(), torch.tensor(b1).double(), stride=2)
    y = torch.relu(y).permute(0, 2, 3, 1).reshape(IMAGES, -1)
    logits = torch.relu(y @ torch.tensor(w1).double() + torch.tensor(b2).double()) @ torch.tensor(w2).double()
    # The model takes 0…255: one unit of "pixel / 255" is 255 of them.
    write("keras-like", model, images, logits.numpy(), mean=0.0, std=1 / 255)


if __name__ == "__main__":
    folder.mkdir(parents=True, exist_ok=True)
    from_torch("lenet", 1, lenet, (1, 14, 14))
    from_torch("lenet-torchscript", 1, lenet, (1, 14, 14), dynamo=False, opset=11)
    from_torch("lenet-external", 1, lenet, (1, 14, 14), external=True)
    from_torch("batchnorm", 2, normalised, (3, 10, 10))
    from_torch("shapes", 3, Shapes, (1, 10, 12))
    keras_like()
    sys.exit(0)
