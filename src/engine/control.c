#include "engine/control.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"

enum { POLL_US = 100 * 1000, ANSWER_PATIENCE_US = 5 * 1000 * 1000, ANSWER_MAX = 64 << 20 };

struct control {
    char *path;
    int fd;
    struct os_thread thread;
    atomic_bool stop, asked;
    pthread_mutex_t lock;
    pthread_cond_t answered;
    struct buf answer; /* under the lock */
    bool has_answer;
};

static void serve(struct control *c, int client)
{
    AUTO(buf) copy = BUF(ANSWER_MAX);
    pthread_mutex_lock(&c->lock);
    c->has_answer = false;
    atomic_store(&c->asked, true);
    int64_t until = os_mono_us() + ANSWER_PATIENCE_US;
    while (!c->has_answer && !atomic_load(&c->stop) && os_mono_us() < until)
        (void)os_cond_wait(&c->answered, &c->lock, POLL_US);
    if (c->has_answer)
        buf_put_slice(&copy, buf_slice(&c->answer));
    pthread_mutex_unlock(&c->lock);
    struct error ignored; /* a client that went away is its own business */
    (void)os_file_write(client, copy.data, copy.len, &ignored);
}

static void *control_thread(void *arg)
{
    struct control *c = arg;
    while (!atomic_load(&c->stop)) {
        AUTO_FD client = -1;
        struct error ignored;
        if (os_local_accept(c->fd, POLL_US, &client, &ignored) == OK)
            serve(c, client);
    }
    return NULL;
}

enum status control_open(const char *state, struct control **ret, struct error *err)
{
    AUTO(arena) a = {0};
    const char *path = arena_printf(&a, "%s/control", state);
    int fd;
    TRY(os_local_listen(path, &fd, err));
    struct control *c = mem_zalloc(sizeof *c);
    c->path = mem_strdup(path);
    c->fd = fd;
    c->answer = (struct buf)BUF(ANSWER_MAX);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->answered, NULL);
    os_thread_start(&c->thread, control_thread, c, "control");
    *ret = c;
    return OK;
}

void control_free(struct control *c)
{
    if (!c)
        return;
    atomic_store(&c->stop, true);
    struct error ignored; /* the next start replaces a socket that was left */
    int wake;
    if (os_local_connect(c->path, &wake, &ignored) == OK) /* the thread need not wait for its time to be over */
        os_file_close(wake);
    os_thread_join(&c->thread);
    os_file_close(c->fd);
    (void)os_unlink(c->path, &ignored);
    pthread_cond_destroy(&c->answered);
    pthread_mutex_destroy(&c->lock);
    buf_release(&c->answer);
    free(c->path);
    free(c);
}

bool control_asked(struct control *c)
{
    return atomic_exchange(&c->asked, false);
}

void control_answer(struct control *c, const struct buf *json)
{
    pthread_mutex_lock(&c->lock);
    buf_clear(&c->answer);
    buf_put_slice(&c->answer, buf_slice(json));
    c->has_answer = true;
    pthread_cond_signal(&c->answered);
    pthread_mutex_unlock(&c->lock);
}

enum status control_ask(const char *state, struct buf *ret_json, struct error *err)
{
    AUTO(arena) a = {0};
    AUTO_FD fd = -1;
    TRY(os_local_connect(arena_printf(&a, "%s/control", state), &fd, err));
    for (;;) {
        size_t got;
        char *at = buf_reserve(ret_json, KIB(64));
        if (!at)
            return error_set(err, ERR_LIMIT, "the answer of the running process is too long");
        enum status s = os_socket_read(fd, at, KIB(64), 2 * ANSWER_PATIENCE_US, &got, err);
        if (s == AGAIN)
            return error_set(err, ERR_IO, "the running process does not answer");
        TRY(s);
        if (got == 0)
            return ret_json->len ? OK : error_set(err, ERR_NOT_FOUND, "the process is just ending");
        ret_json->len += got;
    }
}
