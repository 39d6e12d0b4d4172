"""Process of the PyTorch peers. Usage: torch_peer.py released|best THREADS cpu|cuda eager|compile|graphs JOB
See peer.ts for its messages, and torch_device.py for the device and for eager, compile and graphs.

released  like the paper's code: state and item are concatenated for every displayed row, one-hot features are
          dense vectors, and the LSTM is a loop over a cell with one kernel for [x, h].
best      optimised: the first layer in two parts, the library's LSTM, in-place ELU.
"""

import itertools
import math
import sys

import numpy as np
import torch
import torch.nn.functional as F

from openblas import made_of
from protocol import Cannot, part_of, read_job, run, say, serve
from torch_device import BETA1, BETA2, EPSILON, Adam, DeviceAdam, card_text, device, placed, started, use

NONE = 0xFFFFFFFF
GENERATOR = "generator/"
# Maximum bytes of a batch's inputs.
MOST_BYTES = 4e9
# Up to this number of clicks, a loop over the library's LSTM cell is faster than its whole LSTM.
SHORT = 4


def float_tensor(array):
    return placed(torch.from_numpy(np.array(array, np.float32)))


def index_tensor(array):
    return placed(torch.from_numpy(array.astype(np.int64)))


class Batch:
    """Index arrays of a batch, and arrays derived from them, which are built before timing."""

    def __init__(self, arrays, settings, features):
        lengths = np.diff(arrays["eventFirst"].astype(np.int64))
        self.events = len(lengths)
        self.rows = len(arrays["rowItem"])
        self.page = int(lengths[0]) if (lengths == lengths[0]).all() else None
        self.users = settings["users"]
        self.row_event = index_tensor(arrays["rowEvent"])
        self.row_item = index_tensor(arrays["rowItem"])
        self.row_slot = index_tensor(arrays["rowSlot"])
        self.slot_item = index_tensor(arrays["slotItem"])
        fed = arrays["fedItem"]
        # After a user's last click any item may be used, because no event reads the resulting states.
        self.fed_item = index_tensor(np.where(fed == NONE, 0, fed)).view(-1, self.users)
        self.event_state = index_tensor(arrays["eventState"])
        click = arrays["eventClick"]
        clicked = np.flatnonzero(click != NONE)
        self.clicked_rows = index_tensor(click[clicked])
        self.clicked_events = index_tensor(clicked)
        # Row at each position of pages that are padded to one length by row R, which is minus infinity.
        longest = int(lengths.max())
        place = np.arange(longest)
        first = arrays["eventFirst"][:-1].astype(np.int64)
        padded = np.where(place < lengths[:, None], first[:, None] + place, self.rows)
        self.page_rows = index_tensor(padded)
        # -1 if there are fewer clicks.
        self.window = index_tensor(arrays["window"].astype(np.int32)).view(self.events, -1)
        if features is not None:
            self.slot_features = features.index_select(0, self.slot_item)
            self.fed_features = features[self.fed_item]
            self.window_features = features[self.window.clamp(min=0)] * (self.window >= 0).unsqueeze(-1)


def by_page(values, batch, absent):
    """Returns the rows' values as [events, K]."""
    if batch.page is not None:
        return values.view(batch.events, batch.page)
    return torch.cat([values, values.new_full((1,), absent)])[batch.page_rows]


def log_partition(u, batch):
    """Returns [events] log(1 + sum exp u) over each page."""
    return torch.logsumexp(F.pad(by_page(u, batch, -math.inf), (1, 0)), 1)


def choice_loss(u, batch):
    return (log_partition(u, batch).sum() - u[batch.clicked_rows].sum()) / batch.events


class FirstLayer(torch.autograd.Function):
    """ELU(item part of the row's item + state part of its event), with one gather per row, else in place."""

    @staticmethod
    def forward(ctx, item, state, batch):
        hidden = item.index_select(0, batch.row_slot)
        if batch.page is not None:
            hidden.view(batch.events, batch.page, -1).add_(state.unsqueeze(1))
        else:
            hidden.add_(state.index_select(0, batch.row_event))
        F.elu_(hidden)
        ctx.batch = batch
        ctx.items = len(item)
        ctx.save_for_backward(hidden)
        return hidden

    @staticmethod
    def backward(ctx, gradient):
        (hidden,) = ctx.saved_tensors
        batch = ctx.batch
        dz = torch.ops.aten.elu_backward(gradient, 1.0, 1.0, 1.0, True, hidden)
        columns = dz.shape[1]
        item = dz.new_zeros(ctx.items, columns).index_add_(0, batch.row_slot, dz)
        if batch.page is not None:
            state = dz.view(batch.events, batch.page, columns).sum(1)
        else:
            state = dz.new_zeros(batch.events, columns).index_add_(0, batch.row_event, dz)
        return item, state, None


class Network:
    """A utility model, or the generator, with leaf tensors as parameters, which Adam updates."""

    # True if torch.compile fuses the operations, so that they are not fused by hand.
    compiled = False

    def __init__(self, weights):
        self.weights = {name: float_tensor(value) for name, value in weights.items()}
        self.layers = 1 + sum(name.startswith("utility/layer") and name.endswith("/kernel") for name in weights)
        self.parameters = []

    def parameter(self, value):
        leaf = value.contiguous().clone().requires_grad_(True)
        self.parameters.append(leaf)
        return leaf

    def take(self, name):
        return self.parameter(self.weights.pop(name))

    def of_items(self, items):
        """Returns the items' features, as dense vectors. Only for networks that keep features and items."""
        if self.features is not None:
            return self.features[items]
        return F.one_hot(items, self.items).float()

    def first_layer(self, item, state, batch):
        """Returns [rows, N] ELU(item part of the row's item + state part of its event)."""
        if not self.compiled:
            return FirstLayer.apply(item, state, batch)
        return F.elu(item.index_select(0, batch.row_slot) + state.index_select(0, batch.row_event))

    def dense_output(self, state, batch):
        """Returns the output if state and item are concatenated for every row. @param state [events, H]"""
        inputs = torch.cat([state.index_select(0, batch.row_event), self.of_items(batch.row_item)], 1)
        return above(F.elu(torch.addmm(self.bias, inputs, self.first)), *self.upper)

    def upper_layers(self):
        """Returns kernels and biases above the first layer, and those of the scalar output."""
        layers = [
            (self.take(f"utility/layer{k}/kernel"), self.take(f"utility/layer{k}/bias").view(-1))
            for k in range(2, self.layers + 1)
        ]
        return layers, self.take("utility/output/kernel"), self.take("utility/output/bias")


def above(hidden, layers, kernel, bias):
    """Returns [rows] outputs, from the first layer's activations."""
    for weights, shift in layers:
        hidden = F.elu_(torch.addmm(shift, hidden, weights))
    return torch.mv(hidden, kernel.view(-1)) + bias.view(())


def gates_of_torch(kernel, units):
    """Returns columns i, g, f, o as rows, in PyTorch's order i, f, g, o."""
    i, g, f, o = kernel.split(units, 1)
    return torch.cat([i, f, g, o], 1).t()


class BestLstm(Network):
    def __init__(self, weights, one_hot):
        super().__init__(weights)
        self.one_hot = one_hot
        units = self.weights["encoder/lstm/recurrent_kernel"].shape[0]
        self.units = units
        bias = gates_of_torch(self.weights.pop("encoder/lstm/bias"), units).reshape(-1)
        bias[units : 2 * units] += 1  # TensorFlow's constant forget bias, added to the initial parameter
        input_kernel = gates_of_torch(self.weights.pop("encoder/lstm/input_kernel"), units)
        recurrent = gates_of_torch(self.weights.pop("encoder/lstm/recurrent_kernel"), units)
        width = 4 * units if one_hot else input_kernel.shape[1]
        self.lstm = torch.nn.LSTM(width, units, device=device())
        with torch.no_grad():
            self.lstm.weight_hh_l0.copy_(recurrent)
            self.lstm.bias_ih_l0.copy_(bias)
            self.lstm.bias_hh_l0.zero_()
            self.lstm.weight_ih_l0.copy_(torch.eye(width) if one_hot else input_kernel)
        self.lstm.bias_hh_l0.requires_grad_(False)
        self.parameters += [self.lstm.weight_hh_l0, self.lstm.bias_ih_l0]
        if one_hot:
            # The product with a one-hot vector is a table's row, so the library's kernel is the identity.
            self.lstm.weight_ih_l0.requires_grad_(False)
            self.table = self.parameter(input_kernel.t())
        else:
            self.parameters.append(self.lstm.weight_ih_l0)
        self.state_kernel = self.take("utility/layer1/state_kernel")
        self.item_kernel = self.take("utility/layer1/item_kernel")
        self.bias = self.take("utility/layer1/bias").view(-1)
        self.upper = self.upper_layers()

    def states(self, batch):
        """Returns [events, H] LSTM states."""
        inputs = F.embedding(batch.fed_item, self.table) if self.one_hot else batch.fed_features
        zero = inputs.new_zeros(batch.users, self.units)
        if len(inputs) <= SHORT:
            h = c = zero
            states = [h]
            for x in inputs:
                h, c = torch.lstm_cell(x, (h, c), *self.lstm.all_weights[0])
                states.append(h)
            states = torch.stack(states)
        else:
            states = torch.cat([zero.unsqueeze(0), self.lstm(inputs)[0]])
        return states.view(-1, self.units).index_select(0, batch.event_state)

    def output(self, batch):
        state = torch.addmm(self.bias, self.states(batch), self.state_kernel)
        return above(self.first_layer(self.items(batch), state, batch), *self.upper)

    def items(self, batch):
        """Returns [D, N] the items' part of the first layer."""
        if self.one_hot:
            return F.embedding(batch.slot_item, self.item_kernel)
        return batch.slot_features @ self.item_kernel


class ReleasedLstm(Network):
    def __init__(self, weights, features, settings):
        super().__init__(weights)
        self.features = features
        self.items = settings["items"]
        self.units = self.weights["encoder/lstm/recurrent_kernel"].shape[0]
        kernel = torch.cat([self.weights.pop(f"encoder/lstm/{part}_kernel") for part in ("input", "recurrent")])
        self.kernel = self.parameter(kernel)
        self.lstm_bias = self.parameter(self.weights.pop("encoder/lstm/bias").view(-1))
        first = torch.cat([self.weights.pop(f"utility/layer1/{part}_kernel") for part in ("state", "item")])
        self.first = self.parameter(first)
        self.bias = self.take("utility/layer1/bias").view(-1)
        self.upper = self.upper_layers()

    def states(self, batch):
        inputs = self.of_items(batch.fed_item)
        h = c = inputs.new_zeros(batch.users, self.units)
        states = [h]
        for x in inputs:
            gates = torch.addmm(self.lstm_bias, torch.cat([x, h], 1), self.kernel)
            i, g, f, o = gates.chunk(4, 1)
            c = torch.sigmoid(f + 1.0) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            states.append(h)
        return torch.cat(states).index_select(0, batch.event_state)

    def output(self, batch):
        return self.dense_output(self.states(batch), batch)


class Pw(Network):
    """Position weights without a nonlinearity: n weighted sums of the last m clicks are the state."""

    def __init__(self, weights, features, settings, best):
        super().__init__(weights)
        self.features = features
        self.items = settings["items"]
        self.best = best
        self.one_hot = features is None
        self.lags = self.take("encoder/pw/weights")
        kernel = self.weights.pop("utility/layer1/state_kernel")
        columns = self.weights["utility/layer1/bias"].shape[1]
        item = self.weights.pop("utility/layer1/item_kernel")
        if best:
            # For one-hot features the kernel is a table; a weighted sum of its rows is the state's part.
            self.state_kernel = self.parameter(kernel)
            self.item_kernel = self.parameter(item)
        else:
            self.first = self.parameter(torch.cat([kernel.reshape(-1, columns), item]))
        self.bias = self.take("utility/layer1/bias").view(-1)
        self.upper = self.upper_layers()

    def weightings(self, batch):
        """Returns [events, F, n] weighted sums of the last clicks' features; missing clicks count as zero."""
        events, lags = batch.events, len(self.lags)
        clicks = self.of_items(batch.window.clamp(min=0)) * (batch.window >= 0).unsqueeze(-1)
        return torch.bmm(clicks.view(events, lags, -1).transpose(1, 2), self.lags.expand(events, -1, -1))

    def output(self, batch):
        if not self.best:
            return self.dense_output(self.weightings(batch).flatten(1), batch)
        if self.one_hot:
            rows = F.embedding(batch.window.clamp(min=0), self.state_kernel)
            parts = rows.view(batch.events, len(self.lags), self.lags.shape[1], -1)
            weights = self.lags * (batch.window >= 0).unsqueeze(-1)
            state = torch.einsum("emn,emnk->ek", weights, parts) + self.bias
            item = F.embedding(batch.slot_item, self.item_kernel)
        else:
            state = torch.bmm(batch.window_features.transpose(1, 2), self.lags.expand(batch.events, -1, -1))
            state = torch.addmm(self.bias, state.flatten(1), self.state_kernel)
            item = batch.slot_features @ self.item_kernel
        return above(self.first_layer(item, state, batch), *self.upper)


class Pair:
    """Runs a generator step and a reward step on one batch. Only pages with a click count."""

    def __init__(self, reward, generator, settings, adam):
        self.reward, self.generator = reward, generator
        self.penalty = settings["utilityPenalty"]
        self.reward_adam = adam(reward.parameters, settings["learningRate"])
        self.generator_adam = adam(generator.parameters, settings["generatorLearningRate"])

    def state(self):
        return [*self.reward_adam.state(), *self.generator_adam.state()]

    def policy(self, batch):
        """Returns [clicked events, K] probabilities, which are zero at padded positions."""
        return torch.softmax(by_page(self.generator.output(batch), batch, -math.inf)[batch.clicked_events], 1)

    def step(self, batch):
        u = self.reward.output(batch)
        pages = by_page(u, batch, 0.0)[batch.clicked_events]
        policy = self.policy(batch)
        gain = (policy * (pages.detach() - policy / 2)).sum() / batch.events
        self.generator_adam.step(-gain)
        with torch.no_grad():
            policy = self.policy(batch)
        counted = len(batch.clicked_events)
        game = (policy * (pages - policy / 2)).sum() - u[batch.clicked_rows].sum()
        if batch.page is not None:
            spread = (pages - pages.mean(1, keepdim=True)).square().mean(1).sum()
        else:
            present = (batch.page_rows[batch.clicked_events] < batch.rows).float()
            items = present.sum(1, keepdim=True)
            means = pages.sum(1, keepdim=True) / items
            spread = (((pages - means) * present).square() / items).sum()
        self.reward_adam.step((game + self.penalty / 2 * spread) / batch.events)
        return game.detach() / counted


class Single:
    """Runs a step of the reward model alone, which maximises the likelihood of the clicks."""

    def __init__(self, reward, settings, adam):
        self.reward = reward
        self.adam = adam(reward.parameters, settings["learningRate"])

    def state(self):
        return self.adam.state()

    def step(self, batch):
        loss = choice_loss(self.reward.output(batch), batch)
        self.adam.step(loss)
        return loss.detach()


class FusedAdam(Adam):
    """Adam by PyTorch's fused kernel, with epsilon outside of the bias correction: the kernel's step
    lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + e) is TensorFlow's if e = epsilon / sqrt(1 - b2^t).
    The kernel is called as torch.optim.Adam(fused=True) calls it, without the optimiser's own overhead."""

    count = 0  # number of steps, counted on the host, so that nothing waits for the device

    @torch.no_grad()
    def move(self, gradients):
        self.steps += 1
        self.count += 1
        torch._fused_adam_(
            self.parameters,
            gradients,
            self.m,
            self.v,
            [],
            [self.steps] * len(self.parameters),
            lr=self.rate,
            beta1=BETA1,
            beta2=BETA2,
            weight_decay=0.0,
            eps=EPSILON / math.sqrt(1 - BETA2**self.count),
            amsgrad=False,
            maximize=False,
        )


def dense_inputs_must_fit(variant, settings, features, batches):
    """Raises Cannot if one-hot vectors of all rows, as in the released code, need too much memory."""
    if variant != "released" or features is not None:
        return
    width = settings["items"] * (5 if settings["model"] == "pw" else 1) + 20
    rows = max(batch.rows for batch in batches)
    size = 4 * rows * width
    if size > MOST_BYTES:
        raise Cannot(
            f"its one-hot vectors do not fit into memory: {rows:,} rows x {width:,} floats take"
            f" {size / 1e9:,.1f} GB, and their gradient takes as much again"
        )


def network_of(variant, settings, weights, features):
    if settings["model"] == "pw":
        return Pw(weights, features, settings, variant == "best")
    if variant == "best":
        return BestLstm(weights, features is None)
    return ReleasedLstm(weights, features, settings)


def main():
    variant, threads, where, how, path = sys.argv[1:]
    torch.set_num_threads(int(threads))
    use(where)
    settings, tensors = read_job(path)
    weights = part_of(tensors, "weights/")
    features = float_tensor(tensors["features"]) if "features" in tensors else None
    batches = []
    while f"batch{len(batches)}/rowItem" in tensors:
        arrays = part_of(tensors, f"batch{len(batches)}/")
        batches.append(Batch(arrays, settings, features if variant == "best" else None))
    dense_inputs_must_fit(variant, settings, features, batches)

    def network(weights):
        made = network_of(variant, settings, weights, features)
        if how == "compile":
            made.compiled = True
            made.output = torch.compile(made.output, dynamic=False)
        return made

    adam = DeviceAdam if how == "graphs" else FusedAdam

    reward = network({n: v for n, v in weights.items() if not n.startswith(GENERATOR)})
    if settings["model"] == "pair":
        trainer = Pair(reward, network(part_of(weights, GENERATOR)), settings, adam)
    else:
        trainer = Single(reward, settings, adam)
    trainer = started(trainer, batches, how)
    say(ready=card_text() if where == "cuda" else made_of(torch))
    steps = itertools.cycle(batches)

    def run_steps(count):
        for batch in itertools.islice(steps, int(count)):
            loss = trainer.step(batch)
        return loss.item()

    serve(run_steps)


if __name__ == "__main__":
    run(main)
