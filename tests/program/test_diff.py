"""What passes did, and switching them off."""

from __future__ import annotations

import numpy as np
import pytest

import nervure as nv
from nervure.passes.roles import Role, roles
from nervure.program.diff import compared, counts
from tests.program import models


def redundant(x):
    return nv.sum((x * 1 + nv.exp(x)) / 2 + nv.exp(x) * (2 * 3))


def test_each_pass_says_what_it_did() -> None:
    program = nv.compile(redundant).program(nv.ones((4, 5)))
    diff = program.diff()
    parts = {one.name: one for one in diff}
    assert "simplify" in parts
    assert parts["simplify"].record.changes
    assert all(one.changes for one in diff)
    assert parts["fusion"].after == len(program.optimized)
    assert parts["memory"].after == program.memory().peak_bytes
    assert diff.names[-1] == "memory"
    assert "simplify: " in str(diff)
    assert "simplify" in repr(diff)
    last = [one for one in diff if one.record is not None][-1]
    assert last.after == len(program.optimized.graph)


def test_a_pass_is_switched_off_by_name() -> None:
    program = nv.compile(redundant).program(nv.ones((4, 5)))
    without = program.without("simplify")
    assert "simplify" not in without.diff().names
    assert without.options.skip == ("simplify",)
    assert len(without.optimized.graph) > len(program.optimized.graph)
    assert program.compare(without).equal
    again = nv.compile(redundant).program(nv.ones((4, 5)), skip="simplify")
    assert again.diff().names == without.diff().names


@pytest.mark.parametrize(
    "name", ["simplify", "merge", "in_place", "memory", "schedule"]
)
def test_passes_keep_every_bit_of_a_training_step(name: str) -> None:
    program = models.program("mlp")
    comparison = program.compare(program.without(name))
    assert comparison, f"{name}: {comparison}"


def test_fusion_can_be_left_out() -> None:
    program = models.program("mlp")
    without = program.without("fusion")
    assert len(without.optimized) > len(program.optimized)
    assert without.memory().peak_bytes > program.memory().peak_bytes
    assert program.compare(without).largest_difference < 1e-5
    assert "in_place" in program.diff().names


def test_what_differs_is_told() -> None:
    x, y = np.float32([1, np.nan, 3]), np.float32([1, np.nan, 3.5])
    found = compared([x, x], [x, y])
    assert (found.equal, found.different, found.largest_difference) == (
        False,
        (1,),
        0.5,
    )
    assert not found
    assert str(found) == "1 outputs differ, by at most 0.5"
    assert str(compared([x], [x])) == "the same bits"
    assert not compared([np.float32([0.0])], [np.float32([-0.0])])


def test_roles_of_a_step() -> None:
    w = nv.parameter([1.0, 2.0])
    (g,) = nv.gradients(nv.sum(nv.exp(w)), [w])
    graph = nv.graph(w - 0.5 * g)
    found = roles(graph)
    assert {role.text for role in found.values()} == {"forward", "backward", "update"}
    assert found[graph.outputs[0]] is Role.UPDATE
    assert counts(graph)["exp"] == 1


def test_what_a_loss_needs_goes_forward() -> None:
    """A penalty on a gradient: the inner gradient is part of the loss."""
    w = nv.parameter([1.0, 2.0])
    (inner,) = nv.gradients(nv.sum(nv.exp(w)), [w])
    penalty = nv.sum(nv.exp(inner))
    (g,) = nv.gradients(penalty, [w])
    graph = nv.graph(w - 0.5 * g)
    found = roles(graph)
    assert found[inner.node] is Role.FORWARD
    assert found[g.node] is Role.BACKWARD
    assert found[graph.outputs[0]] is Role.UPDATE
    alone = nv.graph(inner)
    assert roles(alone)[alone.outputs[0]] is Role.BACKWARD


def test_layers_go_forward_after_all_passes() -> None:
    """Passes may compute in one direction what the other needs as well."""
    for kernel in models.program("mlp").optimized:
        if kernel.role == "update":
            gradients = [one for one in kernel.nodes if not one.site.gradient]
            assert not any("softmax" in one.site.composite for one in gradients)
