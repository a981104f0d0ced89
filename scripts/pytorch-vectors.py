#!/usr/bin/env python3
"""Writes the vectors that the Autodiff and NeuralNetwork tests compare with, made by PyTorch in float64.

    pip install "torch==2.13.0" numpy
    python3 scripts/pytorch-vectors.py

Arrays are stored in this package's layouts: images NHWC, filters HWIO, dense weights [inputs, outputs].
Networks start from the package's own seeded numbers, so that no weights need to be stored.
"""
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

VECTORS = pathlib.Path(__file__).resolve().parent.parent / "Tests" / "Vectors"
MASK = (1 << 64) - 1


class SplitMix64:
    """Kernels/SplitMix64.swift."""

    def __init__(self, seed):
        self.state = seed & MASK

    def array(self, count):
        steps = np.arange(1, count + 1, dtype=np.uint64)
        with np.errstate(over="ignore"):
            z = np.uint64(self.state) + steps * np.uint64(0x9E3779B97F4A7C15)
            self.state = int(z[-1])
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            return z ^ (z >> np.uint64(31))

    def uniform(self, count):
        return (self.array(count) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def conv(x, w, b=None, stride=1, padding=0):
    return nhwc(F.conv2d(nchw(x), w.permute(3, 2, 0, 1), b, stride, padding))


def pool(x, window, stride):
    return nhwc(F.max_pool2d(nchw(x), window, stride))


# The names are those of OpVectorTests.swift; shapes, range of the numbers, the function.
OPS = {
    "add": ([[3, 4], [4]], (-1, 1), torch.add),
    "subtract": ([[3, 1], [2, 1, 4]], (-1, 1), torch.sub),
    "multiply": ([[3, 4], [3, 1]], (-1, 1), torch.mul),
    "divide": ([[2, 3], [2, 3]], (0.5, 2), torch.div),
    "negate": ([[5]], (-1, 1), torch.neg),
    "exp": ([[9]], (-4, 4), torch.exp),
    "log": ([[9]], (0.01, 4), torch.log),
    "sqrt": ([[9]], (0.01, 4), torch.sqrt),
    "relu": ([[17]], (-1, 1), F.relu),
    "sum": ([[3, 4, 5]], (-1, 1), lambda x: x.sum((0, 2))),
    "mean": ([[3, 4, 5]], (-1, 1), lambda x: x.mean(1, keepdim=True)),
    "broadcast": ([[3, 1]], (-1, 1), lambda x: x.expand(2, 3, 4)),
    "reshape": ([[3, 4]], (-1, 1), lambda x: x.reshape(2, 6)),
    "transpose": ([[2, 3, 4]], (-1, 1), lambda x: x.permute(2, 0, 1)),
    "matmul": ([[3, 7], [7, 9], [9]], (-1, 1), lambda a, b, c: a @ b + c),
    "matmul tn": ([[7, 3], [7, 9]], (-1, 1), lambda a, b: a.T @ b),
    "matmul nt": ([[3, 7], [9, 7]], (-1, 1), lambda a, b: a @ b.T),
    "matmul tt": ([[7, 3], [9, 7]], (-1, 1), lambda a, b: a.T @ b.T),
    "conv2d": ([[2, 5, 6, 3], [3, 3, 3, 4], [4]], (-1, 1), conv),
    "conv2d padding 2": ([[2, 6, 5, 1], [5, 5, 1, 6], [6]], (-1, 1), lambda x, w, b: conv(x, w, b, 1, 2)),
    "conv2d stride 2 padding 1": ([[2, 8, 7, 3], [3, 3, 3, 9]], (-1, 1), lambda x, w: conv(x, w, None, 2, 1)),
    "conv2d stride 3": ([[1, 9, 9, 2], [2, 3, 2, 17]], (-1, 1), lambda x, w: conv(x, w, None, 3, 0)),
    "maxPool2d 2/2": ([[2, 5, 6, 3]], (-1, 1), lambda x: pool(x, 2, 2)),
    "maxPool2d 3/2": ([[1, 7, 7, 9]], (-1, 1), lambda x: pool(x, 3, 2)),
    "softmax": ([[3, 10]], (-4, 4), lambda x: F.softmax(x, -1)),
    "logSoftmax": ([[3, 10]], (-4, 4), lambda x: F.log_softmax(x, -1)),
    "cross entropy": ([[4, 10], [4, 10]], (0, 1), lambda x, t: F.cross_entropy(x, t)),
}


def numbers(x):
    return [float(f"{v:.9g}") for v in x.detach().reshape(-1).tolist()]


def op_vectors():
    random = SplitMix64(2)
    cases = []
    for name, (shapes, (low, high), function) in OPS.items():
        leaves = []
        for shape in shapes:
            drawn = np.float32(low) + np.float32(high - low) * random.uniform(int(np.prod(shape)))
            leaves.append(torch.tensor(drawn.astype(np.float64).reshape(shape), requires_grad=True))
        result = function(*leaves)
        weights = random.uniform(result.numel()) * 2 - 1
        cotangent = torch.tensor(weights.astype(np.float64)).reshape(result.shape)
        gradients = torch.autograd.grad((result * cotangent).sum(), leaves)
        cases.append({
            "name": name, "leaves": [numbers(x) for x in leaves], "shapes": shapes,
            "result": numbers(result), "resultShape": list(result.shape), "cotangent": numbers(cotangent),
            "gradients": [numbers(g) for g in gradients]})
    return cases


# Layers as in the Preset of the same name.
CONV, DENSE, RELU, POOL, FLATTEN = "conv", "dense", "relu", "pool", "flatten"
NETWORKS = {
    "mlp": [(FLATTEN,), (DENSE, 784, 128), (RELU,), (DENSE, 128, 10)],
    "lenet5": [
        (CONV, 5, 1, 6, 2), (RELU,), (POOL,), (CONV, 5, 6, 16, 0), (RELU,), (POOL,), (FLATTEN,), (DENSE, 400, 120),
        (RELU,), (DENSE, 120, 84), (RELU,), (DENSE, 84, 10)],
    "convnet": [
        (CONV, 3, 1, 32, 1), (RELU,), (POOL,), (CONV, 3, 32, 64, 1), (RELU,), (POOL,), (FLATTEN,),
        (DENSE, 3136, 128), (RELU,), (DENSE, 128, 10)],
}
OPTIMIZERS = {
    "mlp": dict(lr=0.1, momentum=0.0, weight_decay=0.0, nesterov=False),
    "lenet5": dict(lr=0.05, momentum=0.9, weight_decay=0.01, nesterov=False),
    "convnet": dict(lr=0.05, momentum=0.8, weight_decay=0.001, nesterov=True),
}
BATCH, STEPS, SAMPLES = 6, 3, 12
ZERO_POINT, SCALE = 73, np.float32(1.0 / 90)


def initial_parameters(layers, seed):
    random = SplitMix64(seed)
    parameters = []
    for kind, *sizes in layers:
        if kind == CONV:
            kernel, inputs, outputs, _ = sizes
            shape, fan_in = (kernel, kernel, inputs, outputs), kernel * kernel * inputs
        elif kind == DENSE:
            inputs, outputs = sizes
            shape, fan_in = (inputs, outputs), inputs
        else:
            continue
        bound = np.float32(1) / np.sqrt(np.float32(fan_in))
        for s in (shape, (outputs,)):
            drawn = (random.uniform(int(np.prod(s))) * np.float32(2) - np.float32(1)) * bound
            parameters.append(torch.tensor(drawn.astype(np.float64).reshape(s), requires_grad=True))
    return parameters


def logits(layers, parameters, x):
    rest = iter(parameters)
    for kind, *sizes in layers:
        if kind == CONV:
            x = conv(x, next(rest), next(rest), 1, sizes[3])
        elif kind == DENSE:
            x = x @ next(rest) + next(rest)
        elif kind == RELU:
            x = F.relu(x)
        elif kind == POOL:
            x = pool(x, 2, 2)
        else:
            x = x.reshape(x.shape[0], -1)
    return x


def digest(x):
    """Enough of an array to notice any change: norm, sum and some elements."""
    flat = x.detach().reshape(-1)
    places = [i * (flat.numel() - 1) // (SAMPLES - 1) for i in range(SAMPLES)]
    return {
        "sum": float(f"{flat.sum().item():.9g}"), "norm": float(f"{flat.norm().item():.9g}"),
        "places": places, "elements": numbers(flat[places])}


def network_vectors():
    cases = []
    for name, layers in NETWORKS.items():
        parameters = initial_parameters(layers, seed=5)
        optimizer = torch.optim.SGD(parameters, **OPTIMIZERS[name])
        random = SplitMix64(6)
        losses, correct, first = [], [], None
        for step in range(STEPS):
            pixels = (random.array(BATCH * 784) >> np.uint64(56)).astype(np.int64)
            labels = torch.tensor([(3 * step + 7 * i) % 10 for i in range(BATCH)])
            images = ((pixels - ZERO_POINT).astype(np.float32) * SCALE).astype(np.float64)
            result = logits(layers, parameters, torch.tensor(images.reshape(BATCH, 28, 28, 1)))
            loss = F.cross_entropy(result, labels)
            optimizer.zero_grad()
            loss.backward()
            if first is None:
                first = {"logits": numbers(result), "gradients": [digest(p.grad) for p in parameters]}
            losses.append(loss.item())
            correct.append(int((result.argmax(1) == labels).sum()))
            optimizer.step()
        cases.append({
            "name": name, "losses": losses, "correct": correct, **first,
            "parameters": [digest(p) for p in parameters]})
    return cases


def optimizer_vectors():
    cases = []
    random = SplitMix64(9)
    for momentum, weight_decay, nesterov in [(0, 0, False), (0.9, 0, False), (0, 0.1, False), (0.9, 0.1, False), (0.7, 0.1, True)]:
        start = torch.tensor((random.uniform(9) * 2 - 1).astype(np.float64), requires_grad=True)
        initial = numbers(start)
        optimizer = torch.optim.SGD([start], lr=0.1, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov)
        gradients, after = [], []
        for _ in range(4):
            start.grad = torch.tensor((random.uniform(9) * 2 - 1).astype(np.float64))
            gradients.append(numbers(start.grad))
            optimizer.step()
            after.append(numbers(start))
        cases.append({
            "momentum": momentum, "weightDecay": weight_decay, "nesterov": nesterov, "initial": initial,
            "gradients": gradients, "after": after})
    return cases


def write(name, value):
    path = VECTORS / name
    text = json.dumps(value, separators=(",", ":"))
    path.parent.mkdir(exist_ok=True)
    path.write_text(text + "\n")
    print(name, len(text), "bytes")


if __name__ == "__main__":
    torch.manual_seed(0)
    write("ops.json", op_vectors())
    write("networks.json", network_vectors())
    write("optimizers.json", optimizer_vectors())
