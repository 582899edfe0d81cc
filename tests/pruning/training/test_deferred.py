"""An exchange that is under way is not waited for until its number is read."""

import torch
from torch._C._distributed_c10d import _create_work_from_future

from pruning.training.deferred import DeferredNumber


def test_a_number_is_waited_for_when_it_is_read_and_not_before() -> None:
    value, coming = torch.zeros((), dtype=torch.long), torch.futures.Future[list[torch.Tensor]]()
    number = DeferredNumber(value, _create_work_from_future(coming))
    assert not coming.done()
    value.fill_(2)
    coming.set_result([value])
    assert number.read() == 2
    assert DeferredNumber(torch.tensor(False)).read() is False
