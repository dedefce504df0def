"""The firmware's core passes its own tests, and its command parser a fuzzer, under address and undefined sanitizers."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.pump_twin import ROOT, built, needs_compiler

pytestmark = [needs_compiler, pytest.mark.timeout(900)]
SANITIZED = ("-DPDM_TESTS=ON", "-DPDM_SANITIZE=ON", "-DCMAKE_BUILD_TYPE=Debug")
CORPUS = ROOT / "firmware" / "test" / "corpus"
needs_doctest = pytest.mark.skipif(
    not Path("/usr/include/doctest/doctest.h").exists(), reason="no doctest: Debian's package doctest-dev brings it"
)
needs_clang = pytest.mark.skipif(
    not shutil.which("clang++") or not list(Path("/usr/lib").glob("llvm-*/lib/clang/*/lib/linux/*fuzzer-x86_64.a")),
    reason="no clang with libFuzzer: Debian's packages clang and libclang-rt-14-dev bring it",
)
RUNS = 200_000


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-6_000:]
    return said


@needs_doctest
def test_the_core_passes_its_own_tests_under_the_sanitizers() -> None:
    said = run(str(built("sanitized", *SANITIZED, target="core-tests") / "core-tests"))

    counts = re.search(r"test cases: +(\d+) \| +(\d+) passed \| 0 failed", said)
    assert counts is not None, said[-2_000:]
    assert int(counts[1]) == int(counts[2]) >= 190


@needs_doctest
def test_the_board_s_link_and_logic_pass_their_tests_over_stand_ins_for_its_libraries() -> None:
    said = run(str(built("sanitized", *SANITIZED, target="board-tests") / "board-tests"))

    counts = re.search(r"test cases: +(\d+) \| +(\d+) passed \| 0 failed", said)
    assert counts is not None, said[-2_000:]
    assert int(counts[1]) >= 36


@needs_doctest
@needs_clang
def test_a_fuzzer_that_sees_the_code_finds_no_command_that_breaks_the_parser(tmp_path: Path) -> None:
    fuzzer = built("fuzz", "-DPDM_TESTS=ON", "-DCMAKE_CXX_COMPILER=clang++", target="fuzz-commands") / "fuzz-commands"

    said = run(str(fuzzer), f"-runs={RUNS}", "-seed=7", "-max_len=4200", str(tmp_path), str(CORPUS))

    assert f"Done {RUNS} runs" in said
    # more inputs than it began with lead somewhere new: it does not only repeat them
    assert len(list(tmp_path.iterdir())) > 100


@needs_doctest
def test_commands_changed_at_random_do_not_break_the_parser_either() -> None:
    driver = built("sanitized", *SANITIZED, target="fuzz-commands") / "fuzz-commands"

    said = run(str(driver), str(CORPUS), str(RUNS))

    assert str(RUNS) in said.replace(",", "")
