"""A network built in NEST, the devices that record it, and the results of the images so far.

Under mpirun, a session has what this rank's neurons did, and 0 for those of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinn_convert import ranks
from spinn_convert.backends.nest.memory import threads_of
from spinn_convert.backends.nest.network import NEVER, NestNetwork, longest_delay
from spinn_convert.backends.pynn import TIME_STEP_MS
from spinn_convert.linear.ops import Floats
from spinn_convert.network.rate import columns
from spinn_convert.network.recording import Recording, Settings
from spinn_convert.network.records import Network, Population, out_degrees
from spinn_convert.network.stopping import leads
from spinn_convert.network.timing import needed_steps

NAME = "nest"


class Session:
    """Build once, present many images, collect one recording. A class, because NEST keeps state."""

    def __init__(
        self,
        objects: ModuleType,
        network: Network,
        settings: Settings,
        alive: Callable[[], None],
    ) -> None:
        """Build the network; `alive` is called before each projection and may raise."""
        self._objects, self._nest = objects, objects.nest
        self._network, self._settings = network, settings
        self._starts: list[float] = []
        self._taken: list[int] = []
        self._counts: list[NDArray[np.float64]] = []
        cut = not settings.record and settings.stop is None
        self._needed = needed_steps(network, settings.steps) if cut else None
        threads = threads_of(network, settings.threads, objects.nest.num_processes)
        objects.setup(TIME_STEP_MS, longest_delay(network), threads)
        self._built = NestNetwork(objects, network, threads, alive=alive)
        self._nodes = self._built.nodes
        self._counters = self._add_counters()
        self._potentials = {p.name: self._add_multimeter(p.name) for p in network.readouts}
        self._recorders = {name: self._add_recorder(name) for name in settings.record}

    def _add_counters(self) -> Any:
        """Create two counters per population: neurons that never fire, and whose V_m is a count.

        One receives weight 1 from each neuron and so counts spikes; the other receives the number
        of the neuron's synapses and so counts synaptic events. A spike recorder would take 33 kB
        for every neuron connected to it.
        """
        degrees, spiking = out_degrees(self._network), self._network.spiking
        parameters = {**self._objects.SubtractiveIF.default_parameters, "V_th": NEVER, "V_m": 0.0}
        counters = self._nest.Create("eprop_iaf", 2 * len(spiking), parameters)
        for number, population in enumerate(spiking):
            nodes, events = self._nodes[population.name], degrees[population.name].ravel()
            for counter, weight in enumerate((np.ones(events.size), events.astype(float))):
                self._objects.count(nodes, counters[2 * number + counter], weight, TIME_STEP_MS)
        return counters

    def _add_multimeter(self, name: str) -> Any:
        settings = {"record_from": ["V_m"], "interval": TIME_STEP_MS}
        multimeter = self._nest.Create("multimeter", params=settings)
        self._nest.Connect(multimeter, self._nodes[name])
        return multimeter

    def _add_recorder(self, name: str) -> Any:
        recorder = self._nest.Create("spike_recorder")
        self._nest.Connect(self._nodes[name], recorder)
        return recorder

    def present(self, currents: Mapping[str, Floats], progress: Callable[[int], None]) -> None:
        """Present an image given as currents (*shape), by population with input from the image.

        progress: called with the number of steps simulated.
        """
        settings, network = self._settings, self._network
        self._objects.set_all(self._counters, {"V_m": 0.0})
        sure, output = self._watched(), network.readouts[0]

        def on_step(step: int) -> bool:
            progress(step)
            return sure(step)

        window = self._built.present_currents(
            currents,
            settings.steps,
            on_step,
            self._needed,
            None if settings.stop is None else output.release,
        )
        self._starts.append(window.start)
        self._taken.append(window.steps)
        self._counts.append(self._objects.get(self._counters, "V_m").reshape(-1, 2))

    def _watched(self) -> Callable[[int], bool]:
        """Return what says after a step whether the network is sure of this image's class."""
        stop, output = self._settings.stop, self._network.readouts[0]
        if stop is None:
            return lambda step: False
        nodes, potentials = self._nodes[output.name], np.zeros((0, output.size), np.float32)

        def sure(step: int) -> bool:
            nonlocal potentials
            potentials = np.concatenate(
                [potentials, np.zeros((step - len(potentials), output.size), np.float32)]
            )
            if step > output.release:
                potentials[-1] = ranks.summed(self._objects.get(nodes, "V_m"))
            scaled = potentials.reshape(1, -1, *output.shape) * columns(output)
            found = leads(scaled.reshape(1, len(potentials), -1), stop.read_out, output.release)
            return bool(step >= stop.first and found[0, -1] >= stop.bound)

        return sure

    def recording(self, timing: Mapping[str, float]) -> Recording:
        """Return the recording of all images; timing: seconds by phase."""
        counts = np.rint(np.array(self._counts)).astype(np.int64)
        return Recording(
            NAME,
            self._settings,
            {p.name: counts[:, i, 0] for i, p in enumerate(self._network.spiking)},
            counts[:, :, 1].sum(1),
            {p.name: self._readout(p) for p in self._network.readouts},
            {name: self._spikes(name) for name in self._recorders},
            timing,
            steps_taken=np.array(self._taken, np.int64),
        )

    def _readout(self, population: Population) -> Floats:
        """Return the potentials after each step, (B, T, *shape), in units of the output."""
        rows, values = self._events(self._potentials[population.name], population.name, "V_m")
        shape = len(self._starts), self._settings.steps, population.size
        potentials = np.zeros(shape, np.float32)
        potentials[tuple(rows.T)] = values
        potentials[:, : population.release] = 0
        for image, taken in enumerate(self._taken):
            potentials[image, taken:] = potentials[image, taken - 1]
        kept = self._settings.kept(potentials)
        return kept.reshape(*kept.shape[:2], *population.shape) * columns(population)

    def _spikes(self, name: str) -> NDArray[np.int32]:
        rows, _ = self._events(self._recorders[name], name, "times")
        return rows[np.lexsort(rows.T[::-1])]

    def _events(
        self, device: Any, name: str, variable: str
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return the events of a device while images were presented.

        Rows (image, step, neuron), int32 (n, 3), and the values of `variable` (n,). name: of the
        population that it records.
        """
        events = device.get("events")
        step = np.rint(np.asarray(events["times"]) / TIME_STEP_MS).astype(np.int64) - 1
        starts = np.rint(np.array(self._starts) / TIME_STEP_MS).astype(np.int64)
        image = np.searchsorted(starts, step, side="right") - 1
        step = step - starts[image]
        kept = (image >= 0) & (step < np.array(self._taken)[image])
        neuron = np.asarray(events["senders"]) - self._nodes[name][0].global_id
        rows = np.stack([image, step, neuron], axis=1)[kept]
        return rows.astype(np.int32), np.asarray(events[variable])[kept]
