"""Two ResNet50 in torchvision's files, matched by `onebasin match` and by NumPy and SciPy, in turns on one machine, on the same files.

    cargo build --release --bin onebasin
    python benchmarks/resnet50.py [--rounds 3] [--program target/release/onebasin]

The files have torchvision's names and shapes, numbers drawn at random. Ours is the whole command: reading both files, telling the network, Git
Re-Basin's weight matching, the check of both functions, writing the maps. The peer's is the matching alone, on arrays in memory: coordinate
ascent as published, products by NumPy in single precision, SciPy's linear_sum_assignment. Prints medians of processor seconds and of seconds, peak
memory of a process, the ratio of our processor time to theirs, and the objectives over that of the models as they came.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

BLOCKS = (3, 4, 6, 3)


def layers():
    """Convolutions, norms and the linear layer in torchvision's order: name, shape, and for each axis of units its group."""
    found = [("conv1", (64, 3, 7, 7), "stem", None), ("bn1", (64,), "stem", None)]
    stream, width = "stem", 64
    for stage, count in enumerate(BLOCKS):
        planes = 64 << stage
        for block in range(count):
            path = f"layer{stage + 1}.{block}"
            out = f"layer{stage + 1}" if block == 0 else stream
            shapes = [(planes, width, 1, 1), (planes, planes, 3, 3), (4 * planes, planes, 1, 1)]
            groups = [stream, f"{path}.conv1", f"{path}.conv2", out]
            for number, shape in enumerate(shapes, 1):
                found.append((f"{path}.conv{number}", shape, groups[number], groups[number - 1]))
                found.append((f"{path}.bn{number}", shape[:1], groups[number], None))
            if block == 0:
                found.append((f"{path}.downsample.0", (4 * planes, width, 1, 1), out, stream))
                found.append((f"{path}.downsample.1", (4 * planes,), out, None))
            stream, width = out, 4 * planes
    return found + [("fc", (1000, 2048), None, stream)]


def drawn(seed):
    """The tensors of one network."""
    import numpy as np

    draw = np.random.default_rng(seed)
    state = {}
    for name, shape, *_ in layers():
        if len(shape) == 1:
            state[f"{name}.weight"] = draw.uniform(0.5, 1.5, shape).astype(np.float32)
            state[f"{name}.bias"] = draw.normal(0, 0.1, shape).astype(np.float32)
            state[f"{name}.running_mean"] = draw.normal(0, 0.1, shape).astype(np.float32)
            state[f"{name}.running_var"] = draw.uniform(0.5, 1.5, shape).astype(np.float32)
        else:
            fan = int(np.prod(shape[1:]))
            state[f"{name}.weight"] = draw.normal(0, (2 / fan) ** 0.5, shape).astype(np.float32)
    state["fc.bias"] = np.zeros(1000, np.float32)
    return state


def parameters():
    """What is matched: name, the group of its rows, the group of its columns."""
    for name, shape, rows, columns in layers():
        yield f"{name}.weight", rows, columns
        if len(shape) == 1 or name == "fc":
            yield f"{name}.bias", rows, None


def objective(first, second):
    import numpy as np

    return sum(float(np.vdot(first[name], second[name])) for name, *_ in parameters())


def ascend(first, second, seed):
    """Weight matching by coordinate ascent: the second model's permutations onto the first, applied in place to a copy."""
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    moved = {name: array.copy() for name, array in second.items()}
    axes = {}
    for name, rows, columns in parameters():
        for axis, group in ((0, rows), (1, columns)):
            if group is not None:
                axes.setdefault(group, []).append((name, axis))
    groups = list(axes)
    draw = np.random.default_rng(seed)
    while True:
        progress = False
        for place in draw.permutation(len(groups)):
            places = axes[groups[place]]
            units = first[places[0][0]].shape[places[0][1]]
            gain = np.zeros((units, units), np.float32)
            for name, axis in places:
                a, b = (np.moveaxis(model[name], axis, 0).reshape(units, -1) for model in (first, moved))
                gain += a @ b.T
            rows, order = linear_sum_assignment(gain, maximize=True)
            if gain[rows, order].sum() > np.trace(gain) + 1e-12 * abs(gain).sum():
                progress = True
                for name, axis in places:
                    moved[name] = np.take(moved[name], order, axis=axis)
        if not progress:
            return moved


def peer(folder, seed):
    """In a process of its own: processor seconds, seconds, peak memory, objective."""
    from safetensors.numpy import load_file

    first, second = (load_file(os.path.join(folder, f"{name}.safetensors")) for name in "ab")
    begun, cpu = time.perf_counter(), time.process_time()
    moved = ascend(first, second, seed)
    took = time.process_time() - cpu, time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([*took, peak, objective(first, moved), objective(first, second)]))


def ours(program, folder, seed):
    """Processor seconds, seconds, peak memory, objective of the whole command."""
    command = [program, "match", "a.safetensors", "b.safetensors", "--method", "git-re-basin", "--seed", str(seed), "--out", "maps.json", "--json"]
    begun = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    told = json.loads(process.stdout.read())
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(command)} failed")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - begun, usage.ru_maxrss / 1024, told["objective"], told["objective-before"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--program", default="target/release/onebasin")
    parser.add_argument("--peer", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        return peer(arguments.peer[0], int(arguments.peer[1]))
    from safetensors.numpy import save_file

    program = os.path.abspath(arguments.program)
    measured = {"onebasin": [], "NumPy and SciPy": []}
    with tempfile.TemporaryDirectory() as folder:
        for name, seed in (("a", 1), ("b", 2)):
            save_file(drawn(seed), os.path.join(folder, f"{name}.safetensors"))
        for round_ in range(arguments.rounds):
            measured["onebasin"].append(ours(program, folder, round_))
            child = subprocess.run([sys.executable, __file__, "--peer", folder, str(round_)], stdout=subprocess.PIPE, check=True)
            measured["NumPy and SciPy"].append(json.loads(child.stdout))
    print("two ResNet50 of torchvision's files, Git Re-Basin")
    for side, rows in measured.items():
        cpu, seconds, peak, after, before = (statistics.median(column) for column in zip(*rows))
        print(f"  {side:16} {cpu:7.1f} s of a processor  {seconds:7.1f} s  {peak:6.0f} MiB  objective {before:.3f} to {after:.3f}")
    ratio = statistics.median(row[0] for row in measured["onebasin"]) / statistics.median(row[0] for row in measured["NumPy and SciPy"])
    print(f"  ratio of processor time {ratio:.2f}")


if __name__ == "__main__":
    main()
