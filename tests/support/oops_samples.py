"""Reports in the words of the kernel, made up for tests: short, one of each shape."""

NULL_DEREF = """\
BUG: kernel NULL pointer dereference, address: 0000000000000010
#PF: supervisor write access in kernel mode
#PF: error_code(0x0002) - not-present page
PGD 0 P4D 0
Oops: Oops: 0002 [#1] PREEMPT SMP NOPTI
CPU: 1 UID: 0 PID: 73 Comm: anonmutate Tainted: G        W  O       6.12.117+ #1
Tainted: [W]=WARN, [O]=OOT_MODULE
Hardware name: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.2
RIP: 0010:obj_malloc+0x4b/0x160 [zsmalloc]
Code: 89 c8 48 c1 e9 0c <48> 8b 44 c8 10 48 85 c0
RSP: 0018:ffffc90000223b30 EFLAGS: 00010246
RAX: 0000000000000000 RBX: ffff888003f1c000 RCX: 0000000000000002
CR2: 0000000000000010 CR3: 0000000003f6a000 CR4: 0000000000750eb0
Call Trace:
 <TASK>
 ? __die+0x1a/0x60
 zs_malloc+0x9c/0x2e0 [zsmalloc]
 zram_write_page.isra.0+0x2a3/0x440 [zram]
 zram_submit_bio+0x1f/0x90 [zram]
 swap_writepage+0x85/0x1d0
 do_syscall_64+0x9e/0x1a0
 entry_SYSCALL_64_after_hwframe+0x76/0x7e
RIP: 0033:0x401000
RSP: 002b:00007ffc00000000 EFLAGS: 00000246 ORIG_RAX: 000000000000001c
 </TASK>
Modules linked in: zram(O) zsmalloc lzo_rle
CR2: 0000000000000010
---[ end trace 0000000000000000 ]---
"""

PANIC = """\
Kernel panic - not syncing: Fatal exception
Kernel Offset: disabled
---[ end Kernel panic - not syncing: Fatal exception ]---
"""

WARNING = """\
------------[ cut here ]------------
WARNING: CPU: 0 PID: 41 at mm/zsmalloc.c:1234 zs_free+0x1c/0x90
Modules linked in:
CPU: 0 UID: 0 PID: 41 Comm: kswapd0 Not tainted 6.12.117+ #1
RIP: 0010:zs_free+0x1c/0x90
Call Trace:
 <TASK>
 ? __warn+0x80/0x130
 zram_free_page+0x5d/0x110
 kthread+0xd2/0x100
 </TASK>
---[ end trace 0000000000000000 ]---
"""

ARM64 = """\
Unable to handle kernel paging request at virtual address ffff800012345678
Mem abort info:
  ESR = 0x0000000096000006
Internal error: Oops: 0000000096000006 [#1] PREEMPT SMP
CPU: 1 PID: 73 Comm: anonmutate Not tainted 6.12.117+ #1
pstate: 60400005 (nZCv daif +PAN -UAO -TCO -DIT -SSBS BTYPE=--)
pc : zs_map_object+0x14/0x150
lr : zram_read_page+0x60/0x1f0
x29: ffff800083ccb9f0 x28: ffff0000c495a9d8 x27: 0000000000000000
Call trace:
 zs_map_object+0x14/0x150
 zram_read_page+0x60/0x1f0
 el0_svc+0x34/0xec
Code: d53b00e1 12000c21 d2800082 9ac12041 (f9400021)
---[ end trace 0000000000000000 ]---
"""

ARM = """\
Unable to handle kernel NULL pointer dereference at virtual address 00000010
Internal error: Oops: 5 [#1] SMP ARM
CPU: 0 PID: 41 Comm: kswapd0 Not tainted 6.12.117+ #1
PC is at memset+0x30/0xa8
LR is at zram_write_page+0x50/0x100
pc : [<80b10c70>]    lr : [<8062eec8>]    psr: 200d0013
Backtrace:
[<80b10c70>] (memset) from [<8062eec8>] (zram_write_page+0x154/0x3c4)
 r7:81d81ac0 r6:82422c04
[<8062eec8>] (zram_write_page) from [<80632588>] (swap_writepage+0x20/0x90)
---[ end trace 0000000000000000 ]---
"""

RISCV = """\
Unable to handle kernel access to user memory without uaccess routines at virtual address 0000000000000010
Oops [#1]
CPU: 0 PID: 41 Comm: kswapd0 Not tainted 6.12.117+ #1
epc : zram_write_page+0x54/0x2c4
 ra : zram_write_page+0x40/0x2c4
[<ffffffff80203fd0>] zram_write_page+0x54/0x2c4
[<ffffffff8046a262>] swap_writepage+0x8a/0xeee
---[ end trace 0000000000000000 ]---
"""

PPC64 = """\
BUG: Kernel NULL pointer dereference on read at 0x00000010
Faulting instruction address: 0xc000000000b8a5d4
Oops: Kernel access of bad area, sig: 11 [#1]
CPU: 1 PID: 41 Comm: kswapd0 Not tainted 6.12.117+ #1
NIP:  c000000000b8a5d4 LR: c000000000b8a5c0 CTR: 0000000000000000
NIP [c000000000b8a5d4] zram_write_page+0x34/0x400
LR [c000000000b8a5c0] zram_write_page+0x20/0x400
Call Trace:
[c000000049a87530] [c000000049a875a0] 0xc000000049a875a0 (unreliable)
[c000000049a87710] [c0000000003286fc] swap_writepage+0x43c/0x6d0
---[ end trace 0000000000000000 ]---
"""

S390 = """\
Unable to handle kernel pointer dereference in virtual kernel address space
Failing address: 0000000000000000 TEID: 0000000000000483
Oops: 0004 ilc:2 [#1] SMP
CPU: 1 PID: 41 Comm: kswapd0 Not tainted 6.12.117+ #1
Krnl PSW : 0704c00180000000 000003ff80d1e2a6 (zram_write_page+0x26/0x400)
Call Trace:
 [<000003ff80d1e2a6>] zram_write_page+0x26/0x400
([<000003ff80d1e100>] swap_writepage+0x10/0x90)
---[ end trace 0000000000000000 ]---
"""

KASAN = """\
==================================================================
BUG: KASAN: slab-use-after-free in memcpy+0x3c/0x60
Read of size 8 at addr ffff888003f1c010 by task kswapd0/41

CPU: 0 PID: 41 Comm: kswapd0 Not tainted 6.12.117+ #1
Call Trace:
 <TASK>
 dump_stack_lvl+0x64/0x80
 print_report+0xce/0x660
 kasan_report+0xc6/0x100
 zram_slot_copy+0x3c/0x60
 kthread+0xd2/0x100
 </TASK>

Allocated by task 1:
 kasan_save_stack+0x24/0x50
 zram_add+0x3c/0x2a0

Freed by task 1:
 kasan_save_stack+0x24/0x50
 zram_remove+0x3c/0x2a0
==================================================================
"""

HUNG = """\
INFO: task anonmutate:73 blocked for more than 120 seconds.
      Not tainted 6.12.117+ #1
"echo 0 > /proc/sys/kernel/hung_task_timeout_secs" disables this message.
task:anonmutate      state:D stack:0     pid:73    tgid:73    ppid:1      flags:0x00000002
Call Trace:
 <TASK>
 __schedule+0x3b8/0xa60
 schedule+0x27/0xf0
 schedule_preempt_disabled+0x15/0x30
 __mutex_lock.constprop.0+0x2ff/0x5d0
 zram_reset_device+0x45/0x1b0
 </TASK>
"""

LOCKDEP = """\
======================================================
WARNING: possible circular locking dependency detected
6.12.117+ #1 Not tainted
------------------------------------------------------
kswapd0/41 is trying to acquire lock:
ffff888003f1c010 (&zram->init_lock){++++}-{3:3}, at: zram_slot_free_notify+0x1a/0x80

but task is already holding lock:
ffffffff82a4c540 (fs_reclaim){+.+.}-{0:0}, at: balance_pgdat+0x58/0x9c0

which lock already depends on the new lock.

the existing dependency chain (in reverse order) is:

-> #1 (fs_reclaim){+.+.}-{0:0}:
       fs_reclaim_acquire+0x9d/0xd0
       disksize_store+0x6a/0x120

-> #0 (&zram->init_lock){++++}-{3:3}:
       __lock_acquire+0x1433/0x2250
       zram_slot_free_notify+0x1a/0x80

stack backtrace:
CPU: 0 UID: 0 PID: 41 Comm: kswapd0 Not tainted 6.12.117+ #1
Call Trace:
 <TASK>
 dump_stack_lvl+0x64/0x80
 print_circular_bug+0x27d/0x350
 __lock_acquire+0x1433/0x2250
 zram_slot_free_notify+0x1a/0x80
 </TASK>
"""

# name -> (text, type, function)
ALL = {
    "null-deref": (NULL_DEREF, "null_deref", "obj_malloc"),
    "warning": (WARNING, "warning", "zs_free"),
    "arm64": (ARM64, "paging_fault", "zs_map_object"),
    "arm": (ARM, "null_deref", "zram_write_page"),
    "riscv": (RISCV, "paging_fault", "zram_write_page"),
    "ppc64": (PPC64, "null_deref", "zram_write_page"),
    "s390": (S390, "paging_fault", "zram_write_page"),
    "kasan": (KASAN, "kasan", "zram_slot_copy"),
    "hung": (HUNG, "hung_task", "zram_reset_device"),
    "lockdep": (LOCKDEP, "lockdep", "zram_slot_free_notify"),
}


def stamped(text: str, caller: str = "", start: float = 1.0) -> bytes:
    """The text as printk sends it to a console."""
    tag = f"[{caller:>6}]" if caller else ""
    return "".join(f"[{start + n / 1000:12.6f}]{tag} {line}\r\n" for n, line in enumerate(text.splitlines())).encode()
