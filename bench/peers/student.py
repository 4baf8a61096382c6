"""A ViT with multi-crop, masks and a DINO head as one writes them in PyTorch: the networks of objectives.py.

Everything is built from a configuration of halfway (a dict with the keys of config.yaml). Names of parameters are those of its checkpoints,
which are DINOv2's, so that both sides can begin with the same weights.

B photos, V views, N patches, T tokens, D width, d features, K prototypes, S pixels a side.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.qkv, self.proj = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, d))


class Mlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class LayerScale(nn.Module):
    def __init__(self, width, initial):
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), float(initial)))

    def forward(self, x):
        return x * self.gamma


class Block(nn.Module):
    """Pre-norm transformer block, [B, T, D] to [B, T, D]."""

    def __init__(self, width, heads, layer_scale):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, 1e-6), nn.LayerNorm(width, 1e-6)
        self.attn, self.mlp = Attention(width, heads), Mlp(width)
        self.ls1, self.ls2 = (LayerScale(width, layer_scale) if layer_scale > 0 else nn.Identity() for _ in range(2))

    def forward(self, x):
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class Vit(nn.Module):
    """Images [B, 3, S, S] to tokens [B, 1 + N, D], the class token first."""

    def __init__(self, model, has_mask_token):
        super().__init__()
        width, patch = model["widthDim"], model["patch"]
        self.grid = model["imagePx"] // patch
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, patch, patch)})
        self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.pos_embed = nn.Parameter(torch.randn(1, self.grid**2 + 1, width) * 0.02)
        self.mask_token = nn.Parameter(torch.zeros(1, width)) if has_mask_token else None
        self.blocks = nn.ModuleList(
            Block(width, model["numHeads"], model["layerScale"]) for _ in range(model["depth"])
        )
        self.norm = nn.LayerNorm(width, 1e-6)

    def positions(self, grid):
        """Those of another grid by the official way: a scale with 0.1 added."""
        if grid == self.grid:
            return self.pos_embed
        cls, patches = self.pos_embed[:, :1], self.pos_embed[:, 1:].unflatten(1, (self.grid, self.grid)).permute(0, 3, 1, 2)
        scale = (grid + 0.1) / self.grid
        resized = F.interpolate(patches, scale_factor=(scale, scale), mode="bicubic")
        return torch.cat([cls, resized.flatten(2).transpose(1, 2)], 1)

    def forward(self, images, mask=None):
        x = self.patch_embed["proj"](images)
        grid, x = x.shape[-1], x.flatten(2).transpose(1, 2)
        if mask is not None:
            x = torch.where(mask.unsqueeze(-1), self.mask_token.to(x.dtype), x)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.positions(grid)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class Prototypes(nn.Module):
    """The last layer of a DINO head: weight-normed, without bias."""

    def __init__(self, width, count):
        super().__init__()
        self.weight_g, self.weight_v = nn.Parameter(torch.ones(count, 1)), nn.Parameter(torch.randn(count, width))

    def forward(self, x):
        return F.linear(x, torch._weight_norm(self.weight_v, self.weight_g, 0))


class Head(nn.Module):
    """Tokens [M, d] to scores [M, K] in two steps."""

    def __init__(self, inputs, hidden, bottleneck, prototypes):
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, bottleneck)
        )
        self.last_layer = Prototypes(bottleneck, prototypes)

    def embed(self, tokens):
        return F.normalize(self.mlp(tokens), dim=-1)

    def forward(self, tokens):
        return self.last_layer(self.embed(tokens))


class Adapter(nn.Module):
    """The invariant part of the features of tokens, [..., D] to [..., d_inv]; the rest is computed too, as it is for the task."""

    def __init__(self, width, split):
        super().__init__()
        self.invariant, self.proj = split["dim"] - split["equivariantDim"], nn.Linear(width, split["dim"])

    def forward(self, tokens):
        return self.proj(tokens)[..., : self.invariant]


class Student(nn.Module):
    """Encoder, adapter and head."""

    def __init__(self, config, head, has_mask_token):
        super().__init__()
        self.encoder = Vit(config["model"], has_mask_token)
        self.adapter = Adapter(config["model"]["widthDim"], config["split"])
        self.head = head(self.adapter.invariant)

    def forward(self, views, mask=None):
        """Class tokens [V * B, d_inv] of all views and patches [2 * B * N, d_inv] of the first two; views of one size share a pass."""
        cls, patches = [], None
        for size in dict.fromkeys(view.shape[-1] for view in views):
            same = [view for view in views if view.shape[-1] == size]
            x = self.adapter(self.encoder(torch.cat(same), mask if patches is None else None))
            cls.append(x[:, 0])
            patches = x[:, 1:].flatten(0, 1) if patches is None else patches
        return torch.cat(cls), patches
