import numpy as np
import pytest
from binding import bound

from dataengine.engine.batch import Batch
from stages.levels import Levels
from stages.remix_error import RemixError

MIXTURE = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
SILENCE = np.zeros_like(MIXTURE)


def test_levels_are_relative_to_the_mixture() -> None:
    batch = Batch(
        {"mixture": [MIXTURE, SILENCE], "target": [MIXTURE / 10, SILENCE], "residual": [SILENCE] * 2}
    )
    levels = bound(Levels()).process(batch)
    assert levels["target_level_db"] == pytest.approx([-20, np.nan], abs=0.01, nan_ok=True)
    assert levels["residual_level_db"] == pytest.approx([-120, np.nan], abs=0.01, nan_ok=True)


def test_remix_error_tells_what_is_missing_from_the_sum() -> None:
    batch = Batch(
        {
            "mixture": [MIXTURE] * 2,
            "target": [MIXTURE * 0.3, MIXTURE * 0.3],
            "residual": [MIXTURE * 0.7, MIXTURE * 0.6],
        }
    )
    errors = bound(RemixError()).process(batch)["remix_error_db"]
    assert errors[0] < -100
    assert errors[1] == pytest.approx(-20, abs=0.01)
