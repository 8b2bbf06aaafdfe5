"""Networks as users have them, from torch, with statistics in their batch norms."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


def conv(inputs, outputs, kernel=3, stride=1, groups=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)


class SpatialMean(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


class Basic(nn.Module):
    expansion = 1

    def __init__(self, inputs, width, stride, shortcut, **kwargs):
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv(width, width), nn.BatchNorm2d(width)
        self.shortcut = shortcut(inputs, width, stride)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inputs, width, stride, shortcut, groups=1, per_group=64):
        super().__init__()
        inner, outputs = width * per_group // 64 * groups, 4 * width
        self.conv1, self.bn1 = conv(inputs, inner, 1), nn.BatchNorm2d(inner)
        self.conv2, self.bn2 = conv(inner, inner, 3, stride, groups), nn.BatchNorm2d(inner)
        self.conv3, self.bn3 = conv(inner, outputs, 1), nn.BatchNorm2d(outputs)
        self.shortcut = shortcut(inputs, outputs, stride)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.shortcut(x))


class PreActivation(nn.Module):
    expansion = 1

    def __init__(self, inputs, width, stride, shortcut, **kwargs):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), conv(inputs, width, 3, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(width), conv(width, width)
        moves = stride > 1 or inputs != width
        self.shortcut = conv(inputs, width, 1, stride) if moves else None

    def forward(self, x):
        y = F.relu(self.bn1(x))
        skipped = x if self.shortcut is None else self.shortcut(y)
        return self.conv2(F.relu(self.bn2(self.conv1(y)))) + skipped


def projection(inputs, outputs, stride):
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


def pooled_projection(inputs, outputs, stride):
    """The shortcut of ResNet-D: average pooling, then a convolution without stride."""
    if stride == 1:
        return projection(inputs, outputs, 1)
    pool = nn.AvgPool2d(2, stride, ceil_mode=True, count_include_pad=False)
    return nn.Sequential(pool, *projection(inputs, outputs, 1))


def resnet(block, depths, width=64, classes=1000, shortcut=projection, deep=False, **kwargs):
    if deep:
        stem = [conv(3, width // 2, 3, 2), nn.BatchNorm2d(width // 2), nn.ReLU()]
        stem += [conv(width // 2, width // 2), nn.BatchNorm2d(width // 2), nn.ReLU()]
        stem += [conv(width // 2, width)]
    else:
        stem = [conv(3, width, 7, 2)]
    pre = block is PreActivation
    layers = [*stem, nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    inputs = width
    for stage, depth in enumerate(depths):
        outputs = width * 2**stage
        for number in range(depth):
            stride = 2 if number == 0 and stage > 0 else 1
            layers.append(block(inputs, outputs, stride, shortcut, **kwargs))
            inputs = outputs * block.expansion
    layers += [nn.BatchNorm2d(inputs), nn.ReLU()] if pre else []
    return nn.Sequential(*layers, SpatialMean(), nn.Linear(inputs, classes))


class DenseLayer(nn.Module):
    def __init__(self, inputs, growth):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), conv(inputs, 4 * growth, 1)
        self.bn2, self.conv2 = nn.BatchNorm2d(4 * growth), conv(4 * growth, growth)

    def forward(self, x):
        y = self.conv1(F.relu(self.bn1(x)))
        return torch.cat([x, self.conv2(F.relu(self.bn2(y)))], 1)


def densenet(depths=(3, 3), growth=8, classes=10):
    channels = 2 * growth
    layers = [conv(3, channels, 7, 2), nn.BatchNorm2d(channels), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    for stage, depth in enumerate(depths):
        for _ in range(depth):
            layers.append(DenseLayer(channels, growth))
            channels += growth
        layers += [nn.BatchNorm2d(channels), nn.ReLU()]
        if stage < len(depths) - 1:
            layers += [conv(channels, channels // 2, 1), nn.AvgPool2d(2)]
            channels //= 2
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)
    )


class ChannelsLast(nn.Module):
    """Takes (N, H, W, C), normalises pixels and returns probabilities, as Keras models do."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner
        self.register_buffer("mean", torch.tensor([0.4, 0.5, 0.6]))

    def forward(self, x):
        x = (x / 2 - self.mean) / 0.25
        return self.inner(x.permute(0, 3, 1, 2)).softmax(1)


class PixelsLast(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x.permute(0, 3, 1, 2))


def pooled_channels_last(pixels_last, seed=0):
    """Return a network in torch's channels-last memory, or of (N, H, W, C), which is the same."""
    torch.manual_seed(seed)
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    network = nn.Sequential(*layers, nn.Linear(8, 5)).eval()
    if pixels_last:
        return PixelsLast(network)
    return network.to(memory_format=torch.channels_last)


class PooledFirst(nn.Module):
    """Pools before it rectifies, normalises what it pooled, and pools by 2 x 3 with padding."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, padding=1)
        self.bn, self.fc = nn.BatchNorm2d(8), nn.Linear(8, 5)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(self.bn(F.max_pool2d(self.conv2(x), (3, 2), (2, 1), (1, 0))))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class PooledSum(PooledFirst):
    """Its first spiking layer pools a signed sum, which is then normalised."""

    def forward(self, x):
        x = F.relu(self.bn(F.max_pool2d(self.conv1(x), 3, 2)))
        return self.fc(self.conv2(x).mean((2, 3)))


NETWORKS = {
    "ResNet-18": lambda: resnet(Basic, (2, 2, 2, 2)),
    "ResNet-34": lambda: resnet(Basic, (3, 4, 6, 3), 32),
    "ResNet-50": lambda: resnet(Bottleneck, (3, 4, 6, 3)),
    "pre-activation": lambda: resnet(PreActivation, (2, 2, 2, 2), 16, 10),
    "ResNeXt": lambda: resnet(Bottleneck, (1, 1, 1, 1), 32, 10, groups=8, per_group=8),
    "ResNet-D": lambda: resnet(Basic, (1, 1, 1, 1), 16, 10, shortcut=pooled_projection, deep=True),
    "DenseNet": densenet,
    "channels last": lambda: ChannelsLast(resnet(Basic, (1, 1, 1, 1), 16, 10)),
    "pooled first": PooledFirst,
    "pooled sum": PooledSum,
}


def trained(name, seed=0):
    """Return the network in evaluation mode, its batch norms with statistics of their own."""
    torch.manual_seed(seed)
    network = NETWORKS[name]()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1, 0.2)
            nn.init.normal_(module.bias, 0, 0.2)
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval()


def export(network, path, image_shape, dynamo, opset=None, batch=None, **kwargs):
    """Write an ONNX file with a dynamic batch or a fixed one, by torch's new or old exporter."""
    import warnings

    example = torch.zeros(batch or 2, *image_shape)
    channels_last = any(p.dim() == 4 and not p.is_contiguous() for p in network.parameters())
    if channels_last:
        example = example.to(memory_format=torch.channels_last)
    if dynamo:
        kwargs["verbose"] = False
    if batch is None and dynamo:
        kwargs["dynamic_shapes"] = [{0: torch.export.Dim("batch")}]
    elif batch is None:
        kwargs["dynamic_axes"] = {"x": {0: "batch"}, "y": {0: "batch"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example,),
            path,
            dynamo=dynamo,
            input_names=["x"],
            output_names=["y"],
            opset_version=opset,
            **kwargs,
        )
    return path
