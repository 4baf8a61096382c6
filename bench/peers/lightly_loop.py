"""Pretraining with DINOv2 by lightly-train, as `halfway pretrain` does it: a peer of bench/ours/pretrain.mjs.

lightly-train (AGPL-3.0) is no part of this project: whoever wants this row installs it, and this file calls its public function.
"""

import os
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch
from serve import resident_mb, serve

import lightly_train


def usage(workers):
    """Processor time of this process and of the workers that it has ended, in ms; the most memory they had together, in MB."""
    worker_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return 1e3 * sum(os.times()[:4]), resident_mb("self", "VmHWM") + workers * worker_mb


def train_for(steps, config, folder, workers):
    """Wall and processor time of a whole run, in ms, and the most memory it had, in MB."""
    train, model, dinov2, local = config["train"], config["model"], config["dinov2"], config["augment"]["local"]
    torch.set_num_threads(train["threads"])
    start, (cpu_start, _) = time.perf_counter(), usage(workers)
    with tempfile.TemporaryDirectory(prefix="halfway-bench-lightly-") as out:
        lightly_train.pretrain(
            out=f"{out}/run",
            data=folder,
            model="dinov2/vits14-noreg-notpretrained",
            model_args={"drop_path_rate": model["dropPathRate"]},
            method="dinov2",
            method_args={"output_dim": dinov2["prototypes"], "koleo_loss_weight": dinov2["koleoWeight"]},
            transform_args={"local_view": {"num_views": local["count"], "view_size": [local["cropPx"]] * 2}},
            batch_size=train["batch"],
            num_workers=workers,
            accelerator="cpu",
            devices=1,
            precision="bf16-mixed" if train["computeDtype"] == "bfloat16" else "32-true",
            loggers={"tensorboard": None},
            trainer_args={"max_steps": steps},
        )
    cpu_end, peak = usage(workers)
    return 1e3 * (time.perf_counter() - start), cpu_end - cpu_start, peak


def print_to_stderr():
    sys.stdout = sys.stderr  # as serve does: what libraries print is no answer


def prepare(config, folder, warmSteps, workers):
    steps = config["train"]["steps"]

    def in_own_process(*given):
        """A run leaves 10 GB behind in its process, which the next one and the other sides need."""
        with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=print_to_stderr) as pool:
            return pool.submit(train_for, *given).result()

    def run():
        # What a run takes beside its steps is the same for both, and cancels.
        few_ms, few_cpu_ms, _ = in_own_process(warmSteps, config, folder, workers)
        ms, cpu_ms, peak = in_own_process(steps, config, folder, workers)
        timed = steps - warmSteps
        return {"ms": (ms - few_ms) / timed, "usage": {"cpuMs": (cpu_ms - few_cpu_ms) / timed, "peakRssMB": peak}}

    return run, {}


if __name__ == "__main__":
    serve(prepare)
