"""The auxiliary loss, with what the bundled tagger hears."""

from __future__ import annotations

import pytest
import torch

from trainer.alignment import AlignmentHead, alignment_loss, heard_in
from trainer.codec import MdctCodec


@pytest.fixture(scope="module")
def tagger(models):
    return models.load("tagger")


def test_every_frame_gets_the_embedding_of_the_window_around_it(tagger, real_sound):
    codec, target = MdctCodec(), real_sound("sound", seconds=4.0).numpy()
    centres = codec.layout.centres(codec.layout.frames(len(target)))
    heard = heard_in([target, 0 * target], tagger, codec.layout.sample_rate, centres)
    (tags,) = tagger.tag([target], codec.layout.sample_rate)
    assert heard.shape == (2, len(centres), tags.embeddings.shape[1])
    for number, embedding in enumerate(tags.embeddings):
        middle = number * 0.48 + 0.975 / 2
        frame = int((centres - middle).abs().argmin())
        torch.testing.assert_close(heard[0, frame], torch.from_numpy(embedding))


def test_is_0_where_directions_agree_and_2_where_they_are_opposite():
    heard = torch.randn(2, 5, 16)
    torch.testing.assert_close(alignment_loss(3 * heard, heard), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(alignment_loss(-heard, heard), torch.full((2,), 2.0))
    mask = torch.tensor([[1, 1, 0, 0, 0], [1, 1, 1, 1, 1]], dtype=torch.bool)
    flipped = torch.where(mask[..., None], heard, -heard)
    torch.testing.assert_close(alignment_loss(flipped, heard, mask), torch.zeros(2), atol=1e-5, rtol=0)


def test_teaches_the_hidden_states_what_sounds(tagger, real_sound):
    """Two targets, hidden states that are noise at first: afterwards each predicts its own embedding."""
    codec = MdctCodec()
    targets = [real_sound(category).numpy() for category in ("speech", "music")]
    heard = heard_in(
        targets, tagger, codec.layout.sample_rate, codec.layout.centres(codec.layout.frames(len(targets[0])))
    )
    hidden = torch.nn.Parameter(torch.randn(*heard.shape[:2], 32))
    head = AlignmentHead(32, heard.shape[-1])
    optimiser = torch.optim.Adam([hidden, *head.parameters()], lr=3e-3)
    for _ in range(60):
        optimiser.zero_grad()
        loss = alignment_loss(head(hidden), heard).mean()
        loss.backward()
        optimiser.step()
    own = alignment_loss(head(hidden), heard).mean()
    others = alignment_loss(head(hidden), heard.flip(0)).mean()
    assert own < 0.3 < others
