"""Training steps and the barrier job against PyTorch, interleaved on one machine.

    cargo build --release -p onebasin-training --example time_training
    python benchmarks/training.py [--rounds 3] [--seconds 6] [--images 70000] [--example target/release/examples/time_training]

Prints medians and the ratio of our figure to PyTorch's, by the clock and by processor time (on a machine that does other work too, only the
second means something). Both sides work on noise of MNIST's shape, random weights.
steps: an MLP 784-512-512-512-10, batch 100, SGD with momentum 0.9, two trainings side by side with one thread each (ours: two threads of
one process; PyTorch's: two processes); PyTorch gets its batches for nothing, ours are shuffled, gathered and normalised from bytes.
line: 25 points between two MLPs 784-512-512-512-256-10 over 70 000 images, two threads, PyTorch at its best batch size.
"""

import argparse
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
    parser.add_argument("--only", choices=["steps", "plain", "line"])
    parser.add_argument("--peer", choices=["steps", "line"], help="used by the script itself")
    options = parser.parse_args()
    if options.peer == "steps":
        print(*torch_steps(options.seconds))
        return
    if options.peer == "line":
        print(*torch_line(2, options.images))
        return
    itself = [sys.executable, __file__, "--seconds", options.seconds, "--images", options.images, "--peer"]
    for job in ["steps", "plain", "line"]:
        if options.only not in (None, job):
            continue
        ours, peer = [], []
        for _ in range(options.rounds):
            if job == "line":
                ours.append(finish(start(options.example, "line", "own", 2, options.images)))
                peer.append(finish(start(*itself, "line")))
            else:
                kernels = "own" if job == "steps" else "plain"
                ours.append(finish(start(options.example, "steps", kernels, options.seconds)))
                pair = [start(*itself, "steps") for _ in range(2)]
                peer.append([sum(figures) for figures in zip(*map(finish, pair))])
        name = {"steps": "two trainings, own operations", "plain": "two trainings, burn's operations", "line": "barrier job"}[job]
        report(name, ours, peer, "s" if job == "line" else "images/s", job == "line")


if __name__ == "__main__":
    main()
