"""The views of a batch with kornia, batched: the peer of bench/ours/views.mjs."""

import math

import kornia.augmentation as K
import torch
from kornia.geometry.transform import center_crop, rotate
from PIL import Image
from serve import serve
from torchvision.transforms.v2.functional import pil_to_tensor

PAPER_VIEW_PX = 224  # at which the sigma of the blur is stated


def augmentation(augment, view, view_px, size):
    low, high = (sigma * view_px / PAPER_VIEW_PX for sigma in augment["blurSigmaPx"])
    side = 2 * max(1, math.ceil(3 * high)) + 1
    jitter = [augment[key] for key in ("brightness", "contrast", "saturation", "hue")]
    growth = (size / view_px) ** 2
    scale = tuple(min(1, share * growth) for share in augment["cropScale"])
    return K.AugmentationSequential(
        K.RandomResizedCrop((size, size), scale=scale, ratio=tuple(augment["cropRatio"]), resample="bicubic"),
        K.RandomHorizontalFlip(p=augment["flipProb"]),
        K.ColorJitter(*jitter, p=augment["jitterProb"]),
        K.RandomGrayscale(p=augment["grayProb"]),
        K.RandomGaussianBlur((side, side), (low, high), p=augment["blurProb"][view]),
        K.RandomSolarize(0.0, 0.0, p=augment["solarizeProb"][view]),
        data_keys=["input"],
    )


def prepare(config, files, sourcePx):
    torch.set_num_threads(1)
    size, augment = config["model"]["imagePx"], config["augment"]
    canvas = math.ceil((size - 1) * math.sqrt(2) + 1)
    first = augmentation(augment, 0, size, size)
    second = augmentation(augment, 1, size, canvas + (canvas - size) % 2)
    photos = [Image.open(file).convert("RGB").resize((sourcePx, sourcePx), Image.BICUBIC) for file in files]
    images = torch.stack([pil_to_tensor(photo) for photo in photos])  # uint8 [B, 3, H, W], as a loader hands them over
    num_states, max_degrees = config["recon"]["intermediates"], config["transform"]["rotationDeg"]

    @torch.inference_mode()
    def run():
        batch = images.float().div_(255)
        first(batch)
        u = second(batch)
        degrees = max_degrees * (2 * torch.rand(len(u)) - 1)
        for k in range(num_states + 1):
            center_crop(rotate(u, degrees * ((k + 1) / (num_states + 1)), mode="bilinear"), (size, size))

    return run, {"photos": len(photos)}


if __name__ == "__main__":
    serve(prepare)
