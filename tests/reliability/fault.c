/* A library to preload that disturbs a process at one file operation.

     cc -shared -fPIC -O1 -o fault.so fault.c -ldl
     LD_PRELOAD=./fault.so FAULT_UNDER=/tmp/root FAULT_LOG=log python pipeline_runner.py ...
     LD_PRELOAD=./fault.so FAULT_PATH='/tmp/root/Trainer/model/N/...' FAULT_ACT=KILL ...

   The environment, read at each operation, so that a fork can set it for itself:
     FAULT_UNDER  operations on paths below one of these directories, separated by ':', are logged
     FAULT_LOG    a file: a line "create <path>" for each of them, "disturbed <path>" for the one
     FAULT_PATH   the path to disturb, as the log has it: what differs from run to run is replaced, a
                  UUID by 'U', eight or more hex digits by 'H', other digits by 'N', and the random
                  end of a hidden file's name (".name.r4nd0m__") by 'R'
     FAULT_ACT    KILL: the process is killed right after the operation
                  ENOSPC: the disk is full. A file that is opened can be, but nothing can be written
                  to it (it is /dev/full), and an empty file is left at its path. A rename fails.

   The operations are to open a file for writing, and to rename one. The first that matches is
   disturbed, and no other. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int disturbed = 0;

static int is_uuid(const char *text) {
  for (int i = 0; i < 36; i++)
    if (i == 8 || i == 13 || i == 18 || i == 23 ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
      return 0;
  return 1;
}

/* Whether the random end of the name of a temporary file begins here: Python's tempfile makes it of
   eight letters, digits and underscores. */
static int is_random_end(const char *text, int is_hidden) {
  if (!is_hidden || text[0] != '.') return 0;
  for (int i = 1; i <= 8; i++)
    if (!islower((unsigned char)text[i]) && !isdigit((unsigned char)text[i]) && text[i] != '_') return 0;
  return text[9] == '/' || !text[9];
}

/* The path without what differs from run to run; see FAULT_PATH. */
static void normalise(const char *path, char *out, size_t size) {
  size_t used = 0;
  int is_hidden = 0;
  char before = 0;
  while (*path && used + 2 < size) {
    size_t hex = 0, digits = 0;
    if (before == '/') is_hidden = path[0] == '.';
    before = *path;
    while (isxdigit((unsigned char)path[hex])) hex++;
    while (isdigit((unsigned char)path[digits])) digits++;
    if (hex == 8 && is_uuid(path)) { out[used++] = 'U'; path += 36; }
    else if (hex == 8 || (hex > 8 && hex > digits)) { out[used++] = 'H'; path += hex; }
    else if (digits) { out[used++] = 'N'; path += digits; }
    else if (is_random_end(path, is_hidden)) { out[used++] = '.'; out[used++] = 'R'; path += 9; }
    else out[used++] = *path++;
  }
  out[used] = 0;
}

static void log_line(const char *what, const char *path) {
  const char *log = getenv("FAULT_LOG");
  char line[2 * PATH_MAX + 16];
  if (!log) return;
  int length = snprintf(line, sizeof line, "%s %s\n", what, path);
  int file = syscall(SYS_openat, AT_FDCWD, log, O_CREAT | O_WRONLY | O_APPEND, 0644);
  if (file < 0 || syscall(SYS_write, file, line, length) != length) abort();
  syscall(SYS_close, file);
}

static void absolute(int directory, const char *path, char *out, size_t size) {
  char base[PATH_MAX] = "", link[64];
  if (path[0] != '/') {
    if (directory == AT_FDCWD) { if (!getcwd(base, sizeof base)) base[0] = 0; }
    else {
      snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
      ssize_t length = readlink(link, base, sizeof base - 1);
      base[length > 0 ? length : 0] = 0;
    }
  }
  snprintf(out, size, "%s%s%s", base, base[0] ? "/" : "", path);
}

static int is_under(const char *path) {
  const char *under = getenv("FAULT_UNDER");
  while (under && *under) {
    const char *end = strchrnul(under, ':');
    size_t length = end - under;
    if (length && !strncmp(path, under, length) && path[length] == '/') return 1;
    under = *end ? end + 1 : end;
  }
  return 0;
}

/* Logs that the file is created; returns whether it is the one to disturb. */
static int meets(int directory, const char *given) {
  char path[2 * PATH_MAX], plain[2 * PATH_MAX];
  if (!given || !getenv("FAULT_UNDER")) return 0;
  int before = errno;
  absolute(directory, given, path, sizeof path);
  int result = 0;
  if (is_under(path)) {
    normalise(path, plain, sizeof plain);
    const char *wanted = getenv("FAULT_PATH");
    log_line("create", plain);
    if (wanted && !strcmp(wanted, plain))
      result = !__sync_lock_test_and_set(&disturbed, 1);
    if (result) log_line("disturbed", plain);
  }
  errno = before;
  return result;
}

static int is(const char *act) { const char *a = getenv("FAULT_ACT"); return a && !strcmp(a, act); }
static void kill_now(void) { syscall(SYS_kill, getpid(), SIGKILL); for (;;) pause(); }
static int writes(int flags) { return (flags & O_ACCMODE) != O_RDONLY; }
static int real_openat(int d, const char *p, int f, mode_t m) { return syscall(SYS_openat, d, p, f, m); }

static int disturbed_open(int directory, const char *path, int flags, mode_t mode) {
  int meet = writes(flags) && meets(directory, path);
  int file = real_openat(directory, path, flags, mode);
  if (!meet || file < 0) return file;
  if (is("KILL")) kill_now();
  syscall(SYS_close, file);
  return real_openat(AT_FDCWD, "/dev/full", flags & ~(O_CREAT | O_EXCL | O_TRUNC), 0);
}

#define MODE mode_t mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list a; va_start(a, flags); mode = va_arg(a, int); va_end(a); }
int open(const char *path, int flags, ...) { MODE return disturbed_open(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE return disturbed_open(AT_FDCWD, path, flags, mode); }
int openat(int d, const char *path, int flags, ...) { MODE return disturbed_open(d, path, flags, mode); }
int openat64(int d, const char *path, int flags, ...) { MODE return disturbed_open(d, path, flags, mode); }

static FILE *disturbed_fopen(const char *name, const char *path, const char *mode) {
  FILE *(*next)(const char *, const char *) = dlsym(RTLD_NEXT, name);
  int meet = (mode[0] != 'r' || strchr(mode, '+')) && meets(AT_FDCWD, path);
  FILE *file = next(path, mode);
  if (!meet || !file) return file;
  if (is("KILL")) kill_now();
  fclose(file);
  return next("/dev/full", mode);
}
FILE *fopen(const char *path, const char *mode) { return disturbed_fopen("fopen", path, mode); }
FILE *fopen64(const char *path, const char *mode) { return disturbed_fopen("fopen64", path, mode); }

static int disturbed_rename(int from, const char *a, int to, const char *b) {
  int meet = meets(to, b);
  if (meet && is("ENOSPC")) { errno = ENOSPC; return -1; }
  int result = syscall(SYS_renameat2, from, a, to, b, 0);
  if (meet && !result) kill_now();
  return result;
}
int rename(const char *a, const char *b) { return disturbed_rename(AT_FDCWD, a, AT_FDCWD, b); }
int renameat(int x, const char *a, int y, const char *b) { return disturbed_rename(x, a, y, b); }
