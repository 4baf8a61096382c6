"""Pretraining as `halfway pretrain --recipe small/vicreg-rot` does it, in PyTorch with a DataLoader: the peer of bench/ours/pretrain.mjs."""

import math
import time

import torch
from network import Vicreg, adamw
from PIL import Image
from serve import serve, tree_cpu_ms, tree_peak_rss_mb
from torch.utils.data import DataLoader, Dataset
from views import PhotoViews


class Photos(Dataset):
    """Both views of each photo and the states between them."""

    def __init__(self, files, config):
        self.files, self.views = files, PhotoViews(config, "pil")

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        with Image.open(self.files[index]) as photo:
            return self.views(photo.convert("RGB"))


def learning_rate(step, config):
    optim, total = config["optim"], config["train"]["steps"]
    warmup = round(optim["warmupFraction"] * total)
    if step < warmup:
        return optim["lr"] * step / max(1, warmup - 1)
    progress = (step - warmup) / max(1, total - warmup)
    return optim["minLr"] + 0.5 * (optim["lr"] - optim["minLr"]) * (1 + math.cos(math.pi * progress))


def epochs(loader):
    while True:
        yield from loader


def prepare(config, folder, files, warmSteps, workers, threads):
    train, is_bf16 = config["train"], config["train"]["computeDtype"] == "bfloat16"
    torch.set_num_threads(threads)

    def run():
        torch.manual_seed(train["seed"])
        network = Vicreg(config)
        optimizer = adamw(network, config["optim"])
        loader = DataLoader(
            Photos(files, config), train["batch"], shuffle=True, drop_last=True, num_workers=workers, persistent_workers=True
        )
        for step, (v1, *states, v2) in enumerate(epochs(loader)):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, config)
            with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
                loss = network(v1, v2, states)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), config["optim"]["clipNorm"])
            optimizer.step()
            optimizer.zero_grad()
            if (step + 1) % train["logEvery"] == 0:
                loss.item()
            if step + 1 == warmSteps:
                started, cpu_start = time.perf_counter(), tree_cpu_ms()
            if step + 1 == train["steps"]:
                break
        timed = train["steps"] - warmSteps
        usage = {"cpuMs": (tree_cpu_ms() - cpu_start) / timed, "peakRssMB": tree_peak_rss_mb()}
        return {"ms": 1e3 * (time.perf_counter() - started) / timed, "usage": usage}

    return run, {}


if __name__ == "__main__":
    serve(prepare)
