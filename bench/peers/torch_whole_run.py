"""A whole training by PyTorch, as `deno task train` does it: torch_whole_run.py FILE THREADS. Reads a log in the paper's
layout, takes 2,000 steps on 50 users each with a validation before the first and after every tenth, keeps the weights
that were best on the validation users by loss, prec@1 and prec@2, and prints their figures on the test users."""

import math
import sys

import numpy as np
import torch

from torch_peer import BestLstm, FusedAdam, choice_loss

STEPS, BATCH, EVERY = 2000, 50, 10
RATE, UNITS, DIMS = 5e-4, 20, (64, 64)


class Log:
    """The users of a file with their events and rows, as flat arrays."""

    def __init__(self, path):
        with open(path) as file:
            names = file.readline().rstrip("\n").split("\t")
        columns = ["session_new_index", "Time", "item_new_index", "is_click", "tr_val_tst"]
        places = [names.index(name) for name in columns]
        table = np.loadtxt(path, dtype=np.int64, delimiter="\t", skiprows=1, usecols=places)
        # Equal rows are one, clicked if one of them is; sorted by user, time, item.
        keys, inverse = np.unique(table[:, :3], axis=0, return_inverse=True)
        inverse = inverse.reshape(-1)
        click = np.zeros(len(keys), np.int64)
        np.maximum.at(click, inverse, table[:, 3])
        split = np.zeros(len(keys), np.int64)
        split[inverse] = table[:, 4]
        starts = np.r_[True, (keys[1:, :2] != keys[:-1, :2]).any(1)]
        self.item = keys[:, 2]
        self.items = int(self.item.max()) + 1
        self.row_first = np.flatnonzero(starts)
        self.row_count = np.diff(np.r_[self.row_first, len(keys)])
        event = np.cumsum(starts) - 1
        user = np.unique(keys[self.row_first, 0], return_inverse=True)[1].reshape(-1)
        users = int(user.max()) + 1
        self.event_first = np.searchsorted(user, np.arange(users))
        self.event_count = np.diff(np.r_[self.event_first, len(user)])
        self.split = split[self.row_first][self.event_first]
        # [events] the clicked row, -1 for none; clicks of the user before; and her clicks in order, -1 behind the last.
        self.clicked = np.full(len(user), -1)
        rows = np.flatnonzero(click)
        self.clicked[event[rows]] = rows
        has = (self.clicked >= 0).astype(np.int64)
        total = np.cumsum(has) - has
        self.before = total - total[self.event_first][user]
        last = np.r_[user[1:] != user[:-1], True]
        feeds = np.flatnonzero(has & ~last)
        self.fed = np.full((users, max(1, int(self.before.max()))), -1)
        self.fed[user[feeds], self.before[feeds]] = self.item[self.clicked[feeds]]
        self.fed_count = (self.fed >= 0).sum(1)


def ranges(first, count):
    """The numbers first .. first + count of every pair, one after another."""
    ends = np.cumsum(count)
    return np.arange(ends[-1]) - np.repeat(ends - count - first, count)


class LogBatch:
    """What torch_peer's models take of a batch."""

    def __init__(self, log, users):
        events = ranges(log.event_first[users], log.event_count[users])
        place = np.repeat(np.arange(len(users)), log.event_count[users])
        counts = log.row_count[events]
        rows = ranges(log.row_first[events], counts)
        first = np.cumsum(counts) - counts
        self.users, self.events, self.rows, self.page = len(users), len(events), len(rows), None
        self.row_event = torch.from_numpy(np.repeat(np.arange(len(events)), counts))
        self.row_slot = torch.from_numpy(log.item[rows])
        length = int(log.fed_count[users].max())
        self.fed_item = torch.from_numpy(np.maximum(log.fed[users, :length].T, 0))
        self.event_state = torch.from_numpy(log.before[events] * len(users) + place)
        clicked = log.clicked[events]
        self.clicked_events = torch.from_numpy(np.flatnonzero(clicked >= 0))
        self.clicked_rows = torch.from_numpy((first + clicked - log.row_first[events])[clicked >= 0])
        columns = np.arange(counts.max())
        self.page_rows = torch.from_numpy(np.where(columns < counts[:, None], first[:, None] + columns, len(rows)))
        self.slot_item = None


class Model(BestLstm):
    def items(self, batch):
        # The rows look the whole table up: a batch's distinct items would have to be found first.
        return self.item_kernel


def initial_weights(items):
    def glorot(rows, columns):
        limit = math.sqrt(6 / (items + UNITS + columns))
        return torch.empty(rows, columns).uniform_(-limit, limit)

    def normal(rows, columns):
        return torch.nn.init.trunc_normal_(torch.empty(rows, columns), 0, 0.1, -0.2, 0.2)

    return {
        "encoder/lstm/input_kernel": glorot(items, 4 * UNITS),
        "encoder/lstm/recurrent_kernel": glorot(UNITS, 4 * UNITS),
        "encoder/lstm/bias": torch.zeros(1, 4 * UNITS),
        "utility/layer1/state_kernel": normal(UNITS, DIMS[0]),
        "utility/layer1/item_kernel": normal(items, DIMS[0]),
        "utility/layer1/bias": torch.zeros(1, DIMS[0]),
        "utility/layer2/kernel": normal(*DIMS),
        "utility/layer2/bias": torch.zeros(1, DIMS[1]),
        "utility/output/kernel": normal(1, DIMS[1]),
        "utility/output/bias": torch.zeros(1, 1),
    }


@torch.no_grad()
def figures(model, batch):
    """Loss, prec@1, prec@2; ties count in expectation."""
    u = model.output(batch)
    pages = torch.cat([u, u.new_full((1,), -math.inf)])[batch.page_rows[batch.clicked_events]]
    own = u[batch.clicked_rows].unsqueeze(1)
    above = (pages > own).sum(1)
    equal = (pages == own).sum(1)
    precision = [((k - above) / equal).clamp(0, 1).mean().item() for k in (1, 2)]
    return [choice_loss(u, batch).item(), *precision]


def main():
    path, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    random = np.random.default_rng(1)
    log = Log(path)
    train, validation, test = (np.flatnonzero(log.split == part) for part in range(3))
    validation, test = LogBatch(log, validation), LogBatch(log, test)
    model = Model(initial_weights(log.items), True)
    adam = FusedAdam(model.parameters, RATE)
    best = {name: (math.inf, 0, []) for name in ("loss", "prec1", "prec2")}

    def validate(step):
        loss, prec1, prec2 = figures(model, validation)
        for name, value in (("loss", loss), ("prec1", -prec1), ("prec2", -prec2)):
            if value < best[name][0]:
                best[name] = (value, step, [parameter.detach().clone() for parameter in model.parameters])

    losses = []
    validate(0)
    for step in range(1, STEPS + 1):
        batch = LogBatch(log, random.choice(train, BATCH, replace=False))
        loss = choice_loss(model.output(batch), batch)
        adam.step(loss)
        losses.append(loss.item())
        if step % EVERY == 0:
            validate(step)
    for name, (_, step, weights) in best.items():
        with torch.no_grad():
            for parameter, value in zip(model.parameters, weights):
                parameter.copy_(value)
        loss, prec1, prec2 = figures(model, test)
        print(f"best-{name}  iteration {step}  loss {loss:.4f}  prec@1 {prec1:.4f}  prec@2 {prec2:.4f}")


if __name__ == "__main__":
    main()
