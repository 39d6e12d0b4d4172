"""Simulated users and a CDQN as PyTorch or NumPy have them: simulate_peer.py plain|tuned|loop JOB. See protocol.py.

plain  a batch of users as one first writes it: inputs joined, masks copied, large temporaries.
tuned  as fast as PyTorch was found to go: parts of items made once, buffers reused, tiles and threads by trial.
loop   one user at a time in NumPy, with the same parts of items made once.

A line "N KIND" asks for N pages: random, cdqn, greedy, learn (a page of all users, and a step
of the optimiser), or return (pages by what was learned; the value is the clicks of a user).
Before anything is timed the pages of clickgan in the job are gone through: `ready` says how far this is from them.
"""

import json
import math
import sys
import time

import numpy as np

from protocol import part_of, read_job, run, say


def checked(users, logs, slate):
    """Goes through clickgan's pages. How far P(any click) is off at most, and the share of slates that differ."""
    worst, differ, count = 0.0, 0, 0
    for kind in sorted({name.split("/")[0] for name in logs}):
        log = part_of(logs, kind + "/")
        users.reset()
        for t in range(len(log["slates"])):
            shown = log["slates"][t].astype(np.int64)
            own = users.slates(kind, t)
            differ += int((own != shown).any(1).sum())
            count += len(shown)
            worst = max(worst, float(np.abs(users.chances(shown) - log["probabilities"][t]).max()))
            users.follow(shown, log["choices"][t].astype(np.int64))
    return {"probability": worst, "slates": differ / max(1, count)}


def main():
    variant, path = sys.argv[1:]
    settings, tensors = read_job(path)
    if variant == "loop":
        from simulate_loop import Loop as Peer
    else:
        from simulate_torch import Plain, Tuned

        Peer = Plain if variant == "plain" else Tuned
    logs = part_of(tensors, "check/")
    peer = Peer(settings, tensors, len(next(iter(logs.values()))[0]))
    agreement = checked(peer, logs, settings["slate"])
    replay = part_of(tensors, "replay/")
    if replay and variant != "loop":
        agreement["lesson"] = peer.lesson_of(replay)
    peer.take(settings["users"]["cdqn"])
    say(ready=json.dumps({"note": peer.note, "agreement": agreement}))
    for line in sys.stdin:
        count, kind = line.split()
        began = time.perf_counter()
        value = peer.play(int(count), kind)
        say(ms=1000 * (time.perf_counter() - began), loss=value if math.isfinite(value) else None)


if __name__ == "__main__":
    run(main)
