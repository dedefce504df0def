"""The other version that a benchmark promotes is the production model under another name."""

from collections.abc import Callable
from pathlib import Path

from benchmarks.model import another_version
from pdm_platform.inference.loader import load
from pdm_platform.stores.registry import Manifest, Registry

Registered = Callable[..., tuple[Registry, Manifest]]


def test_another_version_loads_like_the_first_and_can_be_rolled_back(tmp_path: Path, registered: Registered) -> None:
    registry, first = registered(tmp_path / "registry")
    registry.promote(first.version, actor="a test", reason="to see it")

    other = another_version(registry, tmp_path / "between")
    pointer = registry.promote(other, actor="a test", reason="to see it")

    assert other != first.version
    assert load(registry, pointer).version == other
    assert registry.rollback(actor="a test", reason="enough").version == first.version
