"""Whose matrix products PyTorch has, and which kernels OpenBLAS chose for this processor, by the library that is loaded.
As a program it says which PyTorch this Python has, as a line of JSON; it ends with an error where there is none."""

import ctypes
import json
import os
import re

NAMES = {"open": "OpenBLAS", "accelerate": "Accelerate"}


def chosen_kernels(maps="/proc/self/maps", load=ctypes.CDLL):
    """Their name, such as SkylakeX; None where PyTorch's products are not OpenBLAS's, or nobody can tell."""
    for path in _libraries(maps):
        try:
            name = load(path).openblas_get_corename
        except (OSError, AttributeError):
            continue
        name.restype = ctypes.c_char_p
        return name().decode()
    return None


def blas_of(config, kernels):
    """The name of PyTorch's BLAS, and more words of it. NumPy may have loaded an OpenBLAS beside PyTorch's MKL.

    @param config what torch.__config__.show() says. @param kernels that OpenBLAS chose; None without it"""
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
    """PyTorch's version and BLAS, for what stands beside figures."""
    return f"PyTorch {torch.__version__} ({blas_of(torch.__config__.show(), chosen_kernels())[1]})"


def _libraries(maps):
    """Loaded files that may be it. NumPy's wheels bring an OpenBLAS of their own, which PyTorch does not use."""
    try:
        with open(maps) as file:
            paths = {line.split(None, 5)[5].strip() for line in file if len(line.split(None, 5)) == 6}
    except OSError:
        return []
    return sorted(p for p in paths if "blas" in os.path.basename(p) and os.path.basename(os.path.dirname(p)) != "numpy.libs")


def main():
    import torch

    blas, _ = blas_of(torch.__config__.show(), chosen_kernels())
    found = {"file": os.path.realpath(torch.__file__), "version": torch.__version__.split("+")[0], "blas": blas}
    print(json.dumps({**found, "made": made_of(torch), "card": torch.cuda.is_available()}))


if __name__ == "__main__":
    main()
