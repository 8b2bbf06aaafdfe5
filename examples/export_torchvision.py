r"""Export torchvision's RetinaNet as spinn-convert reads it, whole or its heads only.

    pip install torch torchvision
    python examples/export_torchvision.py --weights retinanet_resnet50_fpn_coco-eeacb38b.pth
    spinn-convert retinanet_resnet50.onnx --data annotations/instances_val2017.json

The weights are a file from your disk, as torchvision publishes it for COCO; without it they are
random. --depth 18 is the network of the paper, for which there are no weights to download. COCO:
`annotations/instances_val2017.json` beside the folders `val2017`, with the images, and `train2017`,
of which the first 1,000 by name give the scales.

With --heads, the file ends where the heads end, and the anchors are in a file beside it: so every
RetinaNet can be scored whose exporter fails at the suppression of overlapping boxes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import resnet18
from torchvision.models.detection import RetinaNet, retinanet_resnet50_fpn
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

CLASSES = 91
"""As torchvision numbers those of COCO."""


class Heads(nn.Module):
    """Backbone, feature pyramid and heads of a RetinaNet, for images of one size."""

    def __init__(self, model: RetinaNet) -> None:
        super().__init__()
        self.backbone, self.head = model.backbone, model.head
        for name in ("mean", "std"):
            values = getattr(model.transform, f"image_{name}")
            self.register_buffer(name, torch.tensor(values).view(1, -1, 1, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, anchors, classes) and shifts (B, anchors, 4) of pixels from 0 to 1."""
        features = list(self.backbone((images - self.mean) / self.std).values())
        found = self.head(features)
        return found["cls_logits"], found["bbox_regression"]


def detector(depth: int, weights: Path | None) -> RetinaNet:
    """Return a RetinaNet on a ResNet of this depth."""
    if depth == 50:
        model = retinanet_resnet50_fpn(weights=None, weights_backbone=None)
    else:
        stages = {f"layer{stage}": str(stage) for stage in (2, 3, 4)}
        last = LastLevelP6P7(256, 256)
        backbone = BackboneWithFPN(resnet18(), stages, [128, 256, 512], 256, last)
        model = RetinaNet(backbone, CLASSES)
    if weights:
        model.load_state_dict(torch.load(weights, weights_only=True))
    return model.eval()


def export_whole(model: RetinaNet, size: int, path: Path) -> None:
    """Write the whole detector: image (3, size, size) in, boxes, scores and labels out."""
    model.transform.min_size, model.transform.max_size = (size,), size
    torch.onnx.export(
        model,
        ([torch.rand(3, size, size)],),
        path,
        dynamo=False,  # the newer exporter stops at torchvision's suppression of boxes
        opset_version=17,
        input_names=["image"],
        output_names=["boxes", "scores", "labels"],
    )


def export_heads(model: RetinaNet, size: int, path: Path) -> None:
    """Write the heads, and MODEL.anchors.json beside them."""
    image = torch.rand(1, 3, size, size)
    torch.onnx.export(
        Heads(model).eval(),
        (image,),
        path,
        dynamo=False,
        opset_version=17,
        input_names=["images"],
        output_names=["logits", "shifts"],
        dynamic_axes={name: {0: "batch"} for name in ("images", "logits", "shifts")},
    )
    with torch.inference_mode():
        shapes = [tuple(found.shape[-2:]) for found in model.backbone(image).values()]
    made = model.anchor_generator
    levels = [
        {
            "size": shape,
            "stride": [size // side for side in shape],
            "sides": list(sides),
            "ratios": list(ratios),
        }
        for shape, sides, ratios in zip(shapes, made.sizes, made.aspect_ratios)
    ]
    content = {
        "levels": levels,
        "least_score": model.score_thresh,
        "most_overlap": model.nms_thresh,
        "candidates": model.topk_candidates,
        "most_boxes": model.detections_per_img,
    }
    path.with_name(f"{path.stem}.anchors.json").write_text(json.dumps(content, indent=1))


def main(arguments: Sequence[str] | None = None) -> None:
    """Export one file."""
    parser = argparse.ArgumentParser(description="Export torchvision's RetinaNet.")
    parser.add_argument("--depth", type=int, choices=(18, 50), default=50)
    parser.add_argument("--weights", type=Path, help="a .pth file; random weights without it")
    parser.add_argument("--size", type=int, default=640, help="of the image, in pixels")
    parser.add_argument("--heads", action="store_true", help="without anchors and suppression")
    parser.add_argument("--out", type=Path, help="by default retinanet_resnet50.onnx or ..18.onnx")
    options = parser.parse_args(arguments)
    path = options.out or Path(f"retinanet_resnet{options.depth}.onnx")
    write = export_heads if options.heads else export_whole
    write(detector(options.depth, options.weights), options.size, path)
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
