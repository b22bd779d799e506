"""The transport solvers beside SciPy and POT on the same matrices, interleaved; prints a table of medians and ratios.

    python3 benchmarks/transport.py [--rounds 5] [--only SUBSTRING]

Needs `cargo` and the packages of `benchmarks/requirements.txt`. One thread on both sides.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np
import ot
from scipy.optimize import linear_sum_assignment

ROOT = pathlib.Path(__file__).resolve().parent.parent


def build():
    command = ["cargo", "build", "--release", "-p", "onebasin-transport", "--example", "time_transport", "--message-format", "json"]
    lines = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    messages = [json.loads(line) for line in lines]
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "time_transport")


def distances(rows, columns, features, generator):
    a, b = generator.standard_normal((rows, features)), generator.standard_normal((columns, features))
    return ot.dist(a, b, metric="euclidean")


def series(gain, generator, count=3, share=0.02):
    """Matrices that drift by `share` of their spread a step, as the gradients of Frank-Wolfe do."""
    matrices = [gain]
    for _ in range(count):
        matrices.append(matrices[-1] + share * gain.std() * generator.standard_normal(gain.shape))
    return np.stack(matrices)


def gram(size, features, generator):
    return generator.standard_normal((size, features)) @ generator.standard_normal((size, features)).T


def noisy_copy(size, features, generator):
    """Two sets of rectified features, one a shuffled noisy copy of the other: what matched networks look like."""
    x = np.maximum(generator.standard_normal((size, features)) @ generator.standard_normal((features, features)), 0)
    y = x[generator.permutation(size)] + x.std() * 3 * generator.standard_normal(x.shape)
    return x @ y.T


def cases():
    for size in (512, 1024, 2048):
        generator = np.random.default_rng(size)
        for name, gain in (
            ("uniform", generator.random((size, size))),
            ("gram", gram(size, 784, generator)),
            ("low rank", gram(size, 16, generator)),
            ("noisy copy", noisy_copy(size, 128, generator)),
        ):
            yield f"assignment {name} {size}", "assignment", gain, None
            if name == "gram":
                yield f"assignment {name} f32 {size}", "single", gain.astype(np.float32).astype(np.float64), None
            yield f"restart {name} {size}", "restart", series(gain, generator), None
    for rows, columns in ((400, 400), (512, 512), (400, 200), (200, 400), (1024, 1024), (1024, 512)):
        generator = np.random.default_rng(rows + columns)
        for features in (784, 16):
            cost = distances(rows, columns, features, generator)
            yield f"exact {rows}x{columns} dim {features}", "exact", cost, (np.full(rows, 1 / rows), np.full(columns, 1 / columns))
        masses = (generator.dirichlet(np.ones(rows)), generator.dirichlet(np.ones(columns)))
        yield f"exact {rows}x{columns} masses", "exact", cost, masses


def peer(mode, matrix, masses):
    started = time.perf_counter()
    if mode == "exact":
        plan, log = ot.emd(*masses, matrix, log=True, numItermax=10_000_000, numThreads=1)
        seconds = time.perf_counter() - started
        return seconds, log["cost"]
    value = 0.0
    for gain in matrix[1:] if mode == "restart" else [matrix]:
        rows, columns = linear_sum_assignment(gain, maximize=True)
        value += gain[rows, columns].sum()
    return time.perf_counter() - started, value


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    executable = build()
    print(f"{'case':34} {'here ms':>9} {'peer ms':>9} {'ratio':>6}")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "matrix"
        for name, mode, matrix, masses in cases():
            if options.only not in name:
                continue
            with open(path, "wb") as file:
                for part in (matrix, *(masses or ())):
                    file.write(np.ascontiguousarray(part, dtype="<f8").tobytes())
            ours, theirs = [], []
            for _ in range(options.rounds):
                seconds, expected = peer(mode, matrix, masses)
                theirs.append(seconds)
                arguments = [executable, mode, str(path), str(matrix.shape[-2]), str(matrix.shape[-1]), "3"]
                answer = json.loads(subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True).stdout)
                ours.append(answer["seconds"])
                assert abs(answer["value"] - expected) <= 1e-9 * max(1e-9, abs(expected)), (name, answer["value"], expected)
            here, there = statistics.median(ours), statistics.median(theirs)
            print(f"{name:34} {here * 1e3:9.2f} {there * 1e3:9.2f} {here / there:6.2f}", flush=True)


if __name__ == "__main__":
    main()
