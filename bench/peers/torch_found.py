"""Says which PyTorch this Python has, as a line of JSON; ends with an error where it has none."""

import json
import os

import torch

from openblas import blas_of, chosen_kernels, made_of

blas, _ = blas_of(torch.__config__.show(), chosen_kernels())
print(
    json.dumps(
        {
            "file": os.path.realpath(torch.__file__),
            "version": torch.__version__.split("+")[0],
            "blas": blas,
            "made": made_of(torch),
            "card": torch.cuda.is_available(),
        }
    )
)
