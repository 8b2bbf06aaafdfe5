r"""Train a ResNet and write what spinn-convert needs: an ONNX file and its images.

    python examples/train_resnet.py              # ResNet-18 on Fashion-MNIST, on a CPU, as shipped
    python examples/train_resnet.py --depth 50   # the paper's deeper networks

The network is the paper's ResNet for small images (3x3 stem, no max pooling, four stages) with
16/32/64/128 channels instead of 64/128/256/512, so that it trains on a CPU. To repeat the paper at
full width, on a GPU, with the Python or binary version of CIFAR-10 as downloaded from
https://www.cs.toronto.edu/~kriz/cifar.html:

    python examples/train_resnet.py --dataset cifar10 --data cifar-10-python.tar.gz \
        --depth 18 --width 64 --epochs 100 --test 10000
    spinn-convert examples/resnet18_cifar10.onnx

The last 5,000 training images are held out; calibration images come from there, so that a choice
made on them is not made on images that the network has learned by heart.

Data: Fashion-MNIST, Zalando SE, MIT licence; Debian package `dataset-fashion-mnist`. CIFAR-10 is
read from your disk. A seed gives the same numbers again on the same machine, on a CPU.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import datasets
import numpy as np
import torch
from dataset_files import ORIGINAL, Bytes, Part, Refused
from datasets import Dataset
from torch import Tensor, nn
from torch.nn import functional as F

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


def conv_bn(source: int, target: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Return a convolution without bias, padded to keep its size, and batch normalisation."""
    conv = nn.Conv2d(source, target, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(target))


class Block(nn.Module):
    """A residual block: two 3x3 convolutions (basic) or 1x1, 3x3, 1x1 (bottleneck)."""

    def __init__(self, source: int, width: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        target = 4 * width if bottleneck else width
        self.body = (
            nn.Sequential(
                conv_bn(source, width, 1),
                nn.ReLU(),
                conv_bn(width, width, 3, stride),
                nn.ReLU(),
                conv_bn(width, target, 1),
            )
            if bottleneck
            else nn.Sequential(
                conv_bn(source, width, 3, stride), nn.ReLU(), conv_bn(width, target, 3)
            )
        )
        same = stride == 1 and source == target
        self.shortcut = nn.Identity() if same else conv_bn(source, target, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Add both paths, (B, C, H, W)."""
        return F.relu(self.body(x) + self.shortcut(x))


class ResNet(nn.Module):
    """ResNet for small images; `width` is the channel count of the first stage."""

    def __init__(self, depth: int, width: int, channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        bottleneck = depth >= 50
        expansion = 4 if bottleneck else 1
        source, blocks = width, []
        for stage, count in enumerate(BLOCKS[depth]):
            for index in range(count):
                stride = 2 if stage and not index else 1
                blocks.append(Block(source, width << stage, stride, bottleneck))
                source = expansion * (width << stage)
        self.stem = conv_bn(channels, width, 3)
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(source, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, classes) of images (B, C, H, W)."""
        x = self.blocks(F.relu(self.stem(x)))
        return self.head(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


def inputs_of(images: Bytes, dataset: Dataset) -> Tensor:
    """Map bytes (N, C, H, W) to the network's input, float32."""
    return torch.from_numpy(datasets.normalise(images, dataset))


def augment(x: Tensor, black: Tensor, crop: int) -> Tensor:
    """Flip half of the images (B, C, H, W) and shift each by up to `crop` pixels.

    black: what moves in from outside, (C,). Drawn on the CPU: all devices see the same images.
    """
    count, channels, height, width = x.shape
    flipped = (torch.rand(count) < 0.5).to(x.device)
    x = torch.where(flipped[:, None, None, None], x.flip(3), x)
    padded = black[:, None, None].repeat(count, 1, height + 2 * crop, width + 2 * crop)
    padded[:, :, crop : crop + height, crop : crop + width] = x
    dy, dx = torch.randint(0, 2 * crop + 1, (2, count)).to(x.device)
    rows = (dy[:, None] + torch.arange(height, device=x.device))[:, None, :, None]
    columns = (dx[:, None] + torch.arange(width, device=x.device))[:, None, None, :]
    image = torch.arange(count, device=x.device)[:, None, None, None]
    return padded[image, torch.arange(channels, device=x.device)[:, None, None], rows, columns]


def accuracy(model: nn.Module, dataset: Dataset, part: Part) -> float:
    """Percentage of images classified right, in float32."""
    device = next(model.parameters()).device
    images, labels = part
    count = min(20, len(images))
    model.eval()
    with torch.inference_mode():
        chunks = [
            model(inputs_of(chunk, dataset).to(device)).argmax(1).cpu()
            for chunk in np.array_split(images, count)
        ]
    return 100 * float((torch.cat(chunks).numpy() == labels).mean())


def train(model: nn.Module, dataset: Dataset, epochs: int, batch: int) -> None:
    """SGD with Nesterov momentum, one-cycle learning rate, bfloat16 convolutions."""
    device = next(model.parameters()).device
    images, labels = datasets.training_part(dataset)
    x, y = (
        inputs_of(images, dataset).to(device),
        torch.from_numpy(labels.astype(np.int64)).to(device),
    )
    black = torch.from_numpy(-dataset.mean / dataset.std).float().to(device)
    optimiser = torch.optim.SGD(
        model.parameters(), 0.1, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    batches = len(x) // batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.1, epochs * batches, pct_start=0.2)
    for epoch in range(epochs):
        model.train()
        start, total = time.perf_counter(), torch.zeros((), dtype=torch.float64, device=device)
        for index in torch.randperm(len(x))[: batches * batch].to(device).view(-1, batch):
            inputs = augment(x[index], black, dataset.crop)
            inputs = inputs.contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16):
                loss = F.cross_entropy(model(inputs), y[index])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.detach()
        mean = float(total) / batches
        print(
            f"epoch {epoch + 1}: loss {mean:.4f}, {time.perf_counter() - start:.0f} s", flush=True
        )


def save(model: nn.Module, stem: Path, image: Bytes) -> None:
    """Write `stem`.onnx for batches of any size of images such as this one, (C, H, W)."""
    model.eval()
    torch.onnx.export(
        model.to("cpu", memory_format=torch.contiguous_format),
        (torch.zeros(1, *image.shape),),
        file_of(stem, ".onnx"),
        input_names=["image"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        external_data=False,
        verbose=False,
    )


def file_of(stem: Path, suffix: str) -> Path:
    """Return the file beside `stem`, which may hold dots."""
    return stem.with_name(stem.name + suffix)


def load(name: str, path: Path | None) -> Dataset:
    """Read the data set of this name; path: where it lies, if not at its usual place."""
    if name == "fashion-mnist":
        return datasets.fashion_mnist(path or datasets.FASHION_MNIST)
    if path is None:
        raise Refused("--dataset cifar10", "needs --data PATH", ORIGINAL)
    return datasets.cifar10(path)


def check_output(stem: Path, overwrite: bool) -> None:
    """Raise Refused if the files could not be written after hours of training."""
    if not stem.parent.is_dir():
        raise Refused(stem.parent, "no such folder", "create it, or give another --out")
    for suffix in (".onnx", ".npz"):
        if file_of(stem, suffix).exists() and not overwrite:
            fix = "give another --out, or --overwrite"
            raise Refused(file_of(stem, suffix), "exists already", fix)
    if find_spec("onnxscript") is None:
        raise Refused("torch.onnx", "cannot export without onnxscript", "pip install onnxscript")


def usable(name: str) -> torch.device:
    """Return the device of this name; raises Refused if torch cannot compute there."""
    try:
        device = torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise Refused(f"--device {name}", f"torch cannot use it ({reason})", "try cpu") from error
    torch.backends.cudnn.allow_tf32 = False  # accuracy is that of float32, as in the ONNX file
    return device


def run(arguments: argparse.Namespace) -> None:
    """Train, report the accuracy on held-out and test images, save; raises Refused."""
    name = f"resnet{arguments.depth}_{arguments.dataset}"
    out = arguments.out or Path(__file__).parent / name
    check_output(out, arguments.overwrite)
    device, dataset = usable(arguments.device), load(arguments.dataset, arguments.data)
    datasets.check_counts(dataset, arguments.calibration, arguments.test)
    training, channels = datasets.training_part(dataset), len(dataset.mean)
    if arguments.batch > len(training[0]):
        raise Refused("--batch", f"{arguments.batch:,} images", f"there are {len(training[0]):,}")
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    model = ResNet(arguments.depth, arguments.width, channels)
    model = model.to(device, memory_format=torch.channels_last)
    started = time.perf_counter()
    train(model, dataset, arguments.epochs, arguments.batch)
    print(f"trained in {time.perf_counter() - started:,.0f} s on {device}")
    held_out = accuracy(model, dataset, datasets.held_out_part(dataset))
    test = accuracy(model, dataset, (dataset.test_images, dataset.test_labels))
    print(f"held-out accuracy {held_out:.2f} %, test accuracy {test:.2f} %")
    save(model, out, dataset.test_images[0])
    datasets.write_npz(file_of(out, ".npz"), dataset, arguments.calibration, arguments.test)


def positive(text: str) -> int:
    """Parse a whole number above zero."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not above zero")
    return value


def options() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    threads = torch.get_num_threads()
    add = parser.add_argument
    add("--dataset", choices=("fashion-mnist", "cifar10"), default="fashion-mnist")
    add("--data", type=Path, help="its files: a folder, of CIFAR-10 also the archive")
    add("--depth", type=int, choices=BLOCKS, default=18)
    add("--width", type=positive, default=16, help="channels of the first stage; the paper: 64")
    add("--device", default=device, help=f"cpu, cuda or cuda:1, say; here {device}")
    add("--epochs", type=positive, default=20)
    add("--batch", type=positive, default=128, help="images per step")
    add("--seed", type=int, default=1)
    add("--threads", type=positive, default=threads, help=f"of the CPU; here {threads}")
    add("--calibration", type=positive, default=2_000, help="images to store")
    add("--test", type=positive, default=1_000, help="images to store")
    add("--out", type=Path, help="stem of the files, default examples/resnetDEPTH_DATASET")
    add("--overwrite", action="store_true", help="replace files of that name")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run; bad input ends with one message and exit code 2."""
    parser = options()
    try:
        run(parser.parse_args(arguments))
    except Refused as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
