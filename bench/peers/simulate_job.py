"""The job that clickgan writes for peers that simulate users."""

import json

import numpy as np

# What a large temporary may take, in floats.
MOST = 2**26


def read_job(path):
    """Settings and tensors by name of a safetensors file."""
    with open(path, "rb") as file:
        data = bytearray(file.read())
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    settings = json.loads(header.pop("__metadata__")["settings"])
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        dtype = np.float32 if entry["dtype"] == "F32" else np.uint32
        tensors[name] = np.frombuffer(data, dtype, (end - begin) // 4, begin).reshape(entry["shape"])
    return settings, tensors


def part_of(tensors, prefix):
    return {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
