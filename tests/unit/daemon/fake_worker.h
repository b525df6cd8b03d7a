#pragma once

/// A worker that obeys every frame and serves nobody: what the daemon's tests start instead of the real one.
/// A server whose configuration has `x_reject` is refused with that text; one with `x_alone` is refused in a
/// frame that brings others too; one with `x_die` makes it exit with 7; each configuration it takes counts
/// one connection. `x_lie`, "SERVER BACKEND", makes it tell of another's server and backend what is not so;
/// `x_chatter` makes it say too much. The log filter `warn,shutdown=debug` makes it shut its listening
/// sockets and exit, as the real one does when it is told TERM.
int run_fake_worker(int channel_fd);
