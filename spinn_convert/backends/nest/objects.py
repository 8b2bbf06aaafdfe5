"""PyNN cell types and a connector for NEST that PyNN lacks. Importing this module imports NEST."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any, ClassVar

import nest
import numpy as np
import pyNN.nest as sim
from numpy.typing import NDArray
from pyNN.connectors import Connector
from pyNN.nest.cells import NativeCellType
from pyNN.nest.simulator import ID

from spinn_convert.linear.maps import LinearMap, synapses
from spinn_convert.linear.ops import Floats
from spinn_convert.linear.share import Share

__all__ = [
    "BulkConnector",
    "ConstantResetIF",
    "SubtractiveIF",
    "count",
    "get",
    "nest",
    "own",
    "pynn",
    "set_all",
    "set_each",
    "setup",
    "share",
    "sim",
]


class SubtractiveIF(NativeCellType):  # type: ignore[misc]
    """Integrate-and-fire without leak, reset by subtraction of the threshold.

    NEST's `eprop_iaf` without learning. tau_m (ms) is a power of two so large that the decay per
    step is exactly 1, and so is the factor of the current; 2^54 would make that factor 0.
    """

    nest_model = "eprop_iaf"
    nest_name: ClassVar = {"on_grid": "eprop_iaf", "off_grid": "eprop_iaf"}
    default_parameters: ClassVar = {
        "C_m": 1.0,
        "E_L": 0.0,
        "V_m": 0.0,
        "V_th": 1.0,
        "I_e": 0.0,
        "t_ref": 0.0,
        "tau_m": 2.0**53,
    }
    default_initial_values: ClassVar[dict[str, float]] = {}
    recordable: ClassVar = ["V_m", "spikes"]
    units: ClassVar = {"V_m": "dimensionless", "spikes": "ms"}
    receptor_types: ClassVar = ["excitatory", "inhibitory"]
    standard_receptor_type = True
    conductance_based = False
    injectable = True
    always_local = False
    uses_parrot = False


class ConstantResetIF(SubtractiveIF):
    """Integrate-and-fire without leak, reset to a constant: NEST's `iaf_psc_delta`."""

    nest_model = "iaf_psc_delta"
    nest_name: ClassVar = {"on_grid": "iaf_psc_delta", "off_grid": "iaf_psc_delta"}
    default_parameters: ClassVar = {**SubtractiveIF.default_parameters, "V_reset": 0.0}


class _Cell(ID):  # type: ignore[misc]
    """PyNN's handle of one neuron, which makes NEST's handle only when asked: saves 2 kB each."""

    @property
    def node_collection(self) -> Any:
        """NEST's handle of this neuron."""
        return nest.NodeCollection([int(self)])


class Population(sim.Population):  # type: ignore[misc]
    """A PyNN population whose neurons are created by one call of nest.Create, its cells numbers."""

    def _create_cells(self) -> None:
        parameters = self.celltype.parameter_space
        parameters.shape = (self.size,)
        parameters.evaluate(simplify=True)
        self.node_collection = nest.Create(
            self.celltype.nest_model, self.size, params=parameters.as_dict()
        )
        self._mask_local = np.zeros(self.size, bool)
        self._mask_local[_indices(self.node_collection)] = True
        first = self.node_collection[0].global_id
        self.all_cells = np.arange(first, first + self.size)

    @property
    def local_node_collection(self) -> Any:
        """NEST's handle of the neurons of this rank, None if it has none."""
        return own(self.node_collection)


class ListedPopulation(Population):
    """The same with PyNN's handles of all neurons, other ranks' included, which PyNN records by."""

    def _create_cells(self) -> None:
        super()._create_cells()
        cells = [_Cell(number) for number in self.all_cells]
        for cell in cells:
            cell.parent = self
        self.all_cells = np.array(cells, object)


class StaticSynapse(sim.StaticSynapse):  # type: ignore[misc]
    """PyNN's static synapse without PyNN's label, which takes 8 bytes per synapse.

    Without the label, PyNN cannot list or change the synapses of a projection afterwards.
    """

    model = "static_synapse"

    def _get_nest_synapse_model(self) -> str:
        return self.model


class CompactSynapse(StaticSynapse):
    """A static synapse of 16 bytes instead of 32, where `memory.is_compact`."""

    model = "static_synapse_hpc"


class BulkConnector(Connector):  # type: ignore[misc]
    """All synapses of a linear map in a few calls of nest.Connect.

    PyNN's own list connectors call nest.Connect once per target neuron.
    """

    parameter_names = ()

    def __init__(self, linear: LinearMap, bits: int) -> None:
        super().__init__()
        self._map, self._bits = linear, bits

    def connect(self, projection: Any) -> None:
        """Connect `projection`, called by PyNN."""
        first_pre = projection.pre.node_collection[0].global_id
        first_post = projection.post.node_collection[0].global_id
        delay = projection.synapse_type.native_parameters["delay"].base_value
        common = {"synapse_model": projection.nest_synapse_model}
        listable = not isinstance(projection.synapse_type, StaticSynapse)
        if listable:  # PyNN finds synapses again by their label and their sources
            common["synapse_label"] = projection.nest_synapse_label
            sim.simulator.state.stale_connection_cache = True
        ours = share(projection.post.node_collection)
        for pre, post, weight in synapses(self._map, self._bits, ours):
            each = {"weight": weight.astype(np.float64), "delay": np.full(pre.size, delay)}
            nest.Connect(pre + first_pre, post + first_post, "one_to_one", {**common, **each})
            if listable:
                projection._sources.update((np.unique(pre) + first_pre).tolist())


def pynn(compact: bool | None) -> SimpleNamespace:
    """Return the object that `backends.pynn.build` takes as `sim`, with the smallest objects.

    compact: whether the compact synapse will do; None for PyNN's own synapses and handles of
    neurons, which PyNN can list and change.
    """
    population = Population
    if compact is None:
        population, synapse = ListedPopulation, sim.StaticSynapse
    else:
        synapse = CompactSynapse if compact else StaticSynapse
    return SimpleNamespace(Population=population, Projection=sim.Projection, StaticSynapse=synapse)


def setup(step_ms: float, longest_delay: int, threads: int) -> None:
    """Prepare an empty simulation through PyNN."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyNN sets the verbosity in a way that NEST deprecates
        sim.setup(
            timestep=step_ms,
            min_delay=step_ms,
            max_delay=longest_delay * step_ms,
            spike_precision="on_grid",
            verbosity="error",
            threads=threads,
        )


def share(nodes: Any) -> Share:
    """Return which of the nodes, numbered in a row, this rank has, as its part of the synapses.

    NEST deals nodes to ranks in turn: `VPManager::node_id_to_vp`.
    """
    ranks = int(nest.num_processes)
    return Share(int(nest.Rank() - nodes[0].global_id) % ranks, ranks)


def _indices(nodes: Any) -> slice:
    """Return which of the nodes this rank has."""
    ours = share(nodes)
    return slice(ours.first, None, ours.ranks)


def own(nodes: Any) -> Any:
    """Return the nodes that this rank has, None if it has none of them."""
    ours = share(nodes)
    if ours.ranks == 1:
        return nodes
    return nodes[ours.first :: ours.ranks] if ours.first < len(nodes) else None


def count(sources: Any, counter: Any, weights: NDArray[np.float64], delay: float) -> None:
    """Connect all sources to one neuron, if this rank has it. weights: (N,); delay: in ms."""
    if share(counter).first:
        return
    pre, post = np.array(sources.tolist()), np.full(len(sources), counter.global_id)
    each = {"weight": weights, "delay": np.full(len(sources), delay)}
    nest.Connect(pre, post, "one_to_one", each)


def get(nodes: Any, name: str) -> NDArray[np.float64]:
    """Return a parameter of each node (N,), 0 for those that other ranks have."""
    values, ours = np.zeros(len(nodes)), own(nodes)
    if ours is not None:
        values[_indices(nodes)] = ours.get(name)
    return values


def set_all(nodes: Any, values: dict[str, float]) -> None:
    """Set the same parameters of all nodes that this rank has."""
    _set(nodes, [values])


def set_each(nodes: Any, name: str, values: Floats) -> None:
    """Set one parameter of each node; `values` in the order of the nodes when flattened."""
    _set(nodes, [{name: value} for value in values.ravel()[_indices(nodes)].tolist()])


def _set(nodes: Any, values: list[dict[str, float]]) -> None:
    """Set parameters by NEST's low-level call: NodeCollection.set takes 15 times longer."""
    nodes = own(nodes)
    if nodes is None:
        return
    try:
        nest.ll_api.nestkernel.llapi_set_nc_status(nodes._datum, values)
    except AttributeError:  # a NEST that names these otherwise
        nodes.set(values)
