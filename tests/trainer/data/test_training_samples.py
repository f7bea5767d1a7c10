"""From positions to batches: the same samples whoever loads them, whatever they are loaded with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from manifests.media import encode_stems
from trainer.codec import MdctCodec
from trainer.conditions import TextStates
from trainer.conditions.spans import PADDING
from trainer.data.drawing import Drawing, MixingConfig
from trainer.data.pools import Item, Pool
from trainer.data.rendering import TrainingSample
from trainer.data.samples import TrainingBatch, TrainingSamples, collate, encode
from trainer.data.shards import ShardReader, index_shard
from trainer.flow.times import TimeSampling

RATE = 16_000
SHARES = {"real": 1.0, "remixed": 1.0, "synthetic": 2.0, "absent": 1.0}


@pytest.fixture(scope="module")
def shard(tmp_path_factory, real_sound) -> list[Item]:
    """Four recordings and their triplets, in one shard."""
    import json

    import webdataset

    path = tmp_path_factory.mktemp("shards") / "shard.tar"
    sounds = {
        "a woman speaking": real_sound("speech"),
        "banjo": real_sound("instrument", "banjo"),
        "owl hooting": real_sound("sound", "owl"),
        "harp": real_sound("instrument", "harp"),
    }
    with webdataset.TarWriter(str(path)) as writer:
        for number, (text, sound) in enumerate(sounds.items()):
            rest = 0.5 * sounds["harp" if text != "harp" else "banjo"]
            stems = encode_stems((sound + rest).numpy(), sound.numpy(), rest.numpy(), sample_rate=RATE)
            notes = json.dumps({"text": text}).encode()
            writer.write({"__key__": f"{number}", **dict(stems.members()), "json": notes})
    return index_shard(str(path))


@pytest.fixture
def samples(shard) -> TrainingSamples:
    config = MixingConfig(SHARES, seconds=1.5)
    drawing = Drawing(config, {"recording": Pool(shard), "triplet": Pool(shard)}, seed=3)
    return TrainingSamples(drawing, ShardReader(RATE), RATE)


def batch_of(samples: list[TrainingSample], texts: TextStates) -> TrainingBatch:
    codec = MdctCodec()
    return encode(collate(samples, codec.layout, texts, TimeSampling()), codec)


def same(first, second) -> bool:
    return all(
        np.array_equal(getattr(first, name), getattr(second, name))
        for name in ("mixture", "target", "residual")
    ) and replace(first, mixture=0, target=0, residual=0) == replace(second, mixture=0, target=0, residual=0)


def test_workers_order_and_restarts_change_no_sample(samples):
    positions = list(range(12))
    alone = [samples[position] for position in positions]
    loaded = DataLoader(samples, batch_sampler=[positions[8:], positions[:8]], num_workers=2, collate_fn=list)
    later, earlier = list(loaded)
    assert all(map(same, alone, earlier + later))
    assert not same(alone[0], alone[1])


def test_what_becomes_of_a_sample_does_not_depend_on_its_batch(samples, models):
    codec, texts = MdctCodec(), TextStates(models.load("text_encoder"))
    some = [samples[position] for position in range(4)]
    short = replace(
        some[1], **{name: getattr(some[1], name)[:9_000] for name in ("mixture", "target", "residual")}
    )
    some[1] = short
    together = batch_of(some, texts)
    assert together.conditions.frame_mask.sum(dim=1).tolist() == [
        codec.layout.frames(len(sample.mixture)) for sample in some
    ]
    for row, sample in enumerate(some):
        alone = batch_of([sample], texts)
        frames, tokens = alone.x1.shape[1], alone.conditions.text.shape[1]
        for name in ("x0", "x1"):
            torch.testing.assert_close(getattr(together, name)[row, :frames], getattr(alone, name)[0])
        assert together.t[row] == alone.t[0]
        for name, length in (("mixture", frames), ("spans", frames), ("text", tokens), ("text_mask", tokens)):
            torch.testing.assert_close(
                getattr(together.conditions, name)[row, :length], getattr(alone.conditions, name)[0]
            )
    assert (together.conditions.spans[1, codec.layout.frames(9_000) :] == PADDING).all()


def test_all_of_a_batch_goes_to_the_device_of_the_model(samples, models):
    texts, tagger = TextStates(models.load("text_encoder")), models.load("tagger")
    batch = collate([samples[0], samples[1]], MdctCodec().layout, texts, TimeSampling(), tagger).to("meta")
    tensors = [*vars(replace(batch, dropped=None)).values(), *vars(batch.dropped).values()]
    assert {each.device.type for each in tensors if each is not None} == {"meta"}


def test_latents_are_those_of_target_and_residual(samples, models):
    codec, texts = MdctCodec(), TextStates(models.load("text_encoder"))
    sample = samples[0]
    batch = batch_of([sample], texts)
    target, residual = (codec.decode(each, len(sample.target)) for each in batch.x1.chunk(2, dim=-1))
    np.testing.assert_allclose(target[0], sample.target, atol=1e-5)
    np.testing.assert_allclose(residual[0], sample.residual, atol=1e-5)
    if not sample.dropped[0]:
        mixture = codec.decode(batch.conditions.mixture, len(sample.mixture))
        np.testing.assert_allclose(mixture[0], sample.mixture, atol=1e-5)
