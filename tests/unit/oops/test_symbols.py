"""Decoding: addresses from names, batches, answers of both tools, inlines, code bytes."""

from dataclasses import replace

import oops_samples as splats

from kzram_ci.oops import Frame, code, parse, symbols

NM = """\
ffffffff81000000 T _text
ffffffff81001000 t obj_malloc
ffffffff81001160 T zs_malloc
ffffffff81001500 t helper
ffffffff81001510 T other
ffffffff81001600 t helper
ffffffff81001640 T last
ffffffff82000000 D data
"""


def frame(function: str, offset: int, size: int) -> Frame:
    return Frame(function=function, offset=offset, size=size)


def test_addresses_of_names_and_of_static_twins() -> None:
    table = symbols.SymbolTable.from_nm(NM)
    assert table.address(frame("obj_malloc", 0x4B, 0x160)) == 0xFFFFFFFF8100104B
    assert table.address(frame("helper", 0x4, 0x40)) == 0xFFFFFFFF81001604
    assert table.address(frame("helper", 0x4, 0x10)) == 0xFFFFFFFF81001504
    assert table.address(frame("data", 0, 0)) is None
    assert table.address(frame("nowhere", 0, 0)) is None


def test_one_batch_then_files_and_inlines() -> None:
    (oops,) = parse(splats.NULL_DEREF.replace(" [zsmalloc]", "").encode())
    assert set(symbols.objects([oops])) == {"", "zram"}
    tables = {"": symbols.SymbolTable.from_nm(NM)}
    queries = symbols.batch([oops], tables)
    addresses = [query.address for query in queries]
    assert 0xFFFFFFFF8100104B in addresses  # where the instruction pointer was
    assert 0xFFFFFFFF81001160 + 0x9C - 1 in addresses  # a return address: the call is before it
    text = symbols.symbolizer_input(queries, {"": "/b/vmlinux"}).decode()
    assert text.splitlines()[0].startswith('CODE "/b/vmlinux" 0x')
    answers = "".join("inner\n/b/mm/a.c:10:3\nouter.isra.0\n/b/mm/a.c:20:0\n\n" for _ in queries)
    found = symbols.apply(oops, tables, dict(zip(queries, symbols.parse_answers(answers), strict=True)), "/b")
    fault, _, inner, outer = found.frames[:4]
    assert (fault.function, fault.inline) == ("inner", True)  # inlined where the instruction pointer was
    assert (inner.function, inner.source, inner.inline) == ("inner", "mm/a.c:10", True)
    assert (outer.function, outer.source, outer.inline) == ("zs_malloc", "mm/a.c:20", False)
    assert found.pointer is not None
    assert found.pointer.source == "mm/a.c:20"
    assert found.signature == oops.signature


def test_answers_of_addr2line() -> None:
    text = "0xffffffff8100104b\nobj_malloc\n/b/mm/zsmalloc.c:5 (discriminator 2)\n0x1\n??\n??:0\n"
    known, unknown = symbols.parse_answers(text)
    assert known == (symbols.CodeLocation(function="obj_malloc", source="/b/mm/zsmalloc.c:5"),)
    assert unknown[0].source is None


def test_a_file_of_the_symbol_table_without_a_line_is_no_place() -> None:
    ((place,),) = symbols.parse_answers("sysrq_handle_crash\nsysrq.c:0:0\n\n")
    assert place.source is None


def test_code_of_user_space_is_not_the_kernels() -> None:
    panic = "Kernel panic - not syncing: sysrq\nCall Trace:\n <TASK>\n panic+0x1/0x2\n vfs_write+0x1/0x2\n"
    (oops,) = parse(f"{panic}RIP: 0033:0x438ff0\nCode: ff c0 <48> 3d 00\nRAX: 00000000ffffffda\n </TASK>\n".encode())
    assert (oops.code, oops.registers) == (None, None)


RISCV = """\
Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010
Oops [#1]
CPU: 1 UID: 0 PID: 72 Comm: directmutate Not tainted 6.12.117 #1
epc : obj_malloc+0x54/0x2c4
 ra : zs_malloc+0x40/0x2c4
epc : ffffffff80203fd0 ra : ffffffff80203fbc sp : ff20000000a0bb20
status: 0000000200000120 badaddr: 0000000000000010 cause: 000000000000000d
Code: 8793 0017 b503 0007 3023 00a4 6422 60a2 0141 8082 (6908) 8082
---[ end trace 0000000000000000 ]---
"""


def test_code_of_halfwords() -> None:
    """riscv prints parcels of 16 bits, the lower byte second (dump_instr() of arch/riscv/kernel/traps.c)."""
    (oops,) = parse(RISCV.encode())
    found = code.code_of(oops)
    assert found is not None
    assert (found.machine, found.fault, found.step) == ("riscv:rv64", 20, 2)
    assert found.data[:4] == bytes.fromhex("93871700")  # addi a5,a5,1
    assert code.code_of(replace(oops, registers={})) is None  # of an architecture that is not known


def test_code_bytes() -> None:
    (oops,) = parse(splats.NULL_DEREF.encode())
    found = code.code_of(oops)
    assert found is not None
    assert (found.fault, found.machine, found.data[6]) == (6, "i386:x86-64", 0x48)
    assert code.starts(found)[-1] == 6
    listing = code.listing("   0:\tmov    %ecx,%eax\n   6:\tmov    0x10(%rax),%rax\n", found)
    assert listing == ("  -6  mov %ecx,%eax", "  +0> mov 0x10(%rax),%rax")
    assert code.listing("   5:\tnop\n", found) is None
    (oops,) = parse(splats.ARM64.encode())
    found = code.code_of(oops)
    assert found is not None
    assert (found.machine, found.fault, found.data[-4:]) == ("aarch64", 16, bytes.fromhex("210040f9"))
    assert code.code_of(replace(oops, code="Bad RIP value.")) is None
