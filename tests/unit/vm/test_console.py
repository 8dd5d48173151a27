from pathlib import Path

from kzram_ci.vm.console import Console


def test_the_console_hands_on_every_byte_and_notices_a_flood(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    console = Console(log, limit_bytes=10)
    assert console.poll() == b""
    with log.open("ab") as out:
        out.write(b"12345")
        out.flush()
        assert console.poll() == b"12345"
        assert console.bytes == 5
        out.write(b"67890\nx")
    assert console.poll() == b"67890\nx"
    assert console.flooded
    assert console.bytes == log.stat().st_size
    assert list(console.drain()) == []  # a flood is not read to its end
    console.close()


def test_what_came_last_is_read_once_the_machine_is_gone(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    console = Console(log, limit_bytes=100)
    log.write_bytes(b"last words")
    assert b"".join(console.drain()) == b"last words"
    console.close()
