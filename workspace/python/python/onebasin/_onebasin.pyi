import numpy as np
import numpy.typing as npt

__version__: str

_Given = tuple[str, str, list[int], npt.NDArray[np.float32] | None]

class Match:
    def __new__(
        cls,
        names: list[str],
        models: list[list[_Given]],
        method: str,
        options: str,
        architecture: str | None,
        architecture_file: str | None,
        input: list[int] | None,
        linear: bool,
        inputs: npt.NDArray[np.float32] | None,
        seed: int,
    ) -> Match: ...
    def permutations(self) -> list[dict[str, np.ndarray]]: ...
    @property
    def summary(self) -> str: ...
    @property
    def architecture(self) -> str: ...
    @property
    def assumed(self) -> list[str]: ...
    @property
    def seconds(self) -> float: ...
    @property
    def has_batch_norms(self) -> bool: ...
    def apply(self, model: int) -> list[tuple[int, npt.NDArray[np.float32]]]: ...
    def merge(self, coefficients: list[float] | None) -> list[tuple[int, npt.NDArray[np.float32]]]: ...
    def save(self, path: str) -> None: ...

def linear_sum_assignment(cost: npt.NDArray[np.float64], maximize: bool) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]: ...
def emd(
    rows: npt.NDArray[np.float64], columns: npt.NDArray[np.float64], cost: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], float, npt.NDArray[np.float64], npt.NDArray[np.float64]]: ...
