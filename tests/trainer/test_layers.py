"""The layers that PyTorch does not have."""

from __future__ import annotations

import torch

from trainer.layers import Attention, SampleNorm, rotate, rotations


def test_sample_norm_is_group_norm_with_one_group_that_leaves_padding_out():
    x = torch.randn(3, 9, 8) * 3 + 1
    ours, theirs = SampleNorm(8), torch.nn.GroupNorm(1, 8)
    with torch.no_grad():
        ours.weight.copy_(torch.randn(8))
        ours.bias.copy_(torch.randn(8))
        theirs.weight.copy_(ours.weight)
        theirs.bias.copy_(ours.bias)
    torch.testing.assert_close(ours(x, None), theirs(x.mT).mT, atol=1e-5, rtol=1e-5)
    mask = torch.arange(9) < torch.tensor([9, 5, 1])[:, None]
    padded = torch.where(mask[..., None], x, torch.full_like(x, 1e3))
    for row, length in enumerate([9, 5, 1]):
        alone = theirs(x[row : row + 1, :length].mT).mT
        torch.testing.assert_close(ours(padded, mask)[row, :length], alone[0], atol=1e-4, rtol=1e-4)


def test_rotation_leaves_lengths_and_makes_products_depend_on_distance_alone():
    query, key = torch.randn(2, 16)
    cosine, sine = rotations(50, 16, torch.device("cpu"))
    queries = rotate(query.expand(1, 1, 50, 16), cosine, sine)[0, 0]
    keys = rotate(key.expand(1, 1, 50, 16), cosine, sine)[0, 0]
    torch.testing.assert_close(queries.norm(dim=-1), query.norm().expand(50))
    products = queries @ keys.T
    for distance in (-7, 0, 3):
        along = products.diagonal(distance)
        torch.testing.assert_close(along, along[0].expand_as(along), atol=1e-4, rtol=1e-4)
    assert (products[:, 0].diff().abs() > 1e-4).any()


def test_attention_knows_where_a_frame_lies_only_by_its_rotation():
    attention, x = Attention(16, heads=2), torch.randn(1, 9, 16)
    shuffled = torch.randperm(9)
    torch.testing.assert_close(attention(x, x)[:, shuffled], attention(x[:, shuffled], x[:, shuffled]))
    rotation = rotations(9, 8, torch.device("cpu"))
    in_order = attention(x, x, rotation=rotation)
    turned = attention(x[:, shuffled], x[:, shuffled], rotation=rotation)
    assert (in_order[:, shuffled] - turned).abs().max() > 1e-3
