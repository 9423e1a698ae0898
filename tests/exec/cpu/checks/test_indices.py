"""Indices out of range: clamped by definition, an error while the setting is on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import nervure as nv
from nervure import dtypes
from nervure.config import config
from nervure.errors import DataError
from nervure.exec.cpu.executor import CpuExecutor
from nervure.exec.cpu.plan import Plan
from nervure.exec.cpu.target import target
from nervure.exec.reference import ReferenceExecutor
from nervure.ir import Graph
from nervure.ir.attrs import NDArray
from nervure.ir.node import Node
from nervure.layers import Embedding
from nervure.models import Sequential
from nervure.prims import contract, indexed
from nervure.prims.leaf import input_leaf
from tests.exec.cpu.parity import leaves

F32 = dtypes.float32


def leaf(*shape: int, dtype: Any = F32, name: str = "x") -> Node:
    return input_leaf(shape, dtype, name)


def both_errors(outputs: Sequence[Node], arrays: Sequence[NDArray]) -> list[str]:
    """Return what the reference and the cpu executor say."""
    graph = Graph(outputs)
    texts = []
    with config.override(check=True):
        for executor in (ReferenceExecutor(), CpuExecutor()):
            with pytest.raises(DataError) as caught:
                executor.compile(graph)(arrays)
            texts.append(str(caught.value))
    return texts


@pytest.mark.parametrize("shape", [(7, 5), (7,)])
@pytest.mark.parametrize("dtype", ["int8", "int64", "uint8", "uint64"])
def test_an_index_out_of_range_is_the_error_of_the_reference(
    dtype: str, shape: tuple[int, ...]
) -> None:
    """Clamped without checks, an error of the same text with them."""
    indices = np.array([[0, 6, 3], [7, 1, 2]]).astype(dtype)
    if dtype == "uint64":
        indices[1, 0] = 2**64 - 1
    if dtype == "int8":
        indices[1, 0] = -1
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    (a, b), arrays = leaves([x, indices]), [x, indices]
    node = indexed.gather(a, b, 0)
    without = CpuExecutor().compile(Graph([node], [a, b]))(arrays)[0]
    np.testing.assert_array_equal(
        without, x[np.clip(indices.astype(float), 0, 6).astype(int)]
    )
    first, second = both_errors([node], arrays)
    assert first == second
    index = {"int8": "-1", "uint64": str(2**64 - 1)}.get(dtype, "7")
    assert f"gather: index {index} at indices[1, 0] is out of range" in first
    updates = np.ones((2, 3, *shape[1:]), np.float32)
    a, b, c = leaves([x, indices, updates])
    first, second = both_errors(
        [indexed.scatter(a, b, c, 0, "add")], [x, indices, updates]
    )
    assert first == second


def test_a_piece_out_of_range_is_the_error_of_the_reference() -> None:
    x, starts, update = np.zeros((4, 5)), np.array([0, 3]), np.ones((2, 3))
    a, b, c = leaves([x, starts, update])
    first, second = both_errors([indexed.dynamic_slice(a, b, (2, 3))], [x, starts])
    assert first == second
    a, c, b = leaves([x, update, starts])
    outputs = [indexed.dynamic_update_slice(a, c, b)]
    first, second = both_errors(outputs, [x, update, starts])
    assert first == second


def test_the_first_index_is_named_whatever_the_threads() -> None:
    x = np.ones((1000, 300), np.float32)
    indices = np.arange(4000) % 1000
    indices[[1234, 3999]] = 1000
    a, b = leaves([x, indices])
    graph = Graph([indexed.gather(a, b, 0)], [a, b])
    for threads in (1, 2, 4):
        setting = config.override(check=True, num_threads=threads)
        with setting, pytest.raises(DataError, match=r"index 1000 at indices\[1234\]"):
            CpuExecutor().compile(graph)([x, indices])


def test_indices_of_a_fused_product_are_checked() -> None:
    """The rows of a batch are gathered within the product that reads them."""
    x, w = leaf(100, 256), leaf(256, 16, name="w")
    rows = indexed.gather(x, leaf(32, dtype=dtypes.int64, name="i"), 0)
    graph = Graph([contract.dot(rows, w, contract=((1,), (0,)))])
    arrays = [np.ones(node.shape, node.dtype) for node in graph.inputs]
    (place,) = [k for k, one in enumerate(graph.inputs) if one.dtype == dtypes.int64]
    calls = Plan(graph, target()).calls
    assert not any(call.kernel.name.startswith("gather") for call in calls)
    with config.override(check=True):
        CpuExecutor().compile(graph)(arrays)
        arrays[place][7] = 100
        with pytest.raises(DataError, match=r"^gather: index 100 at indices\[7\]"):
            CpuExecutor().compile(graph)(arrays)


def test_an_index_names_the_line_of_its_own_graph() -> None:
    """Equal graphs share a program, but not their lines."""
    x, indices = nv.arange(100.0), nv.asarray([3, 100])
    places = []
    with config.override(executor="cpu", check=True):
        take = nv.compile(lambda x, i: indexed_rows(x, i))
        other = nv.compile(lambda x, i: nv.sin(nv.take(x, i)))
        for function in (take, other):
            with pytest.raises(DataError) as caught:
                function(x, indices)
            places.append(re.search(r"made at .*:(\d+)", str(caught.value))[1])  # type: ignore[index]
    assert places[0] != places[1]


def indexed_rows(x: Any, indices: Any) -> Any:
    return nv.sin(nv.take(x, indices))


def test_an_index_within_a_loop_is_named() -> None:
    x, indices = nv.arange(10.0), nv.asarray([3, 9, 12, 4])

    def total(x: Any, indices: Any) -> Any:
        return nv.scan(lambda sum_, i: (sum_ + indexed_rows(x, i), None), 0.0, indices)

    with config.override(executor="cpu"):
        nv.compile(total)(x, indices)
    setting = config.override(executor="cpu", check=True)
    with setting, pytest.raises(DataError, match="index 12 is out of range") as caught:
        nv.compile(total)(x, indices)
    assert "test_indices.py" in str(caught.value)


def test_words_out_of_range_of_an_embedding_are_an_error() -> None:
    with config.override(executor="cpu", check=True):
        model = Sequential([Embedding(10, 4, input_shape=(5,))])
        with pytest.raises((DataError, nv.errors.IndexingError), match="10"):
            nv.compile(model)(nv.full((3, 5), 10, dtype="int32"))
