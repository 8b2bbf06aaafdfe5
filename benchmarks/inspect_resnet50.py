"""Claim: an ImageNet ResNet-50 (25 M weights, 224 x 224) is read and inspected in < 5 s, < 1.5 GB.

Exports one with random weights by both exporters of torch, then runs the command on it, beside
onnxruntime alone, which loads and simplifies the same file.

    python benchmarks/inspect_resnet50.py
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
from support.torch_networks import export, trained

SECONDS, BYTES = 5.0, 1.5e9
LOAD = "import sys, onnxruntime as o; o.InferenceSession(sys.argv[1])"


def measured(command: list[str]) -> tuple[float, float, str]:
    """Return seconds, the largest memory in bytes of any child so far, and stdout."""
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - started
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, done.stdout


def main() -> None:
    """Print time and memory as shares of their limits, and beside onnxruntime."""
    with tempfile.TemporaryDirectory() as folder:
        for name, dynamo in (("torchscript", False), ("dynamo", True)):
            path = Path(folder) / f"resnet50_{name}.onnx"
            export(trained("ResNet-50"), path, (3, 224, 224), dynamo)
            alone, _, _ = measured([sys.executable, "-c", LOAD, str(path)])
            command = [sys.executable, "-m", "spinn_convert", "inspect", str(path)]
            seconds, peak, printed = measured(command)
            total = next(line for line in printed.splitlines() if "total" in line)
            print(f"{name}: {seconds:.2f} s, {seconds / SECONDS:.2f} of the limit;", end=" ")
            print(f"{peak / 1e9:.2f} GB, {peak / BYTES:.2f} of the limit;", end=" ")
            print(f"onnxruntime alone takes {alone:.2f} s")
            print("  " + " ".join(total.replace("│", " ").split()))


if __name__ == "__main__":
    main()
