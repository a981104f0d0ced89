"""What onnxruntime and tract make of float.onnx and int8.onnx, against our logits; called by check-onnx.sh."""
import gzip
import os
import pathlib
import sys

import numpy as np

folder, data = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])


def test_images():
    """The test images of an IDX data set, rows of [batch, height, width, 1]."""
    for name in ("t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz"):
        if (data / name).exists():
            raw = (gzip.open if name.endswith("gz") else open)(data / name, "rb").read()
            count, height, width = np.frombuffer(raw, ">u4", 3, 4)
            return np.frombuffer(raw, np.uint8, offset=16).reshape(count, height, width, 1)
    sys.exit(f"{data} holds no IDX test images")


def onnxruntime_logits(path, images, optimised=True):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"image": images[i : i + 500]})[0] for i in range(0, len(images), 500)])


def tract_logits(path, images):
    import tract

    batch = 500
    model = tract.onnx().load(str(path))
    model.set_input_fact(0, f"{batch},{','.join(str(n) for n in images.shape[1:])},u8")
    runnable = model.into_model().into_runnable()
    rows = []
    for i in range(0, len(images), batch):
        part = images[i : i + batch]
        rows.append(runnable.run([np.ascontiguousarray(part)])[0].to_numpy())
    return np.concatenate(rows)


images = test_images()
limit = int(os.environ.get("IMAGES", len(images)))
for kind in ("float", "int8"):
    ours = np.fromfile(folder / f"{kind}.logits", "<f4").reshape(len(images), -1)[:limit]
    path = folder / f"{kind}.onnx"
    runs = [("onnxruntime", lambda: onnxruntime_logits(path, images[:limit]))]
    if kind == "int8":
        runs.append(("onnxruntime, not fused", lambda: onnxruntime_logits(path, images[:limit], False)))
    runs.append(("tract", lambda: tract_logits(path, images[:limit])))
    for name, run in runs:
        theirs = run()
        same = int((theirs.argmax(1) == ours.argmax(1)).sum())
        equal = int((theirs == ours).all(1).sum())
        print(
            f"{kind:5} {name:22} same label {same:,} of {len(ours):,}, largest difference "
            f"{np.abs(theirs - ours).max():.3g}, all logits equal on {equal:,}",
            flush=True,
        )
