"""The kinds of results and their tables. To add one, add a function beside this file and a line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clearer.experiments import ablations_page, figures3_4, protocols, tables_page, verdict_page
from result_tables.front import front_table
from result_tables.machine import (
    bf16_table,
    compiled_table,
    ffdnet_table,
    large_table,
    memory_table,
    profile_table,
    runtimes_table,
    speed_table,
    web_table,
)
from result_tables.markdown import as_part
from result_tables.methods import classical_table, lp_table, methods_table, paired_table, rain_table
from result_tables.noise import noise_table, white_level_table
from result_tables.restoration import (
    dejpeg_table,
    depth_table,
    level_table,
    microscopy_table,
    noisy_table,
    overlap_table,
    peers_table,
    robustness_table,
)
from result_tables.training import (
    alone_table,
    arms_table,
    distillation_table,
    forms_table,
    int8_table,
    pixels_table,
    precision_table,
    pulls_table,
    run_table,
    settings_table,
    stopping_table,
    table1_table,
)

KINDS: dict[str, Callable[[Any], str]] = {
    "run": run_table,
    "settings": settings_table,
    "forms": forms_table,
    "arms": arms_table,
    "peers": peers_table,
    "table1": table1_table,
    "verdict": as_part(verdict_page.as_markdown),
    "methods": methods_table,
    "classical": classical_table,
    "lp": lp_table,
    "rain": rain_table,
    "paired": paired_table,
    "tables": as_part(tables_page.as_markdown),
    "protocols": as_part(protocols.as_markdown),
    "figures34": as_part(figures3_4.as_markdown),
    "ablations": as_part(ablations_page.as_markdown),
    "alone": alone_table,
    "pulls": pulls_table,
    "speed": speed_table,
    "profile": profile_table,
    "compiled": compiled_table,
    "precision": precision_table,
    "bf16": bf16_table,
    "overlap": overlap_table,
    "memory": memory_table,
    "stopping": stopping_table,
    "distillation": distillation_table,
    "int8": int8_table,
    "pixels": pixels_table,
    "large": large_table,
    "level": level_table,
    "web": web_table,
    "runtimes": runtimes_table,
    "robustness": robustness_table,
    "dejpeg": dejpeg_table,
    "noise": noise_table,
    "white": white_level_table,
    "noisy": noisy_table,
    "ffdnet": ffdnet_table,
    "microscopy": microscopy_table,
    "depth": depth_table,
    "front": front_table,
}
"""The function that makes the table of a result, by the first word of the result's name."""
