"""The training step of halfway in PyTorch: the peer of bench/ours/step.mjs."""

import time

import torch
from network import Vicreg, adamw, num_parameters
from serve import serve


def prepare(config, dtype, is_compiled=False):
    torch.set_num_threads(config["train"]["threads"])
    torch.manual_seed(0)
    device = config["train"]["device"]
    network = Vicreg(config).to(device)
    optimizer = adamw(network, config["optim"])
    batch, side = config["train"]["batch"], config["model"]["imagePx"]
    v1, v2, *states = (torch.rand(batch, 3, side, side, device=device) for _ in range(2 + network.num_states))
    compute_loss = torch.compile(network) if is_compiled else network

    def run():
        start = time.perf_counter()
        with torch.autocast(device, torch.bfloat16, enabled=dtype == "bfloat16"):
            loss = compute_loss(v1, v2, states)
        forward = time.perf_counter()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), config["optim"]["clipNorm"])
        backward = time.perf_counter()
        optimizer.step()
        optimizer.zero_grad()
        if device == "cuda":
            torch.cuda.synchronize()
        update = time.perf_counter()
        marks = {"forward": forward - start, "backward": backward - forward, "update": update - backward}
        return {"parts": {name: 1e3 * seconds for name, seconds in marks.items()}}

    if is_compiled:
        run()  # compiles
    return run, {"parameters": num_parameters(network)}


if __name__ == "__main__":
    serve(prepare)
