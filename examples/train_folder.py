r"""Train torchvision's ResNet-18, 7 x 7 stem and all, on a folder of pictures; write an ONNX file.

    pip install torch torchvision onnxscript
    python examples/train_folder.py clothes/train clothes.onnx --size 64

The folder holds one folder per class. Pictures are resized to SIZE x SIZE, with pixels from 0 to 1,
normalised by ImageNet's mean and deviation: what `--preprocess` of spinn-convert is told as well.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.models import resnet18
from torchvision.transforms import v2

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def prepared(size: int, train: bool) -> v2.Compose:
    """Return what becomes of a picture; of one to train on, mirrored half of the times."""
    return v2.Compose(
        [
            v2.Resize((size, size)),
            *([v2.RandomHorizontalFlip()] if train else []),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


def train(folder: Path, size: int, epochs: int, seed: int) -> nn.Module:
    """Return the network, trained on all pictures of the folder by SGD with one cycle."""
    torch.manual_seed(seed)
    pictures = ImageFolder(str(folder), prepared(size, train=True))
    batches = DataLoader(pictures, batch_size=64, shuffle=True, drop_last=True, num_workers=1)
    model = resnet18(num_classes=len(pictures.classes)).to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(
        model.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    steps = epochs * len(batches)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=0.05, total_steps=steps)
    for epoch in range(epochs):
        started, right = time.perf_counter(), 0
        for images, labels in batches:
            outputs = model(images.to(memory_format=torch.channels_last))
            loss = nn.functional.cross_entropy(outputs, labels, label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            right += int((outputs.argmax(1) == labels).sum())
        share = right / (len(batches) * 64)
        seconds = time.perf_counter() - started
        print(f"epoch {epoch + 1} of {epochs}: {share:.1%} right, {seconds:.0f} s", flush=True)
    return model.eval().to(memory_format=torch.contiguous_format)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, train, and write the ONNX file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("onnx", type=Path)
    parser.add_argument("--size", type=int, default=64, help="pixels of a side")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args(arguments)
    if not told.folder.is_dir():
        parser.error(f"{told.folder} is no folder")
    model = train(told.folder, told.size, told.epochs, told.seed)
    some = torch.zeros(1, 3, told.size, told.size)
    torch.onnx.export(
        model,
        (some,),
        str(told.onnx),
        input_names=["image"],
        output_names=["logits"],
        dynamic_shapes=({0: "batch"},),
        external_data=False,
    )


if __name__ == "__main__":
    main()
