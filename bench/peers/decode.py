"""Decoding and two random resized crops with torchvision: the peer of bench/ours/decode.mjs."""

import torch
import torchvision.transforms.v2 as T
from PIL import Image
from serve import serve
from torchvision.io import ImageReadMode, decode_image

OPEN = {
    "pil": lambda file: Image.open(file).convert("RGB"),
    "tensor": lambda file: decode_image(file, ImageReadMode.RGB),
}


def prepare(config, files, sizePx, backend):
    torch.set_num_threads(1)
    open_photo, augment = OPEN[backend], config["augment"]
    bicubic = T.InterpolationMode.BICUBIC
    crop = T.Compose([T.RandomResizedCrop(sizePx, augment["cropScale"], augment["cropRatio"], bicubic), T.ToImage()])

    @torch.inference_mode()
    def run():
        photos = map(open_photo, files)
        for view in zip(*((crop(photo), crop(photo)) for photo in photos)):
            torch.stack(view)

    return run, {"photos": len(files)}


if __name__ == "__main__":
    serve(prepare)
