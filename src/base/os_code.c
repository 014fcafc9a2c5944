/* Shared objects: who may have written them, how they are loaded, and who is named when they crash. */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os_fault.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u
#endif

/* ---- trust ---- */

/* own: the file, or the folder that it is in. */
static enum status check_owner(const char *path, bool own, struct error *err)
{
    struct stat st;
    int e = os_fault("stat");
    if (e || stat(path, &st) != 0)
        return error_errno(err, e ? e : errno, "cannot look at %s", path);
    if (st.st_uid != 0 && st.st_uid != geteuid()) {
        (void)error_set(err, ERR_USAGE, "%s belongs to user %u, who is neither root nor the one that runs bourn", path,
                        (unsigned)st.st_uid);
        return error_hint(err, "code is loaded only from files and folders of root or of the user that runs it");
    }
    bool sticky = S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX) && !own;
    if ((st.st_mode & S_IWOTH) && !sticky) {
        (void)error_set(err, ERR_USAGE, "everybody may write to %s", path);
        return error_hint(err, "code is loaded only from where others cannot put it: chmod o-w");
    }
    return OK;
}

enum status os_code_trusted(const char *path, struct error *err)
{
    char real[PATH_MAX];
    int e = os_fault("stat");
    if (e || !realpath(path, real))
        return error_errno(err, e ? e : errno, "cannot find %s", path);
    TRY(check_owner(real, true, err));
    bool own = true;
    for (char *slash; (slash = strrchr(real, '/')); own = false) {
        slash[slash == real] = 0;
        TRY(check_owner(real, own, err));
        if (slash == real)
            break;
    }
    return OK;
}

/* ---- loading ---- */

static enum status load_bytes(int fd, const char *name, struct slice bytes, void **ret_handle, struct error *err)
{
    char path[40];
    TRY(os_file_write(fd, bytes.data, bytes.len, err));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *why = dlerror(), *colon = why ? strstr(why, ": ") : NULL; /* behind the path, which is ours */
        return error_set(err, ERR_UNSUPPORTED, "%s cannot be loaded: %s", name, colon ? colon + 2 : why ? why : "");
    }
    *ret_handle = handle;
    return OK;
}

enum status os_code_load(const char *name, struct slice bytes, void **ret_handle, struct error *err)
{
    char mark[64]; /* what a debugger shows */
    snprintf(mark, sizeof mark, "%s", strrchr(name, '/') ? strrchr(name, '/') + 1 : name);
    int e = os_fault("open");
    int fd = e ? -1 : memfd_create(mark, MFD_CLOEXEC | MFD_EXEC);
    if (!e && fd < 0 && errno == EINVAL) /* a kernel that does not know that flag */
        fd = memfd_create(mark, MFD_CLOEXEC);
    if (fd < 0)
        return error_errno(err, e ? e : errno, "cannot load %s", name);
    enum status s = load_bytes(fd, name, bytes, ret_handle, err);
    close(fd);
    return s;
}

const void *os_code_symbol(void *handle, const char *symbol) { return dlsym(handle, symbol); }

/* ---- crashes ---- */

static _Thread_local const char *culprit;
static _Thread_local bool has_stack;
static _Thread_local char stack[16384]; /* for the handler where the thread's own is used up */

const char *os_crash_culprit(const char *now)
{
    if (!has_stack) {
        stack_t there; /* one that the thread has belongs to who made it: a sanitizer unmaps what it finds at the end */
        if (sigaltstack(NULL, &there) != 0 || (there.ss_flags & SS_DISABLE))
            sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
        has_stack = true;
    }
    const char *before = culprit;
    culprit = now;
    return before;
}

static void say(const char *text)
{
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
    (void)ignored;
}

static void on_crash(int number)
{
    const char *name = sigabbrev_np(number);
    if (culprit) {
        say("\nbourn: ");
        say(culprit);
        say(" has crashed (SIG");
        say(name ? name : "?");
        say("). Nothing that was committed is lost: the next start does the rest again\n");
    }
    raise(number); /* it was reset: the process ends as it would have */
}

void os_crash_watch(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    struct sigaction act = {.sa_handler = on_crash, .sa_flags = (int)(SA_RESETHAND | SA_ONSTACK)};
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        sigaction(signals[i], &act, NULL);
}
