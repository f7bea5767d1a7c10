"""The network: what reaches its output, and what must not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from trainer.conditions import Conditions
from trainer.conditions.spans import PADDING
from trainer.dit import DiT, DiTBlock
from trainer.layers import rotations

FRAMES, TOKENS = 11, 4


@pytest.fixture
def dit(small_config, stirred) -> DiT:
    return stirred(DiT(small_config, outputs=2))


@pytest.fixture
def conditions(random_conditions) -> Conditions:
    return random_conditions(3, FRAMES, TOKENS)


@pytest.fixture
def x(small_config) -> torch.Tensor:
    return torch.randn(3, FRAMES, 2 * small_config.channels)


T = torch.tensor([0.1, 0.5, 0.9])


def test_gives_what_is_predicted_for_both_stems(dit, x, conditions, small_config):
    output = dit(x, T, conditions)
    assert output.stems.shape == (3, FRAMES, 2 * 2 * small_config.channels)
    assert output.hidden.shape == (3, FRAMES, small_config.dim)


def test_other_lengths_in_the_batch_change_nothing(dit, x, conditions):
    lengths, texts = torch.tensor([FRAMES, 6, 1]), torch.tensor([2, TOKENS, 1])
    frame_mask = torch.arange(FRAMES) < lengths[:, None]
    text_mask = torch.arange(TOKENS) < texts[:, None]
    padded = Conditions(
        mixture=torch.where(frame_mask[..., None], conditions.mixture, 1e3),
        text=torch.where(text_mask[..., None], conditions.text, 1e3),
        text_mask=text_mask,
        spans=torch.where(frame_mask, conditions.spans, PADDING),
        video=torch.where(frame_mask[..., None], conditions.video, 1e3),
        frame_mask=frame_mask,
    )
    together = dit(torch.where(frame_mask[..., None], x, 1e3), T, padded)
    for row, (frames, tokens) in enumerate(zip(lengths, texts, strict=True)):
        one = slice(row, row + 1)
        alone = Conditions(
            mixture=conditions.mixture[one, :frames],
            text=conditions.text[one, :tokens],
            text_mask=text_mask[one, :tokens],
            spans=conditions.spans[one, :frames],
            video=conditions.video[one, :frames],
        )
        expected = dit(x[one, :frames], T[one], alone)
        torch.testing.assert_close(together.stems[one, :frames], expected.stems, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(together.hidden[one, :frames], expected.hidden, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("changed", ["x", "t", "mixture", "text", "spans", "video"])
def test_everything_it_is_told_reaches_the_output(dit, x, conditions, changed):
    before = dit(x, T, conditions).stems
    if changed == "x":
        after = dit(x + 0.1, T, conditions)
    elif changed == "t":
        after = dit(x, T / 2, conditions)
    elif changed == "spans":
        after = dit(x, T, replace(conditions, spans=(conditions.spans + 1) % 3))
    else:
        after = dit(x, T, replace(conditions, **{changed: getattr(conditions, changed) + 0.5}))
    assert ((before - after.stems).abs().amax(dim=(1, 2)) > 1e-3).all()


def test_text_modulates_the_blocks_besides_being_read(dit, x, conditions):
    for block in dit.blocks:
        torch.nn.init.zeros_(block.text_attention.out.weight)
    other = dit(x, T, replace(conditions, text=conditions.text + 0.5)).stems
    assert ((dit(x, T, conditions).stems - other).abs().amax(dim=(1, 2)) > 1e-3).all()


def test_a_frame_hears_all_others(dit, x, conditions):
    changed = x.clone()
    changed[:, -1] += 1
    difference = (dit(x, T, conditions).stems - dit(changed, T, conditions).stems).abs()
    assert (difference.amax(dim=(0, 2)) > 1e-4).all()


def test_at_the_start_of_training_it_predicts_zero_and_the_gates_are_shut(small_config, x, conditions):
    fresh = DiT(small_config, outputs=2)
    before = fresh(x, T, conditions)
    assert not before.stems.any()
    for changed in (replace(conditions, spans=(conditions.spans + 1) % 3), replace(conditions, video=None)):
        torch.testing.assert_close(fresh(x, T, changed).hidden, before.hidden)


def test_the_gates_learn_from_the_first_step_on(small_config, x, conditions):
    fresh = DiT(small_config, outputs=2)
    fresh(x, T, conditions).hidden.square().sum().backward()
    assert fresh.spans.gate.grad.abs() > 0
    assert fresh.video.gate.grad.abs() > 0


def test_no_video_at_all_is_video_of_zeros(dit, x, conditions):
    zeros = replace(conditions, video=torch.zeros_like(conditions.video))
    torch.testing.assert_close(
        dit(x, T, replace(conditions, video=None)).stems, dit(x, T, zeros).stems, atol=1e-5, rtol=1e-5
    )


def test_half_precision_says_about_the_same(dit, x, conditions):
    full = dit(x, T, conditions).stems
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = dit(x, T, conditions).stems
    assert (half.float() - full).norm() < 0.05 * full.norm()


def rms(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return x / (x.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt() * weight


def attended(layer: torch.nn.Module, x: torch.Tensor, memory: torch.Tensor, *, turned: bool) -> torch.Tensor:
    """Attention of x [frames, dim] to memory [tokens, dim], head by head, written plainly."""
    found = []
    width = x.shape[-1] // layer.heads
    for head in range(layer.heads):
        rows = slice(head * width, (head + 1) * width)
        query = rms(x @ layer.query.weight[rows].T, layer.query_norm.weight)
        key = rms(memory @ layer.key.weight[rows].T, layer.key_norm.weight)
        if (
            turned
        ):  # pairs of numbers as complex ones, multiplied by exp(i · position · θ^(−2 · pair / width))
            angles = torch.arange(len(x))[:, None] * 20_000.0 ** (-torch.arange(0, width, 2) / width)
            turn = torch.polar(torch.ones_like(angles), angles)
            query, key = (
                torch.view_as_real(torch.complex(*each.chunk(2, dim=-1)) * turn).mT.flatten(1)
                for each in (query, key)
            )
        share = torch.softmax(query @ key.T / width**0.5, dim=-1)
        found.append(share @ (memory @ layer.value.weight[rows].T))
    return torch.cat(found, dim=-1) @ layer.out.weight.T


def test_a_block_computes_the_formula_of_the_documentation(small_config, stirred):
    block = stirred(DiTBlock(small_config))
    h, memory, modulation = torch.randn(9, 32), torch.randn(4, 32), torch.randn(6, 1, 32)
    given = (h[None], modulation[None], rotations(9, 16, h.device), None, memory[None])
    computed = block(*given, torch.ones(1, 4, dtype=torch.bool))[0]

    shift, scale, gate, shift_ff, scale_ff, gate_ff = block.table + modulation
    x = (1 + scale) * rms(h, block.attention_norm.weight) + shift
    h = h + gate * attended(block.attention, x, x, turned=True)
    h = h + attended(block.text_attention, h, memory, turned=False)
    x = (1 + scale_ff) * rms(h, block.feed_forward_norm.weight) + shift_ff
    feed_forward = block.feed_forward
    up, opened = x @ feed_forward.up.weight.T, torch.nn.functional.silu(x @ feed_forward.gate.weight.T)
    h = h + gate_ff * ((opened * up) @ feed_forward.down.weight.T)
    torch.testing.assert_close(computed, h, atol=1e-3, rtol=1e-3)
