import torch
from hypothesis import given
from hypothesis import strategies as st

from vlrlcd.prefix_branches import causal_mask, common_prefix, costs_less, pack, tree_mask

tokens = st.lists(st.integers(0, 5), max_size=6).map(tuple)
branches = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=5).map(tuple), min_size=1, max_size=4)


def drawn(mask_LL):
    return ["".join("x" if sees else "." for sees in row) for row in mask_LL.tolist()]


def test_pack_by_hand():
    packed = pack([[(1,), (2, 3, 4), (5, 6)], [(7, 8)]])
    assert packed.ids_BS.tolist() == [[2, 3, 5], [7, 0, 0]]
    assert packed.branch_BS.tolist() == [[1, 1, 2], [0, -1, -1]]
    assert packed.depth_BS.tolist() == [[0, 1, 0], [0, 0, 0]]
    assert packed.target_N.tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert packed.row_N.tolist() == [0, 0, 0, 0, 0, 0, 1, 1]
    assert packed.source_N.tolist() == [-1, -1, 0, 1, -1, 2, -1, 0]
    assert packed.owner_N.tolist() == [0, 1, 1, 1, 2, 2, 3, 3]
    assert packed.lengths_G.tolist() == [1, 3, 2, 2]
    assert packed.rows_G.tolist() == [0, 0, 0, 1]
    assert packed.sum_per_branch(torch.arange(8.0)).tolist() == [0, 6, 9, 13]


def test_branches_of_one_token_feed_nothing():
    packed = pack([[(1,), (2,)], [(3,)]])
    assert packed.ids_BS.shape == (2, 0)
    assert packed.source_N.tolist() == [-1, -1, -1]
    mask = torch.tensor([[True, True], [False, True]])
    assert torch.equal(tree_mask(mask, packed), causal_mask(mask))


@given(st.lists(branches, min_size=1, max_size=3))
def test_every_token_is_predicted_by_the_one_before_it(rows):
    packed = pack(rows)
    found = iter(zip(packed.row_N.tolist(), packed.source_N.tolist(), packed.target_N.tolist(), strict=True))
    for b, row in enumerate(rows):
        for k, y in enumerate(row):
            for t, token in enumerate(y):
                r, source, target = next(found)
                assert (r, target) == (b, token)
                if t == 0:
                    assert source == -1
                else:
                    at = packed.branch_BS[b, source], packed.depth_BS[b, source], packed.ids_BS[b, source]
                    assert [int(i) for i in at] == [k, t - 1, y[t - 1]]


def test_tree_mask_by_hand():
    prefix_mask = torch.tensor([[False, True, True], [True, True, True]])
    mask = tree_mask(prefix_mask, pack([[(1,), (2, 3, 4), (5, 6)], [(7, 8)]]))
    assert mask.shape == (2, 1, 6, 6)
    assert drawn(mask[0, 0]) == [
        "x.....",  # padding sees itself
        ".x....",
        ".xx...",
        ".xxx..",
        ".xxxx.",
        ".xx..x",
    ]
    assert drawn(mask[1, 0])[:4] == ["x.....", "xx....", "xxx...", "xxxx.."]
    # padding of the branches is seen by no token that stands
    assert not mask[1, 0, :4, 4:].any()


@given(st.lists(tokens, min_size=1, max_size=5))
def test_common_prefix_is_the_longest(renderings):
    shared, rests = common_prefix(renderings)
    assert [shared + rest for rest in rests] == renderings
    assert any(not rest for rest in rests) or len({rest[0] for rest in rests}) > 1


def test_attention_branch_by_branch_where_it_has_fewer_pairs():
    assert costs_less(600, 600, 8, 47, 8 * 47)
    # one long answer beside seven short ones: as rows of their own they would all be long
    assert not costs_less(64, 64, 8, 512, 512 + 7 * 4)
    # a short prompt whose answers are long: no more pairs than separate rows have
    assert costs_less(16, 16, 8, 512, 8 * 512)
