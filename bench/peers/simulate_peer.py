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


# One user at a time, in NumPy.


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def elu(x):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


class Loop:
    def __init__(self, settings, tensors, users):
        w, q = part_of(tensors, "weights/"), part_of(tensors, "policy/")
        self.k, self.pages, self.units = settings["slate"], settings["pages"], settings["units"]
        features = tensors["features"]
        self.items = len(features)
        self.w, self.q = w, q
        self.gates = features @ w["encoder/lstm/input_kernel"] + w["encoder/lstm/bias"]
        self.first = features @ w["utility/layer1/item_kernel"] + w["utility/layer1/bias"]
        self.tables = [features @ q[f"item{m + 1}/kernel"] for m in range(self.k)]
        self.own = [np.ascontiguousarray(table[:, : self.units]) for table in self.tables]
        self.random = np.random.default_rng(1)
        self.note = f"NumPy {np.__version__}"
        self.take(users)

    def take(self, users):
        """A loop has one user at a time; a check has some."""
        self.users = users
        self.reset()

    def reset(self):
        self.h = np.zeros((self.users, 20), np.float32)
        self.c = np.zeros((self.users, 20), np.float32)
        self.clicked = [[] for _ in range(self.users)]

    def utilities(self, u, items):
        w = self.w
        x = elu(self.first[items] + self.h[u] @ w["utility/layer1/state_kernel"])
        x = elu(x @ w["utility/layer2/kernel"] + w["utility/layer2/bias"])
        return (x @ w["utility/output/kernel"].ravel() + w["utility/output/bias"]).ravel()

    def slate(self, u, kind, t):
        if kind == "greedy":
            scores = self.utilities(u, slice(None))
            scores[self.clicked[u]] = -np.inf
            best = np.argpartition(-scores, self.k - 1)[: self.k]
            return best[np.argsort(-scores[best], kind="stable")]
        if kind == "random":
            slate = []
            while len(slate) < self.k:
                item = int(self.random.integers(self.items))
                if item not in slate and item not in self.clicked[u]:
                    slate.append(item)
            return np.array(slate)
        q, units = self.q, self.units
        x = np.append(self.h[u], np.float32(t / self.pages))
        z = np.maximum(x @ q["trunk/kernel"] + q["trunk/bias"][0], 0)
        base = z @ q["state/kernel"] + q["state/bias"][0]
        slate = []
        for j in range(self.k):
            own = slice(j * units, (j + 1) * units)
            hidden = self.own[j] + base[own]
            np.maximum(hidden, 0, out=hidden)
            scores = hidden @ q["output/kernel"][0, own]
            scores[self.clicked[u]] = -np.inf
            scores[slate] = -np.inf
            item = int(scores.argmax())
            slate.append(item)
            base[(j + 1) * units :] += self.tables[j][item, units:]
        return np.array(slate)

    def move(self, u, item):
        H = 20
        z = self.gates[item] + self.h[u] @ self.w["encoder/lstm/recurrent_kernel"]
        c = sigmoid(z[2 * H : 3 * H] + 1) * self.c[u] + sigmoid(z[:H]) * np.tanh(z[H : 2 * H])
        self.c[u] = c
        self.h[u] = sigmoid(z[3 * H :]) * np.tanh(c)
        self.clicked[u].append(int(item))

    def play(self, count, kind):
        self.users = 1
        clicks = 0
        for n in range(count):
            t = n % self.pages
            if t == 0:
                self.reset()
            slate = self.slate(0, kind, t)
            v = np.exp(self.utilities(0, slate))
            slot = np.searchsorted(np.cumsum(np.append(1, v)), self.random.random() * (1 + v.sum()), "right") - 1
            if slot >= 0:
                self.move(0, slate[min(slot, self.k - 1)])
                clicks += 1
        return clicks / count

    # What the check asks for.

    def slates(self, kind, t):
        return np.array([self.slate(u, kind, t) for u in range(self.users)])

    def chances(self, shown):
        sums = [np.exp(self.utilities(u, shown[u])).sum() for u in range(self.users)]
        return np.array([s / (1 + s) for s in sums])

    def follow(self, shown, choices):
        for u, slot in enumerate(choices):
            if slot < self.k:
                self.move(u, shown[u, slot])


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
        Peer = Loop
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
