"""The peer of bench/transforms.mjs: torchvision v2 on the same images with the same plans. Started by it, not by hand.

Reads FOLDER/images.safetensors and FOLDER/plans.json; then for each line on stdin that names a case runs it once and prints
the milliseconds of processor time and two sums of what came out. torchvision takes one set of parameters per call, so
parameters per image mean a call per image.
"""

import json
import pathlib
import sys
import time

import torch
import torchvision
import torchvision.transforms.v2.functional as TV
from safetensors.torch import load_file
from torchvision.transforms import InterpolationMode

torch.set_num_threads(1)
torch.set_grad_enabled(False)
folder = pathlib.Path(sys.argv[1])
TENSORS, PLANS = load_file(folder / "images.safetensors"), json.loads((folder / "plans.json").read_text())
ADJUST = {
    "brightness": TV.adjust_brightness,
    "contrast": TV.adjust_contrast,
    "saturation": TV.adjust_saturation,
    "hue": TV.adjust_hue,
}


def augmented(image, plan):
    if plan["isFlipped"]:
        image = TV.horizontal_flip(image)
    for op in plan.get("jitter", {}).get("order", []):
        image = ADJUST[op](image, plan["jitter"]["amount"][op])
    if plan["isGray"]:
        image = TV.rgb_to_grayscale(image, 3)
    if "blur" in plan:
        image = TV.gaussian_blur(image, [2 * plan["blur"]["radiusPx"] + 1] * 2, [plan["blur"]["sigmaPx"]] * 2)
    return TV.solarize(image, 0.5) if plan["isSolarized"] else image


def photometric(case):
    return torch.stack([augmented(x, p) for x, p in zip(TENSORS[case["images"]], PLANS[case["plans"]])])


def rotation(case):
    degrees = (TENSORS[case["theta"]][:, 0] * (180 / torch.pi)).tolist()
    size = case["sizePx"]
    turned = lambda x, a: TV.center_crop(TV.rotate(x, a, InterpolationMode.BILINEAR), [size, size])
    parts = [turned(x, a * k / 3) for k in (1, 2, 3) for x, a in zip(TENSORS[case["images"]], degrees)]
    return torch.stack(parts)


def color(case):
    def changed(image, delta):
        image = TV.adjust_contrast(TV.adjust_brightness(image, 1 + delta[0]), 1 + delta[1])
        return TV.adjust_hue(TV.adjust_saturation(image, 1 + delta[2]), delta[3])

    return torch.stack([changed(x, d.tolist()) for x, d in zip(TENSORS[case["images"]], TENSORS[case["theta"]])])


def blur(case):
    side = 2 * case["radiusPx"] + 1
    blurred = lambda x, s: TV.gaussian_blur(x, [side, side], [s, s])
    return torch.stack([blurred(x, s) for x, s in zip(TENSORS[case["images"]], TENSORS[case["theta"]][:, 0].tolist())])


CASES = {"photometric": photometric, "rotation": rotation, "color": color, "blur": blur}
print(f"torch {torch.__version__}, torchvision {torchvision.__version__}", flush=True)
for line in sys.stdin:
    case = json.loads(line)
    start = time.process_time()
    out = CASES[case["kind"]](case)
    ms = 1e3 * (time.process_time() - start)
    print(json.dumps({"ms": ms, "sum": out.double().sum().item(), "squares": out.double().square().sum().item()}), flush=True)
