"""Trains three small networks with PyTorch and writes their ONNX files and logits; called by check-pytorch.sh.

    check-pytorch.py train FOLDER DATA          NAME.onnx (torch.export), NAME-torchscript.onnx, NAME.logits
    check-pytorch.py compare FOLDER NAME FILE   the logits of NAME against those in FILE
"""
import gzip
import os
import pathlib
import sys

import numpy as np

folder = pathlib.Path(sys.argv[2])
# Whole pixels, so that the border of a convolution is the same zero here and there.
MEAN, STD = 73 / 255, 0.353


def idx(data, name):
    for file in (data / name, data / f"{name}.gz"):
        if file.exists():
            raw = (gzip.open if file.suffix == ".gz" else open)(file, "rb").read()
            shape = np.frombuffer(raw, ">u4", raw[3], 4)
            return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)
    sys.exit(f"{data} holds no {name}")


def networks():
    from torch import nn

    def block(inputs, outputs, kernel, stride=1, groups=1, activation=nn.ReLU):
        layers = [
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)]
        return nn.Sequential(*layers, *([activation()] if activation else []))

    class Residual(nn.Module):
        """Two 3x3 convolutions beside the input, or beside a strided 1x1 convolution of it."""

        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.body = nn.Sequential(
                block(inputs, outputs, 3, stride), block(outputs, outputs, 3, activation=None))
            self.beside = nn.Identity() if stride == 1 else block(inputs, outputs, 1, stride, activation=None)
            self.relu = nn.ReLU()

        def forward(self, x):
            return self.relu(self.body(x) + self.beside(x))

    class Inverted(nn.Module):
        """1x1 up, 3x3 of each channel, 1x1 down, beside the input where the sizes allow it."""

        def __init__(self, inputs, outputs, stride, activation):
            super().__init__()
            inner = 4 * inputs
            self.body = nn.Sequential(
                block(inputs, inner, 1, activation=activation),
                block(inner, inner, 3, stride, groups=inner, activation=activation),
                block(inner, outputs, 1, activation=None))
            self.adds = stride == 1 and inputs == outputs

        def forward(self, x):
            return x + self.body(x) if self.adds else self.body(x)

    def mobile(activation):
        return nn.Sequential(
            block(1, 16, 3, 2, activation=activation), Inverted(16, 16, 1, activation), Inverted(16, 24, 2, activation),
            Inverted(24, 24, 1, activation), block(24, 64, 1, activation=activation), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Dropout(0.1), nn.Linear(64, 10))

    return {
        "plain": lambda: nn.Sequential(
            block(1, 16, 3), nn.MaxPool2d(2), block(16, 32, 3), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(32 * 49, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10)),
        "residual": lambda: nn.Sequential(
            block(1, 16, 3), nn.MaxPool2d(3, 2, 1), Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 32, 1),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)),
        "mobile": lambda: mobile(nn.ReLU6),
        "mobile-hardswish": lambda: mobile(nn.Hardswish),
    }


def train(data):
    import torch
    from torch import nn

    torch.set_num_threads(int(os.environ.get("THREADS", 2)))
    batch, steps = 128, int(os.environ.get("STEPS", 300))

    def tensor(images):
        return ((torch.tensor(images, dtype=torch.float32) / 255 - MEAN) / STD)[:, None]

    images, labels = idx(data, "train-images-idx3-ubyte"), torch.tensor(idx(data, "train-labels-idx1-ubyte")).long()
    tests, answers = tensor(idx(data, "t10k-images-idx3-ubyte")), idx(data, "t10k-labels-idx1-ubyte")
    for name, make in networks().items():
        torch.manual_seed(1)
        model = make()
        optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, weight_decay=1e-4)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=steps)
        order = np.random.default_rng(1).permutation(len(images))
        for step in range(steps):
            chosen = np.sort(order[(step * batch) % len(order) :][:batch])
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(tensor(images[chosen])), labels[chosen]).backward()
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            logits = torch.cat([model(tests[i : i + 500]) for i in range(0, len(tests), 500)]).numpy()
        logits.astype("<f4").tofile(folder / f"{name}.logits")
        names = dict(input_names=["image"], output_names=["logits"])
        torch.onnx.export(
            model, (tests[:2],), folder / f"{name}.onnx", dynamo=True, external_data=False,
            dynamic_shapes=({0: torch.export.Dim("batch")},), verbose=False, **names)
        torch.onnx.export(
            model, (tests[:2],), folder / f"{name}-torchscript.onnx", dynamo=False,
            dynamic_axes={"image": {0: "batch"}}, **names)
        print(f"{name}: PyTorch {torch.__version__}, {(logits.argmax(1) == answers).mean():.2%} right", flush=True)


def compare(name, file):
    theirs, ours = (np.fromfile(path, "<f4").reshape(-1, 10) for path in (folder / f"{name}.logits", file))
    if len(ours) != len(theirs) or len(ours) < 100:
        sys.exit(f"{name}: {len(ours)} images, expected {len(theirs)}")
    difference = np.abs(ours - theirs).max()
    same = int((ours.argmax(1) == theirs.argmax(1)).sum())
    print(f"largest difference of a logit {difference:.2g} on {len(ours):,} images, same label on {same:,}")
    sys.exit(0 if difference <= 1e-4 else 1)


if sys.argv[1] == "train":
    train(pathlib.Path(sys.argv[3]))
else:
    compare(sys.argv[3], sys.argv[4])
