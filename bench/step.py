"""The training step of bench/step.mjs as one would write it in PyTorch; its peer. Prints one line of JSON.

python bench/step.py --threads 1 --dtype bfloat16 --task rotation
"""

import argparse
import json
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

p = argparse.ArgumentParser()
p.add_argument("--threads", type=int, default=1)
p.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
p.add_argument("--task", choices=["none", "rotation"], default="rotation")
p.add_argument("--steps", type=int, default=30)
a = p.parse_args()
torch.set_num_threads(a.threads)
torch.manual_seed(0)
WIDTH, DEPTH, HEADS, PATCH, PX, BATCH, FEATURES, EQUI, EXPANDER, C0, K = 128, 4, 2, 8, 32, 64, 256, 128, 256, 64, 2


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.qkv, self.proj = nn.LayerNorm(WIDTH, 1e-6), nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH, 1e-6)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, HEADS, d // HEADS).permute(2, 0, 3, 1, 4)
        x = x + self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, d))
        return x + self.mlp(self.norm2(x))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        n = (PX // PATCH) ** 2
        self.patch, self.blocks = nn.Conv2d(3, WIDTH, PATCH, PATCH), nn.Sequential(*(Block() for _ in range(DEPTH)))
        self.cls, self.pos = nn.Parameter(torch.randn(1, 1, WIDTH) * 0.02), nn.Parameter(torch.randn(1, n + 1, WIDTH) * 0.02)
        self.norm, self.adapter = nn.LayerNorm(WIDTH, 1e-6), nn.Linear(WIDTH, FEATURES)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1) + self.pos
        return self.adapter(self.norm(self.blocks(x)))


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2 * EQUI, C0)
        convs = [nn.Conv2d(C0, C0 // 2, 3, padding=1)]
        convs += [nn.ConvTranspose2d(i, o, 4, 2, 1) for i, o in ((C0 // 2, C0 // 4), (C0 // 4, C0 // 8), (C0 // 8, 3))]
        self.convs = nn.ModuleList(convs)

    def forward(self, z):
        g = PX // PATCH
        x = self.linear(z).transpose(1, 2).reshape(len(z), C0, g, g)
        for i, conv in enumerate(self.convs):
            x = conv(x) if i == 3 else F.relu(conv(x))
        return x


def expander(inputs):
    block = lambda i: [nn.Linear(i, EXPANDER), nn.BatchNorm1d(EXPANDER), nn.ReLU()]
    return nn.Sequential(*block(inputs), *block(EXPANDER), nn.Linear(EXPANDER, EXPANDER, bias=False))


def off_diagonal(z):
    c = z.T @ z / (len(z) - 1)
    return (c.pow(2).sum() - c.diagonal().pow(2).sum()) / z.shape[1]


encoder, head = Encoder(), expander(FEATURES - EQUI)
decoders = nn.ModuleList(Decoder() for _ in range(K if a.task != "none" else 0))
network = nn.ModuleList([encoder, head, decoders])
optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
v1, v2, *states = (torch.rand(BATCH, 3, PX, PX) for _ in range(2 + K))
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def forward():
    with torch.autocast("cpu", torch.bfloat16, enabled=a.dtype == "bfloat16"):
        z = encoder((torch.cat([v1, v2]) - MEAN) / STD)[:, 1:]
        x, y = (head(part).float() for part in z[..., : FEATURES - EQUI].mean(1).chunk(2))
        decoded = [d(torch.cat(z[..., FEATURES - EQUI :].chunk(2), 2)).float() for d in decoders]
    loss = 10 * F.mse_loss(x, y)
    for e in (x, y):
        e = e - e.mean(0)
        loss = loss + 5 * F.relu(1 - torch.sqrt(e.var(0) + 1e-4)).mean() + off_diagonal(e)
    for d, u in zip(decoded, states):
        loss = loss + 25 / K * F.mse_loss(d, (u - MEAN) / STD)
    return loss


times = []
for step in range(a.steps + 5):
    t0, c0 = time.perf_counter(), time.process_time()
    loss = forward()
    t1 = time.perf_counter()
    loss.backward()
    t2 = time.perf_counter()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 3.0)
    optimizer.step()
    optimizer.zero_grad()
    t3 = time.perf_counter()
    if step >= 5:
        times.append((t1 - t0, t2 - t1, t3 - t2, t3 - t0, time.process_time() - c0))
median = lambda i: round(sorted(t[i] for t in times)[len(times) // 2] * 1e3, 2)
print(json.dumps(dict(forwardMs=median(0), backwardMs=median(1), optimizerMs=median(2), stepMs=median(3), cpuMs=median(4), loss=round(loss.item(), 4))))
