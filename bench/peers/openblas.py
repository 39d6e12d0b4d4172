"""Which kernels OpenBLAS chose for this processor, by the library that this process has loaded."""

import ctypes
import os


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


def _libraries(maps):
    """Loaded files that may be it. NumPy's wheels bring an OpenBLAS of their own, which PyTorch does not use."""
    try:
        with open(maps) as file:
            paths = {line.split(None, 5)[5].strip() for line in file if len(line.split(None, 5)) == 6}
    except OSError:
        return []
    return sorted(p for p in paths if "blas" in os.path.basename(p) and os.path.basename(os.path.dirname(p)) != "numpy.libs")
