"""A training step of SimCLR, iBOT and DINOv2 in PyTorch: the peer of bench/ours/step.mjs for bench/objectives.mjs.

B photos, V views, Q = 2 global ones, N patches, M masked patches, K prototypes, E width of an embedding.
"""

import copy
import time

import torch
import torch.nn as nn
import torch.nn.functional as F
from network import adamw, expander, num_parameters
from safetensors.torch import load_file
from serve import serve
from student import Head, Student

NUM_GLOBAL = 2
MEAN, STD = (torch.tensor(rgb).view(1, 3, 1, 1) for rgb in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))


class Projector(nn.Module):
    """SimCLR's, by the names of halfway's checkpoints."""

    def __init__(self, inputs, widths):
        super().__init__()
        layers = list(expander(inputs, widths))
        self.linears = nn.ModuleList(layer for layer in layers if isinstance(layer, nn.Linear))
        self.norms = nn.ModuleList(
            nn.BatchNorm1d(layer.num_features, track_running_stats=False)
            for layer in layers
            if isinstance(layer, nn.BatchNorm1d)
        )

    def forward(self, x):
        for linear, norm in zip(self.linears, self.norms):
            x = F.relu(norm(linear(x)))
        return self.linears[-1](x)


class Simclr(nn.Module):
    """NT-Xent of two views' projections of the mean patch."""

    def __init__(self, config):
        super().__init__()
        options = config["simclr"]
        self.temperature = options["temperature"]
        self.student = Student(config, lambda inputs: Projector(inputs, options["projector"]), has_mask_token=False)
        self.teacher = None

    def forward(self, views, _masks):
        _, patches = self.student(views)
        batch = len(views[0])
        means = patches.unflatten(0, (NUM_GLOBAL * batch, -1)).mean(1)
        x, y = (self.student.head(mean).float() for mean in means.chunk(2))
        z = F.normalize(torch.cat([x, y]))
        logits = (z @ z.T / self.temperature).fill_diagonal_(float("-inf"))
        positives = torch.arange(2 * batch).roll(batch)
        return F.cross_entropy(logits, positives)


class Distillation(nn.Module):
    """Student, teacher, and the loss of both kinds of tokens. A subclass gives the teacher's probabilities."""

    def __init__(self, config):
        super().__init__()
        self.options = config[config["objective"]]
        sizes = [self.options[key] for key in ("hiddenDim", "bottleneckDim", "prototypes")]
        self.student = Student(config, lambda inputs: Head(inputs, *sizes), has_mask_token=True)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        self.temp, self.teacher_temp = self.options["studentTemp"], self.options["teacherTemp"]["temps"][1]

    def forward(self, views, masks):
        batch, mask = len(views[0]), torch.cat(masks)
        hidden = mask.flatten().nonzero().flatten()
        weights = (1 / mask.sum(1, keepdim=True).clamp(min=1) / len(mask)).expand_as(mask).flatten()[hidden]
        with torch.no_grad():
            targets, patch_targets = self.targets(*self.teacher(views[:NUM_GLOBAL]), hidden)
        cls, patches = self.student(views, mask)
        head = self.student.head
        loss = self.options["clsWeight"] * self.pairs(head(cls), targets, batch)
        patch_losses = F.cross_entropy(head(patches[hidden]).float() / self.temp, patch_targets, reduction="none")
        return loss + self.options["patchWeight"] * (patch_losses * weights).sum() + self.regularizer(cls, batch)

    def pairs(self, scores, targets, batch):
        """Mean over the pairs of a teacher's view and another of the student's; a view's target is the sum of the others'."""
        targets = targets.unflatten(0, (NUM_GLOBAL, batch))
        total = targets.sum(0, keepdim=True)
        num_views = len(scores) // batch
        others = torch.cat([total - targets, total.expand(num_views - NUM_GLOBAL, -1, -1)]).flatten(0, 1)
        loss = F.cross_entropy(scores.float() / self.temp, others, reduction="none")
        return loss.sum() / (batch * NUM_GLOBAL * (num_views - 1))

    def regularizer(self, cls, batch):
        return 0


class Ibot(Distillation):
    """Centred targets; the centre of patches is over all of them, hidden or not."""

    def __init__(self, config):
        super().__init__(config)
        count = self.options["prototypes"]
        self.register_buffer("center", torch.zeros(1, count), persistent=False)
        self.register_buffer("patch_center", torch.zeros(1, count), persistent=False)

    def targets(self, cls, patches, hidden):
        head = self.teacher.head
        scores, embedded = head(cls).float(), head.embed(patches)
        patch_scores = head.last_layer(embedded[hidden]).float()
        patch_mean = head.last_layer(embedded.mean(0, keepdim=True)).float()  # scores are linear in the embedding
        targets = F.softmax((scores - self.center) / self.teacher_temp, -1)
        patch_targets = F.softmax((patch_scores - self.patch_center) / self.teacher_temp, -1)
        if self.training:
            self.center = self.center.lerp(scores.mean(0, keepdim=True), 1 - self.options["centerMomentum"])
            self.patch_center = self.patch_center.lerp(patch_mean, 1 - self.options["patchCenterMomentum"])
        return targets, patch_targets


class Dinov2(Distillation):
    """Sinkhorn-Knopp targets, and KoLeo."""

    def targets(self, cls, patches, hidden):
        head = self.teacher.head
        return self.sinkhorn(head(cls)), self.sinkhorn(head(patches[hidden]))

    def sinkhorn(self, scores, iterations=3):
        q = torch.exp(scores.float() / self.teacher_temp).t()  # [K, M]
        num_prototypes, num_rows = q.shape
        q /= q.sum()
        for _ in range(iterations):
            q /= q.sum(1, keepdim=True) * num_prototypes
            q /= q.sum(0, keepdim=True) * num_rows
        return (q * num_rows).t()

    def regularizer(self, cls, batch):
        return self.options["koleoWeight"] * sum(map(koleo, cls[: NUM_GLOBAL * batch].float().chunk(NUM_GLOBAL)))


def koleo(cls, eps=1e-8):
    x = F.normalize(cls, eps=eps)
    with torch.no_grad():
        nearest = (x @ x.T).fill_diagonal_(-1).argmax(1)
    return -torch.log(F.pairwise_distance(x, x[nearest], eps=eps) + eps).mean()


OBJECTIVES = {"simclr": Simclr, "ibot": Ibot, "dinov2": Dinov2}


def clipped_together(student, over):
    match over:
        case "network":
            return [list(student.parameters())]
        case "module":
            return [list(child.parameters()) for child in student.children()]
        case "parameter":
            return [[parameter] for parameter in student.parameters()]


def prepare(config, dtype, exchange, is_compiled=False):
    torch.set_num_threads(config["train"]["threads"])
    network = OBJECTIVES[config["objective"]](config)
    given = load_file(exchange)
    views = [(given.pop(f"view.{i}") - MEAN) / STD for i in range(sum(name.startswith("view.") for name in given))]
    masks = [given.pop(name) for name in sorted(name for name in given if name.startswith("mask."))]
    weights = {name.replace("projector.", "head."): weight for name, weight in given.items()}
    network.student.load_state_dict(weights)
    if network.teacher is not None:
        network.teacher.load_state_dict(weights)
    student, teacher = list(network.student.parameters()), list(network.teacher.parameters() if network.teacher else [])
    network.eval()  # the first loss moves no centre
    with torch.no_grad():
        first_loss = network(views, masks).item()
    network.train()
    optimizer = adamw(network.student, config["optim"])
    clipped, momentum = clipped_together(network.student, config["optim"]["clipOver"]), network_momentum(config)
    compute_loss = torch.compile(network) if is_compiled else network

    def run():
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
            loss = compute_loss(views, masks)
        forward = time.perf_counter()
        loss.backward()
        for parameters in clipped:
            torch.nn.utils.clip_grad_norm_(parameters, config["optim"]["clipNorm"])
        backward = time.perf_counter()
        optimizer.step()
        optimizer.zero_grad()
        if teacher:
            with torch.no_grad():
                torch._foreach_lerp_(teacher, student, 1 - momentum)
        update = time.perf_counter()
        marks = {"forward": forward - start, "backward": backward - forward, "update": update - backward}
        return {"parts": {name: 1e3 * seconds for name, seconds in marks.items()}}

    if is_compiled:
        run()  # compiles
    return run, {"parameters": num_parameters(network.student), "firstLoss": first_loss}


def network_momentum(config):
    return config[config["objective"]].get("teacherMomentum", 1)


if __name__ == "__main__":
    serve(prepare)
