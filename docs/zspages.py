"""For drgn: the chains of free objects in zram's zspages, and which of them an overrun broke (Linux 6.12).

kzram-ci drgn RUNDIR CELL -- zspages.py

A zspage links its free objects: `freeobj` is the index of the first, each holds the index of the next, shifted by one
bit; the last holds -1, or the number of objects where a piece of the page is left over. A result that was copied over
the end of its object has overwritten the next one's link.
"""

from drgn import FaultError, Object, ObjectNotFoundError, Program, cast, sizeof
from drgn.helpers.linux.idr import idr_for_each_entry
from drgn.helpers.linux.list import list_for_each_entry
from drgn.helpers.linux.mm import page_to_virt, pfn_to_virt

TAG_BITS = 1  # OBJ_TAG_BITS
SECTION_BITS = 46 - 27  # MAX_PHYSMEM_BITS less SECTION_SIZE_BITS, of x86-64
MAP_FLAGS = 0x3F  # below what section_mem_map encodes
ENDS = {(1 << 63) - 1, (1 << 32) - 1, (1 << 31) - 1}  # -1, as it is in a link, in freeobj, and in a link again


def address(prog: Program, page: Object) -> int:
    """Of a page's memory. drgn's own helper wants SPARSEMEM_VMEMMAP; without, a page's flags name its section."""
    try:
        return page_to_virt(page).value_()
    except ObjectNotFoundError:
        roots, section = prog["mem_section"], page.flags.value_() >> (64 - SECTION_BITS)
        per_root = 4096 // sizeof(roots.type_.type.type)
        entry = roots[section // per_root][section % per_root]
        pfn = (page.value_() - (entry.section_mem_map.value_() & ~MAP_FLAGS)) // sizeof(page.type_.type)
        return pfn_to_virt(prog, pfn).value_()


def link(prog: Program, zspage: Object, size: int, index: int) -> int:
    """What a free object holds: the index of the next one."""
    page, offset = zspage.first_page, index * size
    for _ in range(offset >> 12):
        page = cast("struct page *", page.index)  # the next page of a zspage, unless it is a huge one
    return prog.read_u64(address(prog, page) + (offset & 4095)) >> TAG_BITS


def broken(prog: Program, zspage: Object, size: int, objects: int) -> str:
    """How the chain is broken; "" when it is whole."""
    index, seen = zspage.freeobj.value_(), []
    while len(seen) <= objects:
        if index >= objects:
            free = objects - zspage.inuse.value_()
            holder = f"object {seen[-1]} links to" if seen else "it begins with"
            if index in {objects, *ENDS} and len(seen) == free:
                return ""
            return f"{holder} {index:#x} after {len(seen)} of {free} free objects"
        if index in seen:
            return f"object {seen[-1]} links back to {index}"
        seen.append(index)
        try:
            index = link(prog, zspage, size, index)
        except FaultError as error:
            return f"object {index} is not in memory: {error}"
    return "it does not end"


def report(prog: Program) -> None:
    """All zspages of all zram devices: the broken ones, and how many were looked at."""
    whole = 0
    for number, entry in idr_for_each_entry(prog["zram_index_idr"].address_of_(), "struct zram"):
        classes = {pointer.value_(): pointer for pointer in entry.mem_pool.size_class if pointer}  # some are shared
        for pointer in classes.values():
            size, objects = pointer.size.value_(), pointer.objs_per_zspage.value_()
            if objects == 1:
                continue  # huge: no chain
            zspages = {
                zspage.value_(): zspage
                for head in pointer.fullness_list
                for zspage in list_for_each_entry("struct zspage", head.address_of_(), "list")
            }
            for address, zspage in zspages.items():
                if why := broken(prog, zspage, size, objects):
                    print(f"zram{number}: objects of {size} bytes, zspage {address:#x}: {why}")
                else:
                    whole += 1
    print(f"{whole} zspages with whole chains")


report(globals()["prog"])  # drgn puts it there
