"""The same step again and again: called on a CPU, replayed as one graph on a GPU.

A step of a bag of small networks is dozens of short kernels, and launching them takes
longer than they do. A CUDA graph launches all of them at once.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Generator


class StepRunner:
    """Runs a step, which must read and write the same tensors every time.

    `key` stands for the plain numbers in it: once another comes, the step is captured
    anew. Capturing computes nothing; the first step with a key is therefore run as it
    is, the second captured and replayed, and all others replayed. Random numbers go on
    in a graph where `generators` are told.
    """

    def __init__(
        self,
        step: Callable[[], None],
        device: str,
        generators: Sequence[Generator] = (),
    ) -> None:
        self.step, self.device, self.generators = step, device, generators
        self.captures = device.startswith("cuda")
        self.key: float | None = None
        self.graph: torch.cuda.CUDAGraph | None = None
        self.stream: torch.cuda.Stream | None = None
        if self.captures:
            self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def __call__(self, key: float) -> None:
        if not self.captures:
            self.step()
            return
        if key != self.key:
            self.key, self.graph = key, None
            self._on_the_stream()
            return
        if self.graph is None:
            self.graph = self._capture()
        self.graph.replay()

    def _on_the_stream(self) -> None:
        """One step where graphs are captured: libraries allocate what they need."""
        assert self.stream is not None
        self.stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self.stream):
            self.step()
        torch.cuda.current_stream(self.device).wait_stream(self.stream)

    def _capture(self) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        for generator in self.generators:
            graph.register_generator_state(generator)
        with torch.cuda.graph(graph, stream=self.stream):
            self.step()
        return graph
