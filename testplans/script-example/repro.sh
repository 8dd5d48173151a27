#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A test for the guest of kzram-ci, where /bin/sh is busybox: write to a zram device, read back, compare.
#   repro.sh --rounds N     0: until SIGTERM
rounds=${2:-10} round=0 failed=0
device=/dev/zram0

pattern() { # seed: 1 MiB that compresses, another for each seed
    yes "kzram $1 $KZRAM_SEED" 2>/dev/null | head -c 1048576
}

[ -b $device ] || { echo "no $device: the plan must ask for zram" >&2; exit 4; } # 4: skipped, as in kselftest
echo "TAP version 13"
while [ "$round" -lt "$rounds" ] || [ "$rounds" = 0 ]; do
    round=$((round + 1))
    pattern $round >/tmp/wanted
    dd if=/tmp/wanted of=$device bs=64k seek=$((round % 8 * 16)) conv=fsync 2>/dev/null || exit 1
    echo 3 >/proc/sys/vm/drop_caches
    dd if=$device of=/tmp/got bs=64k count=16 skip=$((round % 8 * 16)) 2>/dev/null || exit 1
    if [ "$(md5sum </tmp/wanted)" = "$(md5sum </tmp/got)" ]; then
        echo "ok $round - round $round reads back what it wrote"
    else
        echo "not ok $round - round $round reads back what it wrote"
        failed=1
    fi
    echo "kzram: rounds=$round" # a counter: floors, ceilings and stops may name workload.rounds
done
echo "1..$round"
cat /sys/block/zram0/mm_stat >report.txt # comes back into the cell's directory: `results`
exit $failed
