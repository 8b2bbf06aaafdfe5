"""A network in the caller's own PyNN simulation."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias

from spinn_convert.errors import BackendError, Problem
from spinn_convert.linear.ops import Floats
from spinn_convert.network.records import Network

if TYPE_CHECKING:
    from spinn_convert.backends.nest.network import NestNetwork
    from spinn_convert.backends.spinnaker.network import BoardNetwork

PyNNNetwork: TypeAlias = "NestNetwork | BoardNetwork"
"""Has `populations` and `projections` by name, and `present(image, steps)`."""


def to_pynn(network: Network, sim: ModuleType, calibration: Floats | None = None) -> PyNNNetwork:
    """Return the network as PyNN populations and projections; see `Network.to_pynn`."""
    if sim.__name__ == "pyNN.nest":
        from spinn_convert.backends.nest.backend import imported
        from spinn_convert.backends.nest.network import in_simulation as on_nest

        return on_nest(imported(), network)
    if sim.__name__ == "pyNN.spiNNaker":
        from spinn_convert.backends.spinnaker.network import in_simulation as on_board

        return on_board(sim, network, calibration)
    what = f"{sim.__name__} has no neuron that resets by subtraction, or none that is known here"
    raise BackendError([Problem("to_pynn", what, "give pyNN.nest or pyNN.spiNNaker")])
