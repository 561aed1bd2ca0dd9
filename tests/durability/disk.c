/* Goes before libc, and records what a process writes, truncates, renames, unlinks and syncs below the directory that
   DISK_ROOT names, in its order, into the file that DISK_TRACE names. disk.py makes of that what a power cut may leave.
   The file that DISK_FAULTS names says what the disk fails at; a test changes it at any time.

   A system call that comes from elsewhere than libc is not seen; so disk.py compares the trace with the directory. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum operation { CREATE, MAKE_DIRECTORY, UNLINK, RENAME, WRITE, TRUNCATE, SYNC, SYNC_DIRECTORY, MAP };

/* Followed by `name_bytes` of a path below the root, or of two with a zero between, and for a WRITE by `length` bytes.
   A file is an inode. `offset` of a sync is how long the trace was when it began: it covers what was done before. */
struct record {
    uint32_t operation, name_bytes;
    uint64_t file, offset, length;
};

/* What the disk fails at. 0 for nothing. */
struct faults {
    int32_t open_error;  /* errno of what makes a file, or opens one for writing */
    int32_t write_error; /* errno of every write and truncation */
    int32_t grow_error;  /* errno of those that make a file longer: ENOSPC */
    int32_t sync_error;  /* errno of every sync */
    int32_t sync_milliseconds; /* how long a sync takes at least */
};

static char root[PATH_MAX];
static size_t root_bytes;
static int trace = -1;
static const struct faults no_faults;
static const volatile struct faults *faults = &no_faults;
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
    const char *directory = getenv("DISK_ROOT"), *name = getenv("DISK_TRACE"), *control = getenv("DISK_FAULTS");
    if (!directory || !name || strlen(directory) >= sizeof root) return;
    strcpy(root, directory);
    root_bytes = strlen(root);
    if (control) {
        int file = open(control, O_RDONLY | O_CLOEXEC);
        void *shared = mmap(0, sizeof *faults, PROT_READ, MAP_SHARED, file, 0);
        if (shared == MAP_FAILED) abort();
        close(file);
        faults = shared;
    }
    trace = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (trace < 0) abort();
}

/* The path below the root; nothing if it is elsewhere. */
static const char *below(const char *path) {
    if (trace < 0 || strncmp(path, root, root_bytes) != 0) return 0;
    if (path[root_bytes] == 0) return ".";
    return path[root_bytes] == '/' ? path + root_bytes + 1 : 0;
}

static const char *resolve(int directory, const char *path, char *whole) {
    char link[64];
    if (path[0] == '/') return below(path);
    if (directory == AT_FDCWD) strcpy(link, "/proc/self/cwd");
    else snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
    ssize_t length = readlink(link, whole, PATH_MAX - 1);
    if (length < 0 || length + 1 + strlen(path) >= PATH_MAX) return 0;
    whole[length] = '/';
    strcpy(whole + length + 1, path);
    return below(whole);
}

/* The same of an open file or directory. */
static const char *opened(int file, struct stat *status, char *whole) {
    char link[64];
    if (trace < 0 || file == trace || fstat(file, status) != 0) return 0;
    if (!S_ISREG(status->st_mode) && !S_ISDIR(status->st_mode)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, whole, PATH_MAX - 1);
    if (length < 0) return 0;
    whole[length] = 0;
    return below(whole);
}

static void record(enum operation operation, const char *name, size_t name_bytes, uint64_t file, uint64_t offset,
                   const void *data, uint64_t length) {
    struct record head = {operation, name_bytes, file, offset, length};
    struct iovec parts[] = {
        {&head, sizeof head}, {(void *)name, name_bytes}, {(void *)data, data ? length : 0}};
    size_t whole = sizeof head + name_bytes + (data ? length : 0);
    if (syscall(SYS_writev, trace, parts, 3) != (long)whole) abort();
}

static void record_name(enum operation operation, const char *name, uint64_t file) {
    record(operation, name, strlen(name), file, 0, 0, 0);
}

static int fail(int error) {
    errno = error;
    return -1;
}

static int open_file(int directory, const char *path, int flags, mode_t mode) {
    char whole[PATH_MAX];
    const char *name = flags & (O_CREAT | O_WRONLY | O_RDWR) ? resolve(directory, path, whole) : 0;
    if (!name) return syscall(SYS_openat, directory, path, flags, mode);
    if (faults->open_error) return fail(faults->open_error);
    struct stat status;
    pthread_mutex_lock(&order);
    int is_new = flags & O_CREAT && fstatat(directory, path, &status, 0) != 0;
    int file = syscall(SYS_openat, directory, path, flags, mode);
    if (file >= 0 && fstat(file, &status) == 0) {
        if (is_new) record_name(CREATE, name, status.st_ino);
        else if (flags & O_TRUNC) record(TRUNCATE, 0, 0, status.st_ino, 0, 0, 0);
    }
    pthread_mutex_unlock(&order);
    return file;
}

static mode_t mode_of(int flags, va_list arguments) {
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

#define OPEN(NAME, FIRST, DIRECTORY, FLAGS)                         \
    int NAME(FIRST const char *path, int flags, ...) {              \
        va_list arguments;                                          \
        va_start(arguments, flags);                                 \
        mode_t mode = mode_of(flags, arguments);                    \
        va_end(arguments);                                          \
        return open_file(DIRECTORY, path, flags | (FLAGS), mode);   \
    }
#define NOTHING
#define DESCRIPTOR int directory,
OPEN(open, NOTHING, AT_FDCWD, 0)
OPEN(open64, NOTHING, AT_FDCWD, O_LARGEFILE)
OPEN(openat, DESCRIPTOR, directory, 0)
OPEN(openat64, DESCRIPTOR, directory, O_LARGEFILE)

int creat(const char *path, mode_t mode) { return open_file(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

static int refused(const struct stat *status, uint64_t end) {
    if (faults->write_error) return faults->write_error;
    return end > (uint64_t)status->st_size ? faults->grow_error : 0;
}

/* `at` is -1 for the file's own position. */
static ssize_t write_at(int file, const void *data, size_t length, off_t at) {
    char whole[PATH_MAX];
    struct stat status;
    int is_own = at == -1;
    if (!opened(file, &status, whole))
        return is_own ? syscall(SYS_write, file, data, length) : syscall(SYS_pwrite64, file, data, length, at);
    pthread_mutex_lock(&order);
    fstat(file, &status); /* anew, now that nobody else writes */
    if (is_own) at = fcntl(file, F_GETFL) & O_APPEND ? status.st_size : lseek(file, 0, SEEK_CUR);
    int error = refused(&status, at + length);
    ssize_t done = error ? fail(error)
                   : is_own ? syscall(SYS_write, file, data, length) : syscall(SYS_pwrite64, file, data, length, at);
    if (done > 0) record(WRITE, 0, 0, status.st_ino, at, data, done);
    pthread_mutex_unlock(&order);
    return done;
}

ssize_t write(int file, const void *data, size_t length) { return write_at(file, data, length, -1); }
ssize_t pwrite(int file, const void *data, size_t length, off_t at) { return write_at(file, data, length, at); }
ssize_t pwrite64(int file, const void *data, size_t length, off64_t at) { return write_at(file, data, length, at); }

/* Part by part, as if the call had been cut short after the first: who calls it has to go on by itself. */
ssize_t writev(int file, const struct iovec *parts, int count) {
    char whole[PATH_MAX];
    struct stat status;
    if (!opened(file, &status, whole)) return syscall(SYS_writev, file, parts, count);
    int first = 0;
    while (first < count - 1 && parts[first].iov_len == 0) first++;
    return count ? write_at(file, parts[first].iov_base, parts[first].iov_len, -1) : 0;
}

int ftruncate(int file, off_t length) {
    char whole[PATH_MAX];
    struct stat status;
    if (!opened(file, &status, whole)) return syscall(SYS_ftruncate, file, length);
    int error = refused(&status, length);
    if (error) return fail(error);
    pthread_mutex_lock(&order);
    int done = syscall(SYS_ftruncate, file, length);
    if (done == 0) record(TRUNCATE, 0, 0, status.st_ino, 0, 0, length);
    pthread_mutex_unlock(&order);
    return done;
}
int ftruncate64(int file, off64_t length) { return ftruncate(file, length); }

static int sync_file(int file, long call) {
    char whole[PATH_MAX];
    struct stat status;
    const char *name = opened(file, &status, whole);
    if (!name) return syscall(call, file);
    pthread_mutex_lock(&order);
    off_t start = lseek(trace, 0, SEEK_END);
    pthread_mutex_unlock(&order);
    struct timespec time = {faults->sync_milliseconds / 1000, faults->sync_milliseconds % 1000 * 1000000};
    if (faults->sync_milliseconds) nanosleep(&time, 0);
    if (faults->sync_error) return fail(faults->sync_error);
    int done = syscall(call, file);
    if (done != 0) return done;
    pthread_mutex_lock(&order);
    if (S_ISDIR(status.st_mode)) record(SYNC_DIRECTORY, name, strlen(name), 0, start, 0, 0);
    else record(SYNC, 0, 0, status.st_ino, start, 0, 0);
    pthread_mutex_unlock(&order);
    return done;
}

int fsync(int file) { return sync_file(file, SYS_fsync); }
int fdatasync(int file) { return sync_file(file, SYS_fdatasync); }

int mkdirat(int directory, const char *path, mode_t mode) {
    char whole[PATH_MAX];
    const char *name = resolve(directory, path, whole);
    if (name && faults->open_error) return fail(faults->open_error);
    pthread_mutex_lock(&order);
    int done = syscall(SYS_mkdirat, directory, path, mode);
    if (done == 0 && name) record_name(MAKE_DIRECTORY, name, 0);
    pthread_mutex_unlock(&order);
    return done;
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int unlinkat(int directory, const char *path, int flags) {
    char whole[PATH_MAX];
    const char *name = resolve(directory, path, whole);
    pthread_mutex_lock(&order);
    int done = syscall(SYS_unlinkat, directory, path, flags);
    if (done == 0 && name) record_name(UNLINK, name, 0);
    pthread_mutex_unlock(&order);
    return done;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) {
    int done = unlink(path);
    return done != 0 && errno == EISDIR ? rmdir(path) : done;
}

int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    char whole_old[PATH_MAX], whole_new[PATH_MAX], both[2 * PATH_MAX];
    const char *old_name = resolve(from, old, whole_old), *new_name = resolve(to, new, whole_new);
    pthread_mutex_lock(&order);
    int done = syscall(SYS_renameat2, from, old, to, new, flags);
    if (done == 0 && old_name && new_name) {
        size_t bytes = strlen(old_name) + 1 + strlen(new_name);
        strcpy(both, old_name);
        strcpy(both + strlen(old_name) + 1, new_name);
        record(RENAME, both, bytes, 0, 0, 0, 0);
    }
    pthread_mutex_unlock(&order);
    return done;
}
int renameat(int from, const char *old, int to, const char *new) { return renameat2(from, old, to, new, 0); }
int rename(const char *old, const char *new) { return renameat2(AT_FDCWD, old, AT_FDCWD, new, 0); }

/* What is written through a mapping is not seen; disk.py refuses that of all but SQLite's index of the log. */
void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset) {
    char whole[PATH_MAX];
    struct stat status;
    const char *name = protection & PROT_WRITE && flags & MAP_SHARED && file >= 0 ? opened(file, &status, whole) : 0;
    void *mapping = (void *)syscall(SYS_mmap, address, length, protection, flags, file, offset);
    if (name && mapping != MAP_FAILED) {
        pthread_mutex_lock(&order);
        record_name(MAP, name, status.st_ino);
        pthread_mutex_unlock(&order);
    }
    return mapping;
}
void *mmap64(void *address, size_t length, int protection, int flags, int file, off64_t offset) {
    return mmap(address, length, protection, flags, file, offset);
}
