"""Messages of a peer in Python, and its job. See peer.ts."""

import json
import math
import sys
import time

import numpy as np

MARK = "@peer "


class Cannot(Exception):
    """Error of an unsupported job. The table shows the reason."""


def say(**message):
    print(MARK + json.dumps(message), flush=True)


def read_job(path):
    """Returns settings, and tensors by name, of a safetensors file."""
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


def serve(run_steps):
    """Answers requests. `run_steps` gets the words of a request, and returns the last loss, if any."""
    for line in sys.stdin:
        began = time.perf_counter()
        loss = run_steps(*line.split())
        say(ms=1000 * (time.perf_counter() - began), loss=finite(loss))


def finite(value):
    """Returns None for NaN and infinity, which JSON lacks."""
    return value if value is not None and math.isfinite(value) else None


def run(main):
    """Runs a peer. An error is reported before the process ends."""
    try:
        main()
    except Cannot as reason:
        say(failed=str(reason), cannot=True)
        sys.exit(1)
    except Exception as error:
        say(failed=f"{type(error).__name__}: {error}", cannot=False)
        raise
