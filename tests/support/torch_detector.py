"""A small RetinaNet, exported whole: pixels in, boxes and scores after suppression out."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional as F

from support.torch_networks import Basic, conv, export, projection

SIZE = 64
CLASSES, ANCHORS = 3, 2


class Heads(nn.Module):
    """Two branches of three convolutions, shared by all levels."""

    def __init__(self, width):
        super().__init__()
        self.classes, self.boxes = (
            nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(width, width, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(width, outputs * ANCHORS, 3, padding=1),
            )
            for outputs in (CLASSES, 4)
        )

    def forward(self, maps):
        return [
            torch.cat([self.flat(branch(x), width) for x in maps], 1)
            for branch, width in ((self.classes, CLASSES), (self.boxes, 4))
        ]

    @staticmethod
    def flat(x, width):
        n, _, h, w = x.shape
        return x.view(n, ANCHORS, width, h, w).permute(0, 3, 4, 1, 2).reshape(n, -1, width)


class RetinaNet(nn.Module):
    """Backbone of three stages, FPN by nearest upsampling, heads, decoded boxes."""

    def __init__(self, width=8):
        super().__init__()
        self.stem = nn.Sequential(conv(3, width, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        self.stages = nn.ModuleList(
            Basic(width * 2 ** max(0, i - 1), width * 2**i, 1 + (i > 0), projection)
            for i in range(3)
        )
        self.lateral = nn.ModuleList(nn.Conv2d(width * 2**i, width, 1) for i in range(3))
        self.output = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(3))
        self.heads = Heads(width)
        anchors = []
        for stride in (4, 8, 16):
            at = torch.arange(SIZE // stride) * stride + stride / 2
            y, x = torch.meshgrid(at, at, indexing="ij")
            for_cell = [torch.stack([x, y, x * 0 + s, x * 0 + s], -1) for s in (2 * stride, stride)]
            anchors.append(torch.stack(for_cell, 2).reshape(-1, 4))
        self.register_buffer("anchors", torch.cat(anchors))

    def forward(self, pixels):
        x = self.stem((pixels / 255 - 0.5) / 0.25)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        maps, above = [], None
        for lateral, output, feature in list(zip(self.lateral, self.output, features))[::-1]:
            merged = lateral(feature)
            if above is not None:
                merged = merged + F.interpolate(above, scale_factor=2.0, mode="nearest")
            above = merged
            maps.insert(0, output(merged))
        scores, boxes = self.heads(maps)
        centre = self.anchors[:, :2] + boxes[..., :2] * self.anchors[:, 2:]
        size = self.anchors[:, 2:] * boxes[..., 2:].clamp(max=4).exp()
        corners = torch.cat([centre - size / 2, centre + size / 2], -1)
        return corners, scores.sigmoid().transpose(1, 2)


def detector(path):
    """Write the detector for one image, its suppression included."""
    torch.manual_seed(1)
    network = RetinaNet().eval()
    export(network, path, (3, SIZE, SIZE), False)
    proto = onnx.load(path)
    corners, scores = (value.name for value in proto.graph.output)
    limits = {"most": np.int64([20]), "overlap": np.float32([0.5]), "least": np.float32([0.5])}
    for name, value in limits.items():
        proto.graph.initializer.append(numpy_helper.from_array(value, name))
    inputs = [corners, scores, *limits]
    proto.graph.node.append(helper.make_node("NonMaxSuppression", inputs, ["selected"]))
    proto.graph.output.append(helper.make_tensor_value_info("selected", TensorProto.INT64, None))
    value = proto.graph.input[0]
    value.type.tensor_type.shape.dim[0].dim_value = 1
    for output in proto.graph.output:
        output.type.tensor_type.ClearField("shape")
    del proto.graph.value_info[:]
    onnx.save(proto, path)
    return path
