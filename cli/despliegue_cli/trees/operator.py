"""The operator `TreeEnsemble` of ai.onnx.ml 5: flat arrays into its attributes.

What it cannot hold, and what ONNX Runtime 1.32 makes of it:
- A root is a split. A tree of one leaf gets one, into two leaves alike.
- `BRANCH_MEMBER` is right for integers that fit int32. Over some sets it cuts off fractions, over others it does not,
  so whoever asks for membership derives an integer column first. A set that is empty is not expected.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from despliegue_cli.trees.ensemble import Integers, Mode, Tree
from despliegue_cli.trees.graph import Graph

_SUM = 1
_NO_TRANSFORM = 0


def tree_ensemble(
    graph: Graph, x: str, trees: Sequence[Tree], scores: int, dtype: type[np.float32 | np.float64]
) -> str:
    """Add the node that sums `trees`, whose values are [nodes].

    Args:
        graph: where to add it.
        x: its input, of `dtype` [N, columns].
        trees: at least one.
        scores: how many sums there are.
        dtype: of thresholds, leaf values and sums.

    Returns:
        The name of its output, of `dtype` [N, scores].
    """
    trees = [_with_split(tree) for tree in trees]
    sizes = [len(tree.mode) for tree in trees]
    starts = np.cumsum([0, *sizes[:-1]])
    mode = np.concatenate([tree.mode for tree in trees])
    is_leaf = mode == Mode.LEAF
    is_split = ~is_leaf
    number = np.where(is_leaf, np.cumsum(is_leaf), np.cumsum(is_split)) - 1
    if_true = np.concatenate([tree.if_true + start for tree, start in zip(trees, starts, strict=True)])[is_split]
    if_false = np.concatenate([tree.if_false + start for tree, start in zip(trees, starts, strict=True)])[is_split]
    threshold = np.concatenate([tree.threshold for tree in trees])
    members = {
        start + node: values for tree, start in zip(trees, starts, strict=True) for node, values in tree.members.items()
    }
    for node in [node for node, values in members.items() if not values]:
        # Equal to NaN is never true, as is membership of an empty set.
        mode[node], threshold[node] = Mode.EQUALS, np.nan
        del members[node]
    sets = [np.append(np.array(members[node], dtype), dtype(np.nan)) for node in sorted(members)]
    membership: dict[str, Any] = {"membership_values": np.concatenate(sets)} if sets else {}
    return graph.node(
        "TreeEnsemble",
        x,
        domain="ai.onnx.ml",
        aggregate_function=_SUM,
        post_transform=_NO_TRANSFORM,
        n_targets=scores,
        tree_roots=number[starts],
        nodes_featureids=np.concatenate([tree.feature for tree in trees])[is_split],
        nodes_modes=mode[is_split].astype(np.uint8),
        nodes_splits=threshold[is_split].astype(dtype),
        nodes_missing_value_tracks_true=_integers(np.concatenate([tree.missing_true for tree in trees])[is_split]),
        nodes_truenodeids=number[if_true],
        nodes_trueleafs=_integers(is_leaf[if_true]),
        nodes_falsenodeids=number[if_false],
        nodes_falseleafs=_integers(is_leaf[if_false]),
        leaf_targetids=np.repeat([tree.score for tree in trees], sizes)[is_leaf],
        leaf_weights=np.concatenate([tree.value for tree in trees])[is_leaf].astype(dtype),
        **membership,
    )


def _with_split(tree: Tree) -> Tree:
    """`tree`, or where it is one leaf, a split into two leaves like it."""
    if tree.mode[0] != Mode.LEAF:
        return tree
    zeros = np.zeros(3, np.int64)
    return replace(
        tree,
        feature=zeros,
        mode=np.array([Mode.AT_MOST, Mode.LEAF, Mode.LEAF]),
        threshold=np.zeros(3),
        missing_true=zeros > 0,
        if_true=zeros + 1,
        if_false=zeros + 2,
        value=tree.value[[0, 0, 0]],
    )


def _integers(flags: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Integers:
    return flags.astype(np.int64)
