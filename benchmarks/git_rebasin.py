"""Weight matching of an MLP pair against numpy and scipy, interleaved on one machine, on the same weights.

    cargo build --release -p onebasin-matching --example time_matching
    python benchmarks/git_rebasin.py [A.safetensors B.safetensors] [--rounds 5] [--example target/release/examples/time_matching]

Prints medians, the ratio of our time to Python's, and both objectives. The checkpoints must be of an MLP with biases; without any, a pair is
made of which one is the other with its units shuffled, plus noise (that takes 4 sweeps; trained pairs take 25 to 50).
Python: coordinate ascent as published (random order of layers, old permutation kept on no gain, relative tolerance), matrix products in
single precision, gains in double, scipy's linear_sum_assignment. Round r has order seed r on both sides; the orders differ.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment


def load(path):
    """The weights and biases of an MLP, in the order of its layers."""
    data = Path(path).read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)

    def array(name):
        start, end = header[name]["data_offsets"]
        return np.frombuffer(data[8 + length + start : 8 + length + end], np.float32).reshape(header[name]["shape"])

    count = len(header) // 2
    return [array(f"fc{i}.weight") for i in range(1, count + 1)], [array(f"fc{i}.bias") for i in range(1, count + 1)]


def objective(a, b, maps):
    """Agreement of A with B under the maps, in double precision."""
    total = 0.0
    for layer, (left, left_bias, right, right_bias) in enumerate(zip(*a, *b)):
        if layer > 0:
            right = right[:, maps[layer - 1]]
        if layer < len(maps):
            right, right_bias = right[maps[layer]], right_bias[maps[layer]]
        total += np.vdot(left.astype(np.float64), right) + np.vdot(left_bias.astype(np.float64), right_bias)
    return total


def match(a, b, seed, sweeps=100, tolerance=1e-9):
    (weights_a, biases_a), (weights_b, biases_b) = a, b
    rng = np.random.default_rng(seed)
    maps = [np.arange(len(weight)) for weight in weights_a[:-1]]
    current = objective(a, b, maps)
    for sweep in range(sweeps):
        progress = False
        for layer in rng.permutation(len(maps)):
            incoming = weights_b[layer] if layer == 0 else weights_b[layer][:, maps[layer - 1]]
            outgoing = weights_b[layer + 1] if layer + 1 == len(maps) else weights_b[layer + 1][maps[layer + 1]]
            gain = (weights_a[layer] @ incoming.T + weights_a[layer + 1].T @ outgoing).astype(np.float64)
            gain += np.outer(biases_a[layer], biases_b[layer])
            rows, best = linear_sum_assignment(gain, maximize=True)
            gained = gain[rows, best].sum() - gain[rows, maps[layer]].sum()
            if gained > tolerance * abs(current):
                maps[layer], progress = best, True
                current += gained
        if not progress:
            break
    return objective(a, b, maps), sweep + 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pair", nargs="*", help="two checkpoints")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--example", default="target/release/examples/time_matching")
    options = parser.parse_args()
    if len(options.pair) not in (0, 2):
        parser.error("give two checkpoints or none")

    with tempfile.TemporaryDirectory() as directory:
        pair = options.pair
        if not pair:
            pair = [f"{directory}/a.safetensors", f"{directory}/b.safetensors"]
            subprocess.run([options.example, "make", *pair], check=True)
        a, b = load(pair[0]), load(pair[1])
        ours, theirs = [], []
        for seed in range(options.rounds):
            command = [options.example, '{"by": "git-re-basin"}', str(seed), "1", *pair]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
            run = json.loads(output)["runs"][0]
            ours.append((run["seconds"], run["objective"], run["iterations"]))
            start = time.perf_counter()
            found, sweeps = match(a, b, seed)
            theirs.append((time.perf_counter() - start, found, sweeps))

    for name, runs in (("onebasin", ours), ("numpy and scipy", theirs)):
        seconds, objectives, sweeps = zip(*runs)
        print(
            f"{name:16} {statistics.median(seconds):7.3f} s ({min(seconds):.3f} to {max(seconds):.3f}), "
            f"objective {min(objectives):.2f} to {max(objectives):.2f}, sweeps {min(sweeps)} to {max(sweeps)}"
        )
    ratio = statistics.median(run[0] for run in ours) / statistics.median(run[0] for run in theirs)
    print(f"ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
