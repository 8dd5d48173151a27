"""The facts of a report besides the stack: CPU, task, kernel, taint, modules, registers, code."""

from __future__ import annotations

from dataclasses import dataclass, field

from kzram_ci.base.expressions import later

MAX_MODULES = 512
MAX_REGISTERS = 96

_CPU_LINE = later(
    r"\s{0,8}CPU: {0,2}(?P<cpu>\d{1,5}) (?:UID: \d{1,10} )?PID: (?P<pid>\d{1,9}) Comm: (?P<comm>.{1,40}?) "
    # a blank for each flag that is not set, so letters may touch: "P           OE   "; or in words: "[W]=WARN, [O]=…"
    r"(?:(?P<clean>Not tainted)|Tainted: (?P<taint>(?:(?:\[[A-Z]\](?:=\w{1,32})?|[A-Z]{1,24})(?:[ ,]{1,32}|$)){1,24})) "
    r"?(?P<kernel>\d+\.\d+\S{0,100})?"
)
_TAINT_ALONE = later(
    r"\s{2,8}(?:Not tainted|Tainted: (?P<taint>[A-Z ]{1,40}?)) {1,12}(?P<kernel>\d{1,2}\.\d+\S{0,100}) "
)
_VERSION = later(
    r"(?P<kernel>\d{1,2}\.\d+\.\d+\S{0,100}) (?:#\S{1,20} )?(?:Not tainted|Tainted: (?P<taint>[A-Z ]{1,40}))"
)
_TAINT_LETTER = later(r"\[([A-Z])\](?:=\w+)?|([A-Z])")
_HARDWARE = later(r"\s{0,8}Hardware name: (.{1,200})")
_MODULES = later(r"\s{0,4}Modules linked in:(.{0,4000})")
_MODULE = later(r"([\w-]{1,64})(?:\([\w+-]{1,16}\))?")
_CODE = later(r"\s{0,4}(?:Code: |Krnl Code: )((?:[<(]?[0-9a-f]{2,16}[>)]?[: ]?|Bad .{1,40}){1,80})")
_REGISTER = later(
    r"(?<![\w<])(?P<name>[eER][A-DSI][XIP]|R\d\d|[eR](?:SP|BP|IP)|EFLAGS|ORIG_RAX|CR[0-8]|DR[0-7]|[DEFGCS]S|x\d\d?|sp|fp|lr"
    r"|pc|pstate|r\d\d?|[ast]\d\d?|gp|tp|ra|epc|badaddr|cause|GPR\d\d|MSR|CTR|XER|NIP|LR|DAR)"
    r"\s{0,2}[:=] {0,3}(?:[0-9a-f]{4}:(?=[0-9a-f]{8}))?(?:\[?<?)(?P<value>[0-9a-f]{4,16})\b"
)
_TASK_OF_HEADLINE = later(
    r"CPU: (?P<cpu>\d{1,5}) PID: (?P<pid>\d{1,9})|CPU#(?P<cpu2>\d{1,5})(?:: (?P<comm2>.{1,40})/(?P<pid2>\d{1,9})$)?|"
    r"task (?P<comm>.{1,40}?):(?P<pid3>\d{1,9}) |\[(?P<comm4>[^\[\]]{1,40}):(?P<pid4>\d{1,9})\]|"
    r"(?:code|recursion on CPU#\d+|atomic): (?P<comm5>.{1,40}?)/(?P<pid5>\d{1,9})"
)
_BY_TASK = later(
    r"(?:[Rr]ead|[Ww]rite|Free) (?:of size \d+ )?(?:at addr \S+ )?by task (?P<comm>.{1,40})/(?P<pid>\d{1,9})"
)


@dataclass(slots=True)
class Header:
    """Collected line by line; the first value of each wins, since later ones belong to what follows."""

    cpu: int | None = None
    pid: int | None = None
    comm: str | None = None
    taint: str | None = None
    kernel: str | None = None
    hardware: str | None = None
    code: str | None = None
    modules: list[str] = field(default_factory=list)
    registers: dict[str, str] = field(default_factory=dict)
    frozen: bool = False  # registers and code of the kernel are over; the next ones are user space's

    def headline(self, text: str) -> None:
        """Take CPU and task from a headline."""
        for match in _TASK_OF_HEADLINE.finditer(text[:400]):
            found = match.groupdict()
            cpu = found["cpu"] or found["cpu2"]
            pid = next((found[key] for key in ("pid", "pid2", "pid3", "pid4", "pid5") if found[key]), None)
            comm = next((found[key] for key in ("comm", "comm2", "comm4", "comm5") if found[key]), None)
            self._task(cpu, pid, comm)

    def _task(self, cpu: str | None, pid: str | None, comm: str | None) -> None:
        if self.cpu is None and cpu:
            self.cpu = int(cpu)
        if self.pid is None and pid:
            self.pid = int(pid)
        if self.comm is None and comm:
            self.comm = comm

    def take(self, text: str) -> bool:
        """Look at one line of a report; whether it was one of these."""
        return self._header(text) or self._body(text) or self._registers(text)

    def _header(self, text: str) -> bool:
        if "CPU:" in text and (match := _CPU_LINE.match(text)):
            self._task(match["cpu"], match["pid"], match["comm"])
            self._version(match["taint"], match["kernel"])
        elif "ainted" in text and (match := _TAINT_ALONE.match(text) or _VERSION.match(text)):
            self._version(match["taint"], match["kernel"])
        elif "Hardware name" in text and (match := _HARDWARE.match(text)):
            self.hardware = self.hardware or match[1].strip()
        else:
            return False
        return True

    def _body(self, text: str) -> bool:
        if "Modules linked" in text and (match := _MODULES.match(text)):
            if not self.modules:
                names = _MODULE.findall(match[1].split("[last unloaded")[0])
                self.modules = names[:MAX_MODULES]
        elif "Code:" in text and (match := _CODE.match(text)):
            self.code = self.code or (None if self.frozen else match[1].strip())
        elif "by task" in text and (match := _BY_TASK.match(text)):
            self._task(None, match["pid"], match["comm"])
        else:
            return False
        return True

    def _version(self, taint: str | None, kernel: str | None) -> None:
        if self.taint is None and taint:
            self.taint = "".join(match[1] or match[2] for match in _TAINT_LETTER.finditer(taint)) or None
        if self.kernel is None and kernel:
            self.kernel = kernel

    def _registers(self, text: str) -> bool:
        if ":" not in text and "=" not in text:
            return False
        pairs = _REGISTER.findall(text[:300])
        if pairs and not self.frozen and len(self.registers) < MAX_REGISTERS:
            for name, value in pairs:
                self.registers.setdefault(name.lower(), value)
        return bool(pairs)
