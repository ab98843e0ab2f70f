"""Two processes under ZeRO-3, one of them without an image: nobody waits for ever, and nothing comes out different."""

import pytest
import torch

from tests.conformance.cases import weights_of
from tests.conformance.sharded import SETTINGS
from tests.conformance.test_logprobs import close_gradients, gradients, shared_logps
from vlrlcd.sampling import sample, uniforms

pytestmark = pytest.mark.check("ZeRO-3")


def test_gradients_are_those_of_one_process(adapter, cases, sharded):
    weights = torch.cat([weights_of(cases, row) for row in range(len(cases))])
    (shared_logps(adapter, cases) * weights).sum().backward()
    mine, _ = sharded
    reference = gradients(adapter.model)
    # DeepSpeed gives layers that nothing reads, such as those after the last selected one, a gradient of zero
    unread = mine.keys() - reference.keys()
    assert not any(mine.pop(name).any() for name in unread)
    close_gradients(mine, reference)


def test_draws_are_those_of_one_process(adapter, cases, sharded):
    batch = adapter.collate([adapter.encode(case.messages) for case in cases])
    numbers = uniforms(5, 2, [f"row {row}" for row in range(len(cases))], SETTINGS)
    alone = [[draw.ids for draw in row] for row in sample(adapter, batch, SETTINGS, numbers)]
    _, (first, second, without_image) = sharded
    assert [without_image, first, second] == alone
