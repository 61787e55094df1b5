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


def test_describe_draws_the_supernet_where_it_is_asked_for(tmp_path):
    texts = []
    for genotype, more in (("PF", []), ("PF", ["--supernet"]), ("FP", ["--supernet"])):
        ended = command("describe", genotype, "--width", "4", *more, "-o", tmp_path / "a.svg")
        assert ended.status == 0 and "drawing: " in ended.out
        texts.append((tmp_path / "a.svg").read_text(encoding="utf-8"))
    network, *supernets = texts
    assert "module-1-P" in network and "module-1-PF" not in network
    assert supernets[0] == supernets[1] and "module-1-PF" in supernets[0]
