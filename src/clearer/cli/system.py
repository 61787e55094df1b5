"""What `clearer doctor --system` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clearer.core.console import console_for_people, print_json, print_table

if TYPE_CHECKING:
    from clearer.pipeline.system import System


def show_system(as_json: bool) -> None:
    """Print the report of this machine and installation."""
    from clearer.pipeline.system import describe_system

    found = describe_system()
    print_table("", ("", ""), _rows(found), console_for_people(as_json), left=2)
    if as_json:
        print_json({**found})


def _rows(found: System) -> list[tuple[str, str]]:
    processor, memory = found["processor"], found["memory"]
    rows = [
        ("clearer", f"{found['clearer']}, {found['location']}"),
        ("Python", found["python"]),
        ("system", found["system"]),
        ("processor", processor["name"]),
        ("features", ", ".join(processor["features"]) or "not known"),
        ("cores", f"{processor['usable_cores']} of {processor['cores']}"),
        ("memory", f"{_gib(memory['total'])}, free {_gib(memory['free'])}"),
        *_torch_rows(found["torch"]),
        ("packages", _versions(found["packages"]) or "not known: the sources run without an installation"),
        *((f"extra {name}", _extra(versions)) for name, versions in found["extras"].items()),
        ("environment", ", ".join(f"{name}={value}" for name, value in found["environment"].items()) or "nothing set"),
        ("cache", found["cache"]),
    ]
    for table in found["latency"] or [{}]:
        rows.append(("latency table", _table(table)))
    speeds = [f"{name} {seconds:.2f}" for name, seconds in found["speeds"].items()]
    rows.append(("seconds/megapixel", ", ".join(speeds) or "none; clearer models measures them"))
    by_source: dict[str, list[str]] = {}
    for name, source in found["models"].items():
        by_source.setdefault(source, []).append(name)
    rows += [(f"models, {source}", ", ".join(names)) for source, names in by_source.items()]
    return rows if by_source else [*rows, ("models", "none")]


def _torch_rows(torch: dict[str, Any]) -> list[tuple[str, str]]:
    if "error" in torch:
        return [("torch", f"cannot be imported: {torch['error']}")]
    devices = [
        f"{each['device']} ({each['name']}{'' if each['memory'] is None else ', ' + _gib(each['memory'])})"
        for each in torch["devices"]
    ]
    return [
        ("devices", ", ".join(devices) + ("" if torch["cuda"] is None else f", CUDA {torch['cuda']}")),
        ("threads", str(torch["threads"])),
        ("by default", f"{torch['default_device']}, {torch['default_precision']} for images of 8 bits"),
    ]


def _extra(versions: dict[str, str | None]) -> str:
    missing = [name for name, version in versions.items() if version is None]
    found = _versions({name: version for name, version in versions.items() if version is not None})
    return "; ".join(part for part in (found, f"not installed: {', '.join(missing)}" if missing else "") if part)


def _versions(versions: dict[str, str | None]) -> str:
    return ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())


def _table(table: dict[str, Any]) -> str:
    if not table:
        return "none"
    if "error" in table:
        return f"{table['file']}: {table['error']}"
    threads = "" if table["threads"] is None else f", {table['threads']} threads"
    valid = f"{table['device']}{threads}, {table['precision']}, torch {table['torch']}"
    return f"{table['file']}: {table['pieces']} pieces, {valid}"


def _gib(number: int | None) -> str:
    return "not known" if number is None else f"{number / 2**30:.1f} GiB"
