"""A network that stands on NEST, and what it has measured so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinn_convert.backends.pynn import TIME_STEP_MS, Part, build
from spinn_convert.linear.maps import on_grid
from spinn_convert.linear.ops import Floats
from spinn_convert.network.rate import columns
from spinn_convert.network.recording import Recording, Settings
from spinn_convert.network.records import Network, Population, Projection, neurons, out_degrees

NAME = "nest"
NEVER = 1e30
"""A threshold that no membrane potential reaches: it keeps a population silent."""
STRIDE = 8
"""Steps between two reports of progress."""


class Session:
    """Build once, present many images, collect one recording.

    Between two images all thresholds are out of reach, so the network falls silent and spikes in
    flight drain; then every population is held and released as if the simulation had begun. Image
    B after image A is bit for bit image B alone.
    """

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
        self._neural = [p for p in network.populations if p.kind != "input"]
        self._longest = max((p.delay for p in network.synaptic()), default=1)
        self._starts: list[float] = []
        self._counts: list[NDArray[np.float64]] = []
        objects.setup(TIME_STEP_MS, self._longest, settings.threads, settings.seed)
        self._nodes = self._build(alive)
        self._counters = self._add_counters()
        self._potentials = {p.name: self._add_multimeter(p.name) for p in network.readouts}
        self._recorders = {name: self._add_recorder(name) for name in settings.record}

    def _build(self, alive: Callable[[], None]) -> dict[str, Any]:
        """Return NEST's nodes of every population."""
        objects, bits = self._objects, self._network.bits

        def parts(projection: Projection) -> Iterator[Part]:
            alive()
            yield Part(objects.BulkConnector(projection.map, bits))

        populations = build(
            objects.pynn(neurons(self._network) // self._settings.threads + 1),
            self._network,
            self._cell_type,
            parts,
        )
        nodes = {name: population.node_collection for name, population in populations.items()}
        for population in self._neural:
            bias = np.broadcast_to(on_grid(population.bias, bits), population.shape)
            objects.set_each(nodes[population.name], "I_e", bias)
            if population.v_reset is not None:
                v_reset = np.broadcast_to(population.v_reset, population.shape)
                objects.set_each(nodes[population.name], "V_reset", v_reset)
        return nodes

    def _cell_type(self, population: Population) -> Any:
        if population.v_reset is None:
            return self._objects.SubtractiveIF(V_th=NEVER)
        return self._objects.ConstantResetIF(V_th=NEVER)

    def _add_counters(self) -> Any:
        """Create two silent neurons per population: one adds up its spikes, one their synapses.

        A spike recorder would hold 33 kB for every neuron that it might hear.
        """
        degrees, spiking = out_degrees(self._network), self._network.spiking
        parameters = {**self._objects.SubtractiveIF.default_parameters, "V_th": NEVER, "V_m": 0.0}
        counters = self._nest.Create("eprop_iaf", 2 * len(spiking), parameters)
        ids = iter(counters.tolist())
        for population in spiking:
            pre = np.array(self._nodes[population.name].tolist())
            for weight in (np.ones(pre.size), degrees[population.name].ravel().astype(float)):
                synapse = {"weight": weight, "delay": np.full(pre.size, TIME_STEP_MS)}
                self._nest.Connect(pre, np.full(pre.size, next(ids)), "one_to_one", synapse)
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
        """Present one image, given as currents (*shape) of the populations that see it.

        `progress` is called with the number of steps simulated.
        """
        for name, current in currents.items():
            self._objects.set_each(self._nodes[name], "I_e", current)
        self._drain()
        self._objects.set_all(self._counters, {"V_m": 0.0})
        self._starts.append(self._nest.biological_time)
        step = 0
        for stop in self._stops():
            for population in self._neural:
                if population.release == step:
                    self._release(population)
            self._nest.Simulate((stop - step) * TIME_STEP_MS)
            step = stop
            progress(step)

    def _stops(self) -> Iterator[int]:
        """Yield the steps at which to stop: releases, reports of progress, the end."""
        steps = self._settings.steps
        releases = {p.release for p in self._neural if 0 < p.release < steps}
        yield from sorted(releases | set(range(STRIDE, steps, STRIDE)) | {steps})

    def _drain(self) -> None:
        """Silence all populations, let spikes in flight arrive, and read the counters."""
        for population in self._network.spiking:
            self._objects.set_all(self._nodes[population.name], {"V_th": NEVER})
        self._nest.Simulate((self._longest + 1) * TIME_STEP_MS)
        if self._starts:
            self._counts.append(np.array(self._counters.get("V_m")).reshape(-1, 2))

    def _release(self, population: Population) -> None:
        nodes = self._nodes[population.name]
        if population.kind == "spiking":
            self._objects.set_all(nodes, {"V_th": 1.0})
        if population.v_init.size == 1:
            self._objects.set_all(nodes, {"V_m": population.v_init.item()})
        else:
            v_init = np.broadcast_to(population.v_init, population.shape)
            self._objects.set_each(nodes, "V_m", v_init)

    def recording(self, timing: Mapping[str, float]) -> Recording:
        """Drain the last image and return all that was measured."""
        self._drain()
        counts = np.rint(np.array(self._counts)).astype(np.int64)
        return Recording(
            NAME,
            self._settings,
            {p.name: counts[:, i, 0] for i, p in enumerate(self._network.spiking)},
            counts[:, :, 1].sum(1),
            {p.name: self._readout(p) for p in self._network.readouts},
            {name: self._spikes(name) for name in self._recorders},
            timing,
        )

    def _readout(self, population: Population) -> Floats:
        """Return the potentials after each step, (B, T, *shape), in units of the output."""
        rows, values = self._events(self._potentials[population.name], population.name, "V_m")
        shape = len(self._starts), self._settings.steps, population.size
        potentials = np.zeros(shape, np.float32)
        potentials[tuple(rows.T)] = values
        potentials[:, : population.release] = 0
        return potentials.reshape(*shape[:2], *population.shape) * columns(population)

    def _spikes(self, name: str) -> NDArray[np.int32]:
        rows, _ = self._events(self._recorders[name], name, "times")
        return rows[np.lexsort(rows.T[::-1])]

    def _events(
        self, device: Any, name: str, variable: str
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return a device's rows (image, step, neuron) and values, without those between images."""
        events = device.get("events")
        step = np.rint(np.asarray(events["times"]) / TIME_STEP_MS).astype(np.int64) - 1
        starts = np.rint(np.array(self._starts) / TIME_STEP_MS).astype(np.int64)
        image = np.searchsorted(starts, step, side="right") - 1
        step = step - starts[image]
        kept = (image >= 0) & (step < self._settings.steps)
        neuron = np.asarray(events["senders"]) - self._nodes[name][0].global_id
        rows = np.stack([image, step, neuron], axis=1)[kept]
        return rows.astype(np.int32), np.asarray(events[variable])[kept]
