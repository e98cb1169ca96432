"""The networks of the published code in PyTorch, written from shared/spec/seed-behaviour.md (section 3): names of the
tensors and what they compute."""

import torch
from torch import nn
from torch.nn import functional as F

EPS = 1e-4


def leaky(x):
    return F.leaky_relu(x)  # slope 0.01


def pool(x):
    return F.max_pool2d(x, 2, 2)


def up(x):
    return F.interpolate(x, scale_factor=2)


def conv(i, o):
    return nn.Conv2d(i, o, 5, bias=False, padding=2)


def deconv(i, o, padding=2):
    return nn.ConvTranspose2d(i, o, 5, bias=False, padding=padding)


def bn2(n):
    return nn.BatchNorm2d(n, eps=EPS, affine=False)


def bn1(n):
    return nn.BatchNorm1d(n, eps=EPS, affine=False)


class MnistEncoder(nn.Module):
    rep_dim = 32

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = conv(1, 8), bn2(8)
        self.conv2, self.bn2 = conv(8, 4), bn2(4)
        self.fc1 = nn.Linear(196, 32, bias=False)

    def forward(self, x):
        x = pool(leaky(self.bn1(self.conv1(x.view(-1, 1, 28, 28)))))
        x = pool(leaky(self.bn2(self.conv2(x))))
        return self.fc1(x.flatten(1))


class MnistDecoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.deconv1, self.bn3 = deconv(2, 4), bn2(4)
        self.deconv2, self.bn4 = deconv(4, 8, 3), bn2(8)
        self.deconv3 = deconv(8, 1)

    def forward(self, z):
        x = up(leaky(z.view(-1, 2, 4, 4)))
        x = up(leaky(self.bn3(self.deconv1(x))))
        x = up(leaky(self.bn4(self.deconv2(x))))
        return torch.sigmoid(self.deconv3(x))


class FmnistEncoder(nn.Module):
    rep_dim = 64

    def __init__(self):
        super().__init__()
        self.conv1, self.bn2d1 = conv(1, 16), bn2(16)
        self.conv2, self.bn2d2 = conv(16, 32), bn2(32)
        self.fc1, self.bn1d1 = nn.Linear(1568, 128, bias=False), bn1(128)
        self.fc2 = nn.Linear(128, 64, bias=False)

    def forward(self, x):
        x = pool(leaky(self.bn2d1(self.conv1(x.view(-1, 1, 28, 28)))))
        x = pool(leaky(self.bn2d2(self.conv2(x))))
        return self.fc2(leaky(self.bn1d1(self.fc1(x.flatten(1)))))


class FmnistDecoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc3, self.bn1d2 = nn.Linear(64, 128, bias=False), bn1(128)
        self.deconv1, self.bn2d3 = deconv(8, 32), bn2(32)
        self.deconv2, self.bn2d4 = deconv(32, 16, 3), bn2(16)
        self.deconv3 = deconv(16, 1)

    def forward(self, z):
        x = up(leaky(self.bn1d2(self.fc3(z)).view(-1, 8, 4, 4)))
        x = up(leaky(self.bn2d3(self.deconv1(x))))
        x = up(leaky(self.bn2d4(self.deconv2(x))))
        return torch.sigmoid(self.deconv3(x))


class CifarEncoder(nn.Module):
    rep_dim = 128

    def __init__(self):
        super().__init__()
        self.conv1, self.bn2d1 = conv(3, 32), bn2(32)
        self.conv2, self.bn2d2 = conv(32, 64), bn2(64)
        self.conv3, self.bn2d3 = conv(64, 128), bn2(128)
        self.fc1 = nn.Linear(2048, 128, bias=False)

    def forward(self, x):
        x = x.view(-1, 3, 32, 32)
        x = pool(leaky(self.bn2d1(self.conv1(x))))
        x = pool(leaky(self.bn2d2(self.conv2(x))))
        x = pool(leaky(self.bn2d3(self.conv3(x))))
        return self.fc1(x.flatten(1))


class CifarDecoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.deconv1, self.bn2d4 = deconv(8, 128), bn2(128)
        self.deconv2, self.bn2d5 = deconv(128, 64), bn2(64)
        self.deconv3, self.bn2d6 = deconv(64, 32), bn2(32)
        self.deconv4 = deconv(32, 3)

    def forward(self, z):
        x = leaky(z.view(-1, 8, 4, 4))
        x = up(leaky(self.bn2d4(self.deconv1(x))))
        x = up(leaky(self.bn2d5(self.deconv2(x))))
        x = up(leaky(self.bn2d6(self.deconv3(x))))
        return torch.sigmoid(self.deconv4(x))


class Block(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.linear, self.bn = nn.Linear(i, o, bias=False), bn1(o)

    def forward(self, x):
        return leaky(self.bn(self.linear(x)))


class MlpEncoder(nn.Module):
    def __init__(self, x, hidden, rep_dim):
        super().__init__()
        self.rep_dim = rep_dim
        widths = [x, *hidden]
        self.hidden = nn.ModuleList(Block(i, o) for i, o in zip(widths, widths[1:]))
        self.code = nn.Linear(hidden[-1], rep_dim, bias=False)

    def forward(self, x):
        for layer in self.hidden:
            x = layer(x)
        return self.code(x)


class MlpDecoder(nn.Module):
    def __init__(self, x, hidden, rep_dim):
        super().__init__()
        widths = [rep_dim, *reversed(hidden)]
        self.hidden = nn.ModuleList(Block(i, o) for i, o in zip(widths, widths[1:]))
        self.reconstruction = nn.Linear(hidden[0], x, bias=False)

    def forward(self, z):
        for layer in self.hidden:
            z = layer(z)
        return torch.sigmoid(self.reconstruction(z))


class Autoencoder(nn.Module):
    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x):
        return self.decoder(self.encoder(x))


TABLES = {"arrhythmia": (274, [128, 64], 32), "cardio": (21, [32, 16], 8), "satellite": (36, [32, 16], 8),
          "satimage-2": (36, [32, 16], 8), "shuttle": (9, [32, 16], 8), "thyroid": (6, [32, 16], 4)}
IMAGES = {"mnist": (MnistEncoder, MnistDecoder), "fmnist": (FmnistEncoder, FmnistDecoder),
          "cifar10": (CifarEncoder, CifarDecoder)}


def deep_sad_networks(name):
    """(network, autoencoder) of a data set."""
    if name in IMAGES:
        encoder, decoder = IMAGES[name]
        return encoder(), Autoencoder(encoder(), decoder())
    widths = TABLES[name]
    return MlpEncoder(*widths), Autoencoder(MlpEncoder(*widths), MlpDecoder(*widths))


class Sample(nn.Module):
    def __init__(self, i, z):
        super().__init__()
        self.mu, self.log_var = nn.Linear(i, z), nn.Linear(i, z)


class VariationalEncoder(nn.Module):
    def __init__(self, x, z, hidden):
        super().__init__()
        widths = [x, *hidden]
        self.hidden = nn.ModuleList(nn.Linear(i, o) for i, o in zip(widths, widths[1:]))
        self.sample = Sample(hidden[-1], z)

    def mean(self, x):
        for layer in self.hidden:
            x = F.relu(layer(x))
        return self.sample.mu(x)


class VariationalDecoder(nn.Module):
    def __init__(self, z, hidden, x):
        super().__init__()
        widths = [z, *hidden]
        self.hidden = nn.ModuleList(nn.Linear(i, o) for i, o in zip(widths, widths[1:]))
        self.reconstruction = nn.Linear(hidden[-1], x)


class Vae(nn.Module):
    def __init__(self, x, z, hidden):
        super().__init__()
        self.encoder = VariationalEncoder(x, z, hidden)
        self.decoder = VariationalDecoder(z, hidden[::-1], x)


class DenseClassifier(nn.Module):
    def __init__(self, x, hidden):
        super().__init__()
        self.dense, self.logits = nn.Linear(x, hidden), nn.Linear(hidden, 2)

    def forward(self, x):
        return F.softmax(self.logits(F.relu(self.dense(x))), dim=-1)


class BodyClassifier(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net, self.logits = net, nn.Linear(net.rep_dim, 2)

    def forward(self, x):
        return F.softmax(self.logits(self.net(x)), dim=-1)


class M2(nn.Module):
    def __init__(self, x, z, hidden, classifier):
        super().__init__()
        self.encoder = VariationalEncoder(x + 2, z, hidden)
        self.decoder = VariationalDecoder(z + 2, hidden[::-1], x)
        self.classifier = classifier

    def score(self, x):
        return self.classifier(x)[:, 1]


class M1M2(nn.Module):
    def __init__(self, x, z, hidden):
        super().__init__()
        self.encoder = VariationalEncoder(z + 2, z, hidden)
        self.decoder = VariationalDecoder(z + 2, hidden[::-1], x)
        self.classifier = DenseClassifier(z, hidden[0])
        self.features = Vae(x, z, hidden)

    def score(self, x):
        return self.classifier(self.features.encoder.mean(x))[:, 1]


def generative_network(name, kind):
    if kind == "m1m2":
        return M1M2(*{"mnist": (784, 32, [128, 64]), "fmnist": (784, 64, [256, 128]),
                      "cifar10": (3072, 128, [512, 256])}[name])
    if name == "mnist":
        return M2(784, 32, [128, 64], BodyClassifier(MnistEncoder()))
    x, hidden, z = TABLES[name]
    return M2(x, z, hidden, DenseClassifier(x, hidden[0]))


def randomised(module):
    """Running statistics as after some training, so that batch normalisation counts."""
    for layer in module.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 2)
            layer.num_batches_tracked.fill_(4711)
    return module.eval()
