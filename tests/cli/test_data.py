"""Verb doctor."""

from __future__ import annotations

from helpers.command import clearer as command


def test_doctor_counts_the_images(photos):
    assert "7" in command("doctor", photos).out
    assert command("doctor", photos, "--json").json["parts"][0]["count"] == 7


def test_doctor_prints_the_folder_unbroken(photos, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert f"Images in {photos}\n" in command("doctor", photos).out
