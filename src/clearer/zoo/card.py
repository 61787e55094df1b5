"""What a model card says: results, data, cost, limits and license of a trained network, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearer.network.cost import macs_per_pixel, parameters

if TYPE_CHECKING:
    from clearer.inference.restorer import Restorer

NOT_STATED = "not stated"


def card_lines(
    restorer: Restorer,
    *,
    results: Sequence[Mapping[str, Any]] = (),
    data: str | None = None,
    license: str | None = None,
) -> list[str]:
    """Return the sections of a card as lines of Markdown; what is not known is said to be so.

    ``results``, ``data`` and ``license`` as of `clearer.zoo.hub.save_pretrained`; where they are
    not given, those that the weight file itself carries are taken.
    """
    a, facts = restorer.architecture, restorer.card
    data, license = data or facts.get("data"), license or facts.get("license")
    start = facts.get("start")
    limits = [] if not facts.get("limits") else ["## Limits", "", sentence(facts["limits"]), ""]
    return [
        "## Results",
        "",
        *_result_lines(results or facts.get("results") or (), facts),
        "",
        "## Data",
        "",
        sentence(data or f"Training images: {NOT_STATED}"),
        f"Degradation in training: {degradation_in_words(facts.get('degradation'))}.",
        "",
        "## Cost",
        "",
        f"{parameters(a):,} parameters, {macs_per_pixel(a) / 1e3:,.1f} kMAC per pixel; "
        f"trained for {facts.get('steps', NOT_STATED)} steps in {facts.get('precision', NOT_STATED)}"
        f"{f', from the weights of {start}' if start else ''}.",
        f"Architecture {a}: {a.operations} operations, width {a.width}, norm {a.norm}"
        f"{', residual' if a.residual else ''}{f', unshuffle {a.unshuffle}' if a.unshuffle > 1 else ''}.",
        "",
        *limits,
        "## License",
        "",
        f"Weights: {license or NOT_STATED}.",
    ]


def _result_lines(results: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> list[str]:
    if not results:
        found = facts.get("validation_psnr")
        return [f"Validation PSNR in training: {found:.2f} dB." if isinstance(found, float) else "Not measured."]
    rows = [
        f"| {data_name(r)} | {r['protocol']}{ensemble_of(r)} | {r['images']} "
        f"| {r['input_psnr']:.2f} | {r['psnr']:.2f} | {r['ssim']:.4f} |"
        for r in results
    ]
    return ["| images | protocol | number | input PSNR dB | PSNR dB | SSIM |", "| --- | --- |" + " ---: |" * 4, *rows]


def data_name(result: Mapping[str, Any]) -> str:
    """Return the name of the folder that was measured on: the rest of its path is nobody's business."""
    return Path(str(result.get("data") or "images")).name


def ensemble_of(result: Mapping[str, Any]) -> str:
    """Return what a protocol's name is followed by where the self-ensemble was used."""
    return ", x8 self-ensemble" if result.get("ensemble") else ""


def degradation_in_words(stated: Any) -> str:
    """Return a recipe's ``data.degradation`` as words."""
    if not isinstance(stated, Mapping):
        return NOT_STATED
    kind = stated.get("kind")
    if kind == "none":
        return "none is added: pairs of images"
    if kind == "rain":
        share = float(stated.get("share") or 0)
        return f"synthetic rain, in {share:.0%} of the pairs and on all images without a pair"
    sigma = stated.get("sigma")
    levels = " to ".join(f"{s:g}" for s in sigma) if isinstance(sigma, list | tuple) else f"{sigma:g}"
    clipped = ", clipped to 8 bits" if stated.get("clip8") else ""
    return f"{kind}, sigma {levels} (8-bit levels){clipped}"


def sentence(text: Any) -> str:
    """Return text on one line, with a capital and a full stop."""
    text = " ".join(str(text).split())
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith(".") else ".")
