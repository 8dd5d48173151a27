/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init of a guest that makes its kernel print one report, for tests/capture_oops.py.
 * The kernel command line says which: shot=lkdtm:NAME, shot=own:NAME (shots.c), shot=sysrq:KEY, shot=oom or shot=exit.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fprintf(stderr, "init: %s: %m\n", path);
	if (fd >= 0)
		close(fd);
}

static void eat_all_memory(void)
{
	const size_t step = 16u << 20;

	put("/proc/sys/vm/panic_on_oom", "1");
	for (;;) {
		char *chunk = mmap(NULL, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (chunk == MAP_FAILED)
			return;
		memset(chunk, 1, step);
	}
}

/* Processes that come and go give RCU something to wait for; without it nothing stalls. */
static void wait_busily(int seconds)
{
	while (seconds--) {
		if (fork() == 0)
			_exit(0);
		sleep(1);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

int main(void)
{
	char line[4096] = "", *shot;
	int fd, wait_s = 3;

	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	fd = open("/proc/cmdline", O_RDONLY);
	if (fd < 0 || read(fd, line, sizeof(line) - 1) <= 0)
		return 1;
	put("/proc/sys/kernel/printk", "8");	/* the boot was quiet, the report shall not be */
	shot = strstr(line, "shot=");
	if (!shot)
		return 1;
	shot[strcspn(shot, " \n")] = '\0';
	shot += strlen("shot=");
	if (!strncmp(shot, "lkdtm:", 6)) {
		if (fork() == 0) {		/* a shot may kill or hang the task that fires it */
			put("/sys/kernel/debug/provoke-crash/DIRECT", shot + 6);
			if (!strcmp(shot + 6, "SPINLOCKUP"))	/* the first left the lock held */
				put("/sys/kernel/debug/provoke-crash/DIRECT", shot + 6);
			_exit(0);
		}
		if (strstr(shot, "HUNG") || strstr(shot, "LOCKUP"))
			wait_s = 45;
		wait_busily(wait_s);
	} else if (!strncmp(shot, "own:", 4)) {
		if (fork() == 0) {
			put("/sys/kernel/debug/provoke", shot + 4);
			_exit(0);
		}
		if (!strcmp(shot + 4, "workqueue") || !strcmp(shot + 4, "irqs-off"))
			wait_s = 60;
		wait_busily(wait_s);
	} else if (!strncmp(shot, "sysrq:", 6)) {
		put("/proc/sysrq-trigger", shot + 6);
	} else if (!strcmp(shot, "oom")) {
		eat_all_memory();
	} else if (!strcmp(shot, "exit")) {
		return 3;
	}
	reboot(RB_AUTOBOOT);
	return 0;
}
