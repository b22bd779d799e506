"""The Frank-Wolfe of C2M3 beside a PyTorch rewrite of it, on the same checkpoints, one after the other; prints a table.

    python3 benchmarks/c2m3.py [--models 2,5,10,20] [--iterations 30] [--rounds 3]    trains MLPs 784-512-512-512-256-10 on noisy prototypes first
    python3 benchmarks/c2m3.py --data DIR       trains them on MNIST's IDX files in DIR instead
    python3 benchmarks/c2m3.py --weights DIR    takes these checkpoints
    python3 benchmarks/c2m3.py --scaling        the Rust alone, on made models: growth with their number and width, memory, shares of products and assignments
    python3 benchmarks/c2m3.py --blueprint '{"family": "resnet", "depth": 20, "width": 32, "norm": "layer"}'    makes models that share half of their weights

DIR of checkpoints: safetensors of one MLP architecture, as `onebasin` writes them, taken in the order of their names. Needs `cargo` and the
packages of `benchmarks/requirements.txt`.

The peer is what a careful Python user would write from the formulas, with the same algebra: gradients by the sum over models, one pass for
the exact line search on a quartic, products with a permutation as indexing, models stacked in batched products, f32 with sums in f64,
`scipy.optimize.linear_sum_assignment`. It computes the images PᵀW, WP and PᵀWP by products each time, where the Rust carries them.
Both stop by the published rule (1e-6, patience 5) or when no step gains. Two threads each, or `BENCHMARK_THREADS`.
"""

import argparse
import gzip
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

# Of both sides; set before NumPy and PyTorch are imported.
THREADS = int(os.environ.get("BENCHMARK_THREADS", min(2, os.cpu_count() or 1)))
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = str(THREADS)

ROOT = pathlib.Path(__file__).resolve().parent.parent
WIDTHS = [784, 512, 512, 512, 256, 10]


def build():
    command = ["cargo", "build", "--release", "--locked", "--workspace", "--example", "time_c2m3", "--message-format", "json"]
    lines = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    messages = [json.loads(line) for line in lines]
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "time_c2m3")


def cpu_seconds(usage):
    return usage.ru_utime + usage.ru_stime


def run(command):
    """The JSON a command prints, with the processor time it took, start-up included unless it says another."""
    before = cpu_seconds(resource.getrusage(resource.RUSAGE_CHILDREN))
    result = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    result.setdefault("process", cpu_seconds(resource.getrusage(resource.RUSAGE_CHILDREN)) - before)
    return result


# The peer


def load(directory, models):
    """What the models hold, stacked over them: for each group its units, the parameters tied to it alone side by side [n, units, width],
    and each parameter tied by both axes as (row group, column group, [n, rows, depth, columns]); and the parameters tied to nothing."""
    import torch
    from safetensors.torch import load_file

    paths = sorted(pathlib.Path(directory).glob("*.safetensors"))[:models]
    if len(paths) < models:
        sys.exit(f"{directory} holds {len(paths)} checkpoints, expected {models}")
    loaded = [load_file(path) for path in paths]
    stack = lambda name: torch.stack([weights[name] for weights in loaded]).contiguous()
    path = pathlib.Path(directory) / "ties.json"
    if path.exists():
        ties = json.loads(path.read_text())
        units, parameters = ties["units"], ties["parameters"]
    else:
        # An MLP: the units of each hidden layer.
        layers = len([name for name in loaded[0] if name.endswith(".weight")])
        units = [loaded[0][f"fc{layer}.bias"].numel() for layer in range(1, layers)]
        parameters = []
        for layer in range(1, layers + 1):
            rows = [layer - 1, 1] if layer < layers else None
            parameters += [[f"fc{layer}.weight", rows, [layer - 2, 1] if layer > 1 else None], [f"fc{layer}.bias", rows, None]]
    alone, crosses, loose = [[] for _ in units], [], []
    for name, rows, columns in parameters:
        weights = stack(name)
        if rows and columns:
            cut = weights.reshape(models, units[rows[0]], rows[1], units[columns[0]], -1).transpose(3, 4)
            crosses.append((rows[0], columns[0], cut.reshape(models, units[rows[0]], -1, units[columns[0]]).contiguous()))
        elif rows:
            alone[rows[0]].append(weights.reshape(models, units[rows[0]], -1))
        elif columns:
            cut = weights.reshape(models, weights.shape[1], units[columns[0]], -1).transpose(1, 2)
            alone[columns[0]].append(cut.reshape(models, units[columns[0]], -1))
        else:
            loose.append(weights)
    return units, [torch.cat(parts, 2).contiguous() if parts else None for parts in alone], crosses, loose


def norms(parts):
    """Inner products in f64 of all pairs among stacks of models: of their sums over models, less those of the models."""
    import torch

    double = [part.double() for part in parts]
    sums = [part.sum(0).reshape(-1) for part in double]
    double = [part.reshape(-1) for part in double]
    return lambda i, j: 0.5 * float(torch.dot(sums[i], sums[j]) - torch.dot(double[i], double[j]))


def agreement(u):
    """sum over p < q of <u_p, u_q>."""
    return norms([u])(0, 0)


def best_step(b):
    """Where sum_k b_k t^k (1-t)^(4-k) is greatest on [0, 1], and its gain over t = 0."""
    import numpy as np

    b0, b1, b2, b3, b4 = b
    c = np.array([b4 - b3 + b2 - b1 + b0, b3 - 2 * b2 + 3 * b1 - 4 * b0, b2 - 3 * b1 + 6 * b0, b1 - 4 * b0, 0.0])
    roots = np.roots(np.polyder(c))
    candidates = [0.0, 1.0] + [float(r.real) for r in roots if abs(r.imag) < 1e-9 and 0 < r.real < 1]
    return max(candidates, key=lambda t: np.polyval(c, t))


def peer(directory, models, iterations):
    import torch
    from scipy.optimize import linear_sum_assignment

    torch.set_num_threads(THREADS)
    torch.set_grad_enabled(False)
    groups, flats, crosses, loose = load(directory, models)
    constant = sum(agreement(weights) for weights in loose)
    began, process = time.perf_counter(), time.process_time()
    points = [torch.eye(size).repeat(models, 1, 1) for size in groups]
    rows = torch.arange(models)[:, None]
    best, waited, trace = None, 0, []
    parts = {"images": 0.0, "gradient": 0.0, "lap": 0.0, "line": 0.0}

    def images():
        u_flats = [None if flat is None else point.mT @ flat for point, flat in zip(points, flats)]
        u_crosses = []
        for r, c, weights in crosses:
            right = (weights.reshape(models, -1, weights.shape[3]) @ points[c]).reshape(models, weights.shape[1], -1)
            left = points[r].mT @ weights.reshape(models, weights.shape[1], -1)
            u_crosses.append((left.view(weights.shape), right.view(weights.shape), (points[r].mT @ right).view(weights.shape)))
        return u_flats, u_crosses

    def value(u_flats, u_crosses):
        return constant + sum(agreement(u) for u in u_flats if u is not None) + sum(agreement(image) for _, _, image in u_crosses)

    now = images()
    best = objective = value(*now)
    for _ in range(iterations):
        t0 = time.perf_counter()
        u_flats, u_crosses = now
        others = lambda u: u.sum(0, keepdim=True) - u
        gradients = [
            torch.zeros(models, size, size) if flat is None else flat @ others(u).mT for size, flat, u in zip(groups, flats, u_flats)
        ]
        for (r, c, weights), (left, right, image) in zip(crosses, u_crosses):
            rest = others(image)
            by_rows = lambda u: u.reshape(models, weights.shape[1], -1)
            by_columns = lambda u: u.reshape(models, -1, weights.shape[3])
            gradients[r] = torch.baddbmm(gradients[r], by_rows(right), by_rows(rest).mT)
            gradients[c] = torch.baddbmm(gradients[c], by_columns(left).mT, by_columns(rest))
        t1 = time.perf_counter()
        units = []
        for gradient in gradients:
            of_group = torch.empty(models, gradient.shape[1], dtype=torch.long)
            for p, matrix in enumerate(gradient.numpy()):
                unit, slot = linear_sum_assignment(matrix, maximize=True)
                of_group[p, torch.from_numpy(slot)] = torch.from_numpy(unit)
            units.append(of_group)
        t2 = time.perf_counter()
        b = [0.0] * 5

        def share(u, m, v):
            inner = norms([u, m, v])
            b[0] += inner(0, 0)
            b[1] += 2 * inner(0, 1)
            b[2] += inner(1, 1) + 2 * inner(0, 2)
            b[3] += 2 * inner(1, 2)
            b[4] += inner(2, 2)

        def linear(u, v):
            share(u, u + v, v)

        for flat, u, of_group in zip(flats, u_flats, units):
            if flat is not None:
                linear(u, flat[rows, of_group])
        for (r, c, weights), (left, right, image) in zip(crosses, u_crosses):
            columns = units[c][:, None, None, :].expand_as(image)
            mixed = right[rows, units[r]] + torch.gather(left, 3, columns)
            share(image, mixed, torch.gather(weights[rows, units[r]], 3, columns))
        step = best_step(b)
        t3 = time.perf_counter()
        for point, of_group in zip(points, units):
            point.mul_(1 - step)
            slots = torch.arange(of_group.shape[1])[None, :].expand(models, -1)
            point[rows, of_group, slots] += step
        if step > 0:
            now = images()
            objective = value(*now)
        t4 = time.perf_counter()
        for name, seconds in zip(("gradient", "lap", "line", "images"), (t1 - t0, t2 - t1, t3 - t2, t4 - t3)):
            parts[name] += seconds
        trace.append(objective)
        if objective - best < 1e-6:
            waited += 1
        else:
            best, waited = objective, 0
        if waited == 5 or step == 0:
            break
    soft = objective
    for g, point in enumerate(points):
        for p in range(models):
            unit, slot = linear_sum_assignment(point[p].numpy(), maximize=True)
            point[p] = 0
            point[p][unit, slot] = 1
    hard = value(*images())
    seconds = time.perf_counter() - began
    process = time.process_time() - process
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    report = {"seconds": seconds, "process": process, "iterations": len(trace), "soft": soft, "hard": hard}
    print(json.dumps(report | {"trace": trace, "memory": memory, "parts": parts}))


# Weights of its own


def train(data, directory, models):
    import numpy as np
    import torch
    from safetensors.torch import save_file

    def read(name, offset):
        path = pathlib.Path(data) / name
        content = path.read_bytes() if path.exists() else gzip.open(f"{path}.gz").read()
        return np.frombuffer(content, np.uint8, offset=offset)

    if data:
        images = (torch.from_numpy(read("train-images-idx3-ubyte", 16).reshape(-1, 784).astype(np.float32)) / 255 - 0.1307) / 0.3081
        labels = torch.from_numpy(read("train-labels-idx1-ubyte", 8).astype(np.int64))
    else:
        # Five prototypes a class, so that the hidden layers have something to find.
        torch.manual_seed(42)
        labels, kinds = torch.randint(WIDTHS[-1], (20_000,)), torch.randint(5, (20_000,))
        images = torch.randn(WIDTHS[-1], 5, WIDTHS[0])[labels, kinds] + 2 * torch.randn(20_000, WIDTHS[0])
    layers = [{"op": "flatten"}]
    for width in WIDTHS[1:-1]:
        layers += [{"op": "linear", "out": width}, {"op": "relu"}]
    layers.append({"op": "linear", "out": "classes"})
    architecture = json.dumps({"input": [1, 28, 28], "classes": WIDTHS[-1], "layers": layers})
    for seed in range(models):
        torch.manual_seed(seed)
        linear = [torch.nn.Linear(a, b) for a, b in zip(WIDTHS, WIDTHS[1:])]
        net = torch.nn.Sequential(*[part for layer in linear for part in (layer, torch.nn.ReLU())][:-1])
        optimizer = torch.optim.Adam(net.parameters(), 1e-3)
        for _ in range(3):
            for batch in torch.randperm(len(images)).split(512):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(net(images[batch]), labels[batch]).backward()
                optimizer.step()
        tensors = {}
        for number, layer in enumerate(linear, 1):
            tensors[f"fc{number}.weight"], tensors[f"fc{number}.bias"] = layer.weight.detach(), layer.bias.detach()
        path = pathlib.Path(directory) / f"model-{seed:02}.safetensors"
        save_file(tensors, path, metadata={"onebasin.architecture": architecture})


def compare(directory, models, iterations, rounds):
    program = build()
    options = json.dumps({"iterations": iterations, "stop": {"rule": "absolute", "tolerance": 1e-6, "patience": 5}, "refine": 0})
    print("| models | | iterations | s / iteration | cpu s / iteration | total s | objective soft | hard | MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for count in models:
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(run([program, directory, str(count), options]))
            theirs.append(run([sys.executable, __file__, "--peer", directory, str(count), str(iterations)]))
        figures = {}
        for name, runs in (("onebasin", ours), ("pytorch", theirs)):
            middle = lambda key: statistics.median(run[key] / run["iterations"] for run in runs)
            figures[name] = (middle("seconds"), middle("process"))
            one = runs[0]
            total = statistics.median(run["seconds"] for run in runs)
            print(
                f"| {count} | {name} | {one['iterations']} | {figures[name][0]:.4f} | {figures[name][1]:.4f} | {total:.2f} "
                f"| {one['soft']:.4f} | {one['hard']:.4f} | {one['memory']} |",
                flush=True,
            )
        ratio, cpu = (figures["onebasin"][k] / figures["pytorch"][k] for k in (0, 1))
        parts = {name: round(seconds / theirs[0]["iterations"], 4) for name, seconds in theirs[0]["parts"].items()}
        print(f"| {count} | ratio | | {ratio:.3f} | {cpu:.3f} | | | | |", flush=True)
        print(f"pytorch, n = {count}, s / iteration: {parts}", file=sys.stderr, flush=True)


# Growth, without the peer


def resnet(times):
    return {"family": "resnet", "depth": 20, "width": 16 * times, "norm": "layer"}


# Name, blueprint, models, iterations.
SCALING = [
    *[("ResNet20-1x", resnet(1), count, 120 // count) for count in (2, 5, 10, 20)],
    *[("ResNet20-2x", resnet(2), count, 40 // count) for count in (2, 5, 10, 20)],
    *[(f"ResNet20-{times}x", resnet(times), 3, 40 // times) for times in (1, 2, 4, 8)],
    ("VGG16", {"family": "vgg", "depth": 16, "width": 64, "norm": "layer"}, 5, 4),
]


def scaling():
    program = build()
    stop = {"rule": "absolute", "tolerance": 0.0, "patience": 1000}
    print("| network | models | s / iteration | cpu s / iteration | iterations | total s | MiB | products | GFLOP/s | of a large product | assignments |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, blueprint, count, iterations in SCALING:
        options = json.dumps({"iterations": iterations, "stop": stop, "refine": 0})
        one = run([program, json.dumps(blueprint), str(count), options, "shares"])
        processor = one["ascent"]
        print(
            f"| {name} | {count} | {one['seconds'] / one['iterations']:.3f} | {processor:.3f} | {one['iterations']} | {one['seconds']:.2f} "
            f"| {one['memory']} | {one['products'] / processor:.0%} | {one['rate']:.0f} | {one['rate'] / one['large']:.0%} "
            f"| {one['assignments'] / processor:.0%} |",
            flush=True,
        )


def main():
    if sys.argv[1:2] == ["--peer"]:
        directory, models, iterations = sys.argv[2:]
        peer(directory, int(models), int(iterations))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--weights", help="a folder of checkpoints")
    where.add_argument("--data", help="a folder with MNIST's IDX files, to train checkpoints from")
    parser.add_argument("--models", default="2,5,10,20", help="how many models, one or more numbers")
    parser.add_argument("--iterations", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=1)
    where.add_argument("--blueprint", help="an architecture, as a spec writes it in JSON, to make models of, for 32 x 32 colour images")
    where.add_argument("--scaling", action="store_true", help="growth with number and width, without the peer")
    options = parser.parse_args()
    if options.scaling:
        scaling()
        return
    models = [int(count) for count in options.models.split(",")]
    if options.weights:
        compare(options.weights, models, options.iterations, options.rounds)
        return
    with tempfile.TemporaryDirectory() as directory:
        if options.blueprint:
            subprocess.run([build(), options.blueprint, str(max(models)), directory], check=True)
            compare(directory, models, options.iterations, options.rounds)
            return
        train(options.data, directory, max(models))
        compare(directory, models, options.iterations, options.rounds)


if __name__ == "__main__":
    main()
