"""Modules of torch: the same logits once permuted, and merged state dicts that load."""

import unittest
import warnings

try:
    import torch
    from torch import nn
except ImportError as error:
    raise unittest.SkipTest(f"torch is not installed: {error}") from error

import onebasin


class Block(nn.Module):
    """As torchvision's basic block."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        way = x if self.downsample is None else self.downsample(x)
        return torch.relu(way + self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))))


class Residual(nn.Module):
    """A ResNet8 for images of CIFAR's size."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer1 = nn.Sequential(Block(8, 8, 1))
        self.layer2 = nn.Sequential(Block(8, 16, 2))
        self.layer3 = nn.Sequential(Block(16, 32, 2))
        self.fc = nn.Linear(32, 10)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(torch.relu(self.bn1(self.conv1(x))))))
        return self.fc(x.mean(dim=(2, 3)))


def perceptron():
    return nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4))


def convolutional():
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(8 * 49, 10),
    )


class Torch(unittest.TestCase):
    def made(self, make):
        """Two networks whose batch norms have seen something."""
        nets = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            net = make()
            for module in net.modules():
                if isinstance(module, nn.BatchNorm2d):
                    nn.init.uniform_(module.weight, 0.5, 1.5)
                    nn.init.normal_(module.bias)
                    module.running_mean.normal_()
                    module.running_var.uniform_(0.5, 2.0)
            nets.append(net.eval())
        return nets

    def test_permuted_modules_give_the_same_logits_and_merged_ones_load(self):
        for make, shape in [(perceptron, (5, 12)), (convolutional, (5, 1, 28, 28)), (Residual, (5, 3, 32, 32))]:
            nets = self.made(make)
            inputs = torch.randn(shape)
            found = onebasin.match([net.state_dict() for net in nets])
            with torch.no_grad():
                for place, net in enumerate(nets):
                    before = net(inputs)
                    state = found.apply(place)
                    self.assertEqual(list(state), list(net.state_dict()))
                    moved = make().eval()
                    moved.load_state_dict(state)
                    self.assertLess((moved(inputs) - before).abs().max(), 1e-3 * (1 + before.abs().max()), make.__name__)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    merged = make().eval()
                    merged.load_state_dict(found.merge())
                merged(inputs)

    def test_modules_are_taken_as_they_are(self):
        nets = self.made(perceptron)
        self.assertEqual(onebasin.match(nets).objective, onebasin.match([net.state_dict() for net in nets]).objective)

    def test_types_of_torch_come_back(self):
        for dtype in (torch.bfloat16, torch.float16, torch.float64):
            states = [net.to(dtype).state_dict() for net in self.made(perceptron)]
            merged = onebasin.match(states).merge()
            self.assertEqual({tensor.dtype for tensor in merged.values()}, {dtype})
            perceptron().to(dtype).load_state_dict(merged)

    def test_sparse_tensors_are_refused_by_name(self):
        states = [net.state_dict() for net in self.made(perceptron)]
        states[1]["0.weight"] = states[1]["0.weight"].to_sparse()
        with self.assertRaisesRegex(ValueError, "`0.weight` is torch.sparse_coo"):
            onebasin.match(states)

    def test_plans_of_tensors_are_tensors(self):
        half = torch.tensor([0.5, 0.5], dtype=torch.float64)
        plan = onebasin.emd(half, half, torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64))
        self.assertTrue(torch.equal(plan, torch.eye(2, dtype=torch.float64) / 2))

    def test_costs_that_are_counted_give_plans_with_fractions(self):
        masses = torch.tensor([0.3, 0.7], dtype=torch.float64), torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
        plan, log = onebasin.emd(*masses, torch.tensor([[3, 1, 2], [4, 0, 9]]), log=True)
        self.assertAlmostEqual(float(plan.sum()), 1.0)
        self.assertAlmostEqual(float((plan * torch.tensor([[3, 1, 2], [4, 0, 9]])).sum()), log["cost"])


if __name__ == "__main__":
    unittest.main()
