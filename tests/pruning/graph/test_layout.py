import pytest
import torch

from pruning.graph.layout import MAX_PATTERNS, Block, dense_blocks, rectangle


def kernels(*rows: str) -> torch.Tensor:
    return torch.tensor([[mark == "x" for mark in row] for row in rows])


def as_lists(parts: list[Block]) -> list[tuple[list[int], list[int]]]:
    return [(part.rows.tolist(), part.columns.tolist()) for part in parts]


def test_rows_that_read_the_same_are_one_block() -> None:
    parts = dense_blocks("a", kernels("x.x", "...", "x.x"))
    assert as_lists(parts) == [([0, 2], [0, 2])]
    assert parts[0].kernels == 4


def test_groups_of_rows_come_in_the_order_of_their_first_row() -> None:
    assert as_lists(dense_blocks("a", kernels("..xx", "x..x", "x..x", "..xx"))) == [([0, 3], [2, 3]), ([1, 2], [0, 3])]


def test_rows_without_a_kernel_are_in_no_block() -> None:
    assert as_lists(dense_blocks("a", kernels("...", ".x."))) == [([1], [1])]


def test_too_many_patterns_have_no_small_form() -> None:
    many = MAX_PATTERNS + 1
    pattern = torch.eye(many, dtype=torch.bool).repeat(3, 1)
    with pytest.raises(
        ValueError, match=f"'a' has an irregular pattern .*{many} different .* share {MAX_PATTERNS} patterns at most"
    ):
        dense_blocks("a", pattern)
    assert len(dense_blocks("a", pattern[:, :MAX_PATTERNS])) == MAX_PATTERNS  # the rows of zeros are gone


def test_a_grouped_convolution_keeps_its_largest_rectangle() -> None:
    """Three groups of two rows and two columns: the second is gone, the first has one row and one column left."""
    shape = rectangle(kernels(".x", "..", "..", "..", "x.", "xx"), groups=3)
    assert shape.rows.tolist() == [[0, 1], [4, 5]]
    assert shape.columns.tolist() == [[0, 1], [4, 5]]
    assert shape.kernels == 8


def test_a_rectangle_shrinks_to_what_the_fullest_group_needs() -> None:
    shape = rectangle(kernels("..", ".x", "x.", ".."), groups=2)
    assert (shape.rows.tolist(), shape.columns.tolist(), shape.kernels) == ([[1], [2]], [[1], [2]], 2)


def test_depthwise_is_a_rectangle_of_one() -> None:
    shape = rectangle(kernels("x", ".", "x"), groups=3)
    assert (shape.rows.tolist(), shape.columns.tolist(), shape.kernels) == ([[0], [2]], [[0], [2]], 2)
