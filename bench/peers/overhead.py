"""A thousand small operators in Python: the peer of bench/ours/overhead.mjs."""

import torch
from serve import serve

NUM_CALLS = 1000
a, b = torch.ones(2, 2), torch.ones(2, 2)


@torch.inference_mode()
def single():
    for _ in range(NUM_CALLS):
        a + b


@torch.inference_mode()
def chain():
    total = a
    for _ in range(NUM_CALLS):
        total = total + b


def prepare(kind):
    return {"single": single, "chain": chain}[kind], {}


if __name__ == "__main__":
    serve(prepare)
