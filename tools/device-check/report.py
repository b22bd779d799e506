"""One JSON file and one page from the parts that `run` left: report.py FOLDER TESTS EXPERIMENT PYTORCH GPU."""

import json
import pathlib
import sys


def main():
    folder = pathlib.Path(sys.argv[1])
    report = json.loads((folder / "rates.json").read_text())
    report |= {"tests": json.loads(sys.argv[2]), "experiment": json.loads(sys.argv[3]), "pytorch": json.loads(sys.argv[4])}
    report["gpu"] = sys.argv[5] or None
    watched = folder / "memory.csv"
    used = [int(line) for line in watched.read_text().split() if line.isdigit()] if watched.exists() else []
    report["memory"] = f"{max(used)} MiB" if used else None
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    peer = report["pytorch"]
    peers = {}
    if isinstance(peer, dict):
        for rate in peer["rates"]:
            best = peers.get(rate["network"], {"images_per_second": 0})
            peers[rate["network"]] = max(best, rate, key=lambda rate: rate["images_per_second"])
    repeats, beside = report["repeats"], report["beside_the_cpu"]
    same = "the same bytes" if repeats["same_bytes"] else f"weights up to {repeats['farthest_apart']:.2e} apart"
    lines = [
        f"# Device check: {report['device']}",
        "",
        f"- Device: {report['description'] or 'the processor'}{', ' + report['gpu'] if report['gpu'] else ''}",
        f"- Device tests: {report['tests']}; the smoke experiment: {report['experiment']}",
        f"- Five trainings of one seed: {same}",
        f"- A small ResNet8: accuracy {beside['accuracy']:.4f}, trained on the CPU {beside['accuracy_of_a_training_on_the_cpu']:.4f}; the loss of one"
        f" network {beside['loss_of_one_network']:.7f}, on the CPU {beside['loss_of_one_network_on_the_cpu']:.7f}",
        f"- Large products: {report['products_tflops']:.2f} Tflop/s",
        f"- Most memory in use: {report['memory'] or 'not known'}",
        f"- PyTorch: {peer if isinstance(peer, str) else peer['version'] + ' on ' + peer['device']}",
        "",
        "| network | trainings side by side | images per second, all together | Tflop/s | of large products | PyTorch, one training | layout |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for rate in report["rates"]:
        best = peers.get(rate["network"]) if rate["trainings"] == 1 else None
        other = [f"{best['images_per_second']:.0f}", best["layout"]] if best else ["", ""]
        lines.append(
            f"| {rate['network']} | {rate['trainings']} | {rate['images_per_second']:.0f} | {rate['tflops']:.3f} | {100 * rate['share_of_products']:.0f} % | {other[0]} | {other[1]} |"
        )
    (folder / "report.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
