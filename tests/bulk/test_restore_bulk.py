"""Many files: the same outputs as one by one, a record of each, and nothing done twice."""

from __future__ import annotations

import errno
import hashlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from clearer.bulk import folder as bulk_folder
from clearer.bulk.folder import BulkFolder
from clearer.bulk.local import Local
from clearer.bulk.plan import BulkPlan
from clearer.bulk.records import Record
from clearer.bulk.run import _shards
from clearer.bulk.stated import stated, to_restore
from clearer.core.errors import UserError
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.zoo.weights import save_weights
from helpers.command import clearer as command


def records(out: Path) -> list[Record]:
    """Return the records of an output folder."""
    return list(BulkFolder(out / ".clearer-bulk").records())


def test_shards_give_what_a_plain_call_gives_and_a_record_of_each(desk):
    assert command("restore", "model.safetensors", "photos", "-o", "plain", "--recursive").status == 0
    ended = command(
        "restore", "model.safetensors", "photos", "-o", "out", "-r", "--shards", 3, "--workers", 1, "--json"
    )
    assert ended.status == 0, ended.err
    assert (ended.json["restored"], ended.json["failed"], ended.json["already"]) == (7, 0, 0)
    expected = {path.relative_to("plain"): path for path in Path("plain").rglob("*.png")}
    assert len(expected) == 7
    for below, path in expected.items():
        assert np.array_equal(Image.open(path), Image.open(Path("out") / below))
    found = records(Path("out"))
    assert sorted(record.index for record in found) == list(range(7))
    for record in found:
        written = Path(record.output).read_bytes()
        assert (record.bytes, record.sha256) == (len(written), hashlib.sha256(written).hexdigest())
    markers = sorted(Path("out/.clearer-bulk").glob("*/*.done"))
    assert [json.loads(path.read_text())["files"] for path in markers] == [3, 2, 2]


def test_each_shard_by_itself_and_a_rerun_does_nothing(desk):
    call = ("restore", "model.safetensors", "photos", "-o", "out", "--recursive", "--shards", 2)
    first = command(*call, "--shard", 0, "--json").json
    assert (first["restored"], first["shards"]) == (4, {"done": 1, "of": 2})
    assert len(list(Path("out").rglob("*.png"))) == 4
    assert command(*call, "--shard", 1, "--json").json["restored"] == 3
    times = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.png")}
    again = command(*call, "--json").json
    assert (again["restored"], again["already"]) == (0, 7)
    assert times == {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.png")}


def test_a_rerun_does_what_failed_is_missing_or_new(desk):
    whole = Path("photos/camera.png").read_bytes()
    Path("photos/camera.png").write_bytes(whole[:500])
    call = ("restore", "model.safetensors", "photos", "-o", "out", "--workers", 1, "--json")
    ended = command(*call)
    assert (ended.status, ended.json["failed"]) == (1, 1)
    assert "photos/camera.png" in ended.err
    assert [r.error is not None for r in records(Path("out")) if r.input.endswith("photos/camera.png")] == [True]
    Path("photos/camera.png").write_bytes(whole)
    Path("out/coffee.png").unlink()
    Image.open("photos/coffee.png").save("photos/added.png")
    ended = command(*call)
    assert (ended.status, ended.json["restored"], ended.json["already"]) == (0, 3, 3)
    # Another number of shards is another list; what is done stays done.
    ended = command(*call, "--shards", 4)
    assert (ended.status, ended.json["restored"], ended.json["already"]) == (0, 0, 6)


def test_a_list_with_outputs_and_formats(desk):
    Path("list.csv").write_text("input,output\nphotos/camera.png,here/a.tif\nphotos/coffee.png,here/b.jpg\n")
    ended = command("restore", "model.safetensors", "--manifest", "list.csv", "--json")
    assert (ended.status, ended.json["restored"]) == (0, 2), ended.err
    assert Image.open("here/a.tif").format == "TIFF" and Image.open("here/b.jpg").format == "JPEG"
    assert str(desk / "cache") in ended.json["records"]
    Path("list.txt").write_text("photos/camera.png\nphotos/night/moon.png\n")
    Path("photos/night/moon.png").rename("photos/night/moon.jpg")
    Path("list.txt").write_text("photos/camera.png\nphotos/night/moon.jpg\n")
    ended = command("restore", "model.safetensors", "--manifest", "list.txt", "-o", "out", "--json")
    assert (ended.status, ended.json["restored"]) == (0, 2), ended.err
    assert sorted(str(path) for path in Path("out/photos").rglob("*.*")) == [
        "out/photos/camera.png",
        "out/photos/night/moon.jpg.png",  # its content is PNG, as where a folder is restored
    ]
    assert command("restore", "model.safetensors", "--manifest", "list.txt", "-o", "out", "--json").json["already"] == 2


def test_an_output_that_another_list_wrote_is_not_done(desk):
    Path("first.csv").write_text("photos/camera.png,here/a.bmp\nphotos/rocket.png,here/r.png\n")
    Path("second.csv").write_text("photos/coffee.png,here/a.bmp\nphotos/chelsea.png,here/c.png\n")

    def given(name: str) -> tuple[int, int, bytes]:
        call = ("restore", "model.safetensors", "--manifest", name, "--state", "state", "--workers", 1, "--json")
        ended = command(*call)
        assert ended.status == 0, ended.err
        return ended.json["restored"], ended.json["already"], Path("here/a.bmp").read_bytes()

    *counts, camera = given("first.csv")
    assert counts == [2, 0]
    *counts, coffee = given("second.csv")
    assert counts == [2, 0] and len(camera) == len(coffee) and camera != coffee  # its size does not tell
    assert given("second.csv") == (0, 2, coffee)
    taken = [r for r in BulkFolder(Path("state")).records() if r.error is not None]
    assert [Path(r.input).name for r in taken] == ["camera.png"] and "in a later list" in str(taken[0].error)
    assert given("first.csv") == (1, 1, camera)
    assert given("first.csv") == (0, 2, camera)
    # A third list has the file again, and nothing else took the output meanwhile.
    Path("third.csv").write_text("photos/astronaut.png,here/m.png\nphotos/camera.png,here/a.bmp\n")
    assert given("third.csv") == (1, 1, camera)
    assert given("second.csv") == (1, 1, coffee)
    assert given("third.csv") == (1, 1, camera)


@pytest.mark.parametrize("options", [("--range", "0,200"), ("--bands", "1"), ("--strength", 0.5, "--ensemble")])
def test_one_shard_after_the_other_with_any_options(desk, options):
    """The options of the second call are compared with those that the first one stored."""
    call = ("restore", "model.safetensors", "photos", "-o", "out", *options, "--shards", 2, "--json")
    tallies = [command(*call, "--shard", shard).json for shard in (0, 1, 1)]
    assert [tally["failed"] for tally in tallies] == [0, 0, 0]
    restored = [tally["restored"] for tally in tallies]
    assert restored[0] and restored[1] and not restored[2] and tallies[2]["already"] == restored[1]


def test_models_and_options_are_not_mixed(desk):
    call = ("restore", "model.safetensors", "photos", "-o", "out", "--shards", 2)
    assert command(*call).status == 0
    ended = command(*call, "--strength", 0.5)
    assert ended.status == 2 and "--strength: the default before, 0.5 now" in ended.err and ended.err.count("\n") == 1
    ended = command(*call, "--range", "0,200")
    assert ended.status == 2 and "(--range: the default before, 0,200 now)" in ended.err
    Path("same.safetensors").write_bytes(Path("model.safetensors").read_bytes())
    assert command("restore", "same.safetensors", "photos", "-o", "out", "--shards", 2).status == 0
    save_weights("other.safetensors", RestorationNetwork(Architecture.parse("PP", width=2, channels=1)), {})
    ended = command("restore", "other.safetensors", "photos", "-o", "out", "--shards", 2)
    assert ended.status == 2 and "model: same.safetensors before, other.safetensors now" in ended.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("photos", "-o", "out", "--shard", 0), "--shard: shard of how many?"),
        (("photos", "-o", "out", "--shards", 2, "--shard", 2), "--shard 2: not from 0 to 1"),
        (("photos", "-o", "out", "--distributor", "slrm"), "did you mean 'slurm'?"),
        (("photos", "-o", "out", "--distributor", "slurm"), "no job of Slurm"),
        (("photos", "-o", "-", "--workers", 2), "cannot go to stdout"),
        (("photos", "-o", "photos", "--workers", 2), "is the source folder itself"),
        (("photos", "-o", "out", "--manifest", "list.txt"), "both say what to restore"),
        (("-o", "out"), "INPUT: missing"),
        (("photos",), "--out: missing"),
        (("photos/camera.png", "-o", "out", "--workers", 2), "one file, where workers share many"),
        (("photos", "-o", "out", "--state", "over.csv"), "over.csv: cannot be made"),
        (("--manifest", "photos/camera.png", "-o", "out"), "not a text"),
        (("--manifest", "twice.csv"), "these have one output: photos/camera.png -> a.png"),
        (("--manifest", "over.csv"), "this would overwrite a file of the list: photos/camera.png -> photos/coffee.png"),
        (("--manifest", "none.txt", "-o", "out"), "no images to restore"),
        (("--manifest", "list.txt", "-o", "out", "--recursive"), "list.txt: a list; --recursive and --pattern choose"),
        (("--manifest", "list.txt", "-o", "out", "--pattern", "*.png"), "list.txt: a list; --recursive and --pattern"),
        (("photos", "-o", "out", "--shards", 2, "--shard", 0, "--workers", 2), "--workers, --shard: one process"),
        (("photos", "-o", "out", "--distributor", "slurm", "--workers", 2), "--workers, --distributor slurm: each"),
        (("photos", "-o", "list.txt", "--workers", 1), "list.txt: a file, where a folder for the restored images"),
        (("photos", "-o", "out", "--workers", 1, "--device", "cuda:99"), "'cuda:99' is not available"),
        (("--manifest", "again.txt", "-o", "out"), "this is listed twice: photos/camera.png -> out/photos/camera.png;"),
        ((".", "-o", "out", "--workers", 1), ".: no images directly in this folder; --recursive takes its sub-folders"),
        (("--manifest", "photos/night", "-o", "out", "--pattern", "*.tif"), "no images that match *.tif in this"),
        (("photos", "-o", "out", "--pattern", "*.tif", "--workers", 1), "photos: no images that match *.tif in this"),
    ],
)
def test_bad_calls_end_in_one_line(desk, arguments, says):
    Path("twice.csv").write_text("photos/camera.png,a.png\nphotos/coffee.png,./a.png\n")
    Path("over.csv").write_text("photos/camera.png,photos/coffee.png\nphotos/coffee.png,b.png\n")
    Path("list.txt").write_text("photos/camera.png\n")
    Path("again.txt").write_text("photos/camera.png\nphotos/coffee.png\n./photos/camera.png\n")
    Path("none.txt").write_text("\n\n")
    ended = command("restore", "model.safetensors", *arguments)
    assert ended.status == 2 and says in ended.err and ended.err.count("\n") == 1, ended.err
    assert not Path("a.png").exists()


def test_what_would_fail_for_all_files_is_refused_before_they_are_listed(desk, monkeypatch):
    monkeypatch.setattr("clearer.bulk.folder.listed", lambda *_: pytest.fail("listed"))
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.data", None)
    for how, says in ((("--distributor", "ray"), "ray is not installed"), (("--device", "cuda:99"), "not available")):
        ended = command("restore", "model.safetensors", "photos", "-o", "out", "--shards", 2, *how)
        assert ended.status == 2 and says in ended.err and ended.err.count("\n") == 1
        assert not Path("out").exists()


def test_a_noise_level_is_compared_by_its_value_and_a_map_by_its_content(desk, monkeypatch):
    architecture = Architecture.parse("PP", width=2, channels=1, condition="level")
    save_weights("told.safetensors", RestorationNetwork(architecture), {})
    camera = Path("photos/camera.png").absolute()
    for name in ("a", "b"):
        Path(name).mkdir()
        height, width = np.asarray(Image.open(camera)).shape[:2]
        np.save(f"{name}/map.npy", np.full((height, width), 20.0 if name == "a" else 30.0, np.float32))
    Path("list.txt").write_text(f"{camera}\n")

    def call(sigma, out="out"):
        return command("restore", desk / "told.safetensors", "--manifest", desk / "list.txt", "-o", desk / out,
                       "--sigma", sigma, "--json")  # fmt: skip

    assert call("25").json["restored"] == 1
    assert call("25.0").json["already"] == 1
    plan = desk / "out/.clearer-bulk/plan.json"
    plan.write_text(plan.read_text().replace('"sigma": 25.0', '"sigma": "25"'))  # as earlier versions wrote it
    assert call("2.5e1").json["already"] == 1
    assert "(--sigma: 25 before, 30 now)" in call("30").err
    monkeypatch.chdir("a")
    assert call("map.npy", "maps").json["restored"] == 1
    assert call(desk / "a/map.npy", "maps").json["already"] == 1
    monkeypatch.chdir("../b")
    ended = call("map.npy", "maps")
    assert ended.status == 2 and "(--sigma: the map has another content now)" in ended.err
    np.save("copy.npy", np.load("../a/map.npy"))
    assert call("copy.npy", "maps").json["already"] == 1
    assert "--sigma: 25 before" in call("map.npy").err
    found = stated({"sigma": "map.npy"})
    np.save("map.npy", np.zeros((2, 2), np.float32))
    with pytest.raises(UserError, match="the map has changed since the start"):
        to_restore(found)


def test_a_file_that_is_its_own_output_is_refused(desk):
    Path("self.csv").write_text("photos/camera.png,photos/camera.png\n")
    before = Path("photos/camera.png").read_bytes()
    assert command("restore", "model.safetensors", "--manifest", "self.csv").status == 2
    assert Path("photos/camera.png").read_bytes() == before


def test_skip_existing_leaves_outputs_of_others(desk):
    Path("out").mkdir()
    Path("out/camera.png").write_bytes(b"mine")
    ended = command("restore", "model.safetensors", "photos", "-o", "out", "--shards", 2, "--skip-existing", "--json")
    assert ended.status == 0, ended.err
    assert Path("out/camera.png").read_bytes() == b"mine"
    assert [r.skipped for r in records(Path("out")) if r.input.endswith("photos/camera.png")] == [True]
    assert (ended.json["restored"], ended.json["skipped"]) == (4, 1)
    # Without the option it is restored.
    assert command("restore", "model.safetensors", "photos", "-o", "out", "--shards", 2, "--json").json["restored"] == 1


@pytest.mark.parametrize("line", ["photos/../photos/coffee.png", "linked/coffee.png"])
def test_an_output_is_an_input_whatever_leads_there(desk, line):
    Path("linked").symlink_to("photos")
    Path("list.csv").write_text(f"photos/camera.png,{line}\nphotos/coffee.png,b.png\n")
    before = Path("photos/coffee.png").read_bytes()
    ended = command("restore", "model.safetensors", "--manifest", "list.csv")
    assert ended.status == 2 and "would overwrite" in ended.err and Path("photos/coffee.png").read_bytes() == before


def test_suffixes_by_content_do_not_make_two_outputs_one(desk):
    Path("photos/x.jpg").write_bytes(Path("photos/camera.png").read_bytes())
    Path("photos/x.jpg.png").write_bytes(Path("photos/coffee.png").read_bytes())
    Path("list.txt").write_text("photos/x.jpg\nphotos/x.jpg.png\n")
    ended = command("restore", "model.safetensors", "--manifest", "list.txt", "-o", "out")
    assert ended.status == 2 and "these have one output" in ended.err


def test_a_list_means_the_working_directory(desk, monkeypatch):
    call = ("restore", desk / "model.safetensors", "--manifest", desk / "list.txt", "-o", desk / "out", "--json")
    Path("list.txt").write_text("camera.png\n")
    (desk / "others").mkdir()
    (desk / "others/camera.png").write_bytes((desk / "photos/coffee.png").read_bytes())
    for folder, restored in (("photos", 1), ("photos", 0), ("others", 1)):
        monkeypatch.chdir(desk / folder)
        assert command(*call).json["restored"] == restored


def test_slurm_tries_again_what_failed_in_the_same_job(desk, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "5")
    whole = Path("photos/camera.png").read_bytes()
    Path("photos/camera.png").write_bytes(whole[:300])
    call = ("restore", "model.safetensors", "photos", "-o", "out", "--distributor", "slurm", "--json")
    assert [command(*call).status for _ in range(2)] == [1, 1]
    Path("photos/camera.png").write_bytes(whole)
    assert command(*call).json["restored"] == 1
    ended = command("restore", "model.safetensors", "photos/night", *call[3:])
    assert (ended.status, ended.json["restored"]) == (0, 2)


def test_slurm_shares_by_array_index(desk, monkeypatch):
    call = ("restore", "model.safetensors", "photos", "-o", "out", "--recursive", "--distributor", "slurm", "--json")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "77")
    for name, value in {"MIN": 5, "MAX": 7, "COUNT": 3}.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", str(value))
    walks, walked = [], bulk_folder.listed
    monkeypatch.setattr(bulk_folder, "listed", lambda *plan: walks.append(plan) or walked(*plan))
    done = []
    for index in (5, 6, 7):
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", str(index))
        done.append(command(*call).json["restored"])
    assert done == [3, 2, 2] and len(walks) == 1  # the first task lists the folder for all of them
    assert len(list(Path("out").rglob("*.png"))) == 7
    monkeypatch.setenv("SLURM_ARRAY_TASK_COUNT", "2")
    ended = command(*call)
    assert ended.status == 2 and "submit one without gaps" in ended.err


def test_auto_chooses_a_model_for_each_file(desk):
    ended = command("restore", "auto", "photos/night", "-o", "out", "--workers", 1, "--json")
    assert ended.status == 0, ended.err
    assert command("restore", "auto", "photos/night", "-o", "plain").status == 0
    for path in Path("plain").glob("*.png"):
        assert np.array_equal(Image.open(path), Image.open(Path("out") / path.name))
    plain = json.loads(command("restore", "auto", "photos/night", "-o", "again", "--json").out)
    models = {Path(one["file"]).name: one["model"] for one in plain["chosen"]}
    assert {Path(one.input).name: one.model for one in records(Path("out"))} == models


def test_a_folder_without_images_leaves_nothing(desk):
    Path("empty").mkdir()
    for out in ("new/deeper", "kept"):
        Path("kept").mkdir(exist_ok=True)
        ended = command("restore", "model.safetensors", "empty", "-o", out, "--workers", 1)
        assert ended.status == 2 and ended.err.count("\n") == 1
    assert not Path("new").exists() and list(Path("kept").iterdir()) == []


def test_a_note_that_cannot_be_written_ends_in_one_line(desk, monkeypatch):
    touch = Path.touch

    def full(path: Path, *args: object, **more: object) -> None:
        if path.suffix == ".now":
            raise OSError(errno.ENOSPC, "No space left on device")
        touch(path, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "touch", full)
    ended = command("restore", "model.safetensors", "photos", "-o", "out", "--shards", 1, "--shard", 0)
    assert ended.status == 2 and ended.err.count("\n") == 1 and "No space left on device" in ended.err, ended.err


def test_a_damaged_plan_ends_in_one_line_and_that_of_another_version_counts(desk):
    call = ("restore", "model.safetensors", "photos", "-o", "out", "--shards", 2, "--json")
    assert command(*call).json["restored"] == 5
    file = Path("out/.clearer-bulk/plan.json")
    plan = json.loads(file.read_text())
    file.write_text(json.dumps({**plan, "later": 1}))
    assert command(*call).json["already"] == 5
    for wrong, says in (({**plan, "files": "5"}, "files: '5' is not a whole number"), ({"id": "a"}, "missing")):
        file.write_text(json.dumps(wrong))
        ended = command(*call)
        assert ended.status == 2 and says in ended.err and ended.err.count("\n") == 1, ended.err


def test_what_is_said_of_an_output_is_not_said_of_another_of_the_same_input(desk):
    Path("adir.png").write_bytes(b"a file, where a folder is needed")
    Image.open("photos/camera.png").convert("RGBA").save("alpha.png")
    Path("list.csv").write_text(
        "photos/camera.png,adir.png/x/bad.png\nphotos/camera.png,good.png\nalpha.png,out.tif\nalpha.png,out.jpg\n"
    )
    call = ("restore", "model.safetensors", "--manifest", "list.csv", "--state", "state", "--shards", 1, "--json")
    ended = command(*call)  # all in one batch
    assert (ended.status, ended.json["restored"], ended.json["failed"]) == (1, 3, 1), ended.err
    found = {Path(record.output).name: record for record in BulkFolder(Path("state")).records()}
    assert found["good.png"].error is None and found["good.png"].sha256 is not None
    assert "adir.png" in str(found["bad.png"].error)
    assert any("alpha" in note or "transparen" in note for note in found["out.jpg"].notes), found["out.jpg"].notes
    assert not any("alpha" in note or "transparen" in note for note in found["out.tif"].notes)


def test_more_workers_join_a_restoration_that_runs(desk):
    """They take the shards as they are: sharing out anew would be another list."""
    call = ("restore", "model.safetensors", "photos", "-o", "out", "--json", "--workers")
    assert command(*call, 1).json["shards"] == {"done": 1, "of": 1}
    folder = BulkFolder(Path("out/.clearer-bulk"))
    plan = BulkPlan.read(folder.plan_file)
    request = SimpleNamespace(
        folder=folder, shards=None, distributor="local", workers=SimpleNamespace(resolved=lambda _: Local(workers=4))
    )
    assert _shards(request, None) == 4 * 8 and folder.is_idle(plan)
    held = folder.claim(plan, 0)
    assert held is not None
    with held:
        assert _shards(request, None) == 1 and not folder.is_idle(plan)


def test_more_workers_than_shards_share_them_out_anew(desk):
    call = ("restore", "model.safetensors", "photos", "-o", "out", "--json", "--workers")
    assert command(*call, 1).json["shards"] == {"done": 1, "of": 1}
    Path("out/camera.png").unlink()
    ended = command(*call, 2)
    assert (ended.json["restored"], ended.json["already"]) == (1, 4), ended.err
    assert ended.json["shards"] == {"done": 16, "of": 16}
    assert command(*call, 1).json["shards"]["of"] == 16  # fewer workers do with them
    ended = command(*call, 3, "--shards", 2)
    assert (
        ended.json["shards"]["of"] == 2
        and "--workers 3: as many work as there are shards (2)" in ended.json["notes"][-1]
    )
