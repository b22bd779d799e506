"""Convolutional networks matched by us and by straightforward PyTorch with POT or SciPy, in turns on one machine, on the same weights.

    cargo build --release -p onebasin-matching --example time_matching
    python benchmarks/convolutional.py [--rounds 5] [--example target/release/examples/time_matching] [--only ot-fusion]

Three jobs, on networks drawn at random: six VGG11 without biases (64 wide, 9.2 M weights each) fused by OT fusion from weights; the weight
matching of Git Re-Basin on two VGG16 with layer norm, and on two ResNet20 (64 wide). Prints medians of seconds, peak memory of a whole process, the ratio
of our time to theirs, and the objectives. Seconds are those of matching (and of the mean for OT fusion), without reading files.

The peers: OT fusion layer after layer, costs by torch.cdist in single precision, plans by ot.emd, the next layer's inputs by the plan, the mean of all.
Weight matching by coordinate ascent as published: random order of groups, all other groups' permutations applied to B, products in single
precision, SciPy's linear_sum_assignment; a group keeps its permutation on no gain. Round r has order seed r on both sides; the orders differ.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

JOBS = {
    "ot-fusion": (
        "six VGG11, OT fusion",
        {"family": "vgg", "depth": 11, "width": 64, "head": [], "bias": False},
        6,
        {"by": "ot-fusion", "append-vectors": False, "output": "fixed"},
    ),
    "vgg16": (
        "two VGG16, weight matching",
        {"family": "vgg", "depth": 16, "width": 64, "norm": "layer"},
        2,
        {"by": "git-re-basin"},
    ),
    "resnet20": (
        "two ResNet20 64 wide, weight matching",
        {"family": "resnet", "depth": 20, "width": 64, "norm": "layer"},
        2,
        {"by": "git-re-basin"},
    ),
}


def fuse(models, spec):
    """The mean of all models on the units of the first, as float32 tensors; layers in the order of `spec`."""
    import numpy as np
    import ot
    import torch

    reference, *others = models
    sums = {name: weight.clone() for name, weight in reference.items()}
    for model in others:
        before = None
        for place, parameter in enumerate(spec["parameters"]):
            weight = model[parameter["name"]]
            if before is not None:
                # A flatten behind convolutions: as many columns a unit as pixels, here one.
                weight = torch.einsum("oi...,ij->oj...", weight, before)
            if place + 1 < len(spec["parameters"]):
                rows, onto = weight.flatten(1), reference[parameter["name"]].flatten(1)
                costs = torch.cdist(rows, onto).numpy().astype(np.float64)
                units = len(rows)
                masses = np.full(units, 1.0 / units)
                plan = torch.from_numpy(ot.emd(masses, masses, costs).astype(np.float32)) * units
                weight = torch.einsum("oi...,oj->ji...", weight, plan)
                before = plan
            sums[parameter["name"]] += weight
    return {name: total / len(models) for name, total in sums.items()}


def match(models, spec, seed, sweeps=100, tolerance=1e-9):
    """Permutations of the second model's units onto the first's; their objective and the sweeps done."""
    import numpy as np
    import torch
    from scipy.optimize import linear_sum_assignment

    a, b = models
    groups = spec["groups"]
    maps = [torch.arange(group["units"]) for group in groups]
    tied = [[] for _ in groups]
    for parameter in spec["parameters"]:
        for axis, side in enumerate(("rows", "columns")):
            if parameter[side] is not None:
                tied[parameter[side]["group"]].append((parameter, axis))

    def moved(parameter, apart):
        value = b[parameter["name"]]
        for axis, side in enumerate(("rows", "columns")):
            if parameter[side] is not None and parameter[side]["group"] != apart:
                value = value.index_select(axis, maps[parameter[side]["group"]])
        return value

    def objective():
        return sum(
            torch.dot(a[p["name"]].double().flatten(), moved(p, None).double().flatten()).item() for p in spec["parameters"]
        )

    rng = np.random.default_rng(seed)
    current = objective()
    for sweep in range(sweeps):
        progress = False
        for group in rng.permutation(len(groups)):
            units = groups[group]["units"]
            gain = torch.zeros(units, units)
            for parameter, axis in tied[group]:
                left = a[parameter["name"]].movedim(axis, 0).reshape(units, -1)
                right = moved(parameter, group).movedim(axis, 0).reshape(units, -1)
                gain += left @ right.T
            gain = gain.double().numpy()
            rows, best = linear_sum_assignment(gain, maximize=True)
            gained = gain[rows, best].sum() - gain[rows, maps[group].numpy()].sum()
            if gained > tolerance * abs(current):
                maps[group], progress = torch.from_numpy(best), True
                current += gained
        if not progress:
            break
    return objective(), sweep + 1


def peer(job, seed, example, files):
    """Runs the peer once, in this process, and prints what it took."""
    import torch
    from safetensors.torch import load_file

    torch.set_num_threads(2)
    spec = json.loads(subprocess.run([example, "groups", files[0]], check=True, stdout=subprocess.PIPE).stdout)
    models = [load_file(file) for file in files]
    start = time.perf_counter()
    if job == "ot-fusion":
        merged = fuse(models, spec)
        seconds = time.perf_counter() - start
        found, sweeps = sum((value.double() ** 2).sum().item() for value in merged.values()), 1
    else:
        found, sweeps = match(models, spec, seed)
        seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "found": found, "iterations": sweeps}))


def measured(command):
    """What a command printed, and the peak memory of its process in MiB."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(command)} failed")
    return json.loads(output), usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--example", default="target/release/examples/time_matching")
    parser.add_argument("--only", choices=list(JOBS))
    parser.add_argument("--peer", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        job, seed, *files = options.peer
        return peer(job, int(seed), options.example, files)

    for job, (title, blueprint, count, matching) in JOBS.items():
        if options.only not in (None, job):
            continue
        with tempfile.TemporaryDirectory() as directory:
            files = [f"{directory}/{model}.safetensors" for model in range(count)]
            subprocess.run([options.example, "draw", json.dumps(blueprint), *files], check=True)
            sides = {"onebasin": [], "peer": []}
            for seed in range(options.rounds):
                printed, memory = measured([options.example, json.dumps(matching), str(seed), "1", *files])
                (run,) = printed["runs"]
                # Of a fusion, the squared length of the mean: the same plans have the same.
                found = run["squared_length"] if job == "ot-fusion" else run["objective"]
                seconds = run["seconds"] + (run["merging_seconds"] if job == "ot-fusion" else 0.0)
                sides["onebasin"].append((seconds, found, run["iterations"], memory))
                run, memory = measured([sys.executable, __file__, "--example", options.example, "--peer", job, str(seed), *files])
                sides["peer"].append((run["seconds"], run["found"], run["iterations"], memory))
        print(title)
        medians = {}
        for name, runs in sides.items():
            seconds, found, iterations, memory = zip(*runs)
            medians[name] = statistics.median(seconds)
            print(
                f"  {name:9} {medians[name]:7.3f} s ({min(seconds):.3f} to {max(seconds):.3f}), {statistics.median(memory):5.0f} MiB, "
                f"{'squared length' if job == 'ot-fusion' else 'objective'} {min(found):.2f} to {max(found):.2f}, "
                f"iterations {min(iterations)} to {max(iterations)}"
            )
        print(f"  ratio {medians['onebasin'] / medians['peer']:.3f}")


if __name__ == "__main__":
    main()
