"""The views of a batch with torchvision v2, image by image: the peer of bench/ours/views.mjs."""

import torch
from PIL import Image
from serve import serve
from views import PhotoViews


def prepare(config, files, sourcePx, backend):
    torch.set_num_threads(1)
    views = PhotoViews(config, backend)
    photos = [Image.open(file).convert("RGB").resize((sourcePx, sourcePx), Image.BICUBIC) for file in files]

    @torch.inference_mode()
    def run():
        for images in zip(*map(views, photos)):
            torch.stack(images)

    return run, {"photos": len(photos)}


if __name__ == "__main__":
    serve(prepare)
