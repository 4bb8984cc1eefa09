"""An interrupted training that is called again, against an undisturbed one."""

import pytest
import torch


class Interruption(Exception):
    """Stands for whatever ends a process."""


def assert_an_interruption_changes_no_bit(model_of, training, checkpoint, share=0.6):
    """Train undisturbed, interrupted after a share of all passes, and resumed.

    ``model_of()`` gives the model, ``training(model, checkpoint)`` its history.
    """

    def run(checkpoint, stop_at=None):
        model, passes = model_of(), []

        def count(*_):
            passes.append(1)
            if len(passes) == stop_at:
                raise Interruption

        model.register_forward_hook(count)
        torch.seed()
        return model, training(model, checkpoint), len(passes)

    undisturbed, history, passes = run(None)
    with pytest.raises(Interruption):
        run(checkpoint, int(share * passes))
    assert checkpoint.is_file()
    resumed, resumed_history, later = run(checkpoint)
    assert later < passes
    assert resumed_history.equals(history)
    for mine, theirs in zip(resumed.parameters(), undisturbed.parameters(), strict=True):
        assert torch.equal(mine, theirs)
