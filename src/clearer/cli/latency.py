"""Verb that times a network: latency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from clearer.cli.network_options import NetworkOptions
from clearer.cli.options import Device, Json, Precision, model_names
from clearer.cli.verb import argument, option, real, verb, whole
from clearer.core.console import console_for_people, print_json, print_table, say
from clearer.core.pressure import BUSY


@dataclass(frozen=True, kw_only=True)
class LatencyOptions(NetworkOptions):
    """Options of latency; the network's own are for an architecture given as a genotype."""

    target: Annotated[
        str,
        argument(
            "MODEL",
            "Name of a pretrained model, weight file, run folder, genotype or its text form.",
            complete=model_names,
        ),
    ]
    at: Annotated[str, option("Measurement", "Size: WIDTHxHEIGHT, 1080p, 4k, or 2mp (megapixels).", metavar="SIZE")] = (
        "1080p"
    )
    runtime: Annotated[
        str,
        option(
            "Device",
            "auto (torch; ONNX Runtime for an .onnx file), torch, onnxruntime or openvino.",
            metavar="NAME",
            complete=lambda: ["torch", "onnxruntime", "openvino"],
        ),
    ] = "auto"
    threads: Annotated[
        int | None, option("Device", "CPU threads (default: all cores).", metavar="N", parser=whole(1, 1024))
    ] = None
    device: Device = "auto"
    precision: Precision = "auto"
    seconds: Annotated[float, option("Measurement", "How long to measure.", metavar="S", parser=real(0, 3600))] = 2.0
    as_json: Json = False


@verb("latency", "clearer latency denoise-gray --at 1920x1080", "clearer latency PPFP --width 24 --channels 1 --at 1mp")
def latency(options: LatencyOptions) -> None:
    """Time a network on this machine."""
    from clearer.core.cores import cores
    from clearer.pipeline.latency import measure_latency

    found = measure_latency(
        options.target,
        at=options.at,
        runtime=options.runtime,
        threads=options.threads,
        device=options.device,
        precision=options.precision,
        seconds=options.seconds,
        **options.fields(),
    )
    first, third = found["quartiles"]
    threads = f"{found['threads']} thread" + ("s" if found["threads"] > 1 else "")
    rows = [
        ("image", f"{found['at'][0]}x{found['at'][1]}"),
        ("milliseconds, median", f"{found['milliseconds']:.1f}"),
        ("half of the runs", f"{first:.1f} to {third:.1f} ({found['runs']} runs)"),
        ("megapixels a second", f"{found['megapixels_per_second']:.2f}"),
        ("kMAC/pixel", f"{found['macs_per_pixel'] / 1000:.1f}"),
        ("share of peak", f"{100 * found['share_of_peak']:.0f} %"),
        ("computed by", f"{found['runtime']}, {found['precision']}, {found['device']}, {threads}"),
    ]
    console = console_for_people(options.as_json)
    print_table(found["target"], ("", ""), rows, console)
    # With more threads than cores, and while the GPU computes, it is this process itself that waits.
    if found["busy"] > BUSY and found["device"] == "cpu" and found["threads"] <= cores():
        share = f"{100 * found['busy']:.0f} % of the time"
        say(f"other programs kept this machine busy for {share}: stop them and measure again", console)
    if options.as_json:
        print_json(found)
