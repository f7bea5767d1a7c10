"""Text prompts, by the bundled encoder."""

from __future__ import annotations

import pytest
import torch

from trainer.conditions import TextMemory, TextStates, nearest_features


@pytest.fixture(scope="module")
def states(models) -> TextStates:
    return TextStates(models.load("text_encoder"))


def test_states_of_a_text_do_not_depend_on_the_batch(states, models):
    texts = ["dog barking", "a woman speaking in a large hall", "piano"]
    together, mask = states.batch(texts)
    assert together.shape == (3, int(mask.sum(dim=1).max()), 384)
    for row, text in enumerate(texts):
        alone, alone_mask = TextStates(models.load("text_encoder")).batch([text])
        length = int(mask[row].sum())
        assert alone_mask.tolist() == [[True] * length]
        torch.testing.assert_close(together[row, :length], alone[0], atol=1e-5, rtol=1e-5)
        assert not together[row, length:].any()


def test_no_text_is_one_token_of_zeros(states):
    both, mask = states.batch([None, "dog barking"])
    assert mask[0].tolist() == [True, *[False] * (mask.shape[1] - 1)]
    assert not both[0].any()


def test_a_text_is_encoded_once(states):
    first, _ = states.batch(["violin playing"])
    states._encoder, encoder = None, states._encoder
    again, _ = states.batch(["violin playing"])
    states._encoder = encoder
    torch.testing.assert_close(again, first)


def test_the_memory_tells_every_token_how_far_the_flow_is():
    memory = TextMemory(10, 16)
    states = torch.randn(1, 3, 10)
    early, late = (memory(states, torch.tensor([t])) for t in (0.1, 0.9))
    assert early.shape == (1, 3, 16)
    assert ((early - late).abs().amax(dim=-1) > 1e-4).all()


def test_a_latent_frame_gets_the_video_frame_that_is_nearest_in_time():
    features = torch.arange(4.0)[:, None]
    chosen = nearest_features(
        features, torch.tensor([0.0, 0.5, 1.0, 1.5]), torch.tensor([0.1, 0.3, 0.9, 9.0])
    )
    assert chosen[:, 0].tolist() == [0, 1, 2, 3]
