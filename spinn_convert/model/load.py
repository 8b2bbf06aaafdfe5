"""ONNX file -> Model: onnxruntime simplifies, the core is cut out, one reader per operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from spinn_convert.errors import ModelError, Problem
from spinn_convert.linear.ops import Affine, Floats, Gather, Input, MaxPool, Shape
from spinn_convert.linear.threads import available_cores
from spinn_convert.model.cut import Cut, cut
from spinn_convert.model.graph import Graph, Node
from spinn_convert.model.moved import File
from spinn_convert.model.nodes import (
    Names,
    Values,
    constants,
    named,
    names_of,
    read_node,
    read_nodes,
    used_tensors,
)
from spinn_convert.model.operators import Tensor, Unsupported
from spinn_convert.model.reading import reads
from spinn_convert.model.refusal import Refused, refuse_quantised, together
from spinn_convert.model.source.file import (
    Source,
    ancestors,
    averaged,
    described,
    evaluated,
    parse,
    simplify,
    static_shape,
)

if TYPE_CHECKING:
    from spinn_convert.model.host import ImageSequence

MOST_ELEMENTS = 2**25
"""Of a tensor in the core: 64 channels of 512 x 1024 neurons."""


@dataclass(frozen=True, eq=False)
class Model:
    """An ONNX file: the spiking core as we read it, and the file itself for onnxruntime.

    source: the file. graph: of the core; its input is the tensor that the host hands over,
    its outputs are those that the host goes on with. image_shape: of the file's input, without
    batch. batch: None if dynamic; 1 with `batched` False if the file takes one image without a
    batch axis. outputs: name and shape, without batch, of the file's outputs (None where it
    depends on the values).
    before, after: operators that the host runs before and after the core, in order.
    """

    source: Source
    graph: Graph
    image_shape: Shape
    batch: int | None
    batched: bool
    outputs: tuple[tuple[str, Shape | None], ...]
    before: tuple[str, ...]
    after: tuple[str, ...]

    def core_input(self, images: ImageSequence, threads: int | None = None) -> Floats:
        """Return what the spiking core gets, float32 (B, *input shape).

        images: the file's input, (B, *image shape), as the network was trained on. What the file
        computes before its first layer with weights is computed here, by onnxruntime. threads: None
        for all cores. Raises DataError where the model cannot take the images.
        """
        from spinn_convert.model import host

        return host.core_input(self, images, threads or available_cores())

    def logits(self, images: ImageSequence, threads: int | None = None) -> Floats:
        """Return the file's own output, float32 (B, classes), computed by onnxruntime.

        images, threads: as for `core_input`.
        """
        from spinn_convert.model import host

        return host.logits(self, images, threads or available_cores())

    @property
    def takes_integers(self) -> bool:
        """Whether the file's input is of an integer type, such as uint8 pixels."""
        (kind,) = (v for v in self.source.proto.graph.input if v.name == self.source.input)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.type.tensor_type.elem_type)
        return dtype.kind in "ui"

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self.source.path

    @property
    def entry(self) -> str:
        """Name of the tensor that the host hands over to the core."""
        return self.graph.nodes[0].name


def load(path: Path | str, image_shape: Shape | None = None) -> Model:
    """Read an ONNX file.

    image_shape: of one image, such as (3, 224, 224); fixes the sizes that the file leaves open.
    Raises ModelError that lists every node, attribute and weight that cannot be read.
    """
    source = parse(Path(path))
    return _load(source, _sizes(source, image_shape))


def with_mean_pooling(model: Model) -> Model:
    """Return the model with every max pooling of its core replaced by the mean of the window.

    Raises ModelError where there is none.
    """
    pooled = {node.name for node in model.graph.nodes if isinstance(node.op, MaxPool)}
    if not pooled:
        what, fix = "there is no max pooling to replace by the mean", "leave max_pool=average out"
        raise ModelError([Problem(str(model.path), what, fix)])
    sizes = (model.batch or 1, *model.image_shape) if model.batched else model.image_shape
    return _load(averaged(model.source, pooled), sizes)


def _load(source: Source, sizes: tuple[int, ...]) -> Model:
    path = source.path
    simple = simplify(source, sizes)
    halves = cut(simple.graph, source.input)
    if halves is None:
        what = "no layer with weights depends on the input"
        raise ModelError([Problem(str(path), what, "export a trained network")])
    refuse_quantised(path, halves.core)
    shapes = _shapes(source, simple, halves)
    entry = shapes[halves.entry]
    batched = len(sizes) != 3 or len(entry) != 4
    nodes = [Node(halves.entry, Input(), (), entry[1:])]
    values = constants(simple.graph)
    values.update(evaluated(source, simple, halves.constants))
    values[halves.entry] = Tensor(halves.entry, entry[1:])
    names = names_of(simple.graph)
    batch = source.sizes[0] if batched else 1
    file = File(source, simple, sizes, batch)
    nodes += read_nodes(file, halves.core, values, names, shapes)
    nodes += _extended(file, halves.after, values, names, nodes)
    graph = Graph(tuple(nodes), _handed_back(simple.graph, halves.after, values, nodes))
    outputs = [value.name for value in simple.graph.output]
    after = ancestors(simple.graph.node, outputs, graph.outputs)
    return Model(
        source,
        graph,
        tuple(sizes[1:] if batched else sizes),
        batch,
        batched,
        tuple((value.name, _without_batch(value)) for value in simple.graph.output),
        tuple(node.op_type for node in halves.before),
        tuple(node.op_type for node in after),
    )


@lru_cache(maxsize=3)  # batches of a calibration, of a check and of a suffix take turns
def simplified(model: Model, batch: int) -> onnx.ModelProto:
    """Return the whole file for a batch, folded by onnxruntime; ModelError if it cannot be."""
    image = model.image_shape
    try:
        return simplify(model.source, (model.batch or batch, *image) if model.batched else image)
    except ModelError as error:
        if model.batch is not None or batch == 1:
            raise
        raise ModelError([for_one_image(model)]) from error


def for_one_image(model: Model) -> Problem:
    """Return what is wrong with a file whose batch is open though its nodes are for one image."""
    what = f"the batch of {model.source.input} is open, but its nodes are right for one image only"
    fix = "export the model with a batch of 1, or without fixed shapes"
    return Problem(str(model.path), what, fix)


def _sizes(source: Source, image_shape: Shape | None) -> tuple[int, ...]:
    """Return the input's sizes for one image; raises ModelError if some stay unknown."""
    rank = len(source.sizes)
    given: Sequence[int | None] = (None,) * rank
    if image_shape is not None and len(image_shape) <= rank:
        given = (*given[len(image_shape) :], *image_shape)
    fixed = [known or wanted for known, wanted in zip(source.sizes, given)]
    if len(fixed) != 3 or image_shape is None or len(image_shape) != 3:
        fixed[0] = fixed[0] or 1
    if None in fixed:
        shown = ["?" if size is None else size for size in source.sizes]
        what = f"input {source.input} has the shape {shown}; only the batch axis may be open"
        fix = "give arrays of the wanted size with --data, pictures with a crop in --preprocess, or"
        fix += " export with a fixed size"
        raise ModelError([Problem(str(source.path), what, fix)])
    return tuple(size for size in fixed if size is not None)


def _shapes(source: Source, proto: onnx.ModelProto, halves: Cut) -> dict[str, Shape]:
    """Return the shapes, with the batch axis, of the core's input and of its tensors if known.

    Raises ModelError where there are too many elements, or where the input's shape is not known.
    """
    made = {name: node for node in halves.core for name in node.output if name}
    values = described(source, proto, [halves.entry, *made])
    shapes = {value.name: shape for value in values if (shape := static_shape(value))}
    if len(shapes.get(halves.entry, ())) < 2:
        what = f"the shape of {halves.entry}, which the first layer with weights reads, is unknown"
        fix = "export the model with a fixed image size"
        raise ModelError([Problem(str(source.path), what, fix)])
    refused = [
        Refused(
            named(made[name]) if name in made else name,
            made[name].op_type if name in made else "input",
            f"its result of shape {shape} has more than {MOST_ELEMENTS:,} elements",
            "export the model for smaller images",
        )
        for name, shape in shapes.items()
        if prod(shape) > MOST_ELEMENTS
    ]
    if refused:
        raise ModelError(together(source.path, refused))
    return shapes


def _without_batch(value: onnx.ValueInfoProto) -> Shape | None:
    shape = static_shape(value)
    return None if shape is None else shape[1:]


def _handed_back(
    graph: onnx.GraphProto, after: Sequence[onnx.NodeProto], values: Values, core: Sequence[Node]
) -> tuple[str, ...]:
    """Return the tensors of the core that the host goes on with; it has its own input already."""
    left = [node for node in after if node.output[0] not in values]
    wanted = [values.get(name) for name in used_tensors(graph, left)]
    names = {value.name for value in wanted if isinstance(value, Tensor)}
    return tuple(node.name for node in core[1:] if node.name in names)


def _extended(
    file: File,
    after: Sequence[onnx.NodeProto],
    values: Values,
    names: Names,
    core: Sequence[Node],
) -> list[Node]:
    """Read on behind each last layer, through linear nodes, while its result does not grow.

    So a bias or a global pooling behind the last convolution belongs to the core.
    """
    graph = file.simple.graph
    outputs = {value.name for value in graph.output}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in reads(node):
            readers.setdefault(name, []).append(node)
    behind = {name for node in after for name in node.output}
    extended: list[Node] = []
    for last in core:
        at, size, known = last.name, prod(last.shape), dict(values)
        path: list[Node] = []
        while at not in outputs and len(readers.get(at, ())) == 1:
            (node,) = readers[at]
            if len(node.output) != 1 or node.output[0] not in behind:
                break
            try:
                new = read_node(file, node, known, names)
            except (Unsupported, KeyError):
                break
            at, path = node.output[0], path + new
            if not new:
                continue  # it moves nothing
            if prod(new[-1].shape) > size:
                break
            if prod(new[-1].shape) < size or _computes(new[-1]):
                extended, path, size = extended + path, [], prod(new[-1].shape)
                values.update(known)
    return extended


def _computes(node: Node) -> bool:
    """Return if a node is linear and does more than to move elements."""
    return isinstance(node.op, Affine) and not (
        node.op.bias is None and all(isinstance(op, Gather) for op in node.op.ops)
    )
