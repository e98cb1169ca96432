"""The deep generative models in PyTorch, with the formulas of the published code, for compare.py."""

import math
import time

import torch
import torch.nn as nn
import torch.nn.functional as functional

# name: (x, z, hidden) and kind, at the sizes of MNIST.
GENERATIVE = {"mnist_VAE": "vae", "mnist_DGM_M2": "m2", "mnist_DGM_M1M2": "m1m2"}
X, Z, HIDDEN, LABELS = 784, 32, [128, 64], 2
ALPHA = 1.9


class Hidden(nn.Module):
    """Linear and ReLU for each width, with the published names."""

    def __init__(self, widths):
        super().__init__()
        self.hidden = nn.ModuleList([nn.Linear(i, o) for i, o in zip(widths, widths[1:])])

    def forward(self, x):
        for layer in self.hidden:
            x = functional.relu(layer(x))
        return x


class Encoder(nn.Module):
    def __init__(self, n_in):
        super().__init__()
        self.body = Hidden([n_in] + HIDDEN)
        self.mu = nn.Linear(HIDDEN[-1], Z)
        self.log_var = nn.Linear(HIDDEN[-1], Z)

    def forward(self, x):
        h = self.body(x)
        return self.mu(h), functional.softplus(self.log_var(h))


class Decoder(nn.Module):
    def __init__(self, n_in):
        super().__init__()
        self.body = Hidden([n_in] + HIDDEN[::-1])
        self.reconstruction = nn.Linear(HIDDEN[0], X)

    def forward(self, z):
        return torch.sigmoid(self.reconstruction(self.body(z)))


def lenet():
    def bn(channels):
        return nn.BatchNorm2d(channels, eps=1e-4, affine=False)
    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)), nn.Conv2d(1, 8, 5, bias=False, padding=2), bn(8), nn.LeakyReLU(), nn.MaxPool2d(2, 2),
        nn.Conv2d(8, 4, 5, bias=False, padding=2), bn(4), nn.LeakyReLU(), nn.MaxPool2d(2, 2), nn.Flatten(),
        nn.Linear(196, 32, bias=False), nn.Linear(32, LABELS))


class Model(nn.Module):
    """State-dict order: encoder, decoder, classifier, features."""

    def __init__(self, kind):
        super().__init__()
        n_x = Z if kind == "m1m2" else X
        labels = 0 if kind == "vae" else LABELS
        self.encoder = Encoder(n_x + labels)
        self.decoder = Decoder(Z + labels)
        if kind == "m2":
            self.classifier = lenet()
        elif kind == "m1m2":
            self.classifier = nn.Sequential(nn.Linear(Z, HIDDEN[0]), nn.ReLU(), nn.Linear(HIDDEN[0], LABELS))
            self.features = nn.ModuleDict({"encoder": Encoder(X), "decoder": Decoder(Z)}).requires_grad_(False)


def log_gaussian(z, mu, log_var):
    return torch.sum(-0.5 * math.log(2 * math.pi) - log_var / 2 - (z - mu) ** 2 / (2 * torch.exp(log_var)), dim=1)


def log_standard(z):
    return torch.sum(-0.5 * math.log(2 * math.pi) - z ** 2 / 2, dim=1)


def cross_entropy(r, x):
    return -torch.sum(x * torch.log(r + 1e-8) + (1 - x) * torch.log((1 - r) + 1e-8), dim=1)


class GenerativeWorkload:
    """One model in one way of running PyTorch; step() as TorchWorkload.step(). The first steps have no noise, so that
    their losses can be compared."""

    def __init__(self, name, batch, variant, constants, fill, fill_module):
        torch.manual_seed(0)
        self.kind = GENERATIVE[name]
        self.rows, self.stride, self.silent_steps, learning_rate, weight_decay = constants
        model = Model(self.kind)
        fill_module(model)
        model.train()
        self.x = torch.from_numpy(fill(self.rows * X, 1000).astype("float32")).reshape(self.rows, X)
        i = torch.arange(self.rows)
        self.labelled = i % 20 < 2
        self.label = (i % 20 == 0).long()  # 1 anomalous
        parameters = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(parameters, lr=learning_rate, weight_decay=weight_decay,
                                          foreach=variant["foreach"])
        wrap = torch.jit.script if variant["script"] else (lambda module: module)
        self.encoder, self.decoder = wrap(model.encoder), wrap(model.decoder)
        if self.kind != "vae":
            self.classifier = wrap(model.classifier)
        if self.kind == "m1m2":
            self.features = wrap(model.features["encoder"])
        self.batch = batch
        self.steps = 0

    def noise(self, like):
        return torch.zeros_like(like) if self.steps <= self.silent_steps else torch.randn_like(like)

    def sample(self, mu, log_var):
        return mu + torch.exp(0.5 * log_var) * self.noise(mu)

    def bound(self, x, target, y):
        """-E(x, y) without log p(y)."""
        mu, log_var = self.encoder(x if y is None else torch.cat([x, y], dim=1))
        z = self.sample(mu, log_var)
        kl = log_gaussian(z, mu, log_var) - log_standard(z)
        return cross_entropy(self.decoder(z if y is None else torch.cat([z, y], dim=1)), target) + kl

    def objective(self, rows):
        x = self.x[rows]
        if self.kind == "vae":
            return self.bound(x, x, None).mean()
        if self.kind == "m1m2":
            with torch.no_grad():
                mean, log_var = self.features(x)
        logits = self.classifier(mean if self.kind == "m1m2" else x)
        q = torch.softmax(logits, dim=1)
        known = self.labelled[rows]

        def code(which):  # what encoder and decoder see of these rows
            return self.sample(mean[which], log_var[which]) if self.kind == "m1m2" else x[which]
        prior = math.log(LABELS)
        y = functional.one_hot(self.label[rows][known], LABELS).float()
        labelled = (self.bound(code(known), x[known], y) + prior).mean()
        unknown = torch.nonzero(~known).squeeze(1)
        n = len(unknown)
        twice = torch.cat([unknown, unknown])
        both = torch.cat([torch.eye(LABELS)[k:k + 1].expand(n, LABELS) for k in range(LABELS)])
        costs = (self.bound(code(twice), x[twice], both) + prior).view(LABELS, n).t()
        qu = q[unknown]
        entropy = -torch.sum(qu * torch.log(qu + 1e-8), dim=1)
        unlabelled = (torch.sum(qu * costs, dim=1) - entropy).mean()
        classification = -torch.sum(y * torch.log(q[known] + 1e-8), dim=1).mean()
        return labelled + unlabelled + ALPHA * classification

    def step(self):
        rows = (torch.arange(self.batch) + self.steps * self.batch) * self.stride % self.rows
        self.steps += 1
        start = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.objective(rows)
        loss.backward()
        self.optimizer.step()
        value = loss.item()
        return time.perf_counter() - start, value
