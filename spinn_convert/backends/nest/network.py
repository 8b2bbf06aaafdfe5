"""A converted network in a PyNN simulation on NEST: populations, projections, images.

Between two images all thresholds are out of reach, so the network is silent. For an image, the
input currents are set, and then every population gets its initial potential and its threshold at
the step of its release. That overwrites all state, so image B after image A gives bit for bit the
same as image B alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from spinn_convert.backends.nest.memory import is_compact
from spinn_convert.backends.pynn import TIME_STEP_MS, Part, Window, build
from spinn_convert.errors import BackendError, Problem
from spinn_convert.linear.maps import on_grid
from spinn_convert.linear.ops import Floats
from spinn_convert.linear.threads import torch_threads
from spinn_convert.network.rate import input_currents
from spinn_convert.network.records import Network, Population, Projection

NEVER = 1e30
"""A threshold that no membrane potential reaches: it keeps a population silent."""
STRIDE = 8
"""Time steps between two reports of progress."""


def _nothing() -> None:
    """Do nothing: the default of `alive`."""


class NestNetwork:
    """PyNN populations and projections of a network, in a simulation that is set up.

    populations: by name; neurons are numbered in (C, H, W) order, and their variable V_m is in
    thresholds. projections: by "source -> target". Record, connect and perturb them as any others;
    a population ignores input before its release. Under mpirun, each rank has some of the neurons.
    PyNN's unit of weights is 1000 times NEST's, so a weight of 0.001 onto these neurons is one
    threshold. A class, because NEST keeps state.
    """

    def __init__(
        self,
        objects: ModuleType,
        network: Network,
        threads: int,
        listable: bool = False,
        alive: Callable[[], None] = _nothing,
    ) -> None:
        """Build the network.

        objects: the module `nest.objects`. threads: number of NEST's threads. listable: whether
        PyNN can list and change the synapses later, which takes 8 to 24 bytes more for each. alive:
        called before each projection; it may raise, to end the build.
        """
        self._objects, self._network, self._threads = objects, network, threads
        self._longest = longest_delay(network)
        self._neural = [p for p in network.populations if p.kind != "input"]
        bits = network.bits

        def parts(projection: Projection) -> Iterator[Part]:
            alive()
            yield Part(objects.BulkConnector(projection.map, bits))

        compact = None if listable else is_compact(network, threads, objects.nest.num_processes)
        built = build(objects.pynn(compact), network, self._cell_type, parts)
        self.populations: Mapping[str, Any] = built.populations
        self.projections: Mapping[str, Any] = built.projections
        self.nodes = {name: p.node_collection for name, p in built.populations.items()}
        for population in self._neural:
            self._set_each(population, "I_e", on_grid(population.bias, bits))
            if population.v_reset is not None:
                self._set_each(population, "V_reset", population.v_reset)

    def _cell_type(self, population: Population) -> Any:
        if population.v_reset is None:
            return self._objects.SubtractiveIF(V_th=NEVER)
        return self._objects.ConstantResetIF(V_th=NEVER)

    def _set_each(self, population: Population, name: str, values: Floats) -> None:
        nodes, values = self.nodes[population.name], np.broadcast_to(values, population.shape)
        self._objects.set_each(nodes, name, values)

    def present(self, image: Floats, steps: int) -> Window:
        """Run the simulation for `steps` time steps with one image; then the network is silent.

        image: input of the network, (*input shape), a row of `Model.core_input`. A few more steps
        follow, so that all spikes arrive and PyNN has everything that was recorded. Returns the
        simulation times of the image.
        """
        with torch_threads(self._threads):  # NEST's own: it needs as many, and shares torch's
            currents = input_currents(self._network, np.asarray(image, np.float32)[None])
            return self.present_currents({name: c[0] for name, c in currents.items()}, steps)

    def present_currents(
        self,
        currents: Mapping[str, Floats],
        steps: int,
        on_step: Callable[[int], bool] = lambda step: False,
        needed: Mapping[str, int] | None = None,
        closely: int | None = None,
    ) -> Window:
        """Present an image given as currents (*shape), by population with input from the image.

        on_step: called with the number of steps simulated; ends the image if it returns True, and
        may raise, to end the run. needed: for how many steps each population runs; None for all.
        closely: number of steps from which on `on_step` is called after each. Returns the
        simulation times of the image, which may have taken fewer steps.
        """
        for name, current in currents.items():
            self._objects.set_each(self.nodes[name], "I_e", current)
        self._run(1)  # NEST's eprop_iaf takes a current one step late; PyNN's first run takes two
        start, step = self._objects.nest.biological_time, 0
        silenced = {p.name: steps for p in self._network.spiking} | dict(needed or {})
        for stop in self._stops(steps, silenced, closely):
            for population in self._neural:
                if population.release == step:
                    self._release(population)
                end = silenced.get(population.name, steps)
                if end == step or end < step == population.release:
                    self._silence(population)
            self._run(stop - step)
            step = stop
            if on_step(step):
                break
        for population in self._network.spiking:
            if silenced[population.name] >= step:
                self._silence(population)
        self._run(self._longest + 1)
        return Window(start, step, 1)

    def _silence(self, population: Population) -> None:
        self._objects.set_all(self.nodes[population.name], {"V_th": NEVER})

    def _run(self, steps: int) -> None:
        self._objects.sim.run(steps * TIME_STEP_MS)

    def _stops(self, steps: int, silenced: Mapping[str, int], closely: int | None) -> Iterator[int]:
        """Yield the steps at which to stop: releases, silences, reports of progress, the end."""
        changes = {p.release for p in self._neural} | set(silenced.values())
        reports = {*range(STRIDE, steps, STRIDE), *range(closely or steps, steps)}
        yield from sorted({step for step in changes | reports if 0 < step < steps} | {steps})

    def _release(self, population: Population) -> None:
        nodes = self.nodes[population.name]
        if population.kind == "spiking":
            self._objects.set_all(nodes, {"V_th": 1.0})
        if population.v_init.size == 1:
            self._objects.set_all(nodes, {"V_m": population.v_init.item()})
        else:
            self._set_each(population, "V_m", population.v_init)


def longest_delay(network: Network) -> int:
    """Return the longest delay of a synapse, in time steps."""
    return max((p.delay for p in network.synaptic()), default=1)


def in_simulation(objects: ModuleType, network: Network) -> NestNetwork:
    """Return the network in the caller's own simulation.

    Raises BackendError if that has another time step, delays or spike precision than needed.
    """
    sim, longest = objects.sim, longest_delay(network) * TIME_STEP_MS
    state = sim.simulator.state
    found = state.dt, state.min_delay, state.spike_precision
    if found != (TIME_STEP_MS, TIME_STEP_MS, "on_grid") or state.max_delay < longest:
        what = (
            f"is set up with timestep={found[0]:g}, min_delay={found[1]:g},"
            f" max_delay={state.max_delay:g}, spike_precision={found[2]!r}"
        )
        fix = (
            f"call sim.setup(timestep=1.0, min_delay=1.0, max_delay={longest:g} or more,"
            " spike_precision='on_grid') before"
        )
        raise BackendError([Problem("pyNN.nest", what, fix)])
    with torch_threads(state.threads):
        return NestNetwork(objects, network, state.threads, listable=True)
