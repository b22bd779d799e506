"""Arrays of NumPy, tensors of torch: in and out, without a copy where there need be none."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# As files of weights call them.
_NAMES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}
_FLOATING = ("F64", "F32", "F16", "BF16")


def is_torch(value: Any) -> bool:
    """Whether a value is a tensor of torch, without importing it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def read(place: str, name: str, value: Any) -> tuple[str, str, list[int], NDArray[Any] | None]:
    """Name, type, shape, and the numbers as contiguous float32, or none where the type has no fractions."""
    if is_torch(value):
        torch = sys.modules["torch"]
        if value.layout != torch.strided:
            raise ValueError(
                f"`{place}`: tensor `{name}` is {value.layout}, expected a dense one\nhint: `.to_dense()`"
            )
        kind = str(value.dtype).rpartition(".")[2]
        dtype = _NAMES.get(kind, kind)
        numbers = None
        if dtype in _FLOATING:
            numbers = value.detach().to(device="cpu", dtype=torch.float32).contiguous().numpy()
        return name, dtype, list(value.shape), numbers
    if not (isinstance(value, (np.ndarray, np.generic)) or hasattr(value, "__array__")):
        raise TypeError(
            f"`{place}`: `{name}` is a {type(value).__name__}, expected a NumPy array or a torch tensor\n"
            "hint: give a state dict alone, without epochs and optimisers"
        )
    array = np.asarray(value)
    dtype = _NAMES.get(array.dtype.name, array.dtype.name)
    # `ascontiguousarray` makes a vector of a single number.
    numbers = np.ascontiguousarray(array, dtype=np.float32).reshape(array.shape) if dtype in _FLOATING else None
    return name, dtype, list(array.shape), numbers


def like(value: Any, numbers: NDArray[Any]) -> Any:
    """Numbers as the same kind of array, of the same type, shape and device as `value`."""
    if is_torch(value):
        torch = sys.modules["torch"]
        made = torch.from_numpy(numbers.reshape(tuple(value.shape)))
        return _finite(value.dtype, made.to(device=value.device, dtype=value.dtype), torch.isfinite)
    array = np.asarray(value)
    with np.errstate(over="ignore"):
        made = numbers.reshape(array.shape).astype(array.dtype, copy=False)
    return _finite(array.dtype, made, np.isfinite)


def _finite(dtype: Any, made: Any, isfinite: Any) -> Any:
    if not bool(isfinite(made).all()):
        raise OverflowError(f"a number does not fit the type `{dtype}`\nhint: give networks in a wider type")
    return made


def tied(model: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Pairs of names under which a model has one and the same tensor."""
    first: dict[Any, str] = {}
    for name, value in model.items():
        if is_torch(value):
            place = (value.data_ptr(), value.dtype, tuple(value.shape), value.stride())
        else:
            array = np.asarray(value)
            place = (array.__array_interface__["data"][0], array.dtype, array.shape, array.strides)
        # Tensors without numbers lie nowhere.
        if 0 in place[2]:
            continue
        if place in first:
            yield first[place], name
        else:
            first[place] = name


def copy(value: Any) -> Any:
    """The same numbers in memory of their own."""
    return value.detach().clone() if is_torch(value) else np.array(value)


def matrix(value: Any, name: str) -> NDArray[Any]:
    """Two axes of float64."""
    array = np.asarray(value.detach().cpu() if is_torch(value) else value)
    if array.ndim != 2:
        raise ValueError(f"expected a matrix (2-D array), got a {array.ndim}-D array for `{name}`")
    if not (np.issubdtype(array.dtype, np.number) or array.dtype == np.bool_) or np.iscomplexobj(array):
        raise ValueError(f"expected a matrix containing numerical entries, got {array.dtype} for `{name}`")
    return np.asarray(array, dtype=np.float64)
