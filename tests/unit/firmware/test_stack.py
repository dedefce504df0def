"""The deepest stack is read off machine code, and what cannot be known is an error, never a smaller number."""

import pytest

from firmware.cost.stack import Program, StackError

PLAIN = """
80000000 <main>:
80000000:	add	sp,sp,-16
80000002:	jal	80000010 <shallow>
80000006:	jal	80000020 <deep(int)>
8000000a:	add	sp,sp,16
8000000c:	ret

80000010 <shallow>:
80000010:	add	sp,sp,-32
80000012:	add	sp,sp,32
80000014:	ret

80000020 <deep(int)>:
80000020:	add	sp,sp,-2032
80000024:	add	sp,sp,-48
80000028:	beqz	a0,80000028 <deep(int)+0x8>
8000002a:	add	sp,sp,2080
8000002e:	j	80000040 <last>

80000040 <last>:
80000040:	sw	ra,12(sp)
80000042:	jal	t0,80000050 <__riscv_save_0>
80000046:	j	80000058 <__riscv_restore_0>

80000050 <__riscv_save_0>:
80000050:	add	sp,sp,-16
80000052:	jr	t0

80000058 <__riscv_restore_0>:
80000058:	add	sp,sp,16
8000005a:	ret
"""


def program(body: str) -> Program:
    return Program(f"80000000 <main>:\n{body}\n\n80000100 <other>:\n80000100:\tadd\tsp,sp,-64\n80000102:\tret\n")


def test_the_deepest_path_counts_every_frame_and_tail_call() -> None:
    deepest = Program(PLAIN).deepest("main")

    assert deepest.path == ("main", "deep(int)", "last")
    # what a call into libgcc keeps of the registers lies in its caller's frame
    assert deepest.bytes == 16 + 2080 + 64


def test_the_way_to_a_function_ends_before_it() -> None:
    whole = Program(PLAIN)

    before = whole.before("main", "last$")
    assert before is not None
    assert (before.bytes, before.path) == (16 + 2080, ("main", "deep(int)"))
    assert whole.before("shallow", "last$") is None


def test_recursion_is_an_error_that_names_the_circle() -> None:
    circle = PLAIN.replace("80000012:\tadd\tsp,sp,32", "80000012:\tjal\t80000000 <main>")

    with pytest.raises(StackError, match="recursion: main -> shallow -> main"):
        Program(circle).deepest("main")
    with pytest.raises(StackError, match="recursion: main -> main"):
        program("80000000:\tjal\t80000000 <main>\n80000004:\tret").deepest("main")


@pytest.mark.parametrize("call", ["jalr\ta5", "jr\ta5", "jalr\t12(a5)"])
def test_a_call_through_a_pointer_leads_where_the_table_says_and_else_is_an_error(call: str) -> None:
    body = f"80000000:\tadd\tsp,sp,-16\n80000002:\t{call}\n80000004:\tret"
    text = f"80000000 <main>:\n{body}\n\n80000100 <other>:\n80000100:\tadd\tsp,sp,-64\n80000102:\tret\n"

    assert Program(text, [("main", "other")]).deepest("main").bytes == 16 + 64
    with pytest.raises(StackError, match="main: nobody knows where this leads"):
        Program(text).deepest("main")
    with pytest.raises(StackError, match="main: the table leads nowhere"):
        Program(text, [("main", "gone")]).deepest("main")


@pytest.mark.parametrize("frame", ["sub\tsp,sp,t1", "mv\tsp,s0", "add\tsp,s0,-32", "add\tsp,sp,t0", "lw\tsp,0(a0)"])
def test_a_frame_that_is_only_known_while_it_runs_is_an_error(frame: str) -> None:
    with pytest.raises(StackError, match="main: the frame depends on what happens"):
        program(f"80000000:\t{frame}\n80000004:\tret").deepest("main")


def test_a_function_without_an_end_runs_into_the_next() -> None:
    assert program("80000000:\tadd\tsp,sp,-16").deepest("main").bytes == 16 + 64


def test_a_function_that_is_not_there_is_an_error() -> None:
    with pytest.raises(StackError, match="nothing: 0 functions"):
        Program(PLAIN).deepest("nothing")
