"""What a measurement asks of the machine: processes and what they used, a CPU each, priority, settings put back after."""
import contextlib
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import time

TICKS = os.sysconf("SC_CLK_TCK")
NICE = -15
SETTINGS = {
    # Eight client addresses times these ports: a connection rate is not bound by ports that rest in TIME_WAIT.
    "net/ipv4/ip_local_port_range": "10240 65535",
    # BBR paces loopback: bulk ends at 40 % of what the machine can do, less for whoever sends in small pieces.
    "net/ipv4/tcp_congestion_control": "cubic",
}


def say(text):
    print(text, file=sys.stderr, flush=True)


# ---- processes -------------------------------------------------------------
def fields_of(pid):
    """/proc/PID/stat from the state on, or None when the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None


def tree_of(pid):
    """`pid` and all processes below it, parents first."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := fields_of(name)):
            children.setdefault(int(fields[1]), []).append(int(name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def leaves_of(pid):
    """The processes of the tree that have none below them: the workers."""
    pids = tree_of(pid)
    parents = {int(fields[1]) for fields in map(fields_of, pids) if fields}
    return [p for p in pids if p not in parents]


def cpu_of(pid):
    """(user, system) seconds that the tree has used so far, threads and children that ended included."""
    user = system = 0
    for fields in map(fields_of, tree_of(pid)):
        if fields:
            user += int(fields[11]) + int(fields[13])
            system += int(fields[12]) + int(fields[14])
    return user / TICKS, system / TICKS


def busy_of_machine():
    """Seconds that all CPUs together were not idle since the machine started."""
    with open("/proc/stat", encoding="ascii") as file:
        spent = [int(word) for word in file.readline().split()[1:9]]
    return (sum(spent) - spent[3] - spent[4]) / TICKS


def memory_of(pids, what):
    """Bytes: the sum of one line of smaps_rollup (Pss, Private_Dirty); None where we may not look."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total += sum(int(line.split()[1]) * 1024 for line in file if line.startswith(what + ":"))
        except PermissionError:
            return None
        except (FileNotFoundError, ProcessLookupError):
            pass  # ended meanwhile
    return total


def is_alive(pid):
    fields = fields_of(pid)
    return fields is not None and fields[0] not in "ZX"


def end(process, patience=3.0):
    """Ends the whole tree: asks its root, then insists."""
    pids = tree_of(process.pid)
    for pid_list, number, limit in (([process.pid], signal.SIGTERM, patience), (pids, signal.SIGKILL, 2.0)):
        for pid in pid_list:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + limit
        while any(map(is_alive, pids)) and time.monotonic() < deadline:
            process.poll()
            time.sleep(0.01)
        if not any(map(is_alive, pids)):
            break
    process.wait()


# ---- starting --------------------------------------------------------------
class Places:
    """Which CPU the subject has for itself and which load and origin share; how things are started there."""

    def __init__(self, is_tuned):
        self.is_tuned = is_tuned
        allowed = sorted(os.sched_getaffinity(0))
        if len(allowed) < 2:
            say("note: one CPU only; subject, load and origin share it")
        self.subject_cpu, self.load_cpu = allowed[0], allowed[-1] if len(allowed) < 2 else allowed[1]

    def start(self, argv, cpu, **more):
        """Starts a program alone in its session on one CPU."""
        def prepare():
            os.sched_setaffinity(0, {cpu})
            if self.is_tuned:
                with contextlib.suppress(PermissionError):
                    os.setpriority(os.PRIO_PROCESS, 0, NICE)

        process = subprocess.Popen(argv, start_new_session=True, preexec_fn=prepare, **more)
        self.get_ahead(process.pid)
        return process

    def get_ahead(self, pid):
        """Sessions compete as groups: a process of high priority in an ordinary group has no more than its group."""
        for member in tree_of(pid) if self.is_tuned else []:
            with contextlib.suppress(OSError), open(f"/proc/{member}/autogroup", "w", encoding="ascii") as file:
                file.write(str(NICE))


@contextlib.contextmanager
def settings(is_tuned):
    """SETTINGS for the time of the run, then what was there before; says what cannot be had."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (65536, 65536))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if is_tuned and os.geteuid() != 0:
        say("note: without root neither priority nor congestion control can be set: other work on the machine disturbs more,"
            " and bulk rows are not comparable under BBR")
    before = {}
    try:
        for name, wanted in SETTINGS.items() if is_tuned and os.geteuid() == 0 else ():
            path = "/proc/sys/" + name
            with open(path, encoding="ascii") as file:
                was = file.read().strip()
            if was.split() == wanted.split():
                continue
            try:
                with open(path, "w", encoding="ascii") as file:
                    file.write(wanted)
                before[path] = was
            except OSError as error:
                say(f"note: {name} stays {was}: {error.strerror}")
        yield
    finally:
        for path, was in before.items():
            with open(path, "w", encoding="ascii") as file:
                file.write(was)


# ---- ports -----------------------------------------------------------------
def connects(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
        return True
    except OSError:
        return False


def free_ports(count):
    """Ports that nobody has, below those that the kernel gives to clients. Somebody else's listener with SO_REUSEPORT would
    take half of our connections and nobody would notice."""
    found = []
    while len(found) < count:
        port = random.randrange(4000, 10000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found and not connects(port):
            found.append(port)
    return found


def wait_until_open(port, process, limit):
    """Whether somebody accepts on the port before `process` ends or `limit` seconds are over."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline and process.poll() is None:
        if connects(port):
            return True
        time.sleep(0.02)
    return False


def wait_until_closed(port, limit=5.0):
    deadline = time.monotonic() + limit
    while connects(port) and time.monotonic() < deadline:
        time.sleep(0.02)
