"""Train the example network and write what spinn-convert needs: an ONNX file and its images.

    python examples/train_resnet.py                     # ResNet-18 on Fashion-MNIST, as shipped
    python examples/train_resnet.py --depth 50          # the paper's deeper networks

The network is the paper's ResNet for small images (3x3 stem, no max pooling, four stages) with
16/32/64/128 channels instead of 64/128/256/512, so that it trains on a CPU. The last 5,000 of the
60,000 training images are held out; calibration images come from there, so that a choice made on
them is not made on images that the network has learned by heart.

Data: Fashion-MNIST, Zalando SE, MIT licence; Debian package `dataset-fashion-mnist`.
"""

from __future__ import annotations

import argparse
import gzip
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

DATA = Path("/usr/share/datasets/fashion-mnist")
HELD_OUT = 5_000
MEAN, STD = 0.2860, 0.3530
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


def read_idx(path: Path) -> np.ndarray:
    """Read one gzipped IDX file of unsigned bytes."""
    raw = gzip.decompress(path.read_bytes())
    rank = raw[3]
    shape = np.frombuffer(raw, ">i4", rank, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)


def load_split(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images (N, 1, 28, 28) uint8 and labels (N,) of split "train" or "t10k"."""
    images = read_idx(DATA / f"{split}-images-idx3-ubyte.gz")
    return images[:, None], read_idx(DATA / f"{split}-labels-idx1-ubyte.gz")


def normalise(images: np.ndarray) -> Tensor:
    """Map bytes to the network's input, float32."""
    return torch.from_numpy((images.astype(np.float32) / 255 - MEAN) / STD)


def augment(x: Tensor) -> Tensor:
    """Flip half of the images and shift each by up to two pixels."""
    count, _, height, width = x.shape
    x = torch.where((torch.rand(count) < 0.5)[:, None, None, None], x.flip(3), x)
    padded = F.pad(x, (2, 2, 2, 2), value=-MEAN / STD)
    dy, dx = torch.randint(0, 5, (2, count))
    rows = (dy[:, None] + torch.arange(height))[:, None, :, None]
    columns = (dx[:, None] + torch.arange(width))[:, None, None, :]
    return padded[torch.arange(count)[:, None, None, None], 0, rows, columns]


def accuracy(model: nn.Module, images: np.ndarray, labels: np.ndarray) -> float:
    """Percentage of images classified right, in float32."""
    model.eval()
    with torch.inference_mode():
        chunks = [model(normalise(chunk)).argmax(1) for chunk in np.array_split(images, 20)]
    return 100 * float((torch.cat(chunks).numpy() == labels).mean())


def train(model: nn.Module, images: np.ndarray, labels: np.ndarray, epochs: int) -> None:
    """SGD with Nesterov momentum, one-cycle learning rate, bfloat16 convolutions."""
    x, y, batch = normalise(images), torch.from_numpy(labels.astype(np.int64)), 128
    optimiser = torch.optim.SGD(
        model.parameters(), 0.1, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    steps = epochs * (len(x) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.1, steps, pct_start=0.2)
    for epoch in range(epochs):
        model.train()
        start, total = time.perf_counter(), 0.0
        for index in torch.randperm(len(x))[: len(x) // batch * batch].view(-1, batch):
            inputs = augment(x[index]).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                loss = F.cross_entropy(model(inputs), y[index])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        seconds = time.perf_counter() - start
        print(
            f"epoch {epoch + 1}: loss {total / (len(x) // batch):.4f}, {seconds:.0f} s", flush=True
        )


def save(model: nn.Module, stem: Path, calibration: int, test: int) -> None:
    """Write `stem`.onnx and `stem`.npz: calibration images from the held-out part, test images."""
    model.eval()
    example = torch.zeros(1, 1, 28, 28)
    batch = torch.export.Dim("batch")
    torch.onnx.export(
        model.to(memory_format=torch.contiguous_format),
        (example,),
        stem.with_suffix(".onnx"),
        input_names=["image"],
        output_names=["logits"],
        dynamic_shapes=({0: batch},),
        external_data=False,
    )
    images, labels = load_split("train")
    test_images, test_labels = load_split("t10k")
    np.savez_compressed(
        stem.with_suffix(".npz"),
        calibration_images=images[-HELD_OUT:][:calibration],
        calibration_labels=labels[-HELD_OUT:][:calibration],
        images=test_images[:test],
        labels=test_labels[:test],
        scale=np.float32(1 / 255),
        mean=np.float32([MEAN]),
        std=np.float32([STD]),
    )


def main() -> None:
    """Train, report the accuracy on held-out and test images, save."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--depth", type=int, choices=BLOCKS, default=18)
    parser.add_argument("--width", type=int, default=16, help="channels of the first stage")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--calibration", type=int, default=2_000, help="images to ship")
    parser.add_argument("--test", type=int, default=1_000, help="images to ship")
    parser.add_argument("--out", type=Path, help="stem of the files, default examples/resnetDEPTH")
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    model = ResNet(arguments.depth, arguments.width).to(memory_format=torch.channels_last)
    images, labels = load_split("train")
    train(model, images[:-HELD_OUT], labels[:-HELD_OUT], arguments.epochs)
    held_out = accuracy(model, images[-HELD_OUT:], labels[-HELD_OUT:])
    test = accuracy(model, *load_split("t10k"))
    print(f"held-out accuracy {held_out:.2f} %, test accuracy {test:.2f} %")
    out = arguments.out or Path(__file__).parent / f"resnet{arguments.depth}"
    save(model, out, arguments.calibration, arguments.test)


if __name__ == "__main__":
    main()
