"""A registry with a small production model: trained once by the job that the demo runs, kept below var/bench."""

import shutil
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, say
from pdm_platform.contract.errors import PdmError
from pdm_platform.inference.loader import load
from pdm_platform.local.demo import SMALL
from pdm_platform.local.stack import embedded_stack
from pdm_platform.stores.registry import ManifestFacts, Registry


def registry_below(bench: Bench) -> Path:
    """The registry; trained anew where there is none, or none that this release serves."""
    kept = bench.folder / "registry"
    if not _fits(kept):
        say("no model of this release below var/bench: training a small one, once, a minute or two")
        with bench.scratch() as folder:
            _train(folder / "home")
            _remove(kept)
            shutil.copytree(folder / "home" / "registry", kept)
            _remove(folder / "home" / "registry")
    return kept


def _fits(folder: Path) -> bool:
    """Whether this release's service would take it, for either output."""
    if not folder.exists():
        return False
    registry = Registry(folder)
    try:
        pointer = registry.production()
        return pointer is not None and all(load(registry, pointer, simple=simple) for simple in (False, True))
    except PdmError:
        return False


def _train(home: Path) -> None:
    lives, search = {"seed": 7, "plan": SMALL.lives}, {"search_seconds": SMALL.search_s}
    config: dict[str, Any] = {"ops": {"simulated_lifecycles": {"config": lives}, "candidate_model": {"config": search}}}
    with embedded_stack(home) as stack:
        stack.run_job("retrain", lambda _: None, config=config)


def copy_to(registry: Path, home: Path) -> None:
    """A copy for a service of its own: its ledger and pointer are locked while they are read."""
    shutil.copytree(registry, home / "registry")


def another_version(registry: Registry, folder: Path) -> str:
    """Register the production model once more, a note beside its files: what loads alike, under another name.

    folder: for the files in between.
    """
    manifest = registry.production_manifest()
    assert manifest is not None
    folder.mkdir(parents=True)
    for name, content in registry.verified(manifest.version).contents.items():
        (folder / name).write_bytes(content)
    (folder / "note.txt").write_text(f"the files of {manifest.version}", encoding="utf-8")
    facts = {name: getattr(manifest, name) for name in ManifestFacts.__struct_fields__}
    return registry.register(folder, ManifestFacts(**facts)).version


def _remove(folder: Path) -> None:
    """Model versions are read-only, their folders too."""
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    if folder.exists():
        shutil.rmtree(folder)
