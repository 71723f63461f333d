// SPDX-License-Identifier: MIT
#include "report/log_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/raw_syscall.h"
#include "base/utf8.h"

/* child: constant */
static const char *pattern;
static const char *(*executable)(void);
static const char *(*host)(void);
static char directory[LOG_PATH_LIMIT]; /* before a relative pattern; else "" */

void log_path_set(const char *where, const char *(*executable_name)(void),
                  const char *(*host_name)(void))
{
    pattern = where;
    executable = executable_name;
    host = host_name;
    directory[0] = '\0';
    /* "(unreachable)…": a folder outside of this root; then it is the root's. */
    if (*where != '/' &&
        (raw_syscall(SYS_getcwd, directory, sizeof directory) < 0 || directory[0] != '/'))
        directory[0] = '\0';
}

bool log_path_has_pid(const char *where)
{
    for (; *where; where++)
        if (where[0] == '%' && where[1] && *++where == 'p')
            return true;
    return false;
}

bool log_path_expand(const char *where, const char *before_relative,
                     const char *(*executable_name)(void), const char *(*host_name)(void), int pid,
                     char path[LOG_PATH_LIMIT])
{
    struct text_buffer text;
    text_init(&text, path, LOG_PATH_LIMIT);
    if (*where != '/') {
        text_string(&text, before_relative);
        text_char(&text, '/');
    }
    for (const char *p = where; *p; p++) {
        if (p[0] != '%' || !p[1]) {
            text_char(&text, *p);
            continue;
        }
        switch (*++p) {
        case 'p':
            text_signed(&text, pid);
            break;
        case 'e':
            text_string(&text, executable_name());
            break;
        case 'h':
            text_string(&text, host_name());
            break;
        default:
            text_char(&text, '%');
            if (*p != '%')
                text_char(&text, *p);
            break;
        }
    }
    return !text.truncated;
}

bool log_path_of(int pid, char path[LOG_PATH_LIMIT])
{
    return log_path_expand(pattern, directory, executable, host, pid, path);
}

/* The way that is left, and where it goes on from. */
struct walk {
    char rest[LOG_PATH_LIMIT];
    char link[LOG_PATH_LIMIT]; /* not on the stack, which at an exit may be a small one */
    size_t at;                 /* in `rest` */
    long folder;               /* O_PATH */
    unsigned links;
};

static long open_root(void)
{
    return raw_syscall(SYS_openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static bool is_trusted(const struct stat *file)
{
    return file->st_uid == 0 || file->st_uid == (uid_t)raw_syscall(SYS_geteuid);
}

/* The kernel's own links (/proc/1/fd/1) name no path; nobody can plant one. */
static bool is_in_procfs(long folder)
{
    struct stat here = {0};
    struct stat proc = {0};
    return raw_syscall(SYS_fstat, folder, &here) == 0 &&
           raw_syscall(SYS_newfstatat, AT_FDCWD, "/proc/self/fd", &proc, 0) == 0 &&
           here.st_dev == proc.st_dev;
}

/* Takes the next name of the way; an empty one: there is none. False: it is too long. */
static bool next_name(struct walk *walk, char name[NAME_MAX + 1], bool *last)
{
    while (walk->rest[walk->at] == '/')
        walk->at++;
    size_t size = strcspn(walk->rest + walk->at, "/");
    if (size > NAME_MAX)
        return false;
    memcpy(name, walk->rest + walk->at, size);
    name[size] = '\0';
    walk->at += size;
    *last = walk->rest[walk->at] == '\0';
    return true;
}

/* `name` is a symbolic link: the way goes on where it leads. 0, or minus an error. */
static long follow_link(struct walk *walk, const char *name)
{
    enum { LINK_LIMIT = 40 }; /* the kernel's (path_resolution(7)) */
    char *path = walk->link;
    struct stat link = {0};
    struct text_buffer text;
    if (++walk->links > LINK_LIMIT)
        return -ELOOP;
    long fd = raw_syscall(SYS_openat, walk->folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return fd;
    long size = raw_syscall(SYS_fstat, fd, &link);
    if (size == 0)
        size = is_trusted(&link) ? raw_syscall(SYS_readlinkat, fd, "", path, LOG_PATH_LIMIT - 1)
                                 : -LOG_FOREIGN_LINK;
    raw_syscall(SYS_close, fd);
    if (size < 0)
        return size;
    text_init(&text, path + size, LOG_PATH_LIMIT - (size_t)size);
    text_string(&text, walk->rest + walk->at); /* empty, or begins with a slash */
    if (text.truncated)
        return -ENAMETOOLONG;
    memcpy(walk->rest, path, (size_t)size + text.length + 1);
    walk->at = 0;
    if (path[0] != '/')
        return 0;
    raw_syscall(SYS_close, walk->folder);
    walk->folder = open_root();
    return walk->folder < 0 ? walk->folder : 0;
}

/* In a sticky directory the kernel refuses to look at another user's link at all
 * (fs.protected_symlinks): whether that is why. */
static bool is_foreign_link(const struct walk *walk, const char *name)
{
    struct stat file = {0};
    return raw_syscall(SYS_newfstatat, walk->folder, name, &file, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISLNK(file.st_mode) && !is_trusted(&file);
}

static long enter_folder(struct walk *walk, const char *name)
{
    struct stat file = {0};
    long fd = raw_syscall(SYS_openat, walk->folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return fd;
    long result = raw_syscall(SYS_fstat, fd, &file);
    if (result == 0 && S_ISDIR(file.st_mode)) {
        raw_syscall(SYS_close, walk->folder);
        walk->folder = fd;
        return 0;
    }
    raw_syscall(SYS_close, fd);
    if (result < 0)
        return result;
    return S_ISLNK(file.st_mode) ? follow_link(walk, name) : -ENOTDIR;
}

static long open_file(struct walk *walk, const char *name)
{
    enum { FLAGS = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };
    if (!*name)
        return -EISDIR;
    long fd = raw_syscall(SYS_openat, walk->folder, name, FLAGS | O_NOFOLLOW, 0600);
    if (fd == -ELOOP && is_in_procfs(walk->folder))
        fd = raw_syscall(SYS_openat, walk->folder, name, FLAGS & ~O_CREAT);
    return fd;
}

static long walk_to(struct walk *walk)
{
    char name[NAME_MAX + 1];
    for (;;) {
        bool last;
        if (!next_name(walk, name, &last))
            return -ENAMETOOLONG;
        long result = last ? open_file(walk, name) : enter_folder(walk, name);
        if (last && result == -ELOOP)
            result = follow_link(walk, name);
        else if (last)
            return result == -EACCES && is_foreign_link(walk, name) ? -LOG_FOREIGN_LINK : result;
        if (result < 0)
            return result;
    }
}

/* Whether what was opened is ours to write to: 0, or minus a refusal. */
static long check_file(long fd)
{
    struct stat file = {0};
    long result = raw_syscall(SYS_fstat, fd, &file);
    if (result < 0)
        return result;
    if (!S_ISREG(file.st_mode) && !S_ISFIFO(file.st_mode))
        return S_ISCHR(file.st_mode) ? 0 : -LOG_WRONG_KIND;
    if (!is_trusted(&file))
        return -LOG_FOREIGN_FILE;
    return S_ISREG(file.st_mode) && file.st_nlink != 1 ? -LOG_TWO_NAMES : 0;
}

long log_path_open(const char *path)
{
    static struct walk walk; /* child: scratch */
    size_t size = strlen(path);
    if (size >= sizeof walk.rest)
        return -ENAMETOOLONG;
    memcpy(walk.rest, path, size + 1);
    walk.at = 0;
    walk.links = 0;
    walk.folder = open_root();
    if (walk.folder < 0)
        return walk.folder;
    long fd = walk_to(&walk);
    if (walk.folder >= 0)
        raw_syscall(SYS_close, walk.folder);
    long refused = fd < 0 ? 0 : check_file(fd);
    if (refused == 0)
        return fd;
    raw_syscall(SYS_close, fd);
    return refused;
}

void log_path_explain(long error, struct text_buffer *text)
{
    static const struct {
        int error;
        char words[60];
    } known[] = {
        {ENOENT, "no such file or directory"},
        {ENOTDIR, "a part of it is not a directory"},
        {EISDIR, "it is a directory"},
        {EACCES, "permission denied"},
        {EPERM, "not permitted"},
        {EROFS, "the file system is read-only"},
        {ENOSPC, "no space left"},
        {EDQUOT, "the disk quota is used up"},
        {ENXIO, "nobody reads this FIFO"},
        {ELOOP, "too many symbolic links"},
        {ENAMETOOLONG, "the name is too long"},
        {LOG_FOREIGN_LINK, "a symbolic link of another user is on the way"},
        {LOG_FOREIGN_FILE, "the file belongs to another user"},
        {LOG_TWO_NAMES, "the file has a second name (a hard link)"},
        {LOG_WRONG_KIND, "it is neither a file, a FIFO nor a character device"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].error == -error) {
            text_string(text, known[i].words);
            return;
        }
    text_string(text, "error ");
    text_signed(text, -error);
}
