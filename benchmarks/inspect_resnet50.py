"""Claim: an ImageNet ResNet-50 (25 M weights, 224 x 224) is read and inspected in < 5 s, < 1.5 GB.

    python -m benchmarks.inspect_resnet50

Exports one with random weights by both exporters of torch, then runs the command on it, beside
onnxruntime alone, which loads and simplifies the same file. Seconds are the processor's.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from support.torch_networks import export, trained

from benchmarks.common import Claim, alone, at_most, command, parser_of, processor_seconds, settle

SECONDS, GIGABYTES = 5.0, 1.5
LOAD = "import sys, onnxruntime as o; o.InferenceSession(sys.argv[1])"


def exported(path: Path, dynamo: bool) -> None:
    """Write the network."""
    export(trained("ResNet-50"), path, (3, 224, 224), dynamo)


def claims() -> Iterator[Claim]:
    """Measure both files."""
    with tempfile.TemporaryDirectory() as folder:
        for exporter, dynamo in (("torchscript", False), ("dynamo", True)):
            path = Path(folder) / f"resnet50_{exporter}.onnx"
            alone(exported, path, dynamo)
            started = processor_seconds()
            subprocess.run([sys.executable, "-c", LOAD, str(path)], check=True)
            print(f"{exporter}: onnxruntime alone takes {processor_seconds() - started:.2f} s")
            found = command("inspect", path)
            total = next(line for line in found.printed.splitlines() if "total" in line)
            print("  " + " ".join(total.replace("│", " ").split()))
            yield at_most(f"{exporter}: processor seconds to inspect", found.seconds, SECONDS)
            yield at_most(f"{exporter}: GB, peak of the process", found.peak / 1e9, GIGABYTES)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    parser_of(__doc__).parse_args(words)
    return settle(claims())


if __name__ == "__main__":
    sys.exit(main())
