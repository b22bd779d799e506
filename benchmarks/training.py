"""Training steps and the barrier job against PyTorch, interleaved on one machine.

    cargo build --release -p onebasin-training --example time_training
    python benchmarks/training.py [--rounds 3] [--seconds 6] [--images 70000] [--example target/release/examples/time_training]

Prints medians and the ratio of our figure to PyTorch's, by the clock and by processor time (on a machine that does other work too, only the
second means something). Both sides work on noise of MNIST's shape, random weights.
steps: an MLP 784-512-512-512-10, batch 100, SGD with momentum 0.9, two trainings side by side with one thread each (ours: two threads of
one process; PyTorch's: two processes); PyTorch gets its batches for nothing, ours are shuffled, gathered and normalised from bytes.
networks: convolutional networks on noise of CIFAR-10's shape, two trainings side by side as in steps, PyTorch in its channels-last layout.
line: 25 points between two MLPs 784-512-512-512-256-10 over 70 000 images, two threads, PyTorch at its best batch size.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time


def torch_steps(seconds):
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(1)
    sizes = [784, 512, 512, 512, 10]
    layers = []
    for fan_in, fan_out in zip(sizes, sizes[1:]):
        layers += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    images, labels = torch.randn(20, 100, 784), torch.randint(0, 10, (20, 100))
    start, first, step = time.perf_counter(), None, 0
    while first is None or time.perf_counter() - first[0] < seconds:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images[step % 20]), labels[step % 20]).backward()
        optimizer.step()
        step += 1
        if first is None and time.perf_counter() - start > 0.5:
            first = (time.perf_counter(), time.process_time(), step)
    images = 100 * (step - first[2])
    return images / (time.perf_counter() - first[0]), images / (time.process_time() - first[1])


NETWORKS = {
    "resnet20-16-layer": (100, {"family": "resnet", "depth": 20, "width": 16, "norm": "layer", "shortcut": 1}),
    "resnet20-16-batch": (100, {"family": "resnet", "depth": 20, "width": 16, "norm": "batch", "shortcut": 1}),
    "resnet20-32-layer": (100, {"family": "resnet", "depth": 20, "width": 32, "norm": "layer", "shortcut": 1}),
    "vgg16-batch": (50, {"family": "vgg", "depth": 16, "norm": "batch", "head": []}),
    "vgg11-none": (50, {"family": "vgg", "depth": 11, "head": []}),
}


def torch_network(blueprint):
    import torch
    from torch import nn

    class PixelNorm(nn.LayerNorm):
        def forward(self, x):
            return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    norms = {"layer": PixelNorm, "batch": nn.BatchNorm2d}

    def conv(fan_in, out, kernel, stride, bias):
        norm = norms.get(blueprint.get("norm"))
        layers = [nn.Conv2d(fan_in, out, kernel, stride, kernel // 2, bias=bias)]
        return layers + ([norm(out)] if norm else [])

    class Block(nn.Module):
        def __init__(self, fan_in, out, stride):
            super().__init__()
            self.body = nn.Sequential(*conv(fan_in, out, 3, stride, False), nn.ReLU(True), *conv(out, out, 3, 1, False))
            plain = fan_in == out and stride == 1
            self.shortcut = nn.Identity() if plain else nn.Sequential(*conv(fan_in, out, blueprint["shortcut"], stride, False))

        def forward(self, x):
            return torch.relu_(self.body(x) + self.shortcut(x))

    layers, width = [], blueprint.get("width", 64)
    if blueprint["family"] == "resnet":
        layers += [*conv(3, width, 3, 1, False), nn.ReLU(True)]
        fan_in = width
        for stage in range(3):
            for block in range((blueprint["depth"] - 2) // 6):
                out = width * 2**stage
                layers.append(Block(fan_in, out, 2 if stage > 0 and block == 0 else 1))
                fan_in = out
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(fan_in, 10)]
    else:
        fan_in = 3
        for count, factor in zip({11: [1, 1, 2, 2, 2], 16: [2, 2, 3, 3, 3]}[blueprint["depth"]], [1, 2, 4, 8, 8]):
            for _ in range(count):
                layers += [*conv(fan_in, factor * width, 3, 1, True), nn.ReLU(True)]
                fan_in = factor * width
            layers.append(nn.MaxPool2d(2))
        layers += [nn.Flatten(), nn.Linear(fan_in, 10)]
    return nn.Sequential(*layers)


def torch_images(name, seconds):
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(1)
    batch, blueprint = NETWORKS[name]
    model = torch_network(blueprint).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    images = [torch.randn(batch, 3, 32, 32).contiguous(memory_format=torch.channels_last) for _ in range(4)]
    labels = torch.randint(0, 10, (4, batch))
    first, step = None, 0
    while first is None or time.perf_counter() - first[0] < seconds:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images[step % 4]), labels[step % 4]).backward()
        optimizer.step()
        step += 1
        if first is None and step >= 2:
            first = (time.perf_counter(), time.process_time(), step)
    count = batch * (step - first[2])
    return count / (time.perf_counter() - first[0]), count / (time.process_time() - first[1])


def torch_line(threads, images, batch=1000, lambdas=25):
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    sizes = [784, 512, 512, 512, 256, 10]
    ends = [
        [(torch.randn(o, i) / i**0.5, torch.randn(o) / i**0.5) for i, o in zip(sizes, sizes[1:])]
        for _ in range(2)
    ]
    data, labels = torch.randn(images, 784), torch.randint(0, 10, (images,))
    start, ran = time.perf_counter(), time.process_time()
    with torch.no_grad():
        for step in range(lambdas):
            share = step / (lambdas - 1)
            layers = [tuple(torch.lerp(a, b, share) for a, b in zip(*pair)) for pair in zip(*ends)]
            loss, right = 0.0, 0
            for x, y in zip(data.split(batch), labels.split(batch)):
                for place, (weight, bias) in enumerate(layers):
                    x = torch.nn.functional.linear(x, weight, bias)
                    if place + 1 < len(layers):
                        x = x.relu_()
                loss += torch.nn.functional.cross_entropy(x, y, reduction="sum").item()
                right += (x.argmax(1) == y).sum().item()
    return time.perf_counter() - start, time.process_time() - ran


def start(*command):
    return subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)


def finish(process):
    output, _ = process.communicate()
    if process.returncode:
        sys.exit(f"{process.args} failed")
    return [float(number) for number in output.split()]


def report(name, ours, peer, unit, less_is_better):
    better = "less" if less_is_better else "more"
    for place, clock in enumerate(["by the clock", "while running"]):
        left, right = [figures[place] for figures in ours], [figures[place] for figures in peer]
        ratios = [a / b for a, b in zip(left, right)]
        print(
            f"{name}, {clock}: {statistics.median(left):.4g} {unit}, PyTorch {statistics.median(right):.4g} {unit}, "
            f"ratio {statistics.median(ratios):.2f} ({better} is better; rounds {', '.join(f'{ratio:.2f}' for ratio in ratios)})",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--images", type=int, default=70000)
    parser.add_argument("--example", default="target/release/examples/time_training")
    parser.add_argument("--only", choices=["steps", "plain", "line", *NETWORKS])
    parser.add_argument("--peer", choices=["steps", "line", *NETWORKS], help="used by the script itself")
    options = parser.parse_args()
    if options.peer == "steps":
        print(*torch_steps(options.seconds))
        return
    if options.peer == "line":
        print(*torch_line(2, options.images))
        return
    if options.peer in NETWORKS:
        print(*torch_images(options.peer, options.seconds))
        return
    itself = [sys.executable, __file__, "--seconds", options.seconds, "--images", options.images, "--peer"]
    for job in ["steps", "plain", "line", *NETWORKS]:
        if options.only not in (None, job):
            continue
        ours, peer = [], []
        for _ in range(options.rounds):
            if job == "line":
                ours.append(finish(start(options.example, "line", "own", 2, options.images)))
                peer.append(finish(start(*itself, "line")))
            elif job in NETWORKS:
                batch, blueprint = NETWORKS[job]
                ours.append(finish(start(options.example, "steps", "own", options.seconds, batch, json.dumps(blueprint))))
                pair = [start(*itself, job) for _ in range(2)]
                peer.append([sum(figures) for figures in zip(*map(finish, pair))])
            else:
                kernels = "own" if job == "steps" else "plain"
                ours.append(finish(start(options.example, "steps", kernels, options.seconds)))
                pair = [start(*itself, "steps") for _ in range(2)]
                peer.append([sum(figures) for figures in zip(*map(finish, pair))])
        name = {"steps": "two trainings, own operations", "plain": "two trainings, burn's operations", "line": "barrier job"}.get(job, job)
        report(name, ours, peer, "s" if job == "line" else "images/s", job == "line")


if __name__ == "__main__":
    main()
