// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What kind of page changes between two compressions, which ways to it are
 * open right after the second one, and who took one. One number a file in
 * debugfs, in zram_overrun/, never reset:
 *
 *   changed_anon       anonymous: the caller's own page, of an O_DIRECT write or of swap
 *   changed_file       page cache of a file
 *   changed_metadata   page cache of a block device: buffers of a file system
 *   changed_unowned    none of these: memory of the kernel itself
 *   changed_writeback  of all, those under writeback
 *   changed_pinned     of all, those that may be pinned (folio_maybe_dma_pinned())
 *   changed_writable   of those under writeback, with a page table entry that lets a process write
 *   changed_by_fault   of those under writeback, made writable by a fault after writeback began
 *   changed_by_read    ... read into from zram after writeback began
 *   changed_by_buffer  ... with a buffer that was changed after writeback began
 *
 * and, whether or not zram compressed the page a second time:
 *
 *   fault_under_writeback   write faults that were granted
 *   read_under_writeback    pages read into from zram
 *   buffer_under_writeback  buffers of metadata changed
 *
 * The first changes of each way are on the console, with the stack of who
 * was noted.
 */
#include <linux/atomic.h>
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/init.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/stacktrace.h>
#include <linux/zram_changed.h>

enum { NOTED_BITS = 10, DEPTH = 20, SHOWN = 2 };

enum { ANON, FILE_CACHE, METADATA, UNOWNED, WRITEBACK, PINNED, WRITABLE, BY, UNDER_WRITEBACK = BY + NR_ZRAM_CHANGED_WAYS,
	NR_COUNTERS = UNDER_WRITEBACK + NR_ZRAM_CHANGED_WAYS };

static atomic64_t counters[NR_COUNTERS];

static const char *const names[NR_COUNTERS] = {
	[ANON] = "changed_anon",
	[FILE_CACHE] = "changed_file",
	[METADATA] = "changed_metadata",
	[UNOWNED] = "changed_unowned",
	[WRITEBACK] = "changed_writeback",
	[PINNED] = "changed_pinned",
	[WRITABLE] = "changed_writable",
	[BY + ZRAM_CHANGED_FAULT] = "changed_by_fault",
	[BY + ZRAM_CHANGED_READ] = "changed_by_read",
	[BY + ZRAM_CHANGED_BUFFER] = "changed_by_buffer",
	[UNDER_WRITEBACK + ZRAM_CHANGED_FAULT] = "fault_under_writeback",
	[UNDER_WRITEBACK + ZRAM_CHANGED_READ] = "read_under_writeback",
	[UNDER_WRITEBACK + ZRAM_CHANGED_BUFFER] = "buffer_under_writeback",
};

static const char *const ways[NR_ZRAM_CHANGED_WAYS] = {
	[ZRAM_CHANGED_FAULT] = "a write fault was granted",
	[ZRAM_CHANGED_READ] = "a read went into it",
	[ZRAM_CHANGED_BUFFER] = "a buffer of metadata was changed",
};

/* The last note about a page, by its number; an older one of another page gives way. */
static struct note {
	unsigned long pfn;	/* 0: none */
	enum zram_changed_way way;
	unsigned int depth;
	u64 when;
	void *by;		/* the file system's function, where it is not on the stack */
	char comm[TASK_COMM_LEN];
	unsigned long stack[DEPTH];
} noted[1 << NOTED_BITS];
static DEFINE_SPINLOCK(lock);

static void add(unsigned int counter)
{
	atomic64_inc(&counters[counter]);
}

void zram_changed_note(struct page *page, enum zram_changed_way way, void *by)
{
	unsigned long pfn = page_to_pfn(page), flags;
	struct note *note = &noted[hash_long(pfn, NOTED_BITS)];
	struct address_space *mapping = folio_mapping(page_folio(page));

	/* a fault marks buffers of a file's page as well, before it waits for writeback */
	if (way == ZRAM_CHANGED_BUFFER && !(mapping && S_ISBLK(mapping->host->i_mode)))
		return;
	add(UNDER_WRITEBACK + way);
	spin_lock_irqsave(&lock, flags);
	note->pfn = pfn;
	note->way = way;
	note->by = by;
	note->when = ktime_get_ns();
	get_task_comm(note->comm, current);
#ifdef CONFIG_STACKTRACE
	note->depth = stack_trace_save(note->stack, DEPTH, 1);
#endif
	spin_unlock_irqrestore(&lock, flags);
}

static void take(struct page *page, struct note *to)
{
	unsigned long pfn = page_to_pfn(page), flags;
	struct note *note = &noted[hash_long(pfn, NOTED_BITS)];

	to->pfn = 0;
	if (READ_ONCE(note->pfn) != pfn)
		return;
	spin_lock_irqsave(&lock, flags);
	if (note->pfn == pfn) {
		*to = *note;
		note->pfn = 0;
	}
	spin_unlock_irqrestore(&lock, flags);
}

void zram_changed_forget(struct page *page)
{
	unsigned long pfn = page_to_pfn(page), flags;
	struct note *note = &noted[hash_long(pfn, NOTED_BITS)];

	if (READ_ONCE(note->pfn) != pfn)
		return;
	spin_lock_irqsave(&lock, flags);
	if (note->pfn == pfn)
		note->pfn = 0;
	spin_unlock_irqrestore(&lock, flags);
}

/* Page tables of the file's mappings, without waiting: preemption is off. Writeback keeps the page in its file. */
static bool is_writable(struct page *page, struct address_space *mapping)
{
	pgoff_t at = page_to_pgoff(page);
	struct vm_area_struct *vma;
	bool found = false;

	if (!i_mmap_trylock_read(mapping))
		return false;
	vma_interval_tree_foreach(vma, &mapping->i_mmap, at, at) {
		struct page_vma_mapped_walk walk = {
			.pfn = page_to_pfn(page),
			.nr_pages = 1,
			.pgoff = at,
			.vma = vma,
			.address = vma->vm_start + ((at - vma->vm_pgoff) << PAGE_SHIFT),
		};

		while (page_vma_mapped_walk(&walk)) {
			if (walk.pte && pte_write(ptep_get(walk.pte)))
				found = true;
		}
	}
	i_mmap_unlock_read(mapping);
	return found;
}

static void show(const struct note *note, bool writable)
{
	static atomic_t shown[NR_ZRAM_CHANGED_WAYS];

	if (atomic_inc_return(&shown[note->way]) > SHOWN)
		return;
	pr_warn("zram: page %#lx changed between two compressions, under writeback by %s%s; %s %llu us before, by %s:\n",
		note->pfn, current->comm, writable ? ", mapped writable" : "", ways[note->way],
		div_u64(ktime_get_ns() - note->when, NSEC_PER_USEC), note->comm);
	if (note->by)
		pr_warn("zram:   by %ps()\n", note->by);
	for (unsigned int i = 0; i < note->depth; i++)
		pr_warn("zram:   %pS\n", (void *)note->stack[i]);
}

void zram_changed_page(struct page *page)
{
	struct folio *folio = page_folio(page);
	struct address_space *mapping = folio_mapping(folio);
	static struct note note;	/* large for a stack; `showing` keeps it to one */
	static DEFINE_SPINLOCK(showing);
	unsigned long flags;
	bool writable;

	if (folio_maybe_dma_pinned(folio))
		add(PINNED);
	if (folio_test_anon(folio))
		add(ANON);
	else if (!mapping)
		add(UNOWNED);
	else
		add(S_ISBLK(mapping->host->i_mode) ? METADATA : FILE_CACHE);
	if (!folio_test_writeback(folio))
		return;
	add(WRITEBACK);
	if (folio_test_anon(folio) || !mapping)
		return;
	writable = is_writable(page, mapping);
	if (writable)
		add(WRITABLE);
	spin_lock_irqsave(&showing, flags);
	take(page, &note);
	if (note.pfn) {
		add(BY + note.way);
		show(&note, writable);
	}
	spin_unlock_irqrestore(&showing, flags);
}

static int changed_get(void *data, u64 *val)
{
	*val = atomic64_read(data);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(changed_fops, changed_get, NULL, "%llu\n");

static int __init zram_changed_init(void)
{
	struct dentry *found = debugfs_lookup("zram_overrun", NULL), *dir;

	dir = found ?: debugfs_create_dir("zram_overrun", NULL);
	for (unsigned int i = 0; i < NR_COUNTERS; i++)
		debugfs_create_file_unsafe(names[i], 0444, dir, &counters[i], &changed_fops);
	if (!IS_ERR_OR_NULL(found))
		dput(found);
	return 0;
}
late_initcall(zram_changed_init);
