"""A small tree with a history that stands for the kernel's: sources, MAINTAINERS, three commits."""

import subprocess
from pathlib import Path

MAINTAINERS = """\
List of maintainers
===================

	F: files are given so

Maintainers List
----------------

BLOCK LAYER
M:	Jens Axboe <axboe@kernel.dk>
L:	linux-block@vger.kernel.org
S:	Maintained
F:	block/
F:	drivers/block/

ZRAM COMPRESSED RAM BLOCK DEVICE
M:	Minchan Kim <minchan@kernel.org>
R:	A Reviewer <reviewer@example.org>
L:	linux-kernel@vger.kernel.org (moderated)
S:	Maintained
F:	drivers/block/zram/
X:	drivers/block/zram/README

ZSMALLOC
M:	Sergey Senozhatsky <senozhatsky@chromium.org>
S:	Odd Fixes
F:	include/linux/zsmalloc.h
F:	mm/zsmalloc.c
N:	zpool

THE REST
M:	Linus Torvalds <torvalds@linux-foundation.org>
S:	Buried alive in reporters
F:	*
F:	*/
"""
ZSMALLOC = """\
#include <linux/zsmalloc.h>
void zs_free(struct zs_pool *pool, unsigned long handle);

static unsigned long obj_malloc(struct zs_pool *pool,
				unsigned long handle)
{
	return handle;
}

void zs_free(struct zs_pool *pool, unsigned long handle)
{
	obj_malloc(pool, handle);
}
"""
FILES = {
    "MAINTAINERS": MAINTAINERS,
    "mm/zsmalloc.c": ZSMALLOC,
    "drivers/block/zram/zram_drv.c": "static int helper(int a)\n{\n\treturn zs_free(0, a);\n}\n",
    "drivers/block/brd.c": "static int helper(int a)\n{\n\treturn a;\n}\n",
    "fs/read_write.c": "SYSCALL_DEFINE3(write, unsigned int, fd, const char __user *, buf)\n{\n\treturn 0;\n}\n",
    "arch/arm/mm/copy.c": "void clear_it(void)\n{\n}\n",
    "arch/x86/mm/copy.c": "\nvoid clear_it(void)\n{\n}\n",
    "tools/mm/zsmalloc.c": "void zs_free(int a)\n{\n}\n",
}


def git(tree: Path, *words: str) -> None:
    identity = ("-c", "user.name=A Developer", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(("git", *identity, *words), cwd=tree, check=True, capture_output=True)


def make(path: Path) -> Path:
    """The tree, without git."""
    for name, content in FILES.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return path


def commit(tree: Path) -> Path:
    """The tree as a repository with three commits, of which two changed obj_malloc()."""
    git(tree, "init", "-q")
    git(tree, "add", ".")
    git(tree, "commit", "-q", "-m", "zsmalloc: begin")
    path = tree / "mm/zsmalloc.c"
    path.write_text(ZSMALLOC.replace("return handle;", "return handle + 1;"))
    git(tree, "commit", "-qam", "zsmalloc: count from one")
    path.write_text(path.read_text().replace("obj_malloc(pool, handle);\n}", "obj_malloc(pool, 0);\n}"))
    git(tree, "commit", "-qam", "zsmalloc: forget the handle")
    return tree


def head(tree: Path) -> str:
    """The id of the last commit."""
    done = subprocess.run(("git", "rev-parse", "HEAD"), cwd=tree, check=True, capture_output=True, text=True)
    return done.stdout.strip()
