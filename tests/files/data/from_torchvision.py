"""Write torchvision.npz: what torchvision makes of some pictures, for test_preprocess.py.

    python tests/files/data/from_torchvision.py

Needs torchvision. Pictures are stored as files (PNG), so that any Pillow reads the same pixels.
"""

import io
import json
import tempfile
from pathlib import Path

import numpy as np
import torchvision
from PIL import Image
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.transforms import InterpolationMode
from torchvision.transforms._presets import ImageClassification

PLACE = Path(__file__).with_name("torchvision.npz")
SIZES = {"RGB": (45, 37), "L": (31, 52), "P": (40, 40), "RGBA": (33, 47), "LA": (39, 33)}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NORMAL = transforms.Normalize(MEAN, STD)
PIL = {mode.value: mode for mode in InterpolationMode}
TEXTS = {
    "to_tensor": transforms.ToTensor(),
    "resize=20,crop=16,mean=0.485,0.456,0.406,std=0.229,0.224,0.225": ImageClassification(
        crop_size=16, resize_size=20, mean=MEAN, std=STD
    ),
    "resize=20,crop=17,interpolation=bicubic,mean=0.485,0.456,0.406,std=0.229,0.224,0.225": (
        ImageClassification(crop_size=17, resize_size=20, interpolation=PIL["bicubic"])
    ),
    "resize=11x15,interpolation=lanczos": transforms.Compose(
        [transforms.Resize((11, 15), PIL["lanczos"]), transforms.ToTensor()]
    ),
    "resize=60,crop=55x48,interpolation=nearest": transforms.Compose(
        [
            transforms.Resize(60, PIL["nearest"]),
            transforms.CenterCrop((55, 48)),
            transforms.ToTensor(),
        ]
    ),
    "crop=24,scale=1": transforms.Compose(
        [transforms.CenterCrop(24), transforms.PILToTensor(), lambda pixels: pixels.float()]
    ),
    "crop=9,mean=0.485,0.456,0.406,std=0.229,0.224,0.225": transforms.Compose(
        [transforms.CenterCrop(9), transforms.ToTensor(), NORMAL]
    ),
}
FILES = (
    "cat/b.png",
    "cat/a.PNG",
    "cat/more/c.jpeg",
    "cat/0.gif",
    "cat/note.txt",
    "Dog/1.webp",
    "Dog/10.bmp",
    "Dog/2.tiff",
    "10/x.ppm",
    "9/x.pgm",
    "loose.png",
)


def picture(mode, size, rng):
    """Return a smooth picture with some noise, as photographs are."""
    coarse = rng.integers(0, 256, (6, 5, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC), int)
    noisy = smooth + rng.integers(-20, 21, smooth.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).convert(mode)


def main():
    """Write the arrays."""
    rng = np.random.default_rng(4)
    arrays, cases = {}, []
    for mode, size in SIZES.items():
        stream = io.BytesIO()
        picture(mode, size, rng).save(stream, "png")
        arrays[f"file_{mode}"] = np.frombuffer(stream.getvalue(), np.uint8)
        for text, transform in TEXTS.items():
            for colours in ("RGB", "L"):
                if colours == "L" and "mean" in text:
                    continue
                loaded = Image.open(stream).convert(colours)
                arrays[f"expected_{len(cases)}"] = transform(loaded).numpy()
                cases.append({"mode": mode, "text": text, "channels": 3 if colours == "RGB" else 1})
    with tempfile.TemporaryDirectory() as folder:
        for name in FILES:
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        found = ImageFolder(folder)
        samples = [[str(Path(path).relative_to(folder)), label] for path, label in found.samples]
    known = {"cases": cases, "files": FILES, "classes": found.classes, "samples": samples}
    known["torchvision"] = torchvision.__version__
    np.savez_compressed(PLACE, known=json.dumps(known), **arrays)


if __name__ == "__main__":
    main()
