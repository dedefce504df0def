"""Flame graphs: where processor time goes, as folded stacks and as a picture."""

import threading
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

from benchmarks import flame
from benchmarks.profiled import Sampler

STACKS = Counter({"main;a.run;a.<genexpr>": 75, "main;a.run": 15, "network;b.read": 10})


def test_each_frame_is_as_wide_as_what_it_costs() -> None:
    picture = ElementTree.fromstring(flame.draw(STACKS, "a & b"))

    svg = "{http://www.w3.org/2000/svg}"
    widths = {
        group.findtext(f"{svg}title"): float(group.find(f"{svg}rect").attrib["width"])  # type: ignore[union-attr]
        for group in picture.findall(f"{svg}g")
    }
    assert set(widths) == {
        "all 100.0 %",
        "main 90.0 %",
        "a.run 90.0 %",
        "a.<genexpr> 75.0 %",
        "network 10.0 %",
        "b.read 10.0 %",
    }
    assert abs(widths["a.<genexpr> 75.0 %"] / widths["all 100.0 %"] - 0.75) < 0.01


def test_the_folded_stacks_lie_beside_the_picture(tmp_path: Path) -> None:
    flame.write(STACKS, tmp_path / "flame.svg", "title")

    assert (tmp_path / "flame.folded").read_text() == "main;a.run 15\nmain;a.run;a.<genexpr> 75\nnetwork;b.read 10\n"
    assert (tmp_path / "flame.svg").read_text().startswith("<svg")


def test_a_profile_of_nothing_can_be_drawn() -> None:
    assert "title" in flame.draw(Counter(), "title")


def test_the_sampler_counts_who_works_and_not_who_waits() -> None:
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            sum(range(1_000))

    threads = [threading.Thread(target=busy, name="busy"), threading.Thread(target=stop.wait, name="idle")]
    sampler = Sampler()
    for thread in threads:
        thread.start()
    sampler.start()
    deadline = time.monotonic() + 20.0
    while not any(stack.startswith("busy;") for stack in sampler.stacks) and time.monotonic() < deadline:
        time.sleep(0.05)
    sampler.stop()
    stop.set()
    for thread in threads:
        thread.join()

    found = {stack.partition(";")[0]: cost for stack, cost in sampler.stacks.items()}
    assert found["busy"] > 0
    assert found.get("idle", 0) < found["busy"]
    assert any(stack.endswith(".busy") for stack in sampler.stacks)
