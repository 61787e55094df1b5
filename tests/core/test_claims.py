"""Claims in a shared folder: one holder at a time; a dead process, here or elsewhere, does not keep one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clearer.core import claims, leftovers
from clearer.core.claims import claim

HOLD = "import sys, pathlib\nfrom clearer.core.claims import claim\nheld = claim(pathlib.Path(sys.argv[1]))\n"


def holding(place: Path) -> subprocess.Popen[str]:
    """Start a process that has a claim until it reads a line."""
    text = HOLD + "print(held is not None, flush=True)\ninput()\nheld.release()"
    process = subprocess.Popen(
        [sys.executable, "-c", text, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "True\n"
    return process


def test_one_at_a_time(tmp_path: Path) -> None:
    place = tmp_path / "claims" / "a"
    first = claim(place)
    assert first is not None and claim(place) is None
    other = claim(place.with_name("b"))
    assert other is not None
    first.release()
    first.release()
    assert not place.exists()
    with claim(place) or pytest.fail("free again"):
        assert claim(place) is None
    other.release()
    assert list(place.parent.iterdir()) == []


def test_the_claim_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    place = tmp_path / "a"
    process = holding(place)
    assert claim(place) is None
    process.kill()
    process.communicate()
    held = claim(place)
    assert held is not None and claim(place) is None
    held.release()


def test_another_process_sees_a_released_claim(tmp_path: Path) -> None:
    process = holding(tmp_path / "a")
    process.communicate("\n")
    held = claim(tmp_path / "a")
    assert held is not None
    held.release()


def test_elsewhere_the_time_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a network folder, another machine's locks and process numbers tell nothing."""
    place = tmp_path / "a"
    process = holding(place)
    monkeypatch.setattr(leftovers, "_machine", lambda: "0" * 10)
    monkeypatch.setattr(leftovers, "_is_local", lambda folder: False)
    assert claim(place) is None
    os.utime(place, (time.time() - claims.DEAD - 10,) * 2)
    held = claim(place)
    assert held is not None and claim(place) is None
    process.communicate("\n")  # it finds that it has lost its claim, and leaves the other one alone
    assert place.exists()
    held.release()
    assert not place.exists()


def test_a_claim_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "RENEWED", 0.01)
    with claim(tmp_path / "a") or pytest.fail("free"):
        os.utime(tmp_path / "a", (0, 0))
        until = time.monotonic() + 5
        while (tmp_path / "a").stat().st_mtime < 1 and time.monotonic() < until:
            time.sleep(0.01)
        assert (tmp_path / "a").stat().st_mtime > 1


def test_a_claim_being_made_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "a").touch()  # made, its text not yet written
    assert claim(tmp_path / "a") is None
    os.utime(tmp_path / "a", (0, 0))
    held = claim(tmp_path / "a")
    assert held is not None
    held.release()


def test_many_processes_never_have_one_at_once(tmp_path: Path) -> None:
    """Each adds one to a number in a file, without any other protection."""
    text = (
        "import sys, pathlib, time\nfrom clearer.core.claims import claim\nplace = pathlib.Path(sys.argv[1])\n"
        "for _ in range(20):\n"
        "    while (held := claim(place)) is None:\n        time.sleep(0.001)\n"
        "    number = place.with_name('number')\n    value = int(number.read_text())\n    time.sleep(0.002)\n"
        "    number.write_text(str(value + 1))\n    held.release()\n"
    )
    (tmp_path / "number").write_text("0")
    all_of_them = [subprocess.Popen([sys.executable, "-c", text, str(tmp_path / "a")]) for _ in range(4)]
    assert [process.wait() for process in all_of_them] == [0] * 4
    assert (tmp_path / "number").read_text() == "80"


@pytest.mark.parametrize("links", [True, False])
def test_a_claim_that_replaced_a_stale_one_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """Two processes judge a claim stale; the first one takes it over before the second one acts."""
    place = tmp_path / "a"
    place.write_text("of another machine")
    os.utime(place, (0, 0))
    judged, is_still, first = claims._stale, claims._is_still, []

    def slow(where: Path) -> os.stat_result | None:
        found = judged(where)
        if not first:
            first.append(None)
            first.append(claim(place))
        return found

    def no_link(*_: object) -> None:
        raise PermissionError("no links here")

    if not links:
        monkeypatch.setattr(os, "link", no_link)
    monkeypatch.setattr(claims, "_stale", slow)
    # The claim is taken over between the last look and the renaming.
    monkeypatch.setattr(claims, "_is_still", lambda where, stale: where == place or is_still(where, stale))
    second = claim(place)
    assert first[1] is not None and second is None
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    first[1].release()
    assert not list(tmp_path.iterdir())


def test_a_claim_that_is_renewed_just_then_is_kept(tmp_path: Path) -> None:
    place = tmp_path / "a"
    place.write_text("of another machine")
    os.utime(place, (0, 0))
    stale = claims._stale(place)
    assert stale is not None
    os.utime(place)
    claims._remove(place, stale)
    assert place.read_text() == "of another machine"
