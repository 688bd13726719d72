"""Rates, lines and peaks: the arithmetic of the benchmark."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.speed.cases import WIDE_96
from benchmarks.speed.fit import fit_line
from benchmarks.speed.growth import make_sweeps, summarise_sweep
from benchmarks.speed.memory import peak_mib
from benchmarks.speed.peak import best_peaks
from benchmarks.speed.work import Span, busy_rate

NUMBERS = st.floats(-1e3, 1e3, allow_subnormal=False)
POINTS = st.lists(
    st.tuples(st.integers(-100, 100), NUMBERS),
    min_size=3,
    max_size=9,
    unique_by=lambda point: point[0],
)


@given(POINTS)
def test_the_line_is_that_of_numpy(points):
    x, y = np.array(points, float).T
    line = fit_line(x.tolist(), y.tolist())
    slope, intercept = np.polyfit(x, y, 1)
    assert line.slope == pytest.approx(slope, rel=1e-6, abs=1e-6)
    assert line.intercept == pytest.approx(intercept, rel=1e-6, abs=1e-6)
    if y.std() > 1e-6:
        r = np.corrcoef(x, y)[0, 1]
        assert line.r2 == pytest.approx(r**2, rel=1e-6, abs=1e-6)


def test_a_line_needs_two_places():
    with pytest.raises(ValueError, match="two or more places"):
        fit_line([1.0, 1.0], [2.0, 3.0])


def test_time_in_which_only_some_work_does_not_count():
    early, both, late = Span(0, 1, 1000), Span(1, 3, 20), Span(1, 3, 40)
    assert busy_rate([early, both, late], n_at_once=2) == 30.0


def test_a_rate_over_gaps_counts_the_work_only():
    assert busy_rate([Span(0, 1, 10), Span(5, 6, 30)], n_at_once=1) == 20.0


def test_processes_that_never_meet_have_no_rate():
    with pytest.raises(ValueError, match="of which 2 run side by side"):
        busy_rate([Span(0, 1, 10), Span(5, 6, 30)], n_at_once=2)


def test_operations_count_what_is_multiplied():
    weights = 35 * 600 + 2 * 600 * 600 + 600 * 2
    assert WIDE_96.n_weights == weights
    assert WIDE_96.flops == 6 * weights - 2 * 35 * 600


def test_float32_in_name_only_is_no_peak():
    peaks = [
        {"dtype": "float32", "gflops": 400.0, "error": 1e-5},
        {"dtype": "float32", "gflops": 1000.0, "error": 8e-2},
        {"dtype": "bfloat16", "gflops": 2500.0, "error": 1e-1},
    ]
    assert best_peaks(peaks) == {"float32": 400.0, "bfloat16": 2500.0}


def test_memory_is_at_least_what_this_process_has():
    assert peak_mib(os.getpid()) > 50


def test_growth_reaches_what_is_promised():
    members, rows, width = make_sweeps()
    assert (members.x[0], members.x[-1]) == (1, 70)
    assert (rows.cases[0].n_rows, rows.cases[-1].n_rows) == (10_000, 800_000)
    assert width.x == tuple(case.flops / 1e6 for case in width.cases)


def test_growth_is_told_with_its_line():
    sweep = make_sweeps(members=(1, 2, 3))[0]
    told = summarise_sweep(sweep, [[1.0, 1.2, 1.1], [2.1], [3.1]])
    assert told["median"] == [1.1, 2.1, 3.1]
    assert told["fit"]["slope"] == pytest.approx(1.0)
    assert told["fit"]["r2"] == pytest.approx(1.0)
