"""The embedded presets' model, as one writes it down in PyTorch: functions on a state dictionary, no modules.

Knows what those presets use: gated prediction of x₁, the mixture's log magnitudes, text in cross-attention and in the
modulation; no padding. `benchmarks/model_speed.py` sees that it says what the real one says.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

Weights = dict[str, Tensor]


def linear(weights: Weights, name: str, x: Tensor) -> Tensor:
    """With a bias if there is one."""
    return functional.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))


def swiglu(weights: Weights, name: str, x: Tensor) -> Tensor:
    """W_down (silu(W_gate x) ∘ W_up x)."""
    gated = functional.silu(linear(weights, f"{name}.gate", x)) * linear(weights, f"{name}.up", x)
    return linear(weights, f"{name}.down", gated)


def rms_norm(weights: Weights, name: str, x: Tensor) -> Tensor:
    """Over the last dimension."""
    weight = weights[f"{name}.weight"].type_as(x)
    return functional.rms_norm(x, weight.shape, weight, 1e-5)


def sinusoids(t: Tensor, width: int) -> Tensor:
    """[batch, width] of times t [batch]."""
    frequencies = 10_000.0 ** (-torch.arange(width // 2) / (width // 2))
    angles = t[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def rotate(x: Tensor) -> Tensor:
    """Rotary positions, of x [batch, heads, length, width]."""
    length, width = x.shape[-2:]
    angles = torch.outer(torch.arange(length).float(), 20_000.0 ** (-torch.arange(0, width, 2) / width))
    first, second = x.float().chunk(2, dim=-1)
    turned = [first * angles.cos() - second * angles.sin(), first * angles.sin() + second * angles.cos()]
    return torch.cat(turned, dim=-1).type_as(x)


def attention(
    weights: Weights, name: str, x: Tensor, memory: Tensor, heads: int, mask: Tensor | None, turn: bool
) -> Tensor:
    """Queries and keys are normalised, head by head."""

    def by_head(projected: Tensor) -> Tensor:
        return projected.unflatten(-1, (heads, -1)).transpose(1, 2)

    query = rms_norm(weights, f"{name}.query_norm", by_head(linear(weights, f"{name}.query", x)))
    key = rms_norm(weights, f"{name}.key_norm", by_head(linear(weights, f"{name}.key", memory)))
    value = by_head(linear(weights, f"{name}.value", memory))
    if turn:
        query, key = rotate(query), rotate(key)
    visible = None if mask is None else mask[:, None, None, :]
    found = functional.scaled_dot_product_attention(query, key, value, attn_mask=visible)
    return linear(weights, f"{name}.out", found.transpose(1, 2).flatten(2))


def convolutions(weights: Weights, name: str, x: Tensor) -> Tensor:
    """Each frame meets its neighbours."""
    hidden = x
    for number in range(2):
        norm = f"{name}.norms.{number}"
        normed = functional.group_norm(hidden.mT, 1, weights[f"{norm}.weight"], weights[f"{norm}.bias"], 1e-5)
        convolution = f"{name}.convolutions.{number}"
        hidden = functional.conv1d(
            functional.silu(normed),
            weights[f"{convolution}.weight"],
            weights[f"{convolution}.bias"],
            padding=1,
        ).mT
    return x + hidden


def log_magnitudes(mixture: Tensor, power: float) -> Tensor:
    """What stands beside the mixture's latents."""
    linear_scale = mixture.sign() * mixture.abs() ** (1 / power)
    padded = functional.pad(linear_scale, (1, 1))
    slope = padded[..., 2:] - padded[..., :-2]
    return ((linear_scale.square() + slope.square()) ** (power / 2) + 1e-2).log()


def stems(
    weights: Weights,
    heads: int,
    power: float,
    seen: Tensor,
    t: Tensor,
    mixture: Tensor,
    text: Tensor,
    text_mask: Tensor,
    spans: Tensor,
) -> Tensor:
    """x₁ [batch, frames, 2 · channels] from what is seen of x_t, at times t [batch], with the conditions."""
    h = linear(weights, "dit.inputs", torch.cat([seen, mixture, log_magnitudes(mixture, power)], dim=-1))
    dim = h.shape[-1]
    nothing = h.new_zeros(1, 1, weights["dit.video.projection.weight"].shape[1])
    video = linear(weights, "dit.video.projection", nothing)
    norm = "dit.video.norm"
    video = functional.layer_norm(video, (dim,), weights[f"{norm}.weight"], weights[f"{norm}.bias"])
    h = h + weights["dit.video.gate"].tanh() * video
    span = functional.embedding(spans, weights["dit.spans.embedding.weight"])
    h = h + weights["dit.spans.gate"].tanh() * linear(weights, "dit.spans.projection", span)
    h = convolutions(weights, "dit.neighbours", h)

    time = swiglu(weights, "dit.time.projection", sinusoids(t, 256))
    present = text_mask[..., None].float()
    time = time + swiglu(weights, "dit.pooled_text", (text * present).sum(1) / present.sum(1))
    modulation = linear(weights, "dit.modulation", functional.silu(time)).view(len(t), 6, 1, dim)
    placed = linear(weights, "dit.text.projection", text) + sinusoids(t, dim)[:, None]
    memory = swiglu(weights, "dit.text.context", placed)

    blocks = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("dit.blocks."))
    for number in range(blocks):
        block = f"dit.blocks.{number}"
        shift, scale, gate, shift_ff, scale_ff, gate_ff = (weights[f"{block}.table"] + modulation).unbind(1)
        x = rms_norm(weights, f"{block}.attention_norm", h) * (1 + scale) + shift
        h = h + gate * attention(weights, f"{block}.attention", x, x, heads, None, turn=True)
        h = h + attention(weights, f"{block}.text_attention", h, memory, heads, text_mask, turn=False)
        x = rms_norm(weights, f"{block}.feed_forward_norm", h) * (1 + scale_ff) + shift_ff
        h = h + gate_ff * swiglu(weights, f"{block}.feed_forward", x)

    shift, scale = (weights["dit.outputs.table"] + time[:, None, None]).unbind(1)
    output = linear(
        weights, "dit.outputs.projection", rms_norm(weights, "dit.outputs.norm", h) * (1 + scale) + shift
    )
    gates, rest = output.chunk(2, dim=-1)
    return gates.sigmoid() * torch.cat([mixture, mixture], dim=-1) + rest
