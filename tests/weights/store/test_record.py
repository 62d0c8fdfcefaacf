from __future__ import annotations

import json
from pathlib import Path

from tests.weights.toys import saved
from tests.weights.toys import store_in


def test_the_attribute_is_small_and_sorts(tmp_path: Path) -> None:
    study = saved(store_in(tmp_path), [0.25], step=3, tags=["final"])
    attributes = study.trials[0].user_attrs
    assert len(json.dumps(attributes)) < 700
    assert attributes["ckpt:value"] == 0.25
    assert attributes["ckpt:step"] == 3
