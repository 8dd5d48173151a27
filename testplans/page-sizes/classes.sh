#!/bin/sh
# zsmalloc's classes as the kernel lists them, and how often zram compresses a page that is written in pieces of 4 KiB.
# failslab makes each write of zram compress twice, so the detector's recompressions count the writes.
set -eu
cd /test
cat /sys/kernel/debug/zsmalloc/zram0/classes >classes
echo "kzram: classes=$(grep -c '^ *[0-9]' classes)"

PAGES=16
page=$(awk '/^KernelPageSize/ { print $2 * 1024; exit }' /proc/self/smaps)
echo "kzram: page_size=$page"

recompressions() { cat /sys/kernel/debug/zram_overrun/recompressions; }

# written SIZE COUNT: text, piece by piece, each on the device before the next begins; how often zram wrote a page
written() {
    before=$(recompressions)
    piece=0
    while [ "$piece" -lt "$2" ]; do
        dd if=text of=/dev/zram0 bs="$1" count=1 skip="$piece" seek="$piece" conv=notrunc,fsync 2>/dev/null
        piece=$((piece + 1))
    done
    echo $(($(recompressions) - before))
}

yes "$(cat classes)" | dd of=text bs="$page" count="$PAGES" iflag=fullblock 2>/dev/null
echo "kzram: written_whole=$(written "$page" "$PAGES")"
echo "kzram: written_in_pieces=$(written 4096 $((PAGES * page / 4096)))"
