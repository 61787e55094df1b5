"""Verb describe: cost, drawing, a run."""

from __future__ import annotations

from helpers.command import clearer as command


def test_describe_prints_the_cost_and_draws(run, tmp_path):
    drawing = tmp_path / "drawn.svg"
    ended = command("describe", "FPPF-FFFF-PFFP", "--operations", "released", "-o", drawing, "--json")
    assert (ended.json["parameters"], ended.json["macs_per_pixel"]) == (6_073_536, 446_656)
    assert ended.json["drawing"] == str(drawing) and drawing.exists()
    assert "6,073,536" in ended.err and "cell 3 module 12 (parallel)" in ended.err
    assert command("describe", run, "--json").json["width"] == 4
