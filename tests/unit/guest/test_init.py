"""rootfs/init against stand-ins, by the guest's shell and by another: whatever fails is told, with exit code 4."""

from pathlib import Path

import pytest
from init_host import POWERED_OFF, SHELLS, Host, a_guest


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def guest(tmp_path: Path) -> Host:
    return a_guest(tmp_path)


def told(guest: Host, shell: str) -> str:
    """Run a guest that cannot go on; the text of its one error."""
    assert guest.run(shell) == POWERED_OFF
    assert guest.emitted("exit") == [{"nonce": "abc", "code:": "4"}]
    assert guest.workload() is None
    (error,) = guest.emitted("error")
    assert f"init: {error['text']}" in guest.console
    return error["text"].replace(str(guest.root), "")


class TestAGoodCell:
    def test_from_boot_to_exit(self, guest: Host, shell: str) -> None:
        guest.conf |= {"STOP": "recompressions=9 grew=1", "DURATION_S": "30", "SAMPLE_MS": "100", "GRACE_S": "5"}
        assert guest.run(shell) == POWERED_OFF
        kinds = [call[2] if call[1] == "--emit" else "run" for call in guest.calls if call[0] == "kzwatch"]
        assert kinds == ["boot", "ready", "run", "exit"]
        assert guest.emitted("boot") == [{"release": "6.12.1", "machine": "x86_64", "version": "#1 SMP"}]
        options, command = guest.workload() or ({}, ())
        assert command == ("anonmutate", "--pages", "64")
        assert options["--stop"] == "recompressions=9 grew=1"
        assert (options["--duration"], options["--sample"], options["--grace"]) == ("30", "100", "5")
        assert guest.emitted("exit") == [{"nonce": "abc", "code:": "0"}]

    @pytest.mark.parametrize("code", [0, 3, 137])
    def test_the_workloads_exit_is_the_cells(self, guest: Host, shell: str, code: int) -> None:
        guest.code = code
        assert guest.run(shell) == POWERED_OFF
        assert guest.emitted("exit") == [{"nonce": "abc", "code:": str(code)}]
        assert [call[0] for call in guest.calls][-2:] == ["sync", "poweroff"]

    def test_zram_is_set_up_in_the_order_it_wants(self, guest: Host, shell: str) -> None:
        guest.conf |= {"ZRAM_SIZE": "512M", "ZRAM_ALGO": "lz4", "ZRAM_STABLE_WRITES": "0"}
        assert guest.run(shell) == POWERED_OFF
        zram = "sys/block/zram0"
        assert guest.read(f"{zram}/disksize") == "512M"
        assert guest.read(f"{zram}/comp_algorithm") == "lz4"
        assert guest.read(f"{zram}/queue/stable_writes") == "0"
        device = str(guest.root / "dev/zram0")
        names = [call[0] for call in guest.calls if device in call]
        assert names == ["mkswap", "swapon"]

    def test_what_is_ready_is_told(self, guest: Host, shell: str) -> None:
        guest.conf |= {"ZRAM_SIZE": "64M"}
        assert guest.run(shell) == POWERED_OFF
        zram = '{"disksize":64M,"algorithm":"lzo-rle","stable_writes":0,"swap":1}'
        assert guest.emitted("ready") == [{"zram:": zram, "fault": "none"}]
        guest.remove("sys/block/zram0/queue/stable_writes")
        assert guest.run(shell) == POWERED_OFF
        assert '"stable_writes":null' in guest.emitted("ready")[0]["zram:"]

    def test_without_swap(self, guest: Host, shell: str) -> None:
        guest.conf |= {"SWAP": "0"}
        assert guest.run(shell) == POWERED_OFF
        assert not guest.ran("mkswap") + guest.ran("swapon")

    def test_words_are_arguments_as_they_stand(self, guest: Host, shell: str) -> None:
        guest.conf |= {"WORKLOAD": "  prog  * $HOME  a;b `x` "}
        assert guest.run(shell) == POWERED_OFF
        assert (guest.workload() or ({}, ()))[1] == ("prog", "*", "$HOME", "a;b", "`x`")

    def test_shares_are_mounted_before_anything_uses_them(self, guest: Host, shell: str) -> None:
        places = [f"{guest.root}/mnt/{name}" for name in "ab"]
        guest.conf |= {"SHARES": f"kzram0:ro:{places[0]} kzram1:rw:{places[1]}"}
        assert guest.run(shell) == POWERED_OFF
        options = [f"trans=virtio,version=9p2000.L,msize=262144,{mode}" for mode in ("ro", "rw")]
        assert [call for call in guest.calls if call[1:3] == ("-t", "9p")] == [
            ("mount", "-t", "9p", "-o", options[0], "kzram0", places[0]),
            ("mount", "-t", "9p", "-o", options[1], "kzram1", places[1]),
        ]
        assert all(Path(place).is_dir() for place in places)

    def test_a_command_is_for_the_shell(self, guest: Host, shell: str) -> None:
        guest.conf |= {"COMMAND": 'echo "a  b" | cat', "WORKLOAD": ""}
        assert guest.run(shell) == POWERED_OFF
        assert (guest.workload() or ({}, ()))[1] == ("sh", "-c", 'echo "a  b" | cat')

    def test_readers_read_the_disk(self, guest: Host, shell: str) -> None:
        guest.conf |= {"READERS": "2"}
        guest.write("dev/vda")
        assert guest.run(shell) == POWERED_OFF
        assert [words[0] for words in guest.ran("dd")] == [f"if={guest.root}/dev/vda"] * 2


class TestAFileSystem:
    MOUNT = "25 1 254:0 / {root}/mnt rw,noatime shared:1 - ext4 {root}/dev/zram0 rw,data=journal\n"
    OTHER = "24 1 0:2 / / rw - rootfs none rw\n"

    @pytest.fixture(autouse=True)
    def kernel(self, guest: Host) -> None:
        guest.conf |= {"FS_KIND": "ext4", "FS_MKFS": "mkfs -q -O ^has_journal", "FS_MOUNT": "noatime,data=journal"}
        guest.conf["SWAP"] = "0"
        guest.write("proc/filesystems", "nodev\tproc\n\text4\n")
        guest.write("usr/lib/kzram/mkfs")
        guest.write("proc/self/mountinfo", (self.OTHER + self.MOUNT).format(root=guest.root))

    def test_it_is_made_and_mounted_and_the_mount_is_proved(self, guest: Host, shell: str) -> None:
        assert guest.run(shell) == POWERED_OFF
        device, place = str(guest.root / "dev/zram0"), str(guest.root / "mnt")
        assert guest.ran("mkfs") == [("-q", "-O", "^has_journal", device)]
        assert ("-t", "ext4", "-o", "noatime,data=journal", device, place) in guest.ran("mount")
        assert not guest.ran("mkswap") + guest.ran("swapon")
        assert guest.emitted("sample") == [{"counters:": '{"fs.mounted":1}'}]
        assert f"mounted: ext4 {device} rw,data=journal rw,noatime" in guest.emitted("note")[0]["text"]
        assert guest.emitted("exit") == [{"nonce": "abc", "code:": "0"}]

    @pytest.mark.parametrize(
        ("before", "after", "text"),
        [
            ("ext4 ", "ext2 ", "/mnt is not ext4 on /dev/zram0, but: ext2 /dev/zram0 rw,data=journal rw,noatime"),
            ("/dev/zram0", "/dev/vda", "/mnt is not ext4 on /dev/zram0, but: ext4 /dev/vda rw,data=journal rw,noatime"),
            (
                "data=journal",
                "data=ordered",
                "mounted without data=journal: ext4 /dev/zram0 rw,data=ordered rw,noatime",
            ),
            ("noatime", "relatime", "mounted without noatime: ext4 /dev/zram0 rw,data=journal rw,relatime"),
            ("/mnt ", "/mnt2 ", "/mnt is not ext4 on /dev/zram0, but: nothing"),
        ],
    )
    def test_a_mount_that_is_not_the_one_meant(
        self, guest: Host, shell: str, before: str, after: str, text: str
    ) -> None:
        guest.write("proc/self/mountinfo", (self.OTHER + self.MOUNT.replace(before, after)).format(root=guest.root))
        assert told(guest, shell) == text
        assert not guest.emitted("sample")

    def test_a_kernel_without_it(self, guest: Host, shell: str) -> None:
        guest.write("proc/filesystems", "nodev\tproc\n\text4x\n")
        assert told(guest, shell) == "this kernel has no file system ext4"

    def test_a_mkfs_that_fails(self, guest: Host, shell: str) -> None:
        guest.conf["FS_MKFS"] = "mkfs bad"
        assert told(guest, shell) == "mkfs bad /dev/zram0: mkfs: not this way"

    def test_readers_and_workload_of_another_user(self, guest: Host, shell: str) -> None:
        guest.conf |= {"READERS": "1", "RUN_AS": "1000"}
        guest.write("dev/vda")
        assert guest.run(shell) == POWERED_OFF
        assert (("a+r", str(guest.root / "dev/vda"))) in guest.ran("chmod")
        as_user = [call for call in guest.calls if call[:3] == ("kzwatch", "--as", "1000")]
        assert as_user[0][3:5] == ("--", "dd")
        assert guest.ran("uid") == [("1000",)]


class TestDevices:
    def test_zram_as_a_hot_added_device(self, guest: Host, shell: str) -> None:
        guest.remove("sys/block/zram0")
        guest.write("sys/class/zram-control/hot_add", "0\n")
        assert told(guest, shell).startswith("no zram in this kernel")  # the file of a test adds none

    def test_no_zram(self, guest: Host, shell: str) -> None:
        guest.remove("sys/block/zram0")
        want = "no zram in this kernel (no /sys/block/zram0, no /sys/class/zram-control)"
        assert told(guest, shell) == want

    def test_a_node_that_mdev_makes(self, guest: Host, shell: str) -> None:
        guest.remove("dev/zram0")
        guest.mdev = f": >{guest.root}/dev/zram0"
        assert guest.run(shell) == POWERED_OFF
        assert guest.emitted("ready")
        assert ("-s",) in guest.ran("mdev")

    def test_a_node_that_nothing_makes(self, guest: Host, shell: str) -> None:
        guest.remove("dev/zram0")
        assert told(guest, shell) == "no /dev/zram0"

    def test_without_devtmpfs(self, guest: Host, shell: str) -> None:
        guest.devtmpfs = 1
        assert guest.run(shell) == POWERED_OFF
        assert ("-t", "tmpfs", "tmpfs", str(guest.root / "dev")) in guest.ran("mount")
        assert ("-s",) in guest.ran("mdev")
        assert guest.emitted("exit") == [{"nonce": "abc", "code:": "0"}]

    def test_the_old_memory_controller(self, guest: Host, shell: str) -> None:
        guest.write("sys/fs/cgroup/cgroup.controllers", "cpu\n")
        assert guest.run(shell) == POWERED_OFF
        memory = str(guest.root / "sys/fs/cgroup/memory")
        assert ("-t", "cgroup", "-o", "memory", "memory", memory) in guest.ran("mount")

    def test_no_control_port_leaves_the_console(self, guest: Host, shell: str) -> None:
        guest.remove("sys/class/virtio-ports/vport0p2")
        assert guest.run(shell) == POWERED_OFF
        assert "no virtio port org.kzram.control: events go to the console" in guest.console
        assert len(guest.ran("sleep")) == 100
        assert guest.emitted("exit") == [{"nonce": "abc", "code:": "0"}]


class TestWhatGoesWrong:
    def test_no_cell(self, guest: Host, shell: str) -> None:
        guest.conf.clear()
        assert guest.run(shell) == POWERED_OFF
        assert guest.emitted("error")[0]["text"].endswith("/etc/kzram/cell.conf in the initramfs")
        assert guest.emitted("exit") == [{"nonce": "", "code:": "4"}]

    def test_no_workload(self, guest: Host, shell: str) -> None:
        guest.conf["WORKLOAD"] = ""
        assert told(guest, shell) == "no WORKLOAD"

    def test_a_module_that_does_not_load_is_told_once_there_is_a_port(self, guest: Host, shell: str) -> None:
        guest.conf["MODULES"] = "/lib/good.ko /lib/bad.ko"
        text = told(guest, shell)
        assert text == " insmod /lib/bad.ko: insmod: can't insert: unknown symbol;"
        assert [module for (module,) in guest.ran("insmod")] == ["/lib/good.ko", "/lib/bad.ko"]
        assert guest.emitted("boot"), "that it booted is told first"

    @pytest.mark.parametrize(
        ("setting", "file"),
        [("ZRAM_ALGO", "comp_algorithm"), ("ZRAM_SIZE", "disksize"), ("ZRAM_STABLE_WRITES", "queue/stable_writes")],
    )
    def test_a_setting_the_kernel_refuses(self, guest: Host, shell: str, setting: str, file: str) -> None:
        guest.conf[setting] = "1"
        guest.remove(f"sys/block/zram0/{file}")
        (guest.root / "sys/block/zram0" / file).mkdir()
        text = told(guest, shell)
        assert text.startswith(f"cannot write 1 to /sys/block/zram0/{file}: ")
        assert "irectory" in text, "the system's own reason"

    def test_swap_that_cannot_be_made(self, guest: Host, shell: str) -> None:
        guest.mkswap = "device is busy"
        assert told(guest, shell) == "mkswap /dev/zram0: mkswap: device is busy"

    def test_a_share_the_kernel_cannot_mount(self, guest: Host, shell: str) -> None:
        guest.share = "No such device"
        guest.conf |= {"SHARES": f"kzram0:ro:{guest.root}/mnt/a"}
        why = "needs a kernel with 9p, fragment share): mount: No such device"
        assert told(guest, shell) == f"cannot mount the share /mnt/a ({why}"

    def test_readers_without_a_disk(self, guest: Host, shell: str) -> None:
        guest.conf["READERS"] = "1"
        assert told(guest, shell) == "READERS without a disk /dev/vda"

    def test_an_unknown_fault(self, guest: Host, shell: str) -> None:
        guest.conf["FAULT"] = "gamma-rays"
        assert told(guest, shell) == "unknown FAULT gamma-rays"

    def test_a_shell_takes_the_compressor_that_the_kernel_has(self, guest: Host, shell: str) -> None:
        guest.conf |= {"ZRAM_ALGO": "zstd"}
        assert guest.run(shell) == POWERED_OFF
        assert guest.read("sys/block/zram0/comp_algorithm") == "zstd"  # a cell insists
        guest.write("sys/block/zram0/comp_algorithm", "lzo [lzo-rle]\n")
        guest.conf |= {"SHELL": "1", "WORKLOAD": ""}
        assert guest.run(shell) == POWERED_OFF
        assert guest.read("sys/block/zram0/comp_algorithm") == "lzo [lzo-rle]"
        assert guest.emitted("error") == []

    def test_a_command_does_not_run_without_the_share_that_it_was_given(self, guest: Host, shell: str) -> None:
        guest.share = "No such device"
        guest.conf |= {"SHARES": f"kzram0:ro:{guest.root}/mnt/a", "SHELL": "1", "WORKLOAD": ""}
        assert guest.run(shell) == POWERED_OFF
        assert guest.ran("setsid"), "a person may look"
        guest.conf |= {"COMMAND": "true"}
        assert told(guest, shell).startswith("cannot mount the share")

    def test_for_a_shell_it_is_told_and_the_shell_comes(self, guest: Host, shell: str) -> None:
        guest.conf |= {"SHELL": "1", "WORKLOAD": ""}
        guest.mkswap = "device is busy"
        assert guest.run(shell) == POWERED_OFF
        assert guest.emitted("error")
        assert guest.ran("setsid") == [("cttyhack", "sh")]
        assert guest.emitted("exit") == [{"nonce": "abc", "code:": "0"}]


class TestARootOfItsOwn:
    """Programs run in a distribution's root file system on a disk."""

    @pytest.fixture(autouse=True)
    def disks(self, guest: Host) -> str:
        guest.write("sys/block/vda/serial", "")
        guest.write("sys/block/vdb/serial", "kzram-root\n")
        for part in ("vdb1", "vdb2"):
            guest.write(f"sys/block/vdb/{part}/start", "0")
        for name in ("vda", "vdb", "vdb1", "vdb2"):
            guest.write(f"dev/{name}")
        new = f"{guest.root}/new"
        guest.conf |= {"ROOT": "kzram-root", "NEW": new}
        return new

    @pytest.mark.parametrize("device", ["vdb", "vdb2"])
    def test_the_workload_runs_in_it(self, guest: Host, shell: str, disks: str, device: str) -> None:
        guest.root_on = f"/dev/{device}"
        assert guest.run(shell) == POWERED_OFF
        assert guest.emitted("error") == []
        assert (guest.workload() or ({}, ()))[1] == ("chroot", disks, "anonmutate", "--pages", "64")
        mounts = [call[1:] for call in guest.calls if call[0] == "mount"]
        assert (f"{guest.root}/dev/{device}", disks) in mounts
        for place in ("sys", "dev", "etc/kzram"):
            assert ("-o", "rbind", f"{guest.root}/{place}", f"{disks}{guest.root}/{place}") in mounts
        assert ("-o", "rbind", "/bin", f"{disks}/run/kzram") in mounts

    def test_a_command_too(self, guest: Host, shell: str, disks: str) -> None:
        guest.conf |= {"COMMAND": "echo hello", "WORKLOAD": ""}
        assert guest.run(shell) == POWERED_OFF
        assert (guest.workload() or ({}, ()))[1] == ("chroot", disks, "sh", "-c", "echo hello")

    def test_a_disk_that_is_not_bootable(self, guest: Host, shell: str) -> None:
        guest.root_on = "nowhere"
        assert told(guest, shell).startswith("not bootable: no root file system with /bin/sh on vdb that this kernel")

    def test_ssh(self, guest: Host, shell: str, disks: str) -> None:
        guest.conf |= {"SSH": "1"}
        assert told(guest, shell) == "no /usr/sbin/sshd in the root: packages: [openssh-server]"
        guest.conf |= {"SHELL": "1", "WORKLOAD": "", "COMMAND": "true"}
        assert told(guest, shell) == "no /usr/sbin/sshd in the root: packages: [openssh-server]"
        guest.conf |= {"SHELL": "0", "WORKLOAD": "anonmutate --pages 64", "COMMAND": ""}
        guest.write("new/usr/sbin/sshd").chmod(0o755)
        assert guest.run(shell) == POWERED_OFF
        assert guest.emitted("error") == []
        assert ("eth0", "10.0.2.15", "netmask", "255.255.255.0", "up") in guest.ran("ifconfig")
        assert (disks, f"{guest.root}/usr/sbin/sshd", "-f") in [call[:3] for call in guest.ran("chroot")]

    def test_no_disk(self, guest: Host, shell: str) -> None:
        guest.remove("sys/block/vdb")
        assert told(guest, shell) == "no disk kzram-root"


class TestFaults:
    DEBUG = "sys/kernel/debug"

    def test_failslab(self, guest: Host, shell: str) -> None:
        guest.conf |= {"FAULT": "failslab", "FAULT_PROBABILITY": "50", "FAULT_INTERVAL": "3", "FAULT_TIMES": "7"}
        assert guest.run(shell) == POWERED_OFF
        knobs = ("ignore-gfp-wait", "interval", "verbose", "times", "cache-filter", "probability")
        values = [guest.read(f"{self.DEBUG}/failslab/{knob}") for knob in knobs]
        assert values == ["Y", "3", "0", "7", "Y", "50"]
        assert guest.read("sys/kernel/slab/zs_handle-zram0/failslab") == "1"
        options, _ = guest.workload() or ({}, ())
        assert options["--fault-file"] == str(guest.root / self.DEBUG / "failslab/times")
        assert options["--fault-times"] == "7"
        assert guest.ran("env") == [("unset",)]

    def test_for_ever_is_a_number_that_can_be_counted_down(self, guest: Host, shell: str) -> None:
        guest.conf |= {"FAULT": "failslab", "FAULT_TIMES": "-1"}
        assert guest.run(shell) == POWERED_OFF
        assert guest.read(f"{self.DEBUG}/failslab/times") == "1000000000"
        assert (guest.workload() or ({}, ()))[0]["--fault-times"] == "1000000000"

    def test_the_cache_of_old_kernels(self, guest: Host, shell: str) -> None:
        guest.conf["FAULT"] = "failslab"
        guest.remove("sys/kernel/slab/zs_handle-zram0")
        guest.write("sys/kernel/slab/zs_handle/failslab", "0\n")
        assert guest.run(shell) == POWERED_OFF
        assert guest.read("sys/kernel/slab/zs_handle/failslab") == "1"

    def test_a_cache_marked_on_the_command_line_is_left_as_it_is(self, guest: Host, shell: str) -> None:
        guest.conf["FAULT"] = "failslab"
        mark = guest.write("sys/kernel/slab/zs_handle-zram0/failslab", "1\n")
        before = mark.stat().st_mtime_ns
        assert guest.run(shell) == POWERED_OFF
        assert mark.stat().st_mtime_ns == before
        assert guest.emitted("ready") == [guest.emitted("ready")[0]]

    def test_a_mark_that_cannot_be_set_says_how_to_set_it(self, guest: Host, shell: str) -> None:
        guest.conf["FAULT"] = "failslab"
        guest.remove("sys/kernel/slab/zs_handle-zram0/failslab")
        (guest.root / "sys/kernel/slab/zs_handle-zram0/failslab").mkdir()
        text = told(guest, shell)
        assert "is read-only here (5.9 to 6.1): add slub_debug=A,zs_handle to machine: cmdline:" in text

    def test_a_merged_cache(self, guest: Host, shell: str) -> None:
        guest.conf["FAULT"] = "failslab"
        guest.remove("sys/kernel/slab/zs_handle-zram0")
        guest.write("sys/kernel/slab/:0000008/failslab", "0\n")
        (guest.root / "sys/kernel/slab/zs_handle").symlink_to(":0000008")
        assert told(guest, shell).endswith("zs_handle is merged with other caches: boot with slab_nomerge")

    def test_no_cache(self, guest: Host, shell: str) -> None:
        guest.conf["FAULT"] = "failslab"
        guest.remove("sys/kernel/slab/zs_handle-zram0")
        assert told(guest, shell) == "no slab cache zs_handle"

    @pytest.mark.parametrize("kind", ["failslab", "fail_page_alloc"])
    def test_a_kernel_without_the_injector(self, guest: Host, shell: str, kind: str) -> None:
        guest.conf["FAULT"] = kind
        guest.remove(f"{self.DEBUG}/{kind}")
        assert told(guest, shell) == f"no /sys/kernel/debug/{kind}: this kernel has no such fault injection"

    def test_fail_page_alloc_asks_the_workload_to_mark_its_threads(self, guest: Host, shell: str) -> None:
        guest.conf["FAULT"] = "fail_page_alloc"
        assert guest.run(shell) == POWERED_OFF
        knobs = ("min-order", "ignore-gfp-highmem", "task-filter", "probability")
        assert [guest.read(f"{self.DEBUG}/fail_page_alloc/{knob}") for knob in knobs] == ["0", "N", "Y", "100"]
        assert guest.ran("env") == [("1",)]
