from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _onebasin, _tensors


def linear_sum_assignment(cost_matrix: Any, maximize: bool = False) -> tuple[NDArray[Any], NDArray[Any]]:
    """An assignment of least total cost, as ``scipy.optimize.linear_sum_assignment``.

    ``cost_matrix`` has shape ``[rows, columns]``, any two extents; infinite costs are never taken. Returns the row indices, ascending, and
    the columns they take, both of shape ``[min(rows, columns)]``. Of several optima it may be another one than SciPy's. Raises
    ``ValueError`` for numbers that are none and where infinite costs cannot be avoided.
    """
    rows, columns = _onebasin.linear_sum_assignment(_tensors.matrix(cost_matrix, "cost_matrix"), bool(maximize))
    return np.frombuffer(rows, np.int64), np.frombuffer(columns, np.int64)


def emd(
    a: Any,
    b: Any,
    M: Any,
    numItermax: int = 100000,
    log: bool = False,
    center_dual: bool = True,
    numThreads: int = 1,
    check_marginals: bool = True,
) -> Any:
    """An optimal transport plan, as POT's ``ot.emd``.

    ``a`` of shape ``[rows]`` and ``b`` of shape ``[columns]`` are masses of equal sum, uniform where empty; ``M`` of shape
    ``[rows, columns]`` are costs. Returns the plan, of the shape of ``M``, in double precision unless ``M`` is a tensor of floats; with ``log`` also a dictionary of ``cost``, the potentials ``u``
    and ``v`` with ``u[i] + v[j] <= M[i, j]``, ``warning`` and ``result_code``. Without ``check_marginals``, ``b`` is scaled to the sum of
    ``a``. The plan is exact, so ``numItermax`` and ``numThreads`` say nothing here. No gradient goes through it.
    """
    cost = _tensors.matrix(M, "M")
    rows, columns = (_masses(side, extent) for side, extent in ((a, cost.shape[0]), (b, cost.shape[1])))
    if not check_marginals and columns.sum() > 0:
        columns = columns * (rows.sum() / columns.sum())
    entries, value, of_rows, of_columns = _onebasin.emd(rows, columns, cost)
    plan = np.frombuffer(entries, np.float64).reshape(cost.shape)
    u, v = np.frombuffer(of_rows, np.float64), np.frombuffer(of_columns, np.float64)
    if center_dual and rows.sum() > 0 and columns.sum() > 0:
        shift = (v @ columns / columns.sum() - u @ rows / rows.sum()) / 2
        u, v = u + shift, v - shift
    is_torch = _tensors.is_torch(M)

    def out(array: NDArray[Any]) -> Any:
        # A plan has fractions, whatever the costs are counted in.
        return _tensors.like((M if M.is_floating_point() else M.double()).new_empty(array.shape), array) if is_torch else array

    if not log:
        return out(plan)
    return out(plan), {"cost": value, "u": out(u), "v": out(v), "warning": None, "result_code": 1}


def _masses(side: Any, extent: int) -> NDArray[Any]:
    array = np.asarray(side.detach().cpu() if _tensors.is_torch(side) else side, dtype=np.float64)
    if array.size == 0:
        return np.full(extent, 1.0 / max(extent, 1))
    if array.ndim != 1:
        raise ValueError(f"expected masses of one axis, got {array.ndim}")
    return array
