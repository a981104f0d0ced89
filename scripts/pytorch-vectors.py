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


def conv(x, w, b=None, stride=1, padding=0, dilation=1, groups=1):
    return nhwc(F.conv2d(nchw(x), w.permute(3, 2, 0, 1), b, stride, padding, dilation, groups))


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
    "sigmoid": ([[17]], (-4, 4), torch.sigmoid),
    "tanh": ([[17]], (-3, 3), torch.tanh),
    "erf": ([[17]], (-3, 3), torch.erf),
    "gelu": ([[17]], (-4, 4), F.gelu),
    "silu": ([[17]], (-4, 4), F.silu),
    "relu6": ([[17]], (-3, 9), F.relu6),
    "hardSwish": ([[17]], (-5, 5), F.hardswish),
    "clamp": ([[17]], (-1, 1), lambda x: x.clamp(-0.4, 0.5)),
    "pow 3": ([[9]], (-2, 2), lambda x: x**3),
    "pow 2.5": ([[9]], (0.1, 2), lambda x: x**2.5),
    "abs": ([[9]], (-1, 1), torch.abs),
    "select": ([[3, 1], [3, 4], [4]], (-1, 1), lambda c, a, b: torch.where(c > 0, a, b)),
    "maximum": ([[3, 4], [4]], (-1, 1), torch.maximum),
    "max": ([[3, 4, 5]], (-1, 1), lambda x: x.amax((0, 2))),
    "min": ([[3, 4]], (-1, 1), lambda x: x.amin(1, keepdim=True)),
    "variance": ([[3, 4, 5]], (-1, 1), lambda x: x.var((0, 2), correction=0)),
    "variance unbiased": ([[3, 4]], (-1, 1), lambda x: x.var(1)),
    "concatenate": ([[2, 3, 2], [2, 1, 2]], (-1, 1), lambda a, b: torch.cat([a, b], 1)),
    "pad": ([[1, 2, 3, 2]], (-1, 1), lambda x: F.pad(x, (0, 0, 1, 2, 1, 0))),
    "slice": ([[4, 5]], (-1, 1), lambda x: x[1:3, 2:5]),
    "gather": ([[2, 5, 3]], (-1, 1), lambda x: x.index_select(1, torch.tensor([4, 1, 4]))),
    "batched matmul": ([[3, 2, 4], [3, 4, 9]], (-1, 1), torch.matmul),
    "conv2d depthwise": (
        [[2, 6, 5, 9], [3, 3, 1, 9], [9]], (-1, 1), lambda x, w, b: conv(x, w, b, 1, 1, groups=9)),
    "conv2d depthwise stride 2": (
        [[1, 7, 8, 4], [3, 3, 1, 4]], (-1, 1), lambda x, w: conv(x, w, None, 2, 1, groups=4)),
    "conv2d groups 2 dilation 2": (
        [[2, 8, 7, 4], [3, 3, 2, 6], [6]], (-1, 1), lambda x, w, b: conv(x, w, b, 1, 2, 2, 2)),
    "averagePool2d 3/2": ([[2, 7, 8, 3]], (-1, 1), lambda x: nhwc(F.avg_pool2d(nchw(x), 3, 2))),
    "globalAveragePool": ([[2, 3, 4, 5]], (-1, 1), lambda x: x.mean((1, 2))),
    "batchNorm": (
        [[4, 3, 2, 5], [5], [5]], (-1, 1),
        lambda x, s, b: nhwc(F.batch_norm(nchw(x), None, None, s, b, training=True))),
    "normalize": (
        [[4, 3, 2, 5], [5], [5], [5], [5]], (0.1, 1),
        lambda x, s, b, m, v: (x - m) / torch.sqrt(v + 1e-5) * s + b),
    "layerNorm": ([[4, 9], [9], [9]], (-1, 1), lambda x, s, b: F.layer_norm(x, (9,), s, b)),
    "smoothed cross entropy": (
        [[4, 10], [4, 10]], (0, 1),
        lambda x, t: F.cross_entropy(x, t / t.sum(1, keepdim=True), label_smoothing=0.1)),
    "mean squared error": ([[3, 4], [3, 4]], (-1, 1), F.mse_loss),
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
        gradients = torch.autograd.grad((result * cotangent).sum(), leaves, allow_unused=True)
        gradients = [torch.zeros_like(x) if g is None else g for x, g in zip(leaves, gradients)]
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
# Of the networks with batch normalisation: a convolution without a bias that keeps the size, and what follows it.
CONV_BN, DEPTHWISE_BN, RELU6, RESIDUAL, MEAN = "conv bn", "depthwise bn", "relu6", "residual", "mean"


def residual_network(blocks):
    layers, inputs = [(CONV_BN, 3, 1, 16, 1), (RELU,)], 16
    for stage, width in enumerate((16, 32, 64)):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            body = [(CONV_BN, 3, inputs, width, stride), (RELU,), (CONV_BN, 3, width, width, 1)]
            skip = [] if stride == 1 and inputs == width else [(CONV_BN, 1, inputs, width, stride)]
            layers += [(RESIDUAL, body, skip), (RELU,)]
            inputs = width
    return layers + [(MEAN,), (DENSE, 64, 10)]


def separable_network():
    layers = [(CONV_BN, 3, 1, 64, 2), (RELU,)]
    for block in range(4):
        layers += [(DEPTHWISE_BN, 3, 64, 2 if block == 1 else 1), (RELU,), (CONV_BN, 1, 64, 64, 1), (RELU,)]
    return layers + [(MEAN,), (DENSE, 64, 10)]


def inverted_network():
    layers, inputs = [(CONV_BN, 3, 1, 16, 1), (RELU6,)], 16
    for width, blocks, first in [(16, 1, 1), (24, 2, 2), (32, 3, 2), (64, 2, 1)]:
        for block in range(blocks):
            stride, wide = first if block == 0 else 1, 4 * inputs
            body = [
                (CONV_BN, 1, inputs, wide, 1), (RELU6,), (DEPTHWISE_BN, 3, wide, stride), (RELU6,),
                (CONV_BN, 1, wide, width, 1)]
            layers += [(RESIDUAL, body, [])] if stride == 1 and inputs == width else body
            inputs = width
    return layers + [(CONV_BN, 1, 64, 128, 1), (RELU6,), (MEAN,), (DENSE, 128, 10)]


def staged_network(*stages):
    layers, inputs = [], 1
    for stage, widths in enumerate(stages):
        layers += [(POOL,)] if stage else []
        for width in widths:
            layers += [(CONV_BN, 3, inputs, width, 1), (RELU,)]
            inputs = width
    return layers + [(MEAN,), (DENSE, inputs, 10)]


NETWORKS |= {
    "resnet8": residual_network(1), "resnet20": residual_network(3),
    "compact": staged_network((24, 24), (48, 48), (64, 72)), "tiny": staged_network((16, 16), (32, 32), (24,)),
    "dscnn": separable_network(), "mobilenet": inverted_network()}
OPTIMIZERS = {
    "mlp": dict(lr=0.1, momentum=0.0, weight_decay=0.0, nesterov=False),
    "lenet5": dict(lr=0.05, momentum=0.9, weight_decay=0.01, nesterov=False),
    "convnet": dict(lr=0.05, momentum=0.8, weight_decay=0.001, nesterov=True),
}
BATCH, STEPS, SAMPLES = 6, 3, 12
# Networks with batch normalisation magnify rounding: fewer steps keep the comparison sharp.
NORMALISED_STEPS, NORMALISED_SAMPLES = 2, 3
ZERO_POINT, SCALE = 73, np.float32(1.0 / 90)


def initial_parameters(layers, seed):
    random = SplitMix64(seed)
    parameters, statistics = [], []

    def drawn(shape, fan_in):
        bound = np.float32(1) / np.sqrt(np.float32(fan_in))
        numbers = (random.uniform(int(np.prod(shape))) * np.float32(2) - np.float32(1)) * bound
        parameters.append(torch.tensor(numbers.astype(np.float64).reshape(shape), requires_grad=True))

    def add(layers):
        for kind, *sizes in layers:
            if kind == CONV:
                kernel, inputs, outputs, _ = sizes
                drawn((kernel, kernel, inputs, outputs), kernel * kernel * inputs)
                drawn((outputs,), kernel * kernel * inputs)
            elif kind in (CONV_BN, DEPTHWISE_BN):
                kernel = sizes[0]
                inputs, outputs = (sizes[1], sizes[2]) if kind == CONV_BN else (1, sizes[1])
                drawn((kernel, kernel, inputs, outputs), kernel * kernel * inputs)
                parameters.append(torch.ones(outputs, dtype=torch.float64, requires_grad=True))
                parameters.append(torch.zeros(outputs, dtype=torch.float64, requires_grad=True))
                statistics.append(torch.zeros(outputs, dtype=torch.float64))
                statistics.append(torch.ones(outputs, dtype=torch.float64))
            elif kind == DENSE:
                inputs, outputs = sizes
                drawn((inputs, outputs), inputs)
                drawn((outputs,), inputs)
            elif kind == RESIDUAL:
                add(sizes[0])
                add(sizes[1])

    add(layers)
    return parameters, statistics


def logits(layers, parameters, statistics, x, training):
    rest, running = iter(parameters), iter(statistics)

    def normalised(x):
        scale, shift, mean, variance = next(rest), next(rest), next(running), next(running)
        return nhwc(F.batch_norm(nchw(x), mean, variance, scale, shift, training))

    def run(layers, x):
        for kind, *sizes in layers:
            if kind == CONV:
                x = conv(x, next(rest), next(rest), 1, sizes[3])
            elif kind == CONV_BN:
                x = normalised(conv(x, next(rest), None, sizes[3], sizes[0] // 2))
            elif kind == DEPTHWISE_BN:
                x = normalised(conv(x, next(rest), None, sizes[2], sizes[0] // 2, groups=sizes[1]))
            elif kind == DENSE:
                x = x @ next(rest) + next(rest)
            elif kind == RELU:
                x = F.relu(x)
            elif kind == RELU6:
                x = F.relu6(x)
            elif kind == POOL:
                x = pool(x, 2, 2)
            elif kind == MEAN:
                x = x.mean((1, 2))
            elif kind == RESIDUAL:
                # In this order: the parameters of the body come first.
                body = run(sizes[0], x)
                x = body + run(sizes[1], x)
            else:
                x = x.reshape(x.shape[0], -1)
        return x

    return run(layers, x)


def digest(x, samples):
    """Enough of an array to notice any change: norm, sum and some elements."""
    flat = x.detach().reshape(-1)
    places = [i * (flat.numel() - 1) // (samples - 1) for i in range(samples)]
    return {
        "sum": float(f"{flat.sum().item():.9g}"), "norm": float(f"{flat.norm().item():.9g}"),
        "places": places, "elements": numbers(flat[places])}


def network_vectors():
    cases = []
    for name, layers in NETWORKS.items():
        parameters, statistics = initial_parameters(layers, seed=5)
        options = OPTIMIZERS.get(name, dict(lr=0.02, momentum=0.9, weight_decay=0.001, nesterov=False))
        optimizer = torch.optim.SGD(parameters, **options)
        samples = NORMALISED_SAMPLES if statistics else SAMPLES
        random = SplitMix64(6)
        losses, correct, first, images = [], [], None, None
        for step in range(NORMALISED_STEPS if statistics else STEPS):
            pixels = (random.array(BATCH * 784) >> np.uint64(56)).astype(np.int64)
            labels = torch.tensor([(3 * step + 7 * i) % 10 for i in range(BATCH)])
            images = ((pixels - ZERO_POINT).astype(np.float32) * SCALE).astype(np.float64)
            images = torch.tensor(images.reshape(BATCH, 28, 28, 1))
            result = logits(layers, parameters, statistics, images, True)
            loss = F.cross_entropy(result, labels)
            optimizer.zero_grad()
            loss.backward()
            if first is None:
                first = {"logits": numbers(result), "gradients": [digest(p.grad, samples) for p in parameters]}
            losses.append(loss.item())
            correct.append(int((result.argmax(1) == labels).sum()))
            optimizer.step()
        cases.append({
            "name": name, "losses": losses, "correct": correct, **first,
            "parameters": [digest(p, samples) for p in parameters],
            "state": [digest(s, samples) for s in statistics],
            "evaluation": numbers(logits(layers, parameters, statistics, images, False))})
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


def rule_vectors():
    """Adam, AdamW, a clipped gradient norm and averaged weights, each over four steps of nine numbers."""
    cases = []
    random = SplitMix64(10)
    for name, build in [
        ("adam", lambda p: torch.optim.Adam(p, lr=0.1)),
        ("adam decay", lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1)),
        ("adamw", lambda p: torch.optim.AdamW(p, lr=0.05, weight_decay=0.1)),
        ("clip", lambda p: torch.optim.SGD(p, lr=0.1)),
        ("average", lambda p: torch.optim.SGD(p, lr=0.1)),
    ]:
        parameter = torch.tensor((random.uniform(9) * 2 - 1).astype(np.float64), requires_grad=True)
        holder = torch.nn.Module()
        holder.p = torch.nn.Parameter(parameter.detach().clone())
        initial, gradients, after = numbers(holder.p), [], []
        optimizer = build([holder.p])
        averaged = torch.optim.swa_utils.AveragedModel(
            holder, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
        for _ in range(4):
            holder.p.grad = torch.tensor((random.uniform(9) * 2 - 1).astype(np.float64))
            gradients.append(numbers(holder.p.grad))
            if name == "clip":
                torch.nn.utils.clip_grad_norm_([holder.p], 0.5)
            optimizer.step()
            averaged.update_parameters(holder)
            after.append(numbers(averaged.module.p if name == "average" else holder.p))
        cases.append({"name": name, "initial": initial, "gradients": gradients, "after": after})
    return cases


def schedule_vectors():
    S = torch.optim.lr_scheduler
    cases = []
    for name, build in [
        ("constant", lambda o: S.ConstantLR(o, 1.0)),
        ("step", lambda o: S.StepLR(o, 4, 0.3)),
        ("cosine", lambda o: S.CosineAnnealingLR(o, 20, 0.05)),
        ("one cycle", lambda o: S.OneCycleLR(o, 1.0, 20)),
        ("one cycle early", lambda o: S.OneCycleLR(o, 1.0, 20, pct_start=0.2, div_factor=10, final_div_factor=100)),
        ("warm-up", lambda o: S.SequentialLR(
            o, [S.LinearLR(o, 0.1, 1.0, 5), S.CosineAnnealingLR(o, 15)], milestones=[5])),
    ]:
        optimizer = torch.optim.SGD([torch.zeros(1, dtype=torch.float64, requires_grad=True)], lr=1.0)
        schedule, factors = build(optimizer), []
        for _ in range(20):
            factors.append(float(f"{schedule.get_last_lr()[0]:.9g}"))
            optimizer.step()
            schedule.step()
        cases.append({"name": name, "factors": factors})
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
    write("rules.json", rule_vectors())
    write("schedules.json", schedule_vectors())
