"""Claim: the reference simulator does >= 4x the image-steps per second of SpikingJelly.

    python benchmarks/reference_speed.py --peer sj/bin/python

Both simulate the same model, images, steps and threads, one after the other, three times; the best
of each counts. --peer is the python of the venv described in spikingjelly_peer.py.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from pathlib import Path

from spinn_convert.backends.reference import backend as reference
from spinn_convert.conversion import steps as conversion
from spinn_convert.conversion.method import PAPER
from spinn_convert.files.data import load_dataset, normalised
from spinn_convert.network.recording import Settings, Stimulus

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "examples" / "resnet18.onnx"


def own_speed(batch: int, steps: int, threads: int) -> float:
    """Return image-steps per second of the reference simulator, the best of three."""
    model, layers = conversion.read(MODEL, None, "spiking")
    data = load_dataset(MODEL.with_suffix(".npz"), model.image_shape, 10)
    calibration = normalised(data.calibration)
    network = conversion.calibrated(model, layers, calibration, PAPER, threads)
    stimulus = Stimulus(normalised(data.images, 0, batch))
    reference.run(network, Stimulus(stimulus.values[:1]), Settings(1))  # numba compiles
    times = [
        reference.run(network, stimulus, Settings(steps, threads)).timing["simulate"]
        for _ in range(3)
    ]
    return batch * steps / min(times)


def peer_speed(python: str, batch: int, steps: int, threads: int) -> float:
    """Return image-steps per second of SpikingJelly's best mode, the best of three."""
    command = [python, "-W", "ignore", str(ROOT / "benchmarks" / "spikingjelly_peer.py")]
    numbers = ["--batch", str(batch), "--steps", str(steps), "--threads", str(threads)]
    done = subprocess.run(
        [*command, "--model", str(MODEL), *numbers],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    return float(json.loads(done.stdout.splitlines()[-1])["image_steps_per_s"])


def main() -> None:
    """Measure both and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", default="sj/bin/python")
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    numbers = arguments.batch, arguments.steps, arguments.threads
    peer, own = peer_speed(arguments.peer, *numbers), own_speed(*numbers)
    print(f"SpikingJelly {peer:,.0f}, reference {own:,.0f} image-steps per second")
    print(f"ratio {own / peer:.2f} (claim: >= 4)")


if __name__ == "__main__":
    main()
