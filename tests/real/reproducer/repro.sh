#!/bin/sh
# O_DIRECT writes to zram from a buffer that changes, while atomic allocations fail
set -e
echo 128M > /sys/block/zram0/disksize
cd /sys/kernel/debug/failslab
echo 100 > probability; echo -1 > "times"; echo Y > task-filter; echo Y > ignore-gfp-wait; echo 0 > verbose
cd /test
echo 1 > /proc/self/make-it-fail
exec ./race 10
