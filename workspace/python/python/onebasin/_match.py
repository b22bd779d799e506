from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _onebasin, _tensors

_BATCH_NORMS = (
    "the running statistics of batch norms are averaged, which the merged network's activations do not follow: "
    "it may be far worse than it could be\n"
    "hint: call the network in training mode on your own images, without a gradient, with momentum `None`"
)


class Match:
    """Networks in one frame, as `match` finds it."""

    def __init__(self, native: _onebasin.Match, models: list[Mapping[str, Any]]) -> None:
        self._native = native
        self._models = models
        self._summary: dict[str, Any] = json.loads(native.summary)

    @property
    def permutations(self) -> list[dict[str, NDArray[Any]]]:
        """For each model, the map of each group of units into the frame.

        Of shape ``[units]`` and type int64: slot ``i`` of the frame holds the model's unit ``p[i]``, so ``weight[p]`` are its rows in
        the frame. Methods with soft plans have matrices ``[slots, units]`` whose rows sum to 1.
        """
        return [
            {
                group: np.frombuffer(numbers, np.int64) if shape is None else np.frombuffer(numbers, np.float32).reshape(shape)
                for group, numbers, shape in maps
            }
            for maps in self._native.permutations()
        ]

    @property
    def objective(self) -> float:
        """The sum over pairs of models of the inner products of their parameters in the frame: greater is more alike."""
        return float(self._summary["objective"])

    @property
    def objective_before(self) -> float:
        """The same of the models as they came."""
        return float(self._summary["objective-before"])

    @property
    def certificate(self) -> dict[str, float]:
        """How far the last assignments are from a proof that each is the best: ``duality_gap`` and ``worst_violation``, both relative.

        0 and 0 prove each of them, all others held; methods that solve none have zeros.
        """
        return {key.replace("-", "_"): value for key, value in self._summary["certificate"].items()}

    @property
    def function_check(self) -> dict[str, float]:
        """``function_error``, the largest difference of an output that a model has in the frame; ``scale``, the largest output;
        ``images``, on how many inputs."""
        return dict(self._summary["function-check"])

    @property
    def method(self) -> str:
        """The name of the matching."""
        return str(self._summary["method"])

    @property
    def iterations(self) -> int:
        """How many iterations ran."""
        return int(self._summary["iterations"])

    @property
    def outcome(self) -> str:
        """How the method ended: ``converged``, ``stationary``, ``iteration-limit`` or ``direct``."""
        return str(self._summary["outcome"])

    @property
    def network(self) -> str:
        """What network it is, in words."""
        return str(self._summary["network"])

    @property
    def assumed(self) -> list[str]:
        """What names and shapes do not say and is taken to be so; ``architecture`` of `match` says it otherwise."""
        return self._native.assumed

    @property
    def architecture(self) -> dict[str, Any]:
        """The network as data: ``input``, ``classes``, ``layers``."""
        architecture: dict[str, Any] = json.loads(self._native.architecture)
        return architecture

    def apply(self, model: int) -> dict[str, Any]:
        """The model at an index in the frame: the same function with its units in the common order.

        Names, shapes, types and kind of arrays are those that came in. What is no parameter is copied.
        """
        count = len(self._models)
        if not -count <= model < count:
            raise IndexError(f"there is no model {model}, only {count}")
        model %= count
        return self._rebuilt(model, self._native.apply(model))

    def merge(self, weights: Sequence[float] | None = None) -> dict[str, Any]:
        """The mean of the models in the frame, in the form of the first: ``load_state_dict`` takes it.

        ``weights`` has a share for each model, and they sum to 1; equal shares by default. Warns where there are batch norms, whose
        running statistics must be taken anew.
        """
        if self._native.has_batch_norms:
            warnings.warn(_BATCH_NORMS, stacklevel=2)
        shares = None if weights is None else [float(share) for share in weights]
        return self._rebuilt(0, self._native.merge(shares))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the permutations as JSON, as ``onebasin match --out`` does; ``onebasin merge --maps`` reads them."""
        self._native.save(os.fspath(path))

    def _rebuilt(self, model: int, changed: list[tuple[int, bytearray]]) -> dict[str, Any]:
        names = list(self._models[model])
        fresh = dict(changed)
        made = {}
        for place, name in enumerate(names):
            value = self._models[model][name]
            made[name] = _tensors.like(value, np.frombuffer(fresh[place], np.float32)) if place in fresh else _tensors.copy(value)
        for one, other in _tensors.tied(self._models[model]):
            if not bool((made[one] == made[other]).all()):
                raise ValueError(
                    f"`{one}` and `{other}` are one tensor in `models[{model}]`, and matching makes two of them, which a network that "
                    "shares it cannot hold\nhint: where yours does not share it, give clones of its tensors"
                )
        return made

    def __repr__(self) -> str:
        return f"<Match of {len(self._models)} networks by {self.method}: objective {self.objective_before:.6g} to {self.objective:.6g}>"


def match(
    models: Iterable[Mapping[str, Any]],
    method: str | Mapping[str, Any] = "c2m3",
    architecture: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    input: Sequence[int] | None = None,
    linear: bool = False,
    inputs: Any = None,
    seed: int = 42,
    **options: Any,
) -> Match:
    """Finds one order of the hidden units of two or more networks of the same layers.

    Each model is a state dict: names to NumPy arrays or torch tensors, linear weights ``[out, in]``, convolutions
    ``[out, in, height, width]`` (or Flax's ``kernel``); or an object with a ``state_dict()``. They are read once and never changed.

    ``method`` and its ``options`` are a matching of specs: ``match(models, "git-re-basin", sweeps=50)``. ``architecture`` says the
    network where names and shapes do not, as a table or a TOML file; ``input`` is the shape of an image, ``linear`` says that there are
    no activations. ``inputs``, of shape ``[count, channels, height, width]`` or ``[count, features]``, are what the function check runs
    on; by default random numbers. ``seed`` is the root of what a method draws.

    Other threads of Python run meanwhile, and Ctrl-C interrupts it. Raises ``ValueError`` where models, method or architecture are wrong,
    ``RuntimeError`` where a model computes something else in the frame, with the texts of the command.
    """
    if isinstance(models, Mapping):
        raise TypeError("expected a sequence of state dicts, got one\nhint: `match([net_a.state_dict(), net_b.state_dict()])`")
    dicts: list[Mapping[str, Any]] = [_state_dict(model, place) for place, model in enumerate(models)]
    if len(dicts) < 2:
        raise ValueError(f"{len(dicts)} models, expected at least 2")
    if not 0 <= seed < 2**64:
        raise ValueError(f"`seed` is {seed}, expected a whole number from 0 to 2**64 - 1")
    names = [f"models[{place}]" for place in range(len(dicts))]
    given = [[_tensors.read(place, name, value) for name, value in model.items()] for place, model in zip(names, dicts)]
    table = dict(method) if isinstance(method, Mapping) else {"by": method}
    table.update({key.replace("_", "-"): value for key, value in options.items()})
    said = architecture if isinstance(architecture, Mapping) else None
    file = None if architecture is None or isinstance(architecture, Mapping) else os.fspath(architecture)
    native = _onebasin.Match(
        names,
        given,
        str(table.get("by", "")),
        json.dumps(table, default=_plain),
        None if said is None else json.dumps(said, default=_plain),
        file,
        None if input is None else [int(extent) for extent in input],
        linear,
        None if inputs is None else _tensors.read("inputs", "inputs", inputs)[3],
        seed,
    )
    return Match(native, dicts)


def _state_dict(model: Any, place: int) -> Mapping[str, Any]:
    if not isinstance(model, Mapping):
        if not hasattr(model, "state_dict"):
            raise TypeError(f"`models[{place}]` is a {type(model).__name__}, expected a state dict or a module")
        model = model.state_dict()
    strange = [name for name in model if not isinstance(name, str)]
    if strange:
        raise TypeError(f"`models[{place}]` has the key `{strange[0]!r}`, expected names")
    nested = [name for name, value in model.items() if isinstance(value, Mapping)]
    if nested:
        raise TypeError(f"`models[{place}]` has a dictionary under `{nested[0]}`\nhint: give that: `models[{place}][{nested[0]!r}]`")
    return dict(model)


def _plain(value: Any) -> Any:
    """Numbers of NumPy as Python's."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"`{value!r}` is a {type(value).__name__}, expected what a spec may say: numbers, text, lists, tables")
