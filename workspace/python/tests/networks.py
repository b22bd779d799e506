"""Small networks as dictionaries of arrays, and what they compute."""

import numpy as np


def perceptron(widths, seed, dtype=np.float32):
    """The state dict of a multi-layer perceptron of these widths."""
    draw = np.random.default_rng(seed)
    state = {}
    for layer, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
        state[f"{2 * layer}.weight"] = draw.normal(size=(outputs, inputs)).astype(dtype)
        state[f"{2 * layer}.bias"] = draw.normal(size=outputs).astype(dtype)
    return state


def forward(state, x):
    """Its outputs for inputs of shape [count, features]."""
    layers = len(state) // 2
    for layer in range(layers):
        x = x @ state[f"{2 * layer}.weight"].T + state[f"{2 * layer}.bias"]
        x = np.maximum(x, 0) if layer + 1 < layers else x
    return x


def shuffled(state, seed):
    """The same function with the units of each hidden layer in another order, and these orders."""
    draw = np.random.default_rng(seed)
    other = {name: array.copy() for name, array in state.items()}
    orders = []
    for layer in range(len(state) // 2 - 1):
        order = draw.permutation(len(other[f"{2 * layer}.bias"]))
        orders.append(order)
        other[f"{2 * layer}.weight"] = other[f"{2 * layer}.weight"][order]
        other[f"{2 * layer}.bias"] = other[f"{2 * layer}.bias"][order]
        other[f"{2 * layer + 2}.weight"] = other[f"{2 * layer + 2}.weight"][:, order]
    return other, orders
