"""Choose, on calibration images, when an image may end (see `network.stopping`)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spinn_convert.backends.reference import backend as reference
from spinn_convert.errors import ConversionError, Problem
from spinn_convert.model import host
from spinn_convert.model.classes import number_of, predictions, threshold
from spinn_convert.model.host import ImageSequence
from spinn_convert.model.load import Model
from spinn_convert.network import readout, stopping
from spinn_convert.network.recording import Recording, Settings, Stimulus, Watch, silent, unwatched
from spinn_convert.network.records import Network, Stop
from spinn_convert.network.timing import default_read_out, default_steps
from spinn_convert.results import decode

WANTED = 0.995
"""Agreement with the ANN on calibration images; a little less is left on others."""
IMAGES, LEAST = 1000, 100
"""Calibration images to choose on, at most and at least."""
USED = 100
"""Of the calibration images, that the conversion corrects initial potentials on; they agree better
than others do."""
OPTION = "--stop-when-sure"


def with_stop(
    model: Model,
    network: Network,
    images: ImageSequence,
    wanted: float = WANTED,
    steps: int | None = None,
    threads: int = 1,
    watch: Watch = unwatched,
) -> Network:
    """Return the network with the least bound that agrees with the ANN on `wanted` of the images.

    images: calibration images (B, *image shape); those that initial potentials were corrected on
    are left out. steps: an image ends after so many at the latest; None for `most_steps`.
    Raises ConversionError where no bound does, where there are too few images, and for networks
    whose classes are not the values of one output.
    """
    check_stop(model, network)
    some = images[max(USED, len(images) - IMAGES) :]
    if len(some) < LEAST:
        what = f"there are {len(images)} calibration images; {USED} are used already"
        raise _refused(what, f"give {USED + LEAST} or more")
    output, total = network.readouts[0], steps or most_steps(network)
    read_out = default_read_out(network)
    ann = predictions(host.logits(model, some, threads), threshold(model))
    stimulus = Stimulus(host.core_input(model, some, threads))
    settings, phase = Settings(total, threads), "when sure"
    fixed = reference.run(network, stimulus, settings, watch(phase))
    potentials = fixed.readout[output.name].reshape(len(some), total, -1)
    starts = readout.starts(read_out, output.release, total)
    found = readout.activations(potentials, starts, output.release).argmax(-1)
    _check_classes(model, network, fixed, some, read_out, found, threads)
    same, leads = found == ann[:, None], stopping.leads(potentials, read_out, output.release)
    first = min(output.release + stopping.FIRST, total)
    bound = stopping.least_bound(leads, same, first, wanted)
    if bound is None:
        what = f"{same[:, -1].mean():.1%} agree with the ANN after {total} steps, not {wanted:.1%}"
        raise _refused(what, "give more --steps, or a lower --sure")
    stop = Stop(bound, first, read_out, wanted)
    tried = reference.run(network, stimulus, replace(settings, stop=stop), watch(phase))
    measured = replace(
        stop,
        images=len(some),
        agreement=float(same[np.arange(len(some)), tried.taken - 1].mean()),
        steps=float(tried.taken.mean()),
        events=float(tried.synaptic_events.mean()),
        fixed_steps=total,
        fixed_agreement=float(same[:, -1].mean()),
        fixed_events=float(fixed.synaptic_events.mean()),
    )
    return replace(network, stop=measured)


def most_steps(network: Network) -> int:
    """Return after how many steps an image ends at the latest: twice as many behind the release.

    Only images of which the network is never sure take so long; these are the ones that need it.
    """
    released = max(population.release for population in network.readouts)
    return 2 * default_steps(network) - released


def check_stop(model: Model, network: Network) -> None:
    """Raise ConversionError for a network whose classes are not the values of one output."""
    sizes = [population.size for population in network.readouts]
    if len(sizes) != 1:
        raise _refused(f"{model.path} has {len(sizes)} outputs", "leave it out")
    if sizes[0] < 2 or number_of(model) != sizes[0]:
        what = f"{model.path} has {sizes[0]} values before its output"
        raise _refused(f"{what}, which are not its classes", "leave it out")


def _check_classes(
    model: Model,
    network: Network,
    recording: Recording,
    images: ImageSequence,
    read_out: str,
    found: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    threads: int,
) -> None:
    """Raise ConversionError where what is behind the output changes which class is the best."""
    run = decode.decoder(model, network, threads)
    few = slice(0, 8)
    steps = recording.settings.steps
    part = replace(recording, readout={k: v[few] for k, v in recording.readout.items()})
    logits = decode.snn_logits(network, part, images[few], run, read_out, silent)
    released = network.readouts[0].release
    if not np.array_equal(logits.argmax(-1)[:, released:], found[few, released:steps]):
        what = f"what follows the last layer of {model.path} changes the order of classes"
        raise _refused(what, "leave it out")


def _refused(what: str, fix: str) -> ConversionError:
    return ConversionError([Problem(OPTION, what, fix)])
