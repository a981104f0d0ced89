"""Rebuilds float.onnx of our export in TensorFlow and writes what its own converter makes of it: fully int8 TFLite.

    size-table-tflite.py FOLDER     reads FOLDER/float.onnx, writes FOLDER/model.tflite
"""
import os
import pathlib
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
try:
    import tensorflow as tf
except ImportError:
    sys.exit(69)
import numpy as np
import onnx
from onnx import helper, numpy_helper

folder = pathlib.Path(sys.argv[1])
graph = onnx.load(folder / "float.onnx").graph
stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
size = [dimension.dim_value for dimension in graph.input[0].type.tensor_type.shape.dim[1:]]


def apply(node, x, rest, attributes):
    """One node on pictures with channels last, TensorFlow's own order."""
    pads = attributes.get("pads", [0, 0, 0, 0])
    if node.op_type in ("Conv", "MaxPool", "AveragePool") and any(pads):
        x = tf.pad(x, [[0, 0], [pads[0], pads[2]], [pads[1], pads[3]], [0, 0]])
    strides = attributes.get("strides", [1, 1])
    match node.op_type:
        case "Conv":
            filters, groups = rest[0].transpose(2, 3, 1, 0), attributes.get("group", 1)
            if groups > 1:
                # TensorFlow has [height, width, channels, outputs of each channel].
                y = tf.nn.depthwise_conv2d(x, filters.transpose(0, 1, 3, 2), [1, *strides, 1], "VALID")
            else:
                y = tf.nn.conv2d(x, filters, strides, "VALID")
            return tf.nn.bias_add(y, rest[1]) if len(rest) > 1 else y
        case "BatchNormalization":
            # As exporters do: a factor and a summand, which the converter folds.
            factor = rest[0] / np.sqrt(rest[3] + attributes.get("epsilon", 1e-5))
            return x * factor + (rest[1] - rest[2] * factor)
        case "Gemm":
            return tf.matmul(x, rest[0].T) + rest[1]
        case "Relu":
            return tf.nn.relu(x)
        case "Clip":
            return tf.nn.relu6(x)
        case "MaxPool":
            return tf.nn.max_pool2d(x, attributes["kernel_shape"], strides, "VALID")
        case "AveragePool":
            return tf.nn.avg_pool2d(x, attributes["kernel_shape"], strides, "VALID")
        case "GlobalAveragePool":
            return tf.reduce_mean(x, [1, 2], keepdims=True)
        case "Flatten":
            # Weights behind it are in the order channel, row, column.
            return tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [-1, int(np.prod(x.shape[1:]))]) if len(x.shape) == 4 else x
        case "Add":
            return x + rest[0]
        case "Concat":
            return tf.concat([x, *rest], -1)
        case "Identity":
            return x
    raise SystemExit(f"no rule for {node.op_type}")


class Network(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([1, *size], tf.float32)])
    def __call__(self, image):
        """Of pixels as floats; the preprocessing of our export comes first."""
        values = {"image": image}
        for node in graph.node:
            attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
            x, *rest = (stored[name] if name in stored else values[name] for name in node.input)
            if node.op_type in ("Cast", "Transpose"):
                y = x
            elif node.op_type == "Sub":
                y = x - rest[0].reshape(-1)
            elif node.op_type == "Mul":
                y = x * rest[0]
            else:
                y = apply(node, x, rest, attributes)
            values[node.output[0]] = y
        return values[graph.output[0].name]


def batches():
    """Random pixels: calibration changes the scales, not the size."""
    random = np.random.default_rng(1)
    for _ in range(64):
        yield [random.integers(0, 256, [1, *size]).astype(np.float32)]


network = Network()
converter = tf.lite.TFLiteConverter.from_concrete_functions([network.__call__.get_concrete_function()], network)
converter.optimizations = [tf.lite.Optimize.DEFAULT]
converter.representative_dataset = batches
converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
converter.inference_input_type = tf.uint8
converter.inference_output_type = tf.int8
(folder / "model.tflite").write_bytes(converter.convert())
