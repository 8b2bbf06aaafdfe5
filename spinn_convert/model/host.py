"""What the host computes by onnxruntime: any tensor of the file, the core's input, its outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from spinn_convert.errors import DataError, ModelError, Problem
from spinn_convert.linear.ops import Floats
from spinn_convert.model.load import Model, for_one_image, simplified
from spinn_convert.model.source.file import PROVIDERS, by_onnxruntime, described, part
from spinn_convert.network.recording import Progress, silent

BATCH = 50


class ImageSequence(Protocol):
    """Images as an array (B, *image shape), or anything that makes them when they are needed."""

    def __len__(self) -> int:
        """Return the number of images."""

    def __getitem__(self, some: slice, /) -> Floats:
        """Return some of them, float32 (B, *image shape)."""


Decoder = Callable[[Mapping[str, Floats], Floats], list[NDArray[Any]]]
"""Called with the core's outputs (B, *shape) and the images; returns the file's outputs."""


def tensors(
    model: Model,
    images: ImageSequence,
    names: Sequence[str],
    threads: int,
    progress: Progress = silent,
) -> Iterator[list[Any]]:
    """Yield the tensors `names` of the ONNX file, for images (B, *image shape), batch by batch."""
    proto = simplified(model, model.batch or min(BATCH, len(images)))
    return run(model, part(proto, [model.source.input], names), images, threads, progress)


def run(
    model: Model,
    proto: onnx.ModelProto,
    images: ImageSequence,
    threads: int,
    progress: Progress = silent,
) -> Iterator[list[Any]]:
    """Yield the outputs of a part of the file, or of one made from it, batch by batch.

    Raises ModelError if onnxruntime cannot compute them, or only for one image at a time.
    """
    try:
        batch, session = model.batch or min(BATCH, len(images)), _session(model, proto, threads)
        for start in range(0, len(images), batch):
            chunk = images[start : start + batch]
            yield _in_batch(session, model, {model.source.input: chunk}, len(chunk), batch)
            progress(min(start + batch, len(images)), len(images))
    except ModelError as error:
        if model.batch is not None or len(images) == 1:
            raise
        _one_by_one(model, images[:1], [value.name for value in proto.graph.output], threads)
        raise ModelError([for_one_image(model)]) from error


def mixes_images(model: Model, images: Floats, name: str, threads: int) -> bool:
    """Return if a tensor is another when the images are given one by one."""
    together = np.concatenate([found for (found,) in tensors(model, images, [name], threads)])
    alone = _one_by_one(model, images, [name], threads)
    return together.shape != alone.shape or not np.allclose(together, alone, rtol=0.01, atol=1e-3)


def _one_by_one(model: Model, images: Floats, names: Sequence[str], threads: int) -> NDArray[Any]:
    """Return the first of the tensors `names`, computed for each image alone."""
    file = part(simplified(model, 1), [model.source.input], names)
    batches = [run(model, file, images[i : i + 1], threads) for i in range(len(images))]
    return np.concatenate([found[0] for batch in batches for found in batch])


def core_input(
    model: Model, images: ImageSequence, threads: int, progress: Progress = silent
) -> Floats:
    """Return what the core gets, (B, *input shape), for images (B, *image shape)."""
    if model.entry == model.source.input:
        return images[:]
    found = tensors(model, images, [model.entry], threads, progress)
    return np.ascontiguousarray(np.concatenate([values for (values,) in found]), np.float32)


def logits(
    model: Model, images: ImageSequence, threads: int, progress: Progress = silent
) -> Floats:
    """Return the file's output (B, classes) for images (B, *image shape)."""
    names = [name for name, _ in model.outputs]
    found = [batch[0] for batch in tensors(model, images, names, threads, progress)]
    return np.concatenate(found).reshape(len(images), -1)


def decoder(model: Model, threads: int) -> Decoder:
    """Return a function from the core's outputs to the file's; the outputs come in its order."""
    if not model.after:
        return lambda found, images: [found[name] for name, _ in model.outputs]
    batch = model.batch or BATCH
    session = _session(model, suffix(model, batch), threads)

    def decode(found: Mapping[str, Floats], images: Floats) -> list[NDArray[Any]]:
        feeds = {**found, model.source.input: images}
        chunks = [
            _in_batch(
                session,
                model,
                {name: values[start : start + batch] for name, values in feeds.items()},
                min(batch, len(images) - start),
                batch,
            )
            for start in range(0, len(images), batch)
        ]
        return [np.concatenate(parts) for parts in zip(*chunks)]

    return decode


def prefix(model: Model) -> onnx.ModelProto:
    """Return the part of the file, for one image, that makes the core's input."""
    return part(simplified(model, 1), [model.source.input], [model.entry])


def suffix(model: Model, batch: int) -> onnx.ModelProto:
    """Return the part of the file that takes the core's outputs, and perhaps the images."""
    proto = simplified(model, batch)
    inputs = described(model.source, proto, model.graph.outputs)
    for value in inputs:
        value.type.tensor_type.ClearField("shape")
    return part(proto, [*inputs, model.source.input], [name for name, _ in model.outputs])


def _session(model: Model, proto: onnx.ModelProto, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    with by_onnxruntime(model.path, "load this model"):
        return onnxruntime.InferenceSession(proto.SerializeToString(), options, PROVIDERS)


def _in_batch(
    session: onnxruntime.InferenceSession,
    model: Model,
    feeds: Mapping[str, Floats],
    count: int,
    batch: int,
) -> list[NDArray[Any]]:
    """Run one batch of `count` images, padded to the batch that the session expects."""
    fed = {}
    for value in session.get_inputs():
        rows = feeds[value.name]
        if count < batch:
            rows = np.concatenate([rows, np.repeat(rows[-1:], batch - count, 0)])
        if value.name == model.source.input and not model.batched:
            rows = rows[0]
        fed[value.name] = _as_input(model, value.name, rows, DTYPES.get(value.type, np.float32))
    with by_onnxruntime(model.path, "compute this model on the images"):
        outputs = session.run(None, fed)
    return [_floats(out[:count] if count < batch else out) for out in outputs]


def _as_input(model: Model, name: str, rows: Floats, dtype: type[Any]) -> NDArray[Any]:
    """Return rows of the type that an input has; raises DataError where that changes them."""
    fed = np.ascontiguousarray(rows, dtype)
    if np.issubdtype(dtype, np.integer) and not np.array_equal(fed, rows):
        low, high = float(np.min(rows)), float(np.max(rows))
        what = f"takes {np.dtype(dtype)}, but is given numbers from {low:g} to {high:g}"
        fix = "give whole numbers as they are, without scale, mean and std: the model scales them"
        raise DataError([Problem(f"{model.path}, input {name}", what, fix)])
    return fed


DTYPES = {
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}


def _floats(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(np.float32) if values.dtype in (np.float16, np.float64) else values
