"""Finds PyTorch's BLAS library, and the kernels that OpenBLAS chose for this processor. As a program it
prints a line of JSON about this Python's PyTorch, or ends with an error if there is none."""

import ctypes
import json
import os
import re

NAMES = {"open": "OpenBLAS", "accelerate": "Accelerate"}


def chosen_kernels():
    """Returns the name of OpenBLAS's kernels, e.g. SkylakeX; None if unknown."""
    for path in _libraries():
        try:
            name = ctypes.CDLL(path).openblas_get_corename
        except (OSError, AttributeError):
            continue
        name.restype = ctypes.c_char_p
        return name().decode()
    return None


def blas_of(config, kernels):
    """Returns name and description of PyTorch's BLAS. NumPy may load an OpenBLAS although PyTorch uses MKL.

    @param config torch.__config__.show(). @param kernels name of OpenBLAS's kernels, or None"""
    built = re.search(r"\bBLAS_INFO=(\w+)", config)
    info = built[1] if built else "unknown"
    if info == "mkl":
        version = re.search(r"Math Kernel Library Version ([\d.]+)", config)
        return "MKL", f"MKL {version[1]}" if version else "MKL"
    if kernels:
        return "OpenBLAS", f"OpenBLAS's kernels for {kernels}"
    name = NAMES.get(info, f"{info} BLAS")
    return name, name if info in NAMES else f"{name}, no OpenBLAS found"


def made_of(torch):
    """Describes PyTorch's version and BLAS, for tables."""
    return f"PyTorch {torch.__version__} ({blas_of(torch.__config__.show(), chosen_kernels())[1]})"


def _libraries():
    """Returns loaded BLAS libraries, except the OpenBLAS in NumPy's wheel, which PyTorch does not use."""
    try:
        with open("/proc/self/maps") as file:
            paths = {line.split(None, 5)[5].strip() for line in file if len(line.split(None, 5)) == 6}
    except OSError:
        return []
    blas = [path for path in paths if "blas" in os.path.basename(path)]
    return sorted(path for path in blas if os.path.basename(os.path.dirname(path)) != "numpy.libs")


def main():
    import torch

    blas, _ = blas_of(torch.__config__.show(), chosen_kernels())
    found = {"file": os.path.realpath(torch.__file__), "version": torch.__version__.split("+")[0], "blas": blas}
    print(json.dumps({**found, "made": made_of(torch), "card": torch.cuda.is_available()}))


if __name__ == "__main__":
    main()
