"""NIR graphs run by nirtorch, which wires and sums; the neurons are those of docs/nir.md."""

from __future__ import annotations

import re

import numpy as np
import torch

from support.places import ROOT


def parts_of_the_page():
    """Return what the page's classes make of nodes, as the page itself gives it to nirtorch."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "nir.md").read_text(), re.S)
    (block,) = (text for text in blocks if "import nirtorch" in text)
    classes = re.search(r"class .*^parts = [^\n]*", block, re.S | re.M)[0]
    names = {}
    exec(f"import nir\nimport nirtorch\nimport torch\n{classes}", names)
    return names["parts"]


def simulated(graph, values):
    """Return the spikes of each population (T, B, N), and the outputs (T, B, N) by node."""
    import nir
    import nirtorch

    network = nirtorch.nir_to_torch(graph, parts_of_the_page())
    spikes = {}
    for name, node in graph.nodes.items():
        if isinstance(node, nir.IF):
            kept = spikes.setdefault(str(node.metadata["population"]), [])
            network.get_submodule(name).register_forward_hook(
                lambda module, inputs, result, kept=kept: kept.append(result[0].flatten(1) > 0)
            )
    state, outputs = None, []
    with torch.no_grad():
        for _ in range(int(graph.metadata["steps"])):
            output, state = network(torch.from_numpy(values), state)
            outputs.append(output.flatten(1).numpy())
    return {name: torch.stack(kept).numpy() for name, kept in spikes.items()}, np.stack(outputs)
