"""Runs PyTorch's training steps (torch_peer.py) on a CPU or GPU, in one of three ways:

eager     operation by operation
compile   the networks by torch.compile
graphs    each batch's step is captured once as a CUDA graph, which the host replays with one call per step
On the CPU, which has no CUDA graphs, `graphs` runs the same steps directly, so that it can be tested.
"""

import torch

from protocol import Cannot

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
# Number of steps before a capture, as in PyTorch's documentation.
WARM_UP = 3

_device = torch.device("cpu")


def use(name):
    """Selects `cpu` or `cuda`, without TF32, which would round the LSTM's products to ten bits."""
    global _device
    if name == "cuda":
        if not torch.cuda.is_available():
            raise Cannot(f"no GPU: torch.cuda.is_available() is false ({torch_text()})")
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    _device = torch.device(name)


def device():
    return _device


def placed(tensor):
    """Copies a tensor to the selected device."""
    return tensor.to(_device)


def torch_text():
    """Describes PyTorch's version, and the version of CUDA for which it was built."""
    cuda = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
    return f"PyTorch {torch.__version__}, built {cuda}"


def card_text():
    return f"{torch_text()}, on {torch.cuda.get_device_name()}"


class Adam:
    """Moments and step of Adam in TensorFlow's form. Subclasses update the parameters."""

    precision = torch.float32

    def __init__(self, parameters, rate):
        self.parameters = parameters
        self.rate = rate
        self.m = [torch.zeros_like(parameter) for parameter in parameters]
        self.v = [torch.zeros_like(parameter) for parameter in parameters]
        self.steps = placed(torch.zeros((), dtype=self.precision))

    def step(self, loss):
        self.move(torch.autograd.grad(loss, self.parameters))


class DeviceAdam(Adam):
    """Adam whose step gets no changing number from the host, so that a CUDA graph can capture it."""

    precision = torch.float64

    def state(self):
        return [*self.parameters, *self.m, *self.v, self.steps]

    @torch.no_grad()
    def move(self, gradients):
        self.steps += 1
        rate = self.rate * torch.sqrt(1 - BETA2**self.steps) / (1 - BETA1**self.steps)
        torch._foreach_lerp_(self.m, gradients, 1 - BETA1)
        torch._foreach_mul_(self.v, BETA2)
        torch._foreach_addcmul_(self.v, gradients, gradients, 1 - BETA2)
        below = torch._foreach_sqrt(self.v)
        torch._foreach_add_(below, EPSILON)
        moves = torch._foreach_div(self.m, below)
        torch._foreach_mul_(moves, rate.float())
        torch._foreach_sub_(self.parameters, moves)


class Captured:
    """A trainer whose step on each batch is a CUDA graph, which reads the batch from its fixed memory."""

    def __init__(self, trainer, batches):
        state = trainer.state()
        kept = [tensor.detach().clone() for tensor in state]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for batch in batches:
                for _ in range(WARM_UP):
                    trainer.step(batch)
        torch.cuda.current_stream().wait_stream(stream)
        self.graphs = {}
        for batch in batches:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                loss = trainer.step(batch)
            self.graphs[batch] = graph, loss
        # The steps before the capture have changed the weights, so they are restored.
        with torch.no_grad():
            for tensor, value in zip(state, kept):
                tensor.copy_(value)

    def step(self, batch):
        graph, loss = self.graphs[batch]
        graph.replay()
        return loss


def started(trainer, batches, how):
    """Returns the trainer, with CUDA graphs if requested."""
    return Captured(trainer, batches) if how == "graphs" and _device.type == "cuda" else trainer
