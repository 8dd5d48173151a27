"""The counters that a guest reports: name, unit, where it comes from, what it counts. Pure data.

A kernel's own instruments may add bare names: each file of debugfs zram_overrun/ is a counter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from kzram_ci.base.suggest import allowed, did_you_mean
from kzram_ci.base.values import dataclass

_NAME = re.compile(r"^[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*$")
WORKLOAD = "workload"  # group of what the workload itself reports, after it ran


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """One counter. `origin` is a file of the guest, or the series that brings the counter."""

    name: str
    unit: str
    origin: str
    meaning: str

    @property
    def group(self) -> str:
        """The part before the dot; empty for the counters of instruments."""
        return self.name.rpartition(".")[0].partition(".")[0]


def _rows(origin: str, prefix: str, text: str) -> Iterator[Counter]:
    for line in text.strip().splitlines():
        name, unit, meaning = (part.strip() for part in line.split("|"))
        yield Counter(name=prefix + name, unit=unit, origin=origin, meaning=meaning)


COUNTERS: tuple[Counter, ...] = (
    *_rows("series overrun-detector", "", """
        recompressions | pages | compressed a second time, because the first attempt to allocate the object failed
        changed_between | pages | of those, with other bytes as second result: the page changed
        grew | pages | of those, with a longer second result
        grew_class | pages | of those, with one that needs a larger class: races that a kernel without remedy loses
        overruns | pages | longer than their object
        max_excess | bytes | the most by which a result was longer than its object
        over_in_page | pages | of the overruns, that stayed in the page of their object
        over_next_page | pages | of the overruns, that went on into the next page of memory
        over_buffer | pages | of the overruns, into an object in two pages: cut off by a buffer
        wasted_bytes | bytes | by which classes were larger than the data needed, summed over all writes
        wasted_now | bytes | of those, in objects that are there now
        slack_now | bytes | that the classes which the data needs leave over, in objects that are there now
        selftest_failures | sizes | for which zs_obj_capacity() is wrong; not 0: the detector cannot be trusted
    """),
    *_rows("series reuse-counters", "", """
        reuse_refused | pages | under writeback, not reused for writing because the swap device wants stable pages
        reuse_refused_write | pages | of those, found by a write: a race that a kernel without stable pages may lose
        reuse_copied | pages | under writeback, copied so that the writer could go on
        reuse_allowed | pages | under writeback, reused for writing because the swap device wants no stable pages
    """),
    *_rows("series mutation-witness", "", """
        changed_during | pages | that changed while they were compressed
    """),
    *_rows("series changed-by", "", """
        changed_anon | pages | that changed between two compressions and are anonymous: the caller's own
        changed_file | pages | that changed so, of files in the page cache
        changed_metadata | pages | that changed so, of a block device: buffers of a file system
        changed_unowned | pages | that changed so, of none of these: memory of the kernel itself
        changed_writeback | pages | that changed so, under writeback
        changed_pinned | pages | that changed so and may be pinned
        changed_writable | pages | that changed so, under writeback, which a process may write to by its page tables
        changed_by_fault | pages | that changed so, to which a fault gave write access after writeback began
        changed_by_read | pages | that changed so, read into from zram after writeback began
        changed_by_buffer | pages | that changed so, with a buffer that was changed after writeback began
        fault_under_writeback | faults | that gave write access to a page of a file under writeback
        read_under_writeback | pages | read into from zram while under writeback
        buffer_under_writeback | buffers | of metadata, changed while under writeback
    """),
    *_rows("series held-gauge", "", """
        held_total | pages | copied under writeback, which stay in the swap cache until they are dropped there
        held_now | pages | of those, there now
        held_max | pages | of those, there at most
        held_sum_us | microseconds | that those which are gone stayed, summed
        held_missed | pages | not followed, for want of memory
    """),
    *_rows("series saved-clen-counters, saved-clen-emergency-counters", "", """
        reallocated | pages | that got a new object because the second result was longer
    """),
    *_rows("series emergency-class-counters, saved-clen-emergency-counters", "", """
        emergencies | pages | put into an unused object of a larger class
        search_len | classes | looked at for those
    """),
    *_rows("series emergency-class-counters", "", """
        page_size_fallbacks | pages | put into an object of a whole page
    """),
    *_rows("/sys/block/zram0/mm_stat", "zram.", """
        orig_data_size | bytes | stored, before compression
        compr_data_size | bytes | stored, compressed
        mem_used_total | bytes | of memory in use, with zsmalloc's overhead
        mem_limit | bytes | of memory that may be used; 0: no limit
        mem_used_max | bytes | of memory in use at most, so far
        same_pages | pages | filled with one value, stored without an object
        pages_compacted | pages | freed by compaction
        huge_pages | pages | stored as they are, because they do not compress
        huge_pages_since | pages | stored so since the device was set up
    """),
    *_rows("/sys/block/zram0/io_stat", "zram.", """
        failed_reads | requests | to read that failed
        failed_writes | requests | to write that failed
        invalid_io | requests | that were not aligned to pages
        notify_free | pages | freed by swap
    """),
    *_rows("/sys/block/zram0/debug_stat", "zram.", """
        writestall | pages | whose first attempt to allocate failed; since 6.15 always 0
        miss_free | pages | that could not be freed at once
    """),
    *_rows("/sys/block/zram0/stat", "zram.", """
        reads | requests | to read
        read_sectors | sectors of 512 bytes | read
        writes | requests | to write
        write_sectors | sectors of 512 bytes | written
    """),
    *_rows("/proc/vmstat", "vmstat.", """
        pswpin | pages | swapped in
        pswpout | pages | swapped out
        pgfault | faults | of any kind
        pgmajfault | faults | that waited for a page
        oom_kill | processes | killed for lack of memory
        nr_writeback | pages | under writeback now
        nr_dirty | pages | dirty now
        nr_swapcached | pages | in the swap cache now
        nr_zspages | pages | of zsmalloc now
        swap_ra | pages | read ahead from swap
        pgscan_kswapd | pages | looked at by kswapd
        pgscan_direct | pages | looked at by tasks that need memory
        pgsteal_kswapd | pages | reclaimed by kswapd
        pgsteal_direct | pages | reclaimed by tasks that need memory
        nr_vmscan_write | pages | written by reclaim
    """),
    *_rows("/proc/meminfo", "mem.", """
        free_kb | KiB | free now (MemFree)
        available_kb | KiB | available now (MemAvailable)
        swap_free_kb | KiB | of free swap now (SwapFree)
    """),
    *_rows("/proc/pressure/memory", "psi.memory.", """
        some_us | microseconds | in which some task waited for memory
        full_us | microseconds | in which all tasks waited for memory
    """),
    *_rows("/proc/self/mountinfo", "fs.", """
        mounted | mounts | 1 when the plan's file system is mounted, with all its options; a floor of each such cell
    """),
    *_rows("times of the fault injector", "fault.", """
        injected | allocations | that fault injection made fail
    """),
)  # fmt: skip
NAMES = tuple(counter.name for counter in COUNTERS)
INSTRUMENTS = tuple(counter.name for counter in COUNTERS if not counter.group)


def fault_of(name: str) -> str:
    """What is wrong with a counter's name, or nothing. New bare names pass unless they look like a known one."""
    if not _NAME.match(name):
        return f"{name!r} is not the name of a counter"
    group, _, rest = name.partition(".")
    if name in NAMES or (group == WORKLOAD and rest):
        return ""
    if not rest:
        near = did_you_mean(name, INSTRUMENTS, cutoff=0.8)
        return f"unknown counter {name!r}{near}" if near else ""
    groups = [*dict.fromkeys(counter.group for counter in COUNTERS if counter.group), WORKLOAD]
    if group not in groups:
        return f"unknown group of counters {group!r}; {allowed(group, groups)}"
    return f"unknown counter {name!r}; {allowed(name, of_group(group))}"


def of_group(group: str) -> Iterable[str]:
    """The counters of a group."""
    return [counter.name for counter in COUNTERS if counter.group == group]
