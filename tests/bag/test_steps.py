"""When a step is run, captured and replayed; a stand-in records what a GPU is told."""

from contextlib import contextmanager

import pytest
import torch

from ensemble.bag.steps import StepRunner


def test_on_a_cpu_every_step_is_a_call():
    heard = []
    run = StepRunner(lambda: heard.append("step"), "cpu")
    for key in (0.5, 0.5, 0.9):
        run(key)
    assert heard == ["step"] * 3


@pytest.fixture
def recorded(monkeypatch):
    """The calls of torch.cuda, in order."""
    calls = []

    class Graph:
        def register_generator_state(self, generator):
            calls.append("generator")

        def replay(self):
            calls.append("replay")

    class Stream:
        def __init__(self, device):
            self.device = device

        def wait_stream(self, other):
            calls.append("wait")

    @contextmanager
    def block(name):
        calls.append(f"{name} begins")
        yield
        calls.append(f"{name} ends")

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: block("stream"))
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, stream: block("capture"))
    return calls


FIRST = ["wait", "stream begins", "step", "stream ends", "wait"]
SECOND = ["generator", "capture begins", "step", "capture ends", "replay"]


def test_the_first_step_is_run_the_second_captured_and_the_rest_replayed(recorded):
    run = StepRunner(lambda: recorded.append("step"), "cuda", [torch.Generator()])
    for _ in range(4):
        run(0.5)
    assert recorded == FIRST + SECOND + ["replay", "replay"]


def test_other_numbers_are_captured_anew(recorded):
    run = StepRunner(lambda: recorded.append("step"), "cuda:1", [torch.Generator()])
    for key in (0.5, 0.5, 0.6, 0.6, 0.6):
        run(key)
    assert recorded == FIRST + SECOND + FIRST + SECOND + ["replay"]


def test_every_step_but_those_captured_counts_once(recorded):
    """Capturing runs the step in Python without computing it; the replay does."""
    run = StepRunner(lambda: recorded.append("step"), "cuda")
    n_steps = 7
    for _ in range(n_steps):
        run(0.5)
    run_outside = recorded.count("step") - recorded.count("capture begins")
    assert run_outside + recorded.count("replay") == n_steps
