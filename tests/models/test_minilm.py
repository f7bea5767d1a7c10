"""The text encoder: against the reference library on the same weights."""

from __future__ import annotations

import numpy as np
import pytest

from dataengine.models.minilm import MAX_TOKENS, WEIGHTS, MiniLm

TEXTS = ["a dog barking", "Dog", "woman speaking", "", "glockenspiel, far away; déjà vu", "word " * 400]


class CountedSession:
    """Passes calls of the network on and counts them."""

    def __init__(self, session):
        self._session = session
        self.calls = 0

    def run(self, outputs, tokens):
        self.calls += 1
        return self._session.run(outputs, tokens)


@pytest.fixture(scope="module")
def encoder(models):
    return models.load("text_encoder")


@pytest.mark.slow
def test_vectors_are_those_of_transformers_with_mean_pooling(encoder):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = WEIGHTS.paths()[0].parent
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    network = transformers.BertModel.from_pretrained(folder).eval()
    for text in TEXTS:
        tokens = tokenizer(text, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        with torch.inference_mode():
            states = network(**tokens).last_hidden_state[0]
        np.testing.assert_allclose(encoder.encode_tokens([text])[0], states.numpy(), atol=2e-5)
        pooled = states.mean(dim=0)
        expected = (pooled / pooled.norm()).numpy()
        np.testing.assert_allclose(encoder.encode([text])[0], expected, atol=2e-6)


def test_a_vector_does_not_depend_on_the_other_texts(encoder, models):
    fresh = type(encoder._model)(encoder.card, encoder._model._session, encoder._model._tokenizer)
    together = fresh.encode(TEXTS)
    alone = np.concatenate(
        [type(fresh)(fresh.card, fresh._session, fresh._tokenizer).encode([t]) for t in TEXTS]
    )
    np.testing.assert_allclose(together, alone, atol=2e-7)


def test_a_text_that_was_met_before_does_not_reach_the_network_again(encoder):
    session = CountedSession(encoder._model._session)
    fresh = MiniLm(encoder.card, session, encoder._model._tokenizer)
    first, calls = fresh.encode(TEXTS), session.calls
    again = fresh.encode([*TEXTS[::-1], TEXTS[0]])
    assert session.calls == calls > 0
    np.testing.assert_array_equal(again, [*first[::-1], first[0]])
    fresh.encode(["a text that is new"])
    assert session.calls == calls + 1


def test_vectors_have_unit_length_and_the_order_of_the_texts(encoder):
    forth, back = encoder.encode(TEXTS), encoder.encode(TEXTS[::-1])
    np.testing.assert_array_equal(forth, back[::-1])
    np.testing.assert_allclose(np.linalg.norm(forth, axis=1), 1, atol=1e-6)
    assert encoder.encode([]).shape == (0, 384)


def test_a_texts_vector_is_the_mean_of_its_tokens_states(encoder):
    states = encoder.encode_tokens([*TEXTS, TEXTS[0]])
    means = np.array([each.mean(axis=0) for each in states])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(means, encoder.encode([*TEXTS, TEXTS[0]]), atol=1e-6)
    assert [len(each) for each in states[:4]] == [5, 3, 4, 2]  # start, words, end
    assert {each.shape[1] for each in states} == {encoder.width}


def test_near_meanings_have_near_vectors(encoder):
    puppy, dog, violin = encoder.encode(["puppy", "dog", "violin"])
    assert puppy @ dog > 0.7 > 0.4 > puppy @ violin
