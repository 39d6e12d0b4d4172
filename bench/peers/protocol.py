"""What a peer in Python says, and the job that it is given. See protocol.ts."""

import json
import sys

import numpy as np

MARK = "@peer "


class Cannot(Exception):
    """The job cannot be done, for a reason that belongs in the table."""


def say(**message):
    print(MARK + json.dumps(message), flush=True)


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


def run(main):
    """Runs a peer. What goes wrong is said before the process ends."""
    try:
        main()
    except Cannot as reason:
        say(failed=str(reason), cannot=True)
        sys.exit(1)
    except Exception as error:
        say(failed=f"{type(error).__name__}: {error}", cannot=False)
        raise
