"""Both views of a photo and the path of its rotation with torchvision v2. Shared by torchvision_views.py and pretrain.py."""

import math
import random

import torch
import torchvision.transforms.v2 as T
import torchvision.transforms.v2.functional as F
from PIL import ImageFilter

BICUBIC, BILINEAR = T.InterpolationMode.BICUBIC, T.InterpolationMode.BILINEAR
PAPER_VIEW_PX = 224  # at which the sigma of the blur is stated


class PilBlur(torch.nn.Module):
    """Gaussian blur by PIL, as DINO and iBOT have it: several times as fast as torchvision's on an image of PIL."""

    def __init__(self, low, high):
        super().__init__()
        self.low, self.high = low, high

    def forward(self, image):
        return image.filter(ImageFilter.GaussianBlur(random.uniform(self.low, self.high)))


class PhotoViews:
    """Callable: a photo of PIL to (v1, u_1 .. u_K, v2), each f32 [3, S, S] in [0, 1].

    backend `pil` works on images of PIL until the end, `tensor` on uint8 tensors from the start, as torchvision's pages advise.
    The second view is cut from a canvas that no rotation leaves (fill `content` of halfway).
    """

    def __init__(self, config, backend):
        transform, self.size = config["transform"], config["model"]["imagePx"]
        self.num_states, self.max_degrees = config["recon"]["intermediates"], transform["rotationDeg"]
        canvas = math.ceil((self.size - 1) * math.sqrt(2) + 1)
        self.first = self.augmentation(config["augment"], backend, 0, self.size)
        self.second = self.augmentation(config["augment"], backend, 1, canvas + (canvas - self.size) % 2)
        self.enter = T.ToImage() if backend == "tensor" else T.Identity()
        self.leave = T.Compose([T.ToImage(), T.ToDtype(torch.float32, scale=True)])

    def augmentation(self, augment, backend, view, size):
        low, high = (sigma * self.size / PAPER_VIEW_PX for sigma in augment["blurSigmaPx"])
        radius = max(1, math.ceil(3 * high))
        blur = PilBlur(low, high) if backend == "pil" else T.GaussianBlur(2 * radius + 1, (low, high))
        jitter = T.ColorJitter(*(augment[key] for key in ("brightness", "contrast", "saturation", "hue")))
        # The area grows with the canvas, so that the middle shows as much of the photo as the first view does.
        growth = (size / self.size) ** 2
        scale = [min(1, share * growth) for share in augment["cropScale"]]
        return T.Compose(
            [
                T.RandomResizedCrop(size, scale=scale, ratio=augment["cropRatio"], interpolation=BICUBIC),
                T.RandomHorizontalFlip(augment["flipProb"]),
                T.RandomApply([jitter], augment["jitterProb"]),
                T.RandomGrayscale(augment["grayProb"]),
                T.RandomApply([blur], augment["blurProb"][view]),
                T.RandomSolarize(128, augment["solarizeProb"][view]),
            ]
        )

    def __call__(self, photo):
        photo = self.enter(photo)
        u, degrees = self.second(photo), random.uniform(-self.max_degrees, self.max_degrees)
        shares = [(k + 1) / (self.num_states + 1) for k in range(self.num_states)] + [1]
        path = [F.center_crop(F.rotate(u, share * degrees, BILINEAR), [self.size]) for share in shares]
        return [self.leave(image) for image in (self.first(photo), *path)]
