"""Running the program on a pseudo-terminal of a given width, as a person sees it."""
import fcntl
import os
import pty
import select
import struct
import termios
import time


def on_terminal(w, *args, columns=80, rows=24, keys=(), env=None, timeout=20.0):
    """Runs the program on a terminal; `keys` are (text to wait for, what to type). Returns (output, exit code)."""
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(w.dir)
        os.execve(w.binary, [w.binary, *map(str, args)], {**w.env, **(env or {})})
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    output, waiting = "", list(keys)
    deadline = time.monotonic() + timeout * w.patience
    while True:
        assert time.monotonic() < deadline, f"no end on the terminal within {timeout} s:\n{output}"
        ready, _, _ = select.select([master], [], [], 0.1)
        if ready:
            try:
                data = os.read(master, 65536)
            except OSError:
                data = b""
            if not data:
                break
            output += data.decode("utf-8", "replace")
        if waiting and waiting[0][0] in output:
            os.write(master, waiting.pop(0)[1].encode())
    os.close(master)
    _, status = os.waitpid(pid, 0)
    return output.replace("\r\n", "\n"), os.waitstatus_to_exitcode(status)
