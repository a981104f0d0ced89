"""One part of the size table: model.deai against what others make of float.onnx; called by size-table.sh."""
import gzip
import json
import logging
import pathlib
import sys

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

run, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
logging.disable(logging.WARNING)
shape = json.load(open(run / "config.json"))["network"]["input"]


class Images(CalibrationDataReader):
    """Some batches of random pixels: calibration changes the scales, not the size."""

    def __init__(self):
        random = np.random.default_rng(1)
        size = (16, shape["height"], shape["width"], shape["channels"])
        self.batches = iter([{"image": random.integers(0, 256, size, np.uint8)} for _ in range(4)])

    def get_next(self):
        return next(self.batches, None)


quant_pre_process(folder / "float.onnx", folder / "prepared.onnx", skip_symbolic_shape=True)
sizes = {"deai": (folder / "model.deai").read_bytes(), "our int8 ONNX": (folder / "int8.onnx").read_bytes()}
for name, layout in (("onnxruntime QDQ", QuantFormat.QDQ), ("onnxruntime QOperator", QuantFormat.QOperator)):
    path = folder / "quantized.onnx"
    quantize_static(
        folder / "prepared.onnx", path, Images(), quant_format=layout, per_channel=True,
        weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8,
    )
    sizes[name] = path.read_bytes()
if (folder / "model.tflite").exists():
    sizes["TensorFlow TFLite"] = (folder / "model.tflite").read_bytes()
rows = {name: (len(data), len(gzip.compress(data, 9))) for name, data in sizes.items()}
ours = rows.pop("deai")
print(f"{run.name}: .deai {ours[0]:,} bytes (gzip {ours[1]:,})")
for name, (plain, packed) in rows.items():
    print(f"  {name:22} {plain:>9,} ({plain / ours[0]:.2f} x)   gzip {packed:>9,} ({packed / ours[0]:.2f} x)")
smallest = all(min(row) > ours[0] for row in rows.values())
print(f"  .deai is {'the' if smallest else 'NOT the'} smallest, plain against all others with and without gzip", flush=True)
sys.exit(0 if smallest else 1)
