"""Errors that a user can make: one line, status 2, nothing written."""

from __future__ import annotations

import pytest

from helpers.command import clearer as command
from helpers.command import settings
from helpers.recipes import TINY

QUICK = ["quickstart", *settings(TINY)]
AWGN = ["--protocol", "gray-awgn-50"]

FAULTS = {
    "unknown recipe": (["fit", "quikstart"], ["quikstart", "did you mean 'quickstart'?"]),
    "missing recipe file": (["fit", "mine.yaml"], ["mine.yaml", "no such recipe file"]),
    "recipe that is no YAML": (["fit", "recipe.yaml"], ["recipe.yaml", "not readable as YAML"]),
    "unknown key": (["fit", "quickstart", "--set", "serch.epochs=1"], ["serch", "did you mean 'search'?"]),
    "unknown inner key": (["fit", *QUICK, "--set", "train.epoch=1"], ["train.epoch", "did you mean 'epochs'?"]),
    "value of a wrong type": (["fit", *QUICK, "--set", "train.epochs=many"], ["train.epochs", "'many'"]),
    "value out of range": (["fit", *QUICK, "--set", "train.epochs=0"], ["train.epochs", "0"]),
    "setting without a value": (["fit", *QUICK, "--set", "train.epochs"], ["--set train.epochs", "KEY=VALUE"]),
    "loss that needs noisy images alone": (
        ["fit", *QUICK, "--data", "photos", "--set", "train.loss=sure"],
        ["train.loss: sure", "--noisy"],
    ),
    "teacher beside ground truth": (
        ["fit", *QUICK, "--data", "photos", "--set", "teacher.stride=2"],
        ["teacher.stride: 2", "--noisy"],
    ),
    "search that is all warm-up": (
        ["fit", *QUICK, "--data", "photos", "--set", "search.warmup_epochs=3"],
        ["search.warmup_epochs: 3", "search.epochs=3", "2 or less"],
    ),
    "auto in evaluate": (["evaluate", "auto", *AWGN, "--data", "photos"], ["auto: stands for", "name a model"]),
    "auto in describe": (["describe", "auto"], ["auto: stands for", "name a model"]),
    "auto in latency": (["latency", "auto"], ["auto: stands for", "name a model"]),
    "image for a model": (
        ["restore", "gray.png", "denoise-gray", "-o", "x.png"],
        ["gray.png: an image, where a model is needed", "comes first"],
    ),
    "no images named": (["fit", *QUICK], ["no images are named", "--data FOLDER"]),
    "missing folder": (["fit", *QUICK, "--data", "nowhere"], ["nowhere", "no such folder"]),
    "empty folder": (["fit", *QUICK, "--data", "empty"], ["empty", "no images"]),
    "file for a folder": (["fit", *QUICK, "--data", "gray.png"], ["gray.png", "folder"]),
    "truncated jpeg": (["fit", *QUICK, "--data", "torn"], ["torn/zebra.jpg"]),
    "image smaller than a patch": (["fit", *QUICK, "--data", "small"], ["small/tiny.png", "12x12", "16x16"]),
    "color in a gray set": (["fit", *QUICK, "--data", "mixed"], ["mixed/red.png", "color"]),
    "gray in a color set": (
        ["fit", *QUICK, "--data", "photos", "--set", "network.channels=3", "--set", "evaluate.protocols=[]"],
        ["photos/", "gray"],
    ),
    "pairs of two sizes": (
        ["fit", *QUICK, "--clean", "clean", "--degraded", "degraded", "--set", "data.layout=pairs"],
        ["degraded/moon.png", "80x70", "80x80"],
    ),
    "pairs without partners": (
        ["fit", *QUICK, "--clean", "clean", "--degraded", "few", "--set", "data.layout=pairs"],
        ["no partner"],
    ),
    "one folder of two": (["fit", *QUICK, "--clean", "clean"], ["--clean, --degraded", "both"]),
    "folders named twice": (["fit", *QUICK, "--data", "photos", "--train", "photos"], ["--train", "split"]),
    "leak": (
        ["fit", *QUICK, "--train", "photos", "--validation", "clean", "--test", "few"],
        ["same clean image", "moon.png", "data.leaks=drop"],
    ),
    "protocol of other channels": (
        ["fit", *QUICK, "--data", "photos", "--set", "evaluate.protocols=[color-awgn-50]"],
        ["color-awgn-50", "network.channels"],
    ),
    "bad architecture": (["fit", *QUICK, "--data", "photos", "--architecture", "FX"], ["'FX'", "FPPF-FFFF-PFFP"]),
    "run where a file stands": (["fit", *QUICK, "--data", "photos", "-o", "gray.png/run"], ["gray.png/run"]),
    "run in a folder of other things": (["fit", *QUICK, "--data", "photos", "-o", "few"], ["few", "is not a run"]),
    "device that is not there": (["fit", *QUICK, "--data", "photos", "--set", "device=tpu"], ["device", "'tpu'"]),
    "restore by a missing model": (["restore", "no.safetensors", "gray.png", "-o", "a.png"], ["no.safetensors"]),
    "restore by a text file": (["restore", "text.safetensors", "gray.png", "-o", "a.png"], ["not a weight file"]),
    "restore by a foreign model": (["restore", "foreign.safetensors", "gray.png", "-o", "a.png"], ["not written by"]),
    "restore by a torn model": (["restore", "cut.safetensors", "gray.png", "-o", "a.png"], ["cut.safetensors"]),
    "restore by a folder of no run": (["restore", "photos", "gray.png", "-o", "a.png"], ["photos", "safetensors"]),
    "restore a missing image": (["restore", "gray.safetensors", "no.png", "-o", "a.png"], ["no.png", "no such"]),
    "restore a torn jpeg": (["restore", "gray.safetensors", "cut.jpg", "-o", "a.png"], ["cut.jpg", "not readable"]),
    "restore in no tiles": (
        ["restore", "gray.safetensors", "gray.png", "-o", "a.png", "--tile", "all"],
        ["tile: 'all'", "auto, none"],
    ),
    "restore with a wrong overlap": (
        ["restore", "gray.safetensors", "gray.png", "-o", "a.png", "--overlap", "-1"],
        ["overlap: '-1'", "auto, full"],
    ),
    "restore no image": (["restore", "gray.safetensors", "text.safetensors", "-o", "a.png"], ["text.safetensors"]),
    "restore an empty folder": (["restore", "gray.safetensors", "empty", "-o", "a"], ["empty", "no images"]),
    "restore to two formats": (
        ["restore", "gray.safetensors", "gray.png", "-o", "a.png", "--format", "jpg"],
        ["a.png", "--format", "agree"],
    ),
    "restore to no format": (
        ["restore", "gray.safetensors", "gray.png", "-o", "a", "--format", "tif8"],
        ["format", "did you mean 'tiff'?"],
    ),
    "restore to a depth that is not there": (
        ["restore", "gray.safetensors", "gray.png", "-o", "a.jpg", "--depth", "16"],
        ["gray.png", "JPEG", "16"],
    ),
    "restore what of the color": (
        ["restore", "gray.safetensors", "gray.png", "-o", "a.png", "--color", "chanels"],
        ["did you mean 'channels'?"],
    ),
    "restore too strongly": (["restore", "gray.safetensors", "gray.png", "-o", "a.png", "--strength", "2"], ["2"]),
    "restore in no range": (["restore", "gray.safetensors", "gray.png", "-o", "a.png", "--range", "1"], ["LOW,HIGH"]),
    "restore in a range that is none": (
        ["restore", "gray.safetensors", "gray.png", "-o", "a.png", "--range", "5,1"],
        ["--range 5,1:", "smaller one first"],
    ),
    "measure in a range that is none": (
        ["evaluate", "gray.safetensors", "--protocol", "gray-awgn-25", "--data", "photos", "--range", "0,inf"],
        ["--range 0,inf:", "two finite numbers"],
    ),
    "measure robustness in a range": (
        ["evaluate", "gray.safetensors", "--protocol", "robustness", "--data", "photos", "--range", "0,4095"],
        ["--range: robustness degrades its own images of 8 bits"],
    ),
    "train in a range that is none": (
        ["train", "denoise-gray", "--data", "photos", "--range", "9,9"],
        ["--range 9,9:", "smaller one first"],
    ),
    "restore a file recursively": (["restore", "gray.safetensors", "gray.png", "-o", "a.png", "-r"], ["folders"]),
    "restore a folder to nowhere": (["restore", "gray.safetensors", "photos", "-o", "-"], ["photos", "folder"]),
    "restore and JSON to one place": (["restore", "gray.safetensors", "gray.png", "-o", "-", "--json"], ["--json"]),
    "restore to no kind of file": (["restore", "gray.safetensors", "gray.png", "-o", "a.txt"], ["a.txt", ".png"]),
    "restore a folder to a file": (["restore", "gray.safetensors", "photos", "-o", "red.png"], ["red.png", "folder"]),
    "restore onto itself": (["restore", "gray.safetensors", "gray.png", "-o", "gray.png"], ["itself"]),
    "restore under a file": (["restore", "gray.safetensors", "gray.png", "-o", "red.png/a.png"], ["red.png/a.png"]),
    "restore and compare at an address": (
        ["restore", "gray.safetensors", "gray.png", "-o", "a.png", "--compare", "file:///tmp/both.png"],
        ["--compare: file:///tmp/both.png is an address; give a path on this machine"],
    ),
    "export to an address": (
        ["export", "gray.safetensors", "-o", "s3://KEY:SECRET@lab/model"],
        ["--out: s3://***@lab/model is an address"],
    ),
    "restore in no precision": (
        ["restore", "gray.safetensors", "gray.png", "-o", "a.png", "--precision", "fp16"],
        ["'fp16'", "bf16"],
    ),
    "unknown protocol": (
        ["evaluate", "gray.safetensors", "--protocol", "grey-awgn-50", "--data", "photos"],
        ["grey-awgn-50", "did you mean 'gray-awgn-50'?"],
    ),
    "color protocol for a gray model": (
        ["evaluate", "gray.safetensors", "--protocol", "color-awgn-50", "--data", "photos"],
        ["gray.safetensors", "channel", "color-awgn-50"],
    ),
    "gray images for a color protocol": (
        ["evaluate", "color.safetensors", "--protocol", "color-awgn-50", "--data", "photos"],
        ["photos/astronaut.png", "gray"],
    ),
    "no pairs for a rain protocol": (
        ["evaluate", "color.safetensors", "--protocol", "rain-rgb", "--clean", "few"],
        ["--clean, --degraded"],
    ),
    "evaluate nothing": (["evaluate", "gray.safetensors", *AWGN], ["none are named"]),
    "evaluate a missing folder": (["evaluate", "gray.safetensors", *AWGN, "--data", "nowhere"], ["nowhere"]),
    "evaluate a torn jpeg": (["evaluate", "gray.safetensors", *AWGN, "--data", "torn"], ["torn/zebra.jpg"]),
    "evaluate no image": (["evaluate", "gray.safetensors", *AWGN, "--data", "few", "--limit", "0"], ["limit: 0"]),
    "evaluate into a table": (
        ["evaluate", "gray.safetensors", *AWGN, "--data", "few", "-o", "a.csv"],
        ["a.csv", "JSON"],
    ),
    "evaluate under a file": (
        ["evaluate", "gray.safetensors", *AWGN, "--data", "few", "-o", "gray.png/a.json"],
        ["gray.png/a.json", "file stands"],
    ),
    "evaluate into a folder": (["evaluate", "gray.safetensors", *AWGN, "--data", "few", "-o", "few"], ["is a folder"]),
    "too small for the protocol": (
        ["evaluate", "gray.safetensors", "--protocol", "clearer-gray-50", "--data", "small"],
        ["small/tiny.png", "64"],
    ),
    "describe no architecture": (["describe", "FPXF"], ["'FPXF'", "FPPF-FFFF-PFFP"]),
    "describe a missing file": (["describe", "no/such.safetensors"], ["no/such.safetensors"]),
    "describe against the file": (["describe", "gray.safetensors", "--width", "8"], ["width", "leave"]),
    "describe unknown operations": (["describe", "FP", "--operations", "relased"], ["relased", "released"]),
    "draw as no image": (["describe", "FP", "-o", "a.gif"], ["a.gif", ".svg"]),
    "draw under a file": (["describe", "FP", "-o", "gray.png/a.svg"], ["gray.png/a.svg"]),
    "examine a missing folder": (["doctor", "nowhere"], ["nowhere", "no such folder"]),
    "examine an empty folder": (["doctor", "empty"], ["empty", "no images"]),
    "examine nothing": (["doctor"], ["none are named"]),
    "examine in no layout": (["doctor", "photos", "--layout", "cleen"], ["cleen", "did you mean 'clean'?"]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_reported_in_one_line_and_leaves_nothing_behind(place, name):
    arguments, words = FAULTS[name]
    before = {path: path.read_bytes() if path.is_file() else None for path in place.rglob("*")}
    ended = command(*arguments)
    assert ended.status == 2, ended
    assert ended.err.startswith("clearer: ") and ended.err.count("\n") == 1 and ended.err.endswith("\n"), ended.err
    assert all(word in ended.err for word in words), ended.err
    assert "Traceback" not in ended.err
    assert {path: path.read_bytes() if path.is_file() else None for path in place.rglob("*")} == before


def test_an_unknown_option_ends_with_status_2():
    ended = command("fit", "quickstart", "--sett", "a=1")
    assert ended.status == 2 and "--sett" in ended.err and "Traceback" not in ended.err
