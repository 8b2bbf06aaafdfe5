"""Images with labels in arrays or tables: .npy pairs, HDF5, Arrow and parquet, torch datasets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spinn_convert.errors import DataError, Problem, install
from spinn_convert.files.collection import Collection, Labels, Numbered

HDF5, ARROW = (".h5", ".hdf5"), (".parquet", ".arrow")
SAVED = "dataset_info.json"
"""File of a folder that `datasets.Dataset.save_to_disk` wrote."""
IMAGE_COLUMNS, LABEL_COLUMNS = ("image", "images", "img"), ("label", "labels", "fine_label")


class TorchDataset(Protocol):
    """A map-style dataset of torch or torchvision, whose items are (image, label)."""

    def __len__(self) -> int:
        """Return the number of items."""

    def __getitem__(self, number: int, /) -> Any:
        """Return an item."""


def arrays(where: str, images: Any, labels: NDArray[Any] | None) -> Collection:
    """Return images (N, ...) of an array or an HDF5 dataset, with labels (N,)."""
    return Collection(where, lambda i: images[i], Numbered(where, len(images)), labels)


def npy(path: Path, labelled: bool) -> Collection:
    """Read images.npy with labels.npy beside it; or test_images.npy with test_labels.npy."""
    images = read_npy(path)
    beside = [path.with_name(path.name.replace("images", "labels")), path.with_name("labels.npy")]
    found = next((place for place in beside if place != path and place.is_file()), None)
    if found is None and labelled:
        what = f"no labels beside it, {beside[0].name if beside[0] != path else 'labels.npy'}"
        raise DataError([Problem(str(path), what, "write them with numpy.save, one per image")])
    return arrays(str(path), images, None if found is None else read_npy(found))


def read_npy(path: Path) -> NDArray[Any]:
    """Return the array of an .npy, memory-mapped; raises DataError if it cannot be read."""
    try:
        found: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        what, fix = "cannot be read as .npy", "write it with numpy.save"
        raise DataError([Problem(str(path), what, fix)]) from error
    if found.ndim == 0:
        raise DataError([Problem(str(path), "holds a single number", "store one row per image")])
    return found


def hdf5(path: Path, labelled: bool) -> Collection:
    """Read an HDF5 file with the datasets `images` and `labels`; raises DataError without h5py."""
    h5py = _package("h5py", path)
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        what = f"cannot be read as HDF5 ({error})"
        raise DataError([Problem(str(path), what, "write it with h5py")]) from error
    missing = [n for n in ("images", "labels") if n not in file and (labelled or n == "images")]
    if missing:
        what = f"has no dataset {', '.join(missing)}; it holds {', '.join(file) or 'nothing'}"
        raise DataError([Problem(str(path), what, "store `images` (N, ...) and `labels` (N,)")])
    labels = file["labels"][()] if "labels" in file else None
    return arrays(str(path), file["images"], labels)


def arrow(path: Path, labelled: bool) -> Collection:
    """Read a .parquet or .arrow file, or a folder of `save_to_disk`, by the package datasets.

    Its columns are `image` and `label` (IMAGE_COLUMNS, LABEL_COLUMNS). Raises DataError without it.
    """
    datasets = _package("datasets", path)
    try:
        if path.is_dir():
            table = datasets.load_from_disk(str(path))
        elif path.suffix == ".arrow":
            table = datasets.Dataset.from_file(str(path))
        else:
            table = _parquet(datasets, path)
        columns = table.column_names
    except Exception as error:  # of pyarrow, of datasets, of the system
        what = f"cannot be read as Arrow or parquet ({error})"
        raise DataError([Problem(str(path), what, "write it with the package datasets")]) from error
    image, label = (
        next((name for name in names if name in columns), None)
        for names in (IMAGE_COLUMNS, LABEL_COLUMNS)
    )
    if image is None or (label is None and labelled):
        what = f"has the columns {', '.join(columns)}; expected are image and label"
        raise DataError([Problem(str(path), what, "rename the columns")])
    labels = None if label is None else np.asarray(table.with_format("numpy")[label][:])
    classes = tuple(getattr(table.features[label], "names", ())) if label else ()
    names = Numbered(str(path), len(table))
    return Collection(str(path), lambda i: table[i][image], names, labels, classes, together=False)


def _parquet(datasets: Any, path: Path) -> Any:
    """Return a table in memory; its reader by name would copy the file into the user's cache."""
    parquet = import_module("pyarrow.parquet")
    return datasets.Dataset(datasets.table.InMemoryTable(parquet.read_table(path)))


def torch_dataset(dataset: TorchDataset, labelled: bool) -> Collection:
    """Return the items of a torch dataset; labels are its `targets`, or those of all items.

    Items are (image, label), or images only where labels are not needed.
    """
    where = f"the dataset {type(dataset).__name__}"
    try:
        count = len(dataset)
    except TypeError as error:
        what, fix = "has no length", "give a map-style dataset, of items (image, label)"
        raise DataError([Problem(where, what, fix)]) from error

    def image(number: int) -> Any:
        item = dataset[number]
        found = item[0] if isinstance(item, (tuple, list)) else item
        return found if isinstance(found, np.ndarray) or _is_picture(found) else np.asarray(found)

    targets = getattr(dataset, "targets", None)
    if targets is None or getattr(dataset, "target_transform", None) is not None:
        targets = _labels(where, dataset, count) if labelled else None
    labels = None if targets is None else np.asarray(targets)
    names = Numbered(where, count)
    classes = tuple(map(str, getattr(dataset, "classes", ())))
    return Collection(where, image, names, labels, classes, together=False)


def _labels(where: str, dataset: TorchDataset, count: int) -> Labels:
    try:
        return np.array([int(dataset[number][1]) for number in range(count)], np.int64)
    except (TypeError, ValueError, IndexError) as error:
        what = f"its items have no label ({error})"
        raise DataError([Problem(where, what, "make items of (image, label)")]) from error


def _is_picture(value: Any) -> bool:
    from PIL import Image

    return isinstance(value, Image.Image)


def _package(name: str, path: Path) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        what = f"is read by the package {name}, which is not installed"
        raise DataError([Problem(str(path), what, install("data"))]) from error


READERS: Sequence[tuple[tuple[str, ...], Callable[[Path, bool], Collection]]] = (
    ((".npy",), npy),
    (HDF5, hdf5),
    (ARROW, arrow),
)
