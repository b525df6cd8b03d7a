#include "cli/core/password.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "lib/base/error.h"
#include "lib/base/unique_fd.h"
#include "lib/crypto/password.h"

namespace arcus::cli {
namespace {

/// On a terminal that may have gone.
void say(int fd, std::string_view text) {
  if (::write(fd, text.data(), text.size()) < 0) return;
}

/// A terminal that does not show what is typed, for as long as this lives.
class Unseen {
 public:
  explicit Unseen(int fd) : fd_(fd) {
    if (::tcgetattr(fd_, &former_) != 0) throw system_error("terminal", errno);
    termios quiet = former_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | ISIG);  // keys come one by one, Ctrl-C too
    ::tcsetattr(fd_, TCSAFLUSH, &quiet);
  }
  ~Unseen() {
    ::tcsetattr(fd_, TCSAFLUSH, &former_);
    say(fd_, "\n");
  }
  Unseen(const Unseen&) = delete;
  Unseen& operator=(const Unseen&) = delete;

 private:
  int fd_;
  termios former_{};
};

/// What a key does to a line that is typed unseen; false when it is a letter.
bool edit(std::string& line, char key) {
  constexpr char ctrl_c = 3, ctrl_d = 4, backspace = 8, ctrl_u = 21, ctrl_backslash = 28, rubout = 127;
  if (key == ctrl_c || key == ctrl_d || key == ctrl_backslash)
    throw Error{ErrorKind::not_confirmed, "not confirmed: nothing was changed"};
  if (key == ctrl_u) return wipe(line), true;
  if (key != backspace && key != rubout) return false;
  if (!line.empty()) line.pop_back();
  return true;
}

/// The first line of `fd` without its end; reads no further than it must.
Secret read_line(int fd, bool is_typed) {
  std::string line;
  line.reserve(max_password + 2);
  char c = 0;
  while (line.size() <= max_password + 1) {
    const ssize_t n = ::read(fd, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw system_error("password", errno);
    if (n == 0 || c == '\n') break;
    if (!is_typed || !edit(line, c)) line += c;
  }
  if (line.ends_with('\r')) line.pop_back();
  Secret out{line};
  wipe(line);
  return out;
}

Secret from_terminal(std::string_view question) {
  UniqueFd terminal{::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)};
  if (!terminal || ::isatty(STDIN_FILENO) != 1)
    throw Error{ErrorKind::not_confirmed, "there is no terminal to ask for the password on"}.with_hint(
        "use --password-stdin or --password-file");
  const std::string text = std::string{question} + ": ";
  const Unseen unseen{terminal.get()};  // before the question: what is typed at once is not lost
  say(terminal.get(), text);
  return read_line(terminal.get(), true);
}

Secret from_file(std::string_view path) {
  const std::string name{path};
  UniqueFd file{::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!file) throw system_error("password file '" + name + "'", errno);
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0) throw system_error("password file '" + name + "'", errno);
  if ((facts.st_mode & S_IRWXO) != 0)
    throw Error{ErrorKind::permission, "password file '" + name + "' may be read by others"}.with_hint(
        "chmod 600 " + name);
  return read_line(file.get(), false);
}

void check(const Secret& secret) {
  if (secret.text().empty()) throw Error{ErrorKind::usage, "the password is empty"};
  if (secret.text().size() > max_password)
    throw Error{ErrorKind::usage, "the password is longer than " + std::to_string(max_password) + " bytes"};
  if (secret.text().find('\0') != std::string::npos)
    throw Error{ErrorKind::usage, "the password has a NUL byte"};
}

}  // namespace

Secret read_password(const Args& args, std::string_view whose, bool is_new) {
  if (args[password::from_stdin] && args.has(password::from_file))
    throw Error{ErrorKind::usage, "--password-stdin and --password-file exclude each other"};
  Secret secret;
  if (args[password::from_stdin]) {
    secret = read_line(STDIN_FILENO, false);
  } else if (args.has(password::from_file)) {
    secret = from_file(args[password::from_file]);
  } else {
    secret = from_terminal((is_new ? "new password of " : "password of ") + std::string{whose});
    if (is_new && !equal_secretly(secret.text(), from_terminal("again").text()))
      throw Error{ErrorKind::usage, "the two passwords differ"};
  }
  check(secret);
  return secret;
}

}  // namespace arcus::cli
