"""A batch of users in PyTorch: as one first writes it, and tuned. See simulate_peer.py."""

import time

import numpy as np
import torch
import torch.nn.functional as F

from openblas import made_of
from protocol import part_of

# What a large temporary may take, in floats.
MOST = 2**26

H = 20
# Items whose hidden units are there at once, tuned.
ITEMS = 4096


def tensor(array):
    return torch.from_numpy(np.array(array, np.float32))


class Plain:
    """Everything that does not ask for thought. What is slow in it is what one finds in batch simulators."""

    def __init__(self, settings, tensors, users):
        self.settings = settings
        self.w = {n: tensor(v) for n, v in part_of(tensors, "weights/").items()}
        self.q = {n: tensor(v) for n, v in part_of(tensors, "policy/").items()}
        self.k, self.pages, self.units = settings["slate"], settings["pages"], settings["units"]
        self.features = tensor(tensors["features"])
        self.items = len(self.features)
        w = self.w
        self.layer1 = torch.cat([w["utility/layer1/state_kernel"], w["utility/layer1/item_kernel"]])
        self.lstm = torch.cat([w["encoder/lstm/input_kernel"], w["encoder/lstm/recurrent_kernel"]])
        self.learner = None
        self.cores = torch.get_num_threads()
        self.note = f"{made_of(torch)}, {self.cores} thread(s)"
        self.make_tables()
        self.take(users)

    def take(self, users):
        self.users = users
        self.rows = torch.arange(users)
        self.reset()

    def reset(self):
        self.h = torch.zeros(self.users, H)
        self.c = torch.zeros(self.users, H)
        self.clicked = torch.zeros(self.users, self.items, dtype=torch.bool)

    def make_tables(self):
        with torch.no_grad():
            self.tables = [self.features @ self.q[f"item{m + 1}/kernel"] for m in range(self.k)]
            self.own = [table[:, : self.units].contiguous() for table in self.tables]

    # ---- The model

    def above(self, x):
        w = self.w
        x = F.elu(x @ w["utility/layer2/kernel"] + w["utility/layer2/bias"])
        return x @ w["utility/output/kernel"].view(-1) + w["utility/output/bias"].view(())

    def utilities(self, slates):
        state = self.h.unsqueeze(1).expand(-1, self.k, -1)
        x = torch.cat([state, self.features[slates]], 2)
        return self.above(F.elu(x @ self.layer1 + self.w["utility/layer1/bias"]))

    def catalogue(self):
        """Slates of the highest utilities of all items."""
        chunk = max(1, MOST // (self.items * 64))
        slates = []
        for first in range(0, self.users, chunk):
            h = self.h[first : first + chunk].unsqueeze(1).expand(-1, self.items, -1)
            x = torch.cat([h, self.features.expand(len(h), -1, -1)], 2)
            u = self.above(F.elu(x @ self.layer1 + self.w["utility/layer1/bias"]))
            u = u.masked_fill(self.clicked[first : first + chunk], -torch.inf)
            slates.append(u.topk(self.k, 1).indices)
        return torch.cat(slates)

    def move(self, items, click):
        x = torch.cat([self.features[items], self.h], 1)
        i, j, f, o = (x @ self.lstm + self.w["encoder/lstm/bias"]).chunk(4, 1)
        c = torch.sigmoid(f + 1) * self.c + torch.sigmoid(i) * torch.tanh(j)
        h = torch.sigmoid(o) * torch.tanh(c)
        self.h = torch.where(click.unsqueeze(1), h, self.h)
        self.c = torch.where(click.unsqueeze(1), c, self.c)

    # ---- Slates

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
        """The item of the highest score for each row."""
        own, q = self.own[j], self.q["output/kernel"][0, j * self.units : (j + 1) * self.units]
        chunk = max(1, MOST // own.numel())
        items = []
        for first in range(0, len(base), chunk):
            scores = torch.relu(base[first : first + chunk, None] + own[None]) @ q
            items.append(scores.masked_fill(mask[first : first + chunk], -torch.inf).argmax(1))
        return torch.cat(items)

    def cascade(self, x, mask):
        """CDQN's slates. @param mask is changed"""
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

    def inputs(self, t):
        return torch.cat([self.h, torch.full((self.users, 1), t / self.pages)], 1)

    @torch.no_grad()
    def choose_slates(self, kind, t):
        if kind == "random":
            return self.random_slates()
        if kind == "greedy":
            return self.catalogue()
        return self.cascade(self.inputs(t), self.clicked.clone())

    @torch.no_grad()
    def page(self, slates):
        """Users click, and move on. Returns the slot of each, -1 for none."""
        v = torch.exp(self.utilities(slates))
        ends = torch.cumsum(F.pad(v, (1, 0), value=1.0), 1)
        draw = torch.rand(self.users, 1) * ends[:, -1:]
        slot = ((draw >= ends).sum(1) - 1).clamp_(max=self.k - 1)
        click = slot >= 0
        item = slates.gather(1, slot.clamp(min=0).unsqueeze(1)).squeeze(1)
        self.move(item, click)
        self.clicked[self.rows[click], item[click]] = True
        return slot

    def play(self, count, kind):
        users = self.settings["users"]["cdqn" if kind == "return" else kind]
        if self.users != users:
            self.take(users)
        if kind == "learn":
            self.learner = self.learner or Learner(self)
            return self.learner.play(count)
        clicks = 0.0
        for n in range(count):
            t = n % self.pages
            if t == 0:
                self.reset()
            slot = self.page(self.choose_slates(kind, t))
            clicks += (slot >= 0).float().mean()
        return float(clicks)

    # ---- What the check asks for

    def slates(self, kind, t):
        return self.choose_slates(kind, t).numpy()

    @torch.no_grad()
    def chances(self, shown):
        s = torch.exp(self.utilities(torch.from_numpy(shown))).sum(1)
        return (s / (1 + s)).numpy()

    @torch.no_grad()
    def follow(self, shown, choices):
        slot = torch.from_numpy(choices)
        click = slot < self.k
        item = torch.from_numpy(shown).gather(1, slot.clamp(max=self.k - 1).unsqueeze(1)).squeeze(1)
        self.move(item, click)
        self.clicked[self.rows[click], item[click]] = True

    def lesson_of(self, replay):
        """Loss and value of clickgan's drawn pages by the first weights: means."""
        return Learner(self).drawn(replay)

    def optimiser(self, parameters):
        return torch.optim.Adam(parameters, lr=self.settings["learningRate"])


class Learner:
    """CDQN with older weights, double Q-learning and a ring of episodes, by autograd."""

    def __init__(self, peer):
        self.peer = peer
        self.q = {name: value.clone().requires_grad_() for name, value in peer.q.items()}
        self.older = {name: value.clone() for name, value in peer.q.items()}
        self.adam = peer.optimiser(list(self.q.values()))
        self.steps, self.page, self.size = 0, 0, None

    def start(self, users, episodes):
        T, k = self.peer.pages, self.peer.k
        self.size = (episodes, users)
        self.states = torch.zeros(episodes, T + 1, users, H)
        self.shown = torch.zeros(episodes, T, users, k, dtype=torch.int64)
        self.clicks = torch.full((episodes, T, users), -1)

    def values(self, q, x, slates):
        """[B, k] Q^j of slates."""
        L, k = self.peer.units, self.peer.k
        z = torch.relu(x @ q["trunk/kernel"] + q["trunk/bias"])
        base = (z @ q["state/kernel"] + q["state/bias"]).split(L, 1)
        parts = [self.peer.features[slates[:, m]] @ q[f"item{m + 1}/kernel"] for m in range(k)]
        hidden = [
            torch.relu(base[j] + sum(parts[m][:, (j - m) * L : (j - m + 1) * L] for m in range(j + 1)))
            for j in range(k)
        ]
        out = (torch.cat(hidden, 1) * q["output/kernel"]).view(len(x), k, L).sum(2)
        return out + z @ q["value/kernel"] + q["value/bias"]

    def loss(self, e, t, u):
        """Of remembered pages: episode, page and user of each."""
        peer, T = self.peer, self.peer.pages
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
        peer, T = self.peer, self.peer.pages
        if self.size is None:
            self.start(peer.users, -(-peer.settings["replay"] // (peer.users * T)) + 1)
            # Of the first episode nothing is learned.
            for t in range(T):
                self.remember(t, peer.random_slates())
        value = 0.0
        for _ in range(count):
            t = self.page % T
            slates = peer.choose_slates("cdqn", t)
            explore = torch.rand(peer.users) < peer.settings["epsilon"]
            slates = torch.where(explore.unsqueeze(1), peer.random_slates(), slates)
            self.remember(t, slates)
            value = self.learn(peer.settings["rows"])
        return float(value)

    def remember(self, t, slates):
        """A page of all users."""
        peer, place = self.peer, self.page // self.peer.pages % self.size[0]
        if t == 0:
            peer.reset()
        self.states[place, t] = peer.h
        slot = peer.page(slates)
        self.shown[place, t] = slates
        item = slates.gather(1, slot.clamp(min=0).unsqueeze(1)).squeeze(1)
        self.clicks[place, t] = torch.where(slot >= 0, item, -1)
        self.states[place, t + 1] = peer.h
        self.page += 1

    def learn(self, rows):
        """A step of the optimiser on remembered pages: of whole episodes, and those of this one so far."""
        T, (episodes, users) = self.peer.pages, self.size
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
        return loss.detach()

    def drawn(self, replay):
        """The pages that clickgan's first step draws of its two episodes."""
        episodes, T, users = replay["items"].shape
        kept = self.peer.pages
        self.peer.pages = T
        self.start(users, episodes)
        self.states.copy_(tensor(replay["states"]))
        self.shown.copy_(torch.from_numpy(replay["shown"].astype(np.int64)))
        items = replay["items"].astype(np.int64)
        self.clicks.copy_(torch.from_numpy(np.where(items >= self.peer.items, -1, items)))
        loss, q = self.loss(*torch.from_numpy(replay["drawn"].astype(np.int64)).unbind(1))
        self.peer.pages = kept
        return {"loss": float(loss.mean()), "q": float(q.mean())}


class Tuned(Plain):
    """The same figures from fewer and smaller passes over memory."""

    def __init__(self, settings, tensors, users):
        super().__init__(settings, tensors, users)
        w = self.w
        self.gates = self.features @ w["encoder/lstm/input_kernel"] + w["encoder/lstm/bias"]
        self.gates[:, 2 * H : 3 * H] += 1
        self.first = self.features @ w["utility/layer1/item_kernel"] + w["utility/layer1/bias"]
        self.buffers = {}
        self.threads = {}
        self.chunk = max(1, 2**20 // (64 * self.items))
        self.tile = ("rows", 1)

    def take(self, users):
        super().take(users)
        self.buffers = {}

    def buffer(self, name, *shape):
        """The same memory each time."""
        held = self.buffers.get(name)
        if held is None or held.shape != shape:
            held = self.buffers[name] = torch.empty(shape)
        return held

    def reset(self):
        if getattr(self, "h", None) is None or len(self.h) != self.users:
            return super().reset()
        self.h.zero_()
        self.c.zero_()
        self.clicked.zero_()

    def make_tables(self):
        super().make_tables()
        self.columns = [own.t().contiguous() for own in self.own]

    def above_of(self, x):
        """@param x [rows, 64] activated; is overwritten"""
        w = self.w
        y = torch.addmm(w["utility/layer2/bias"], x, w["utility/layer2/kernel"], out=self.buffer("layer2", *x.shape))
        F.elu_(y)
        return y.mv(w["utility/output/kernel"].view(-1)).add_(w["utility/output/bias"].view(()))

    def utilities(self, slates):
        state = self.h @ self.w["utility/layer1/state_kernel"]
        x = self.buffer("layer1", self.users * self.k, 64)
        torch.index_select(self.first, 0, slates.view(-1), out=x)
        x.view(self.users, self.k, 64).add_(state.unsqueeze(1))
        return self.above_of(F.elu_(x)).view(self.users, self.k)

    def catalogue(self, users=None):
        """@param users only so many of the first"""
        state = (self.h @ self.w["utility/layer1/state_kernel"])[:users]
        slates = torch.empty(len(state), self.k, dtype=torch.int64)
        for first in range(0, len(state), self.chunk):
            own = state[first : first + self.chunk]
            x = self.buffer(f"all {len(own)}", len(own), self.items, 64)
            torch.add(own.unsqueeze(1), self.first, out=x)
            u = self.above_of(F.elu_(x.view(-1, 64))).view(len(own), self.items)
            u.masked_fill_(self.clicked[first : first + len(own)], -torch.inf)
            slates[first : first + len(own)] = u.topk(self.k, 1).indices
        return slates

    def move(self, items, click):
        rows = click.nonzero().squeeze(1)
        z = torch.addmm(self.gates[items[rows]], self.h[rows], self.w["encoder/lstm/recurrent_kernel"])
        z[:, :H].sigmoid_()
        z[:, H : 2 * H].tanh_()
        z[:, 2 * H :].sigmoid_()
        c = self.c[rows].mul_(z[:, 2 * H : 3 * H]).addcmul_(z[:, :H], z[:, H : 2 * H])
        self.c[rows] = c
        self.h[rows] = c.tanh_().mul_(z[:, 3 * H :])

    def choose_slates(self, kind, t):
        if kind != "cdqn":
            return super().choose_slates(kind, t)
        with torch.no_grad():
            # Bits of the slate are taken back: no copy of the mask.
            slates = self.cascade(self.inputs(t), self.clicked)
            self.clicked.scatter_(1, slates, False)
            return slates

    def best(self, base, j, mask):
        form, rows = self.tile
        q = self.q["output/kernel"][0, j * self.units : (j + 1) * self.units]
        weights = q.tolist()
        result = torch.empty(len(base), dtype=torch.int64)
        for first in range(0, len(base), rows):
            own = base[first : first + rows]
            scores = self.buffer(f"scores {len(own)}", len(own), self.items)
            if form == "rows":
                self.by_rows(own, j, q, scores)
            else:
                self.by_columns(own, j, weights, scores)
            scores.masked_fill_(mask[first : first + rows], -torch.inf)
            torch.argmax(scores, 1, out=result[first : first + rows])
        return result

    def by_rows(self, own, j, q, scores):
        """Hidden units of some items, and their product with q."""
        for at in range(0, self.items, ITEMS):
            table = self.own[j][at : at + ITEMS]
            x = self.buffer(f"hidden {len(own)} {len(table)}", len(own), len(table), self.units)
            torch.add(own.unsqueeze(1), table, out=x).relu_()
            scores[:, at : at + ITEMS] = x.view(-1, self.units).mv(q).view(len(own), len(table))

    def by_columns(self, own, j, weights, scores):
        """Unit by unit, all items at once."""
        scores.zero_()
        x = self.buffer(f"unit {len(own)}", len(own), self.items)
        for n, weight in enumerate(weights):
            torch.add(own[:, n : n + 1], self.columns[j][n], out=x).relu_()
            scores.add_(x, alpha=weight)

    def optimiser(self, parameters):
        return torch.optim.Adam(parameters, lr=self.settings["learningRate"], fused=True)

    # ---- Trials

    def play(self, count, kind):
        own = "cdqn" if kind == "return" else kind
        if own not in self.threads:
            self.tune(own)
        torch.set_num_threads(self.threads[own])
        return super().play(count, kind)

    def tune(self, kind):
        """Threads, and the size of what is done at once, by the time that a page takes."""
        tiles = [(form, rows) for form in ("rows", "columns") for rows in (1, 4, 16, 64)]
        chunks = sorted({max(1, n // (64 * self.items)) for n in (2**18, 2**20, 2**22)})
        choices = {
            "cdqn": [{"tile": tile} for tile in tiles],
            "learn": [{"tile": tile} for tile in tiles],
            "greedy": [{"chunk": chunk} for chunk in chunks],
        }.get(kind, [{}])
        found = []
        with torch.no_grad():
            rows = max(8, min(64, 2**18 // self.items))
            base, mask = torch.randn(rows, self.units), torch.zeros(rows, self.items, dtype=torch.bool)
        for threads in sorted({1, self.cores}):
            torch.set_num_threads(threads)
            for choice in choices:
                for name, value in choice.items():
                    setattr(self, name, value)

                def trial():
                    if "tile" in choice:
                        return self.best(base, 0, mask)
                    if "chunk" in choice:
                        with torch.no_grad():
                            return self.catalogue(8)
                    return Plain.play(self, 1, kind)

                trial()
                began = time.perf_counter()
                trial()
                trial()
                found.append((time.perf_counter() - began, threads, choice))
        _, threads, choice = min(found, key=lambda one: one[0])
        for name, value in choice.items():
            setattr(self, name, value)
        self.threads[kind] = threads
