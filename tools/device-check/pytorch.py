"""Images per second of PyTorch's training of the networks of `device_check`, in its default and in the channels-last layout."""

import json
import sys
import time

import torch
from torch import nn


def conv(fan_in, out, stride=1, kernel=3):
    return nn.Conv2d(fan_in, out, kernel, stride, kernel // 2, bias=False)


class Block(nn.Module):
    def __init__(self, fan_in, out, stride):
        super().__init__()
        self.body = nn.Sequential(conv(fan_in, out, stride), nn.GroupNorm(1, out), nn.ReLU(), conv(out, out), nn.GroupNorm(1, out))
        same = stride == 1 and fan_in == out
        self.shortcut = nn.Identity() if same else nn.Sequential(conv(fan_in, out, stride, 1), nn.GroupNorm(1, out))

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


def resnet20(width):
    layers, fan_in = [conv(3, width), nn.GroupNorm(1, width), nn.ReLU()], width
    for stage, out in enumerate([width, 2 * width, 4 * width]):
        for block in range(3):
            layers.append(Block(fan_in, out, 2 if stage and not block else 1))
            fan_in = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(fan_in, 10))


def vgg16():
    layers, fan_in = [], 3
    for stage in [[64, 64], [128, 128], [256] * 3, [512] * 3, [512] * 3]:
        for out in stage:
            layers += [nn.Conv2d(fan_in, out, 3, 1, 1), nn.BatchNorm2d(out), nn.ReLU()]
            fan_in = out
        layers.append(nn.MaxPool2d(2))
    head = [nn.Flatten(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)]
    return nn.Sequential(*layers, *head)


def mlp():
    sizes = [3072, 512, 512, 512, 512, 10]
    layers = [layer for a, b in zip(sizes, sizes[1:]) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *layers[:-1])


def rate(network, layout, device, seconds, batch=100):
    network = network.to(device).to(memory_format=layout)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)
    images = [torch.randn(batch, 3, 32, 32, device=device).to(memory_format=layout) for _ in range(4)]
    labels = torch.randint(0, 10, (4, batch), device=device)

    # A device that computes on its own is waited for once in ten steps.
    between = 10 if device == "cuda" else 1

    def steps(until):
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < until:
            for step in range(count, count + between):
                optimizer.zero_grad()
                nn.functional.cross_entropy(network(images[step % 4]), labels[step % 4]).backward()
                optimizer.step()
            if device == "cuda":
                torch.cuda.synchronize()
            count += between
        return count * batch / (time.perf_counter() - start)

    steps(2)
    return steps(seconds)


def main():
    seconds = float(sys.argv[1])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    networks = {"mlp, 4 x 512": mlp, "resnet20, 32 wide, layer norm": lambda: resnet20(32), "vgg16, batch norm": vgg16}
    layouts = {"default": torch.contiguous_format, "channels last": torch.channels_last}
    rates = [
        {"network": name, "layout": layout, "images_per_second": rate(make(), layouts[layout], device, seconds)}
        for name, make in networks.items()
        for layout in layouts
    ]
    print(json.dumps({"version": torch.__version__, "device": device, "rates": rates}))


if __name__ == "__main__":
    main()
