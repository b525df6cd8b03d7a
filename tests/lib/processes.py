"""Finding and ending everything a test started, daemons that detached included."""
import ctypes
import os
import signal
import time

PR_SET_CHILD_SUBREAPER = 36


def become_subreaper():
    """Orphans below us become our children instead of init's, so that we find them."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def stat_of(pid):
    """(parent's pid, state, start time in clock ticks) or None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1]), fields[0], int(fields[19])


def all_parents():
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (stat := stat_of(int(name))):
            found[int(name)] = stat[0]
    return found


def descendants(pid):
    """Pids below `pid`, nearest first."""
    parents = all_parents()
    found, edge = [], {pid}
    while edge:
        edge = {child for child, parent in parents.items() if parent in edge}
        found += sorted(edge)
    return found


def kill_all(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


def end_children(limit=5.0):
    """Kills and reaps everything below this process."""
    until = time.monotonic() + limit
    while time.monotonic() < until:
        family = descendants(os.getpid())
        if not family:
            return
        kill_all(family)
        reap()
        time.sleep(0.005)


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def reap_strays(known):
    """Ends children of this process that are not in `known`: orphans of tests that ended."""
    for pid, parent in all_parents().items():
        if parent != os.getpid() or pid in known:
            continue
        kill_all([*descendants(pid), pid])
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            pass


def alive(pid):
    stat = stat_of(pid)
    return stat is not None and stat[1] not in "ZX"


def wait_gone(pid, seconds):
    until = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > until:
            return False
        time.sleep(0.002)
    return True


def children_of(pid):
    return [child for child, parent in all_parents().items() if parent == pid]


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def private_dirty_kib(pid):
    """KiB of memory that this process alone holds; None for a process that only root may look into (a worker)."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
            for line in file:
                if line.startswith("Private_Dirty:"):
                    return int(line.split()[1])
    except PermissionError:
        return None
    return 0
