import pytest
import torch

from ensemble.bag.products import (
    EXACT,
    KINDS,
    Measured,
    choose_products,
    multiplying,
    pick,
)


def ways(**gflops_and_error: tuple[float, float]) -> tuple[Measured, ...]:
    return tuple(Measured(kind, *both) for kind, both in gflops_and_error.items())


def test_float32_takes_no_way_that_errs_more():
    measured = ways(standard=(100, 1e-7), onednn=(900, 2e-3), bfloat16=(999, 2e-3))
    assert pick(measured, "float32") == "standard"
    assert pick(measured, "bfloat16") == "onednn"  # hardly slower, and named first


def test_float32_takes_a_faster_way_of_equal_accuracy():
    measured = ways(standard=(190, 0.9e-5), onednn=(430, 1.9e-5), bfloat16=(750, 2e-3))
    assert pick(measured, "float32") == "onednn"


def test_noise_decides_nothing():
    measured = ways(standard=(100, 1e-7), onednn=(110, 1e-7), bfloat16=(90, 2e-3))
    assert pick(measured, "bfloat16") == "standard"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_choice_is_one_of_the_ways_that_were_measured(precision):
    choice = choose_products(precision, "cpu", n_rows=16, n_units=32)
    assert [one.products for one in choice.measured] == list(KINDS["cpu"])
    assert all(one.gflops > 0 for one in choice.measured)
    by_name = {one.products: one for one in choice.measured}
    assert by_name["standard"].error < 1e-6 < 1e-4 < by_name["bfloat16"].error < 1e-2
    if precision == "float32":
        allowed = EXACT * by_name["standard"].error
        assert by_name[choice.products].error <= allowed
    noted = {one["products"]: one["allowed"] for one in choice.record()}
    assert noted[choice.products]
    assert noted["bfloat16"] == (precision == "bfloat16")


@pytest.mark.parametrize("products", KINDS["cpu"])
def test_the_way_ends_with_the_block_even_after_an_error(products):
    before = torch.backends.mkldnn.matmul.fp32_precision
    with pytest.raises(KeyError), multiplying(products):
        raise KeyError
    assert torch.backends.mkldnn.matmul.fp32_precision == before
