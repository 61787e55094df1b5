"""Results handed to programs that were written for version 0.1."""

from __future__ import annotations

import json
from pathlib import Path

import clearer


def test_results_answer_to_their_former_keys(photos: Path) -> None:
    result: dict[str, object] = dict(clearer.evaluate("denoise-gray", photos, "gray-awgn-50", limit=1))
    assert result["images"] == 1 and "pictures" not in result
    former = clearer.evaluate("denoise-gray", photos, "gray-awgn-50", limit=1, device="cpu")
    assert former["pictures"] == 1  # type: ignore[typeddict-item]
    assert former["per_picture"][0]["name"] == former["per_image"][0]["name"]  # type: ignore[typeddict-item]
    assert "pictures" not in json.loads(json.dumps(former))


def test_a_card_answers_to_its_former_keys() -> None:
    card = clearer.load("denoise-gray", device="cpu").card
    assert card["results"][0]["pictures"] == card["results"][0]["images"] > 0
    assert card["licence"] == card["license"]
