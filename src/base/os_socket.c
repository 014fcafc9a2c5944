#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/os_fault.h"

enum { BACKLOG = 16 };

/* sun_path holds 108 bytes and state folders may be deeper: the folder is named through its descriptor. */
static enum status address_of(const char *path, struct sockaddr_un *ret, int *ret_folder, struct error *err)
{
    const char *slash = strrchr(path, '/');
    AUTO(buf) folder = BUF(4096);
    buf_put(&folder, slash ? path : ".", slash ? (size_t)(slash - path) : 1);
    if (folder.len == 0)
        buf_puts(&folder, "/");
    int fd = open(buf_cstr(&folder), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "cannot open the folder of %s", path);
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d/%s", fd, slash ? slash + 1 : path);
    if (n < 0 || (size_t)n >= sizeof ret->sun_path) {
        close(fd);
        return error_set(err, ERR_IO, "the name of the socket %s is too long", path);
    }
    *ret_folder = fd;
    return OK;
}

/* The address holds as long as the folder is open. */
static enum status socket_for(const char *path, struct sockaddr_un *ret, int *ret_folder, int *ret_fd,
                              struct error *err)
{
    TRY(address_of(path, ret, ret_folder, err));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_errno(err, errno, "cannot make a socket");
    *ret_fd = fd;
    return OK;
}

enum status os_local_listen(const char *path, int *ret_fd, struct error *err)
{
    struct sockaddr_un address;
    AUTO_FD folder = -1, fd = -1;
    TRY(socket_for(path, &address, &folder, &fd, err));
    unlink(address.sun_path);
    mode_t old = umask(0177);
    int e = os_fault("listen");
    if (!e && bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
        e = errno;
    umask(old);
    if (!e && listen(fd, BACKLOG) != 0)
        e = errno;
    if (e)
        return error_errno(err, e, "cannot listen at %s", path);
    *ret_fd = fd;
    fd = -1;
    return OK;
}

static enum status wait_readable(int fd, int64_t timeout_us, struct error *err)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n = poll(&p, 1, (int)(timeout_us / 1000));
    if (n < 0 && errno != EINTR)
        return error_errno(err, errno, "poll");
    return n > 0 ? OK : AGAIN;
}

enum status os_local_accept(int fd, int64_t timeout_us, int *ret_fd, struct error *err)
{
    TRY(wait_readable(fd, timeout_us, err));
    /* Counted only when somebody called: how often a program looks depends on time. */
    int e = os_fault("accept"), client = e ? -1 : accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0) {
        e = e ? e : errno;
        return e == EINTR || e == ECONNABORTED ? AGAIN : error_errno(err, e, "cannot accept a connection");
    }
    *ret_fd = client;
    return OK;
}

enum status os_local_connect(const char *path, int *ret_fd, struct error *err)
{
    struct sockaddr_un address;
    AUTO_FD folder = -1, fd = -1;
    TRY(socket_for(path, &address, &folder, &fd, err));
    int e = os_fault("connect");
    if (!e && connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        e = errno;
    if (e)
        return error_errno(err, e == ECONNREFUSED ? ENOENT : e, "cannot connect to %s", path);
    *ret_fd = fd;
    fd = -1;
    return OK;
}

enum status os_socket_read(int fd, void *p, size_t n, int64_t timeout_us, size_t *ret, struct error *err)
{
    TRY(wait_readable(fd, timeout_us, err));
    int e = os_fault("receive");
    ssize_t got = e ? -1 : read(fd, p, n);
    if (got < 0) {
        e = e ? e : errno;
        return e == EINTR ? AGAIN : error_errno(err, e, "cannot read from a socket");
    }
    *ret = (size_t)got;
    return OK;
}

/* ---- pipes ---- */

enum status os_pipe_open(const char *path, int *ret_fd, struct error *err)
{
    int e = os_fault("open"), fd = STDIN_FILENO;
    if (!e && strcmp(path, "-") != 0) {
        fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        e = fd < 0 ? errno : 0;
    }
    if (e)
        return error_errno(err, e, "cannot open %s", path);
    *ret_fd = fd;
    return OK;
}

enum status os_pipe_read(int fd, void *p, size_t n, size_t *ret, struct error *err)
{
    TRY(wait_readable(fd, 0, err));
    int e = os_fault("read");
    ssize_t got = e ? -1 : read(fd, p, n);
    if (got < 0) {
        e = e ? e : errno;
        return e == EINTR || e == EAGAIN ? AGAIN : error_errno(err, e, "cannot read from a pipe");
    }
    *ret = (size_t)got;
    return OK;
}

void os_pipe_close(int fd)
{
    if (fd != STDIN_FILENO)
        close(fd);
}
