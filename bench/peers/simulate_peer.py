"""Simulated users and a CDQN in optimised PyTorch. Usage: simulate_peer.py JOB. See protocol.py.

A line "N KIND USERS" requests N pages for USERS users. KIND is random, cdqn, greedy, or learn (a page for all
users and an optimiser step). Before timing, the peer repeats clickgan's pages of the job, and reports the
differences in `ready`.
"""

import json
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

from protocol import finite, part_of, read_job, run, say, serve

# Number of LSTM units.
H = 20
CORES = torch.get_num_threads()


def tensor(array):
    return torch.from_numpy(np.array(array, np.float32))


class Users:
    """Users who see pages. The items' parts of the first layers are computed once, and buffers are reused."""

    def __init__(self, settings, tensors, users):
        self.settings = settings
        self.w = {n: tensor(v) for n, v in part_of(tensors, "weights/").items()}
        self.q = {n: tensor(v) for n, v in part_of(tensors, "policy/").items()}
        self.k, self.pages, self.units = settings["slate"], settings["pages"], settings["hidden"]
        self.features = tensor(tensors["features"])
        self.items = len(self.features)
        w = self.w
        self.gates = self.features @ w["encoder/lstm/input_kernel"] + w["encoder/lstm/bias"]
        self.gates[:, 2 * H : 3 * H] += 1
        self.first = self.features @ w["utility/layer1/item_kernel"] + w["utility/layer1/bias"]
        self.learner = None
        # Settings that tune() chooses: users per chunk of the catalogue, and the layout of scores.
        self.chunk = max(1, 2**20 // (64 * self.items))
        self.tile = ("rows", 1)
        self.threads = {}
        self.make_tables()
        self.take(users)

    def take(self, users):
        self.users, self.rows, self.buffers = users, torch.arange(users), {}
        self.reset()

    def reset(self):
        self.h = torch.zeros(self.users, H)
        self.c = torch.zeros(self.users, H)
        self.clicked = torch.zeros(self.users, self.items, dtype=torch.bool)

    def buffer(self, name, *shape):
        """Returns the same memory for each call with the same name and shape."""
        if (name, shape) not in self.buffers:
            self.buffers[name, shape] = torch.empty(shape)
        return self.buffers[name, shape]

    def make_tables(self):
        with torch.no_grad():
            self.tables = [self.features @ self.q[f"item{m + 1}/kernel"] for m in range(self.k)]
            self.own = [table[:, : self.units].contiguous() for table in self.tables]
            self.columns = [own.t().contiguous() for own in self.own]

    def above(self, x):
        """Returns the output of the upper layers. @param x [rows, 64] activations of the first layer"""
        w = self.w
        y = torch.addmm(w["utility/layer2/bias"], x, w["utility/layer2/kernel"], out=self.buffer("layer2", *x.shape))
        F.elu_(y)
        return y.mv(w["utility/output/kernel"].view(-1)).add_(w["utility/output/bias"].view(()))

    def utilities(self, slates):
        state = self.h @ self.w["utility/layer1/state_kernel"]
        x = self.buffer("layer1", self.users * self.k, 64)
        torch.index_select(self.first, 0, slates.view(-1), out=x)
        x.view(self.users, self.k, 64).add_(state.unsqueeze(1))
        return self.above(F.elu_(x)).view(self.users, self.k)

    def catalogue(self, users=None):
        """Returns slates of the items with the highest utilities. @param users number of users (all)"""
        state = (self.h @ self.w["utility/layer1/state_kernel"])[:users]
        slates = torch.empty(len(state), self.k, dtype=torch.int64)
        for first in range(0, len(state), self.chunk):
            own = state[first : first + self.chunk]
            x = self.buffer("all", len(own), self.items, 64)
            torch.add(own.unsqueeze(1), self.first, out=x)
            u = self.above(F.elu_(x.view(-1, 64))).view(len(own), self.items)
            u.masked_fill_(self.clicked[first : first + len(own)], -torch.inf)
            slates[first : first + len(own)] = u.topk(self.k, 1).indices
        return slates

    def move(self, slates, slot):
        """Updates the states of users who clicked. @param slot clicked slot; -1 or k for no click"""
        rows = ((slot >= 0) & (slot < self.k)).nonzero().squeeze(1)
        items = slates[rows, slot[rows]]
        z = torch.addmm(self.gates[items], self.h[rows], self.w["encoder/lstm/recurrent_kernel"])
        z[:, :H].sigmoid_()
        z[:, H : 2 * H].tanh_()
        z[:, 2 * H :].sigmoid_()
        c = self.c[rows].mul_(z[:, 2 * H : 3 * H]).addcmul_(z[:, :H], z[:, H : 2 * H])
        self.c[rows] = c
        self.h[rows] = c.tanh_().mul_(z[:, 3 * H :])
        self.clicked[rows, items] = True

    def random_slates(self):
        slates = torch.randint(self.items, (self.users, self.k))
        while True:
            bad = self.clicked.gather(1, slates).any(1)
            ordered = slates.sort(1).values
            bad |= (ordered[:, 1:] == ordered[:, :-1]).any(1)
            if not bad.any():
                return slates
            slates[bad] = torch.randint(self.items, (int(bad.sum()), self.k))

    def best(self, base, j, mask):
        """Returns the item with the highest score for each row."""
        form, rows = self.tile
        q = self.q["output/kernel"][0, j * self.units : (j + 1) * self.units]
        result = torch.empty(len(base), dtype=torch.int64)
        for first in range(0, len(base), rows):
            own = base[first : first + rows]
            scores = self.buffer("scores", len(own), self.items)
            if form == "rows":
                x = self.buffer("hidden", len(own), self.items, self.units)
                torch.add(own.unsqueeze(1), self.own[j], out=x).relu_()
                torch.mv(x.view(-1, self.units), q, out=scores.view(-1))
            else:
                x = self.buffer("unit", len(own), self.items)
                scores.zero_()
                for n, weight in enumerate(q.tolist()):
                    torch.add(own[:, n : n + 1], self.columns[j][n], out=x).relu_()
                    scores.add_(x, alpha=weight)
            scores.masked_fill_(mask[first : first + rows], -torch.inf)
            torch.argmax(scores, 1, out=result[first : first + rows])
        return result

    def cascade(self, x, mask):
        """Returns CDQN's slates. @param mask gets the bits of the chosen items"""
        q, L = self.q, self.units
        z = torch.relu(x @ q["trunk/kernel"] + q["trunk/bias"])
        base = z @ q["state/kernel"] + q["state/bias"]
        rows = torch.arange(len(x))
        slates = []
        for j in range(self.k):
            item = self.best(base[:, j * L : (j + 1) * L].contiguous(), j, mask)
            mask[rows, item] = True
            slates.append(item)
            base[:, (j + 1) * L :] += self.tables[j][item, L:]
        return torch.stack(slates, 1)

    @torch.no_grad()
    def slates(self, kind, t):
        if kind == "random":
            return self.random_slates()
        if kind == "greedy":
            return self.catalogue()
        # The bits of the slate are cleared afterwards, so the mask need not be copied.
        x = torch.cat([self.h, torch.full((self.users, 1), t / self.pages)], 1)
        slates = self.cascade(x, self.clicked)
        self.clicked.scatter_(1, slates, False)
        return slates

    @torch.no_grad()
    def page(self, slates):
        """Draws clicks and updates the users. Returns clicked slots; -1 for no click."""
        v = torch.exp(self.utilities(slates))
        ends = torch.cumsum(F.pad(v, (1, 0), value=1.0), 1)
        draw = torch.rand(self.users, 1) * ends[:, -1:]
        slot = ((draw >= ends).sum(1) - 1).clamp_(max=self.k - 1)
        self.move(slates, slot)
        return slot

    def play(self, count, kind, users):
        if self.users != users:
            self.take(users)
        if kind not in self.threads:
            self.tune(kind)
        torch.set_num_threads(self.threads[kind])
        if kind != "learn":
            return self.pages_of(count, kind)
        if self.learner is None:
            episodes = -(-self.settings["replay"] // (users * self.pages)) + 1
            self.learner = Learner(self, episodes, self.pages, users)
            self.learner.play(self.pages)
        self.learner.play(count)

    def pages_of(self, count, kind):
        for n in range(count):
            if n % self.pages == 0:
                self.reset()
            self.page(self.slates(kind, n % self.pages))

    def tune(self, kind):
        """Chooses threads, and chunk size or layout, by the time per page."""
        tiles = [{"tile": (form, rows)} for form in ("rows", "columns") for rows in (1, 4, 16, 64)]
        chunks = [{"chunk": c} for c in sorted({max(1, n // (64 * self.items)) for n in (2**18, 2**20, 2**22)})]
        rows = max(8, min(64, 2**18 // self.items))
        base, mask = torch.randn(rows, self.units), torch.zeros(rows, self.items, dtype=torch.bool)

        @torch.no_grad()
        def trial():
            if kind == "random":
                return self.pages_of(1, kind)
            return self.catalogue(8) if kind == "greedy" else self.best(base, 0, mask)

        found, choices = [], {"random": [{}], "greedy": chunks}.get(kind, tiles)
        for threads in sorted({1, CORES}):
            torch.set_num_threads(threads)
            for choice in choices:
                self.__dict__.update(choice)
                trial()
                began = time.perf_counter()
                trial()
                trial()
                found.append((time.perf_counter() - began, threads, choice))
        _, self.threads[kind], choice = min(found, key=lambda one: one[0])
        self.__dict__.update(choice)

    @torch.no_grad()
    def compared(self, logs):
        """Returns the largest error of P(any click), and the share of wrong slates, on clickgan's pages."""
        worst, differ, count = 0.0, 0, 0
        for kind in ("cdqn", "greedy"):
            log = part_of(logs, kind + "/")
            self.reset()
            for t in range(len(log["slates"])):
                shown = torch.from_numpy(log["slates"][t].astype(np.int64))
                differ += int((self.slates(kind, t) != shown).any(1).sum())
                count += len(shown)
                s = torch.exp(self.utilities(shown)).sum(1)
                worst = max(worst, float((s / (1 + s) - tensor(log["probabilities"][t])).abs().max()))
                self.move(shown, torch.from_numpy(log["choices"][t].astype(np.int64)))
        return {"probability": worst, "slates": differ / count}


class Learner:
    """CDQN with a target network, double Q-learning and a ring of episodes, by autograd."""

    def __init__(self, peer, episodes, T, users):
        self.peer, self.T, self.size = peer, T, (episodes, users)
        self.states = torch.zeros(episodes, T + 1, users, H)
        self.shown = torch.zeros(episodes, T, users, peer.k, dtype=torch.int64)
        self.clicks = torch.full((episodes, T, users), -1)
        self.steps, self.page = 0, 0
        self.q = {name: value.clone().requires_grad_() for name, value in peer.q.items()}
        self.older = {name: value.clone() for name, value in peer.q.items()}
        self.adam = torch.optim.Adam(list(self.q.values()), lr=peer.settings["learningRate"], fused=True)

    def values(self, q, x, slates):
        """Returns [B, k] Q-values of slates, one per position."""
        L, k = self.peer.units, self.peer.k
        z = torch.relu(x @ q["trunk/kernel"] + q["trunk/bias"])
        base = (z @ q["state/kernel"] + q["state/bias"]).split(L, 1)
        parts = [self.peer.features[slates[:, m]] @ q[f"item{m + 1}/kernel"] for m in range(k)]
        sums = [base[j] + sum(parts[m][:, (j - m) * L : (j - m + 1) * L] for m in range(j + 1)) for j in range(k)]
        out = (torch.relu(torch.cat(sums, 1)) * q["output/kernel"]).view(len(x), k, L).sum(2)
        return out + z @ q["value/kernel"] + q["value/bias"]

    def loss(self, e, t, u):
        """Returns losses and Q-values of replayed pages. @param e, t, u episode, page and user of each"""
        peer, T = self.peer, self.T
        time = torch.stack([t, t + 1]).float().unsqueeze(2) / T
        before = torch.cat([self.states[e, t, u], time[0]], 1)
        after = torch.cat([self.states[e, t + 1, u], time[1]], 1)
        click = self.clicks[e, t, u]
        with torch.no_grad():
            past = self.clicks[e, :, u].masked_fill(torch.arange(T) > t.unsqueeze(1), -1)
            mask = torch.zeros(len(e), peer.items + 1, dtype=torch.bool)
            mask.scatter_(1, torch.where(past < 0, peer.items, past), True)
            best = peer.cascade(after, mask[:, : peer.items])
            later = self.values(self.older, after, best)[:, -1]
            wanted = (click >= 0).float() + torch.where(t + 1 < T, later, 0.0)
        q = self.values(self.q, before, self.shown[e, t, u])
        return (q - wanted.unsqueeze(1)).square().sum(1), q[:, -1]

    def play(self, count):
        peer = self.peer
        for _ in range(count):
            t = self.page % self.T
            if t == 0:
                peer.reset()
            # In the first episode all slates are random, and nothing is learned.
            explore = torch.rand(peer.users) < (1 if self.page < self.T else peer.settings["epsilonEnd"])
            self.remember(t, torch.where(explore.unsqueeze(1), peer.random_slates(), peer.slates("cdqn", t)))
            if self.page > self.T:
                self.learn(peer.settings["rows"])

    def remember(self, t, slates):
        """Simulates a page for all users, and stores it in the replay buffer."""
        peer, place = self.peer, self.page // self.T % self.size[0]
        self.states[place, t] = peer.h
        slot = peer.page(slates)
        self.shown[place, t] = slates
        item = slates.gather(1, slot.clamp(min=0).unsqueeze(1)).squeeze(1)
        self.clicks[place, t] = torch.where(slot >= 0, item, -1)
        self.states[place, t + 1] = peer.h
        self.page += 1

    def learn(self, rows):
        """Runs an optimiser step on replayed pages of earlier episodes and of the current one."""
        T, (episodes, users) = self.T, self.size
        count = min(self.page, (episodes - 1) * T + (self.page - 1) % T + 1)
        page = self.page - 1 - torch.randint(count, (rows,))
        e, t = page // T % episodes, page % T
        u = torch.randint(users, (rows,))
        loss = self.loss(e, t, u)[0].mean()
        self.adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(self.q.values()), self.peer.settings["clip"])
        self.adam.step()
        self.steps += 1
        with torch.no_grad():
            for name, value in self.q.items():
                self.peer.q[name].copy_(value)
                if self.steps % self.peer.settings["targetEvery"] == 0:
                    self.older[name].copy_(value)
        self.peer.make_tables()

    def drawn(self, replay):
        """Returns mean loss and Q-value (initial weights) of the pages that clickgan's first step samples."""
        self.states.copy_(tensor(replay["states"]))
        self.shown.copy_(torch.from_numpy(replay["shown"].astype(np.int64)))
        items = replay["items"].astype(np.int64)
        self.clicks.copy_(torch.from_numpy(np.where(items >= self.peer.items, -1, items)))
        loss, q = self.loss(*torch.from_numpy(replay["drawn"].astype(np.int64)).unbind(1))
        return {"loss": float(loss.mean()), "q": float(q.mean())}


def main():
    settings, tensors = read_job(sys.argv[1])
    logs = part_of(tensors, "check/")
    peer = Users(settings, tensors, len(logs["cdqn/slates"][0]))
    differences = peer.compared(logs)
    replay = part_of(tensors, "replay/")
    if replay:
        for name, value in Learner(peer, *replay["items"].shape).drawn(replay).items():
            differences[name] = abs(value - settings[name]) / max(1, abs(settings[name]))
    say(ready=json.dumps({name: finite(value) for name, value in differences.items()}))
    serve(lambda count, kind, users: peer.play(int(count), kind, int(users)))


if __name__ == "__main__":
    run(main)
