"""Check a release: build it twice, look into it, install it in new environments, run README's commands there.

python tools/release_check.py [--out FOLDER]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import runpy
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LARGEST = 15 * 2**20
"""Bytes of the wheel: larger ones cost everybody who installs it."""
TESTS = (
    "tests/docs/test_readme.py::test_every_command_works_in_its_order_and_then_the_python",
    "tests/test_public.py",
    "tests/recipe",
)
"""What runs from the sdist with the extra quickstart: README's commands first."""


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """Run a program and return what it printed; end with its output where it fails."""
    print("$", *command, flush=True)
    # The checkout must not be imported in place of what is installed.
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    ended = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env=kept | environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if ended.returncode:
        sys.exit(f"{ended.stdout}\nrelease-check: {command[0]} failed with {ended.returncode}")
    return ended.stdout


def build(folder: Path, *what: str) -> list[Path]:
    """Build what is named, by default sdist and wheel, into a folder; times in it are those of the last commit."""
    epoch = run("git", "log", "-1", "--format=%ct").strip()
    run(sys.executable, "-m", "build", *what, "--outdir", folder, ROOT, SOURCE_DATE_EPOCH=epoch)
    return sorted(folder.iterdir())


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_versions() -> str:
    """Return the version; a release has its section in CHANGELOG.md and is the one in CITATION.cff."""
    version: str = runpy.run_path(str(ROOT / "src" / "clearer" / "core" / "version.py"))["__version__"]
    if "dev" not in version:
        heading = re.search(
            rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.M
        )
        cited = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.M)
        if heading is None or cited is None or cited[1] != version:
            sys.exit(f"release-check: {version} is not dated in CHANGELOG.md, or not the version of CITATION.cff")
    return version


def check_files(files: list[Path], again: list[Path]) -> None:
    """Check the size of the wheel, that it is the same when built again, and what twine and others find."""
    wheel = next(file for file in files if file.suffix == ".whl")
    size = wheel.stat().st_size
    print(f"{wheel.name}: {size / 2**20:.2f} MiB, sha256 {digest(wheel)}")
    if size > LARGEST:
        sys.exit(f"release-check: {wheel.name} has {size} bytes; at most {LARGEST}")
    if digest(again[0]) != digest(wheel):
        sys.exit(f"release-check: {wheel.name} differs when it is built again")
    run(sys.executable, "-m", "twine", "check", "--strict", *files)
    run(sys.executable, "-m", "check_wheel_contents", wheel)


def check_installed(file: Path, sources: Path, version: str, folder: Path) -> None:
    """Install a file in a new environment, and run README's commands and tests of the sdist with it."""
    start = time.monotonic()
    run(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    packages = [f"{file}[quickstart]", "pytest", "hypothesis"]
    run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-c", ROOT / "constraints.txt", *packages)
    mebibytes = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file()) / 2**20
    print(f"{file.name}: installed in {time.monotonic() - start:.0f} s, {mebibytes:.0f} MiB with what it needs")
    said = run(folder / "bin" / "clearer", "--version", cwd=folder)
    if said != f"clearer {version}\n":
        sys.exit(f"release-check: the installed program says {said!r}, not {version}")
    run(folder / "bin" / "clearer", "doctor", "--system", cwd=folder)
    print(run(python, "-m", "pytest", "-p", "no:cacheprovider", *TESTS, cwd=sources)[-200:])


def main() -> None:
    """Run all checks; the first that fails ends them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where sdist and wheel are left")
    out: Path = parser.parse_args().out.resolve()
    version = check_versions()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        files = build(work / "first")
        check_files(files, build(work / "again", "--wheel"))
        sdist = next(file for file in files if file.suffix == ".gz")
        with tarfile.open(sdist) as archive:
            archive.extractall(work / "sdist", filter="data")
        sources = next((work / "sdist").iterdir())
        for file in files:
            check_installed(file, sources, version, work / f"environment-{file.suffix[1:]}")
        out.mkdir(parents=True, exist_ok=True)
        for file in files:
            (out / file.name).write_bytes(file.read_bytes())
    print(f"release-check: clearer {version} is sound; its files are in {out}")


if __name__ == "__main__":
    main()
