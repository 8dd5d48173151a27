// SPDX-License-Identifier: GPL-2.0
/*
 * Reports that LKDTM cannot provoke, built into a kernel as drivers/misc/provoke.c (README.md says how).
 * Write the name of a shot to <debugfs>/provoke. Each bug stands in a function of its own, which the report has to name.
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static DEFINE_SPINLOCK(guard);
static int __rcu *pointer;

static noinline __no_sanitize_address void provoke_gpf(void)
{
	*(volatile int *)0xdead000000000100UL = 1;	/* LIST_POISON1: what a use after list_del meets */
}

static noinline __no_sanitize_address void provoke_paging(void)
{
	*(volatile int *)(PAGE_OFFSET - PAGE_SIZE * 16) = 1;
}

static noinline void provoke_divide(void)
{
	unsigned int zero = 0;

	asm volatile("divl %0" : : "r" (zero) : "eax", "edx", "cc");
}

static noinline void take_second(void)
{
	mutex_lock(&second);
}

static noinline void take_first(void)
{
	mutex_lock(&first);
}

static noinline void provoke_circular(void)
{
	take_first();
	take_second();
	mutex_unlock(&second);
	mutex_unlock(&first);
	take_second();
	take_first();
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static noinline void lock_in_irq(struct irq_work *work)
{
	spin_lock(&guard);
	spin_unlock(&guard);
}

static noinline void provoke_inconsistent(void)
{
	static struct irq_work work = IRQ_WORK_INIT_HARD(lock_in_irq);

	spin_lock(&guard);
	spin_unlock(&guard);
	irq_work_queue(&work);
	irq_work_sync(&work);
}

static noinline void provoke_unlock(void)
{
	spin_unlock(&guard);
}

static noinline void provoke_sleep(void)
{
	spin_lock(&guard);
	mutex_lock(&first);
	mutex_unlock(&first);
	spin_unlock(&guard);
}

static noinline void provoke_schedule(void)
{
	preempt_disable();
	schedule_timeout_uninterruptible(1);
	preempt_enable();
}

static noinline void provoke_preempt(void)
{
	pr_info("provoke: on CPU %u\n", smp_processor_id());
}

static noinline void provoke_rcu(void)
{
	(void)rcu_dereference(pointer);
}

static noinline void provoke_rcu_sleep(void)
{
	rcu_read_lock();
	take_first();
	mutex_unlock(&first);
	rcu_read_unlock();
}

static noinline void spin_for_long(struct work_struct *work)
{
	int i;

	for (i = 0; i < 60000; i++)
		udelay(1000);
}

static noinline void wait_behind(struct work_struct *work)
{
}

static noinline void provoke_workqueue(void)
{
	static DECLARE_WORK(hog, spin_for_long);
	static DECLARE_WORK(next, wait_behind);

	queue_work_on(1, system_wq, &hog);
	queue_work_on(1, system_wq, &next);
	ssleep(50);
}

static noinline void provoke_irqs_off(void)
{
	local_irq_disable();
	spin_for_long(NULL);
	local_irq_enable();
}

static noinline void two_warnings(void *unused)
{
	WARN(1, "provoke: both CPUs at once\n");
}

static noinline void provoke_together(void)
{
	on_each_cpu(two_warnings, NULL, 1);
}

static const struct {
	const char *name;
	void (*shoot)(void);
} shots[] = {
	{ "gpf", provoke_gpf }, { "paging", provoke_paging }, { "divide", provoke_divide },
	{ "circular", provoke_circular }, { "inconsistent", provoke_inconsistent }, { "unlock", provoke_unlock },
	{ "sleep", provoke_sleep }, { "schedule", provoke_schedule }, { "preempt", provoke_preempt },
	{ "rcu", provoke_rcu }, { "rcu-sleep", provoke_rcu_sleep }, { "workqueue", provoke_workqueue },
	{ "irqs-off", provoke_irqs_off }, { "together", provoke_together },
};

static ssize_t provoke_write(struct file *file, const char __user *from, size_t count, loff_t *at)
{
	char name[16] = "";
	int i;

	if (count >= sizeof(name) || copy_from_user(name, from, count))
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(shots); i++)
		if (sysfs_streq(name, shots[i].name)) {
			shots[i].shoot();
			return count;
		}
	return -ENOENT;
}

static const struct file_operations provoke_ops = { .write = provoke_write };

static int __init provoke_init(void)
{
	debugfs_create_file("provoke", 0200, NULL, NULL, &provoke_ops);
	return 0;
}
late_initcall(provoke_init);
