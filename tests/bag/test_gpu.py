"""The same on a CUDA device. None of it has a meaning without one."""

import numpy as np
import pytest
import torch

from ensemble.bag.inference import predict
from ensemble.bag.model import load_members
from ensemble.bag.train import train_group
from tests.bag.test_train import DATA, MELIS, MEMBERS, MODERN, PERIODIC, VIEWS

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.parametrize("recipe", [MELIS, MODERN, PERIODIC], ids=lambda r: str(r.name))
@pytest.mark.parametrize("views", [None, VIEWS], ids=["as measured", "views"])
def test_a_member_is_the_same_alone_and_in_a_group_on_a_gpu(recipe, views):
    together = train_group(DATA, MEMBERS[:3], recipe, views, device="cuda")
    alone = train_group(DATA, MEMBERS[1:2], recipe, views, device="cuda")[0]
    assert alone.failed is None
    np.testing.assert_allclose(alone.oof_P, together[1].oof_P, atol=1e-4)


def test_without_randomness_in_the_loop_a_gpu_comes_to_what_a_cpu_does():
    still = MELIS.model_copy(
        update={"network": MELIS.network.model_copy(update={"dropout": 0.0})}
    )
    on_gpu = train_group(DATA, MEMBERS[:2], still, device="cuda")
    on_cpu = train_group(DATA, MEMBERS[:2], still)
    for one, other in zip(on_gpu, on_cpu, strict=True):
        np.testing.assert_allclose(one.test_T, other.test_T, atol=1e-3)


def test_what_a_gpu_trained_predicts_on_a_cpu():
    trained = train_group(DATA, MEMBERS[:2], MODERN, VIEWS, device="cuda")
    model = load_members(MODERN, [member.weights for member in trained], VIEWS)
    scores_MT = predict(model, torch.from_numpy(DATA.test_TI)).numpy()
    np.testing.assert_allclose(scores_MT[1], trained[1].test_T, atol=1e-4)


def test_bfloat16_trains_on_a_gpu():
    training = MODERN.training.model_copy(update={"precision": "bfloat16"})
    half = MODERN.model_copy(update={"training": training})
    trained = train_group(DATA, MEMBERS[:2], half, device="cuda")
    assert all(member.failed is None for member in trained)
