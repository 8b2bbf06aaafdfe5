r"""Train a RetinaNet on scenes of clothes, and export it as spinn-convert reads it.

    pip install torch torchvision
    python examples/train_detector.py             # 70 minutes on one core

torchvision's RetinaNet (T.-Y. Lin et al. 2017, "Focal Loss for Dense Object Detection") on a
ResNet-18 of 16/32/64/128 channels and a feature pyramid of 48. The file is exported whole, with
anchors and suppression of overlapping boxes inside. Scenes are made while it trains.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from export_torchvision import export_whole
from scenes import CLASSES, SIDE, Items, items_of, scene
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.resnet import BasicBlock, ResNet
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

WIDTH, PYRAMID = 16, 48
ANCHORS = (14, 24, 40, 64, 88)
"""Sides of the smallest anchors of every level, in pixels."""
BATCH, RATE = 16, 2e-3


class Backbone(ResNet):
    """ResNet-18 with WIDTH channels in its first stage, where torchvision has 64."""

    def __init__(self) -> None:
        super().__init__(BasicBlock, [2, 2, 2, 2])
        self.inplanes = WIDTH
        self.conv1 = nn.Conv2d(3, WIDTH, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTH)
        for stage in range(4):
            blocks = self._make_layer(BasicBlock, WIDTH << stage, 2, 1 if stage == 0 else 2)
            setattr(self, f"layer{stage + 1}", blocks)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def detector() -> RetinaNet:
    """Return a RetinaNet of levels P3 to P7, untrained."""
    stages = {f"layer{stage}": str(stage) for stage in (2, 3, 4)}
    channels = [2 * WIDTH, 4 * WIDTH, 8 * WIDTH]
    last = LastLevelP6P7(PYRAMID, PYRAMID)
    backbone = BackboneWithFPN(Backbone(), stages, channels, PYRAMID, last)
    sides = tuple(tuple(round(side * 2 ** (k / 3)) for k in range(3)) for side in ANCHORS)
    model = RetinaNet(
        backbone,
        len(CLASSES),
        min_size=SIDE,
        max_size=SIDE,
        image_mean=[0.45] * 3,
        image_std=[0.25] * 3,
        anchor_generator=AnchorGenerator(sides, ((0.5, 1.0, 2.0),) * len(sides)),
        topk_candidates=300,
        detections_per_img=100,
    )
    # the overlap itself is trained, as in torchvision's retinanet_resnet50_fpn_v2
    model.head.regression_head._loss_type = "giou"
    return model


def batch(items: Items, start: int) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    """Return images in [0, 1] and what is on them, of BATCH scenes."""
    found = [scene(items, number) for number in range(start, start + BATCH)]
    images = [torch.from_numpy(f.image).float() / 255 for f in found]
    targets = [
        {"boxes": torch.from_numpy(f.boxes), "labels": torch.from_numpy(f.labels)} for f in found
    ]
    return images, targets


def train(model: RetinaNet, iterations: int) -> RetinaNet:
    """Train on scenes that are seen once; return the average of the weights of the last steps."""
    items = items_of("train")
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.998), use_buffers=True)
    optimizer = torch.optim.AdamW(model.parameters(), RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, iterations, pct_start=0.08)
    model.train()
    started, losses = time.monotonic(), []
    for step in range(iterations):
        parts = model(*batch(items, step * BATCH))
        loss = torch.stack(list(parts.values())).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(model)
        losses.append(loss.item())
        if step % 100 == 99:
            seconds = time.monotonic() - started
            print(f"{step + 1}: loss {np.mean(losses[-100:]):.3f}, {seconds:.0f} s", flush=True)
    return average.module.eval()


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, save the weights and export."""
    parser = argparse.ArgumentParser(description="Train a RetinaNet on scenes of clothes.")
    parser.add_argument("--iterations", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "retinanet.onnx")
    options = parser.parse_args(arguments)
    torch.manual_seed(options.seed)
    model = train(detector().to(memory_format=torch.channels_last), options.iterations)
    torch.save(model.state_dict(), options.out.with_suffix(".pt"))
    export_whole(model, SIDE, options.out)
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
