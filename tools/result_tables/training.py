"""Tables of searches and trainings."""

from __future__ import annotations

from typing import Any

from clearer.experiments import table1
from result_tables.markdown import table


def run_table(value: dict[str, Any]) -> str:
    search, train, run = value["search"], value["train"], value["run"]
    rows = [["architecture", value["architecture"]["architecture"]]]
    if search:
        steps = f"{search['steps']} weight steps, {search['arch_steps']} architecture steps"
        rows += [["search", f"{steps}, {search['seconds']:.0f} s"], ["mean gap", f"{search['gap']:.4f}"]]
    best = f"{train['best_psnr']:.2f} dB (epoch {train['best_epoch']})"
    rows += [
        ["training", f"{train['steps']} steps, {train['seconds']:.0f} s"],
        ["validation PSNR", f"{best}, input {train['input_psnr']:.2f} dB"],
        ["peak memory", f"{train['peak_memory_mb']} MiB"],
        ["device", f"{train['device']}, {train['precision']}, torch {run['torch']}"],
    ]
    for e in value["evaluations"]:
        what = f"{e['protocol']}, {e['images']} test images"
        rows.append(
            [what, f"{e['psnr']:.2f} dB / {e['ssim']:.4f}, input {e['input_psnr']:.2f} / {e['input_ssim']:.4f}"]
        )
        rows.append(["size", f"{e['parameters']:,} parameters, {e['macs_per_pixel'] / 1e3:.1f} kMAC/pixel"])
    return f"`{value['command']}`\n\n" + table(["", ""], rows)


def settings_table(value: dict[str, Any]) -> str:
    rows = [
        [r["setting"], f"{r['psnr']:.2f}", ", ".join(f"{v:.2f}" for v in r["per_seed"]), r["seconds"]]
        for r in value["rows"]
    ]
    head = [f"{value['steps']} steps, width {value['width']}", "validation PSNR (dB)", "each seed", "seconds"]
    return f"`{value['command']}` (input {value['input_psnr']:.2f} dB)\n\n" + table(head, rows)


def forms_table(value: dict[str, Any]) -> str:
    levels = list(value["rows"][0]["psnr"])
    pairs = levels == ["pairs"]  # for them SSIM, too
    rows = []
    for r in value["rows"]:
        figures = [", ".join(f"{v:.2f}" for v in r["psnr"][level]) for level in levels]
        figures += [", ".join(f"{v:.3f}" for v in r["ssim"]["pairs"])] if pairs else []
        rows.append([r["setting"], f"{r['kmac']:.0f}", f"{r['steps']:,}", *figures])
    what = ["PSNR, dB", "SSIM"] if pairs else [f"{level}, dB" for level in levels]
    each = "a minute" if value["minutes"] == 1 else f"{value['minutes']:g} minutes"
    head = [f"{each} each", "kMAC/pixel", "steps", *what]
    said = f" (input {value['input']['psnr']['pairs']:.2f} dB / {value['input']['ssim']['pairs']:.3f})" if pairs else ""
    return f"`{value['command']}`{said}\n\n" + table(head, rows)


def arms_table(value: dict[str, Any]) -> str:
    """Return a table of trainings of equal length that differ in one setting each."""
    first = value["rows"][0]
    rows = [
        [r["label"], f"`{r['change']}`", f"{r['validation_psnr']:.2f}", f"{r['psnr']:.2f} / {r['ssim']:.4f}"]
        for r in value["rows"]
    ]
    test = f"{first['images']} test images, dB / SSIM"
    head = [f"{first['steps']:,} steps each", "options", "validation, dB", test]
    said = f"`{value['command']} OPTIONS`, then `{value['evaluate']}` (input {first['input_psnr']:.2f} dB)"
    return f"{said}\n\n" + table(head, rows)


def table1_table(value: dict[str, Any]) -> str:
    head = ["lambda_1", "seed", "weight steps", "architecture steps", "seconds", "device, precision"]
    told = all("genotype_over_steps" in r for r in value["rows"])
    head[4:4] = ["genotype as at the end since step"] if told else []
    rows = []
    for r in value["rows"]:
        steps = [f"{r['lambda_arch']:g}", r["seed"], r["steps"], r["arch_steps"]]
        steps += [r["genotype_over_steps"][-1][0]] if told else []
        rows.append([*steps, f"{r['seconds']:.0f}", f"{r['device']}, {r['precision']}"])
    return f"`{value['command']}`\n\n{table1.as_markdown(value)}\n{table(head, rows)}"


def alone_table(value: dict[str, Any]) -> str:
    rows = [[f"{row['noise']:g}", *(f"{gap:.3f}" for gap in row["gaps"])] for row in value["rows"]]
    head = ["noise of the gradient", *(f"gap after {step:,} steps" for step in value["steps"])]
    return f"`{value['command']}` (means over {value['seeds']} seeds)\n\n" + table(head, rows)


def pulls_table(value: dict[str, Any]) -> str:
    rows = [[f"{r['batch']} x {r['patch']}", f"{r['mean']:.1e}", f"{r['noise']:.1e}"] for r in value["rows"]]
    note = f"L_Arch pulls with {value['architecture_loss_pull']:.1e}, the decay with {value['weight_decay_pull']:.1e}"
    head = ["patches x pixels", "L_Res, mean", "L_Res, noise"]
    return f"`{value['command']}`: {note}\n\n" + table(head, rows)


def stopping_table(value: dict[str, Any]) -> str:
    searches = value["searches"]
    rows = []
    for k, row in enumerate(searches[0]["rows"]):
        cells = []
        for search in searches:
            found = search["rows"][k]
            saved = [f"{found['saved']:.0%}", "yes" if found["same_genotype"] else "no"]
            cells += ["does not converge", ""] if found["arch_step"] is None else saved
        rows.append([f"{row['gap']}, {value['steps']}", *cells])
    names = [f"{search['run']}, {search['minutes']} min: saves" for search in searches]
    heads = [head for name in names for head in (name, "same genotype as at the end?")]
    return f"`{value['command']}`\n\n" + table(["stop_gap, stop_steps", *heads], rows)


def precision_table(value: dict[str, Any]) -> str:
    def psnr(values: list[float]) -> str:
        return ", ".join(f"{v:.2f}" for v in values)

    rows = [[r["norm"], psnr(r["fp32"]), psnr(r["bf16"]), f"{r['difference']:+.3f}"] for r in value["rows"]]
    what = f"norm ({value['steps']:,} steps, width {value['width']})"
    head = [what, "fp32, dB, each seed", "bf16, each seed", "mean difference, dB"]
    return f"`{value['command']}` (input {value['input_psnr']:.2f} dB)\n\n" + table(head, rows)


def distillation_table(value: dict[str, Any]) -> str:
    rows = value["rows"]
    alone = {row["seed"]: row["last_psnr"] for row in rows if row["share"] == 0}
    lines = []
    for part in dict.fromkeys(row["share"] for row in rows):
        found = [row for row in rows if row["share"] == part]
        psnr = [row["last_psnr"] for row in found]
        gains = ", ".join(f"{row['last_psnr'] - alone[row['seed']]:+.3f}" for row in found) if part else ""
        lines.append([f"{part:.0%}", f"{sum(psnr) / len(psnr):.3f}", ", ".join(f"{v:.3f}" for v in psnr), gains])
    head = [
        f"share of the teacher ({rows[0]['steps']:,} steps)",
        "validation PSNR (dB)",
        "each seed",
        "over no teacher",
    ]
    return f"`{value['command']}` (input {rows[0]['input_psnr']:.2f} dB)\n\n" + table(head, lines)


def int8_table(value: dict[str, Any]) -> str:
    def cells(row: dict[str, Any]) -> list[str]:
        loss = row["psnr_fp32"] - row["psnr"]
        return [f"{row['psnr_fp32']:.2f}", f"{row['psnr']:.2f}", f"{loss:.2f}", f"{row['worst_loss']:.2f}"]

    names = {"none": "as shipped", "plain": "further training", "rounded": "further training with rounded values"}
    lines = [[names[row["training"]], *cells(row)] for row in value["rows"]]
    first = value["rows"][0]
    what = f"{first['held_out']} held-out images, calibrated with {first['calibrated_with']}"
    head = [what, "fp32, dB", "int8, dB", "loss, dB", "worst loss, dB"]
    return f"`{value['command']}`\n\n" + table(head, lines)


def pixels_table(value: dict[str, Any]) -> str:
    """Return a table of the validation PSNR of trainings over the pixels that they saw, a stage a line."""
    rows = []
    for r in value["rows"]:
        figures = ["" if psnr is None else f"{psnr:.2f}" for psnr in r["psnr"]]
        cost = f"{r['macs_per_pixel'] / 1e3:.0f}"
        rows.append([r["model"], cost, str(r["stage"]), f"{r['steps']:,}", f"{r['megapixels']:,.0f}", *figures])
    parts = [f"{part:.0%} of the stage" for part in value["parts"]]
    return f"`{value['command']}`\n\n" + table(
        ["model", "kMAC/pixel", "stage", "steps", "Mpixel seen at its end", *parts], rows
    )
