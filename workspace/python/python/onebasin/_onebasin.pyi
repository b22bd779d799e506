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
    def permutations(self) -> list[list[tuple[str, bytearray, tuple[int, int] | None]]]: ...
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
    def apply(self, model: int) -> list[tuple[int, bytearray]]: ...
    def merge(self, coefficients: list[float] | None) -> list[tuple[int, bytearray]]: ...
    def save(self, path: str) -> None: ...

def linear_sum_assignment(cost: npt.NDArray[np.float64], maximize: bool) -> tuple[bytearray, bytearray]: ...
def emd(
    rows: npt.NDArray[np.float64], columns: npt.NDArray[np.float64], cost: npt.NDArray[np.float64]
) -> tuple[bytearray, float, bytearray, bytearray]: ...
