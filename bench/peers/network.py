"""The network and the loss of halfway's VICReg and reconstruction task as one writes them in PyTorch: ViT, adapter, expander, decoders.

Everything is built from a configuration of halfway (a dict with the keys of config.yaml). Shared by step.py and pretrain.py.

B pairs of images, N patches, D width, d features, E features of the expander, K intermediate states, S pixels a side.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class Block(nn.Module):
    """Pre-norm transformer block, [B, N, D] to [B, N, D]."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, 1e-6), nn.LayerNorm(width, 1e-6)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        x = x + self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, d))
        return x + self.mlp(self.norm2(x))


class Encoder(nn.Module):
    """Images [B, 3, S, S] to features of the patches [B, N, d], adapter included."""

    def __init__(self, model, features):
        super().__init__()
        width, patch = model["widthDim"], model["patch"]
        self.patch = nn.Conv2d(3, width, patch, patch)
        self.cls = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.pos = nn.Parameter(torch.randn(1, (model["imagePx"] // patch) ** 2 + 1, width) * 0.02)
        self.blocks = nn.Sequential(*(Block(width, model["numHeads"]) for _ in range(model["depth"])))
        self.norm, self.adapter = nn.LayerNorm(width, 1e-6), nn.Linear(width, features)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1) + self.pos
        return self.adapter(self.norm(self.blocks(x)))[:, 1:]


class Decoder(nn.Module):
    """Equivariant features of both views [B, N, 2 e] to an image [B, 3, S, S]: linear, then four convolutions, the last ones doubling."""

    def __init__(self, inputs, channels, grid, patch):
        super().__init__()
        self.grid, self.linear = grid, nn.Linear(inputs, channels)
        doublings = min(4, math.ceil(math.log2(patch)))
        widths = [channels, channels // 2, channels // 4, channels // 8, 3]
        layers = []
        for i, (a, b) in enumerate(zip(widths, widths[1:])):
            if i > 0:
                layers.append(nn.ReLU())
            layers.append(nn.Conv2d(a, b, 3, padding=1) if i < 4 - doublings else nn.ConvTranspose2d(a, b, 4, 2, 1))
        self.convs = nn.Sequential(*layers).to(memory_format=torch.channels_last)

    def forward(self, z):
        return self.convs(self.linear(z).unflatten(1, (self.grid, self.grid)).permute(0, 3, 1, 2))


def expander(inputs, widths):
    layers = []
    for i, width in enumerate(widths[:-1]):
        layers += [nn.Linear(widths[i - 1] if i > 0 else inputs, width), nn.BatchNorm1d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1], bias=False))


def off_diagonal(z):
    covariance = z.T @ z / (len(z) - 1)
    return (covariance.pow(2).sum() - covariance.diagonal().pow(2).sum()) / z.shape[1]


class Vicreg(nn.Module):
    """VICReg on the invariant features, and, where the configuration has a target, the reconstruction of K states."""

    def __init__(self, config):
        super().__init__()
        model, split, recon = config["model"], config["split"], config["recon"]
        self.config, self.equivariant = config, split["equivariantDim"]
        self.num_states = 0 if recon["target"] == "none" else recon["intermediates"]
        self.encoder = Encoder(model, split["dim"])
        self.expander = expander(split["dim"] - self.equivariant, config["vicreg"]["expander"])
        grid = model["imagePx"] // model["patch"]
        channels = config["decoder"]["channels"]
        decoders = (Decoder(2 * self.equivariant, channels, grid, model["patch"]) for _ in range(self.num_states))
        self.decoders = nn.ModuleList(decoders)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def forward(self, v1, v2, states):
        """The loss of two views and K states, each [B, 3, S, S] in [0, 1]. Under autocast the norms and losses stay in float32."""
        weights, recon = self.config["vicreg"], self.config["recon"]
        z = self.encoder((torch.cat([v1, v2]) - self.mean) / self.std)
        invariant, equivariant = z[..., : -self.equivariant], z[..., -self.equivariant :]
        x, y = (self.expander(part).float() for part in invariant.mean(1).chunk(2))
        loss = weights["invariance"] * F.mse_loss(x, y)
        for e in (x, y):
            e = e - e.mean(0)
            std = torch.sqrt(e.var(0) + 1e-4)
            loss = loss + weights["variance"] / 2 * F.relu(1 - std).mean() + weights["covariance"] * off_diagonal(e)
        joined = torch.cat(equivariant.chunk(2), 2)
        for decoder, state in zip(self.decoders, states):
            error = F.mse_loss(decoder(joined).float(), (state - self.mean) / self.std)
            loss = loss + recon["lambda"] / self.num_states * error
        return loss


def adamw(network, optim):
    """Fused AdamW with decay on the weights only."""
    decayed = [p for n, p in network.named_parameters() if p.ndim > 1 and n not in ("encoder.cls", "encoder.pos")]
    plain = [p for n, p in network.named_parameters() if p.ndim <= 1 or n in ("encoder.cls", "encoder.pos")]
    groups = [{"params": decayed, "weight_decay": optim["weightDecay"]}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=optim["lr"], betas=optim["betas"], fused=True)


def num_parameters(network):
    return sum(p.numel() for p in network.parameters())
