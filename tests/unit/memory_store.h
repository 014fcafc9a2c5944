/* A store in memory, for unit tests: counts calls, and fails the one it is told to, before or after its effect. */
#pragma once

#include <stdlib.h>

#include "base/store.h"

struct memory_object {
    char *name;
    struct buf bytes;
};

struct memory_store {
    struct store base;
    struct memory_object *objects; /* in order of names */
    uint32_t count;
    uint32_t calls;
    uint32_t fail_at;        /* this call, from 1; 0: none */
    uint32_t fail_for_ever;  /* that call and all after it */
    bool fail_after_effect;  /* a put is done, then its answer is lost */
    bool retriable;
    void (*before_put)(struct memory_store *s, const char *name); /* an event between a decision and its put */
};

static struct memory_store *memory_of(struct store *s) { return (struct memory_store *)s; }

static bool memory_fails(struct memory_store *m)
{
    m->calls++;
    return (m->fail_at && m->calls == m->fail_at) || (m->fail_for_ever && m->calls >= m->fail_for_ever);
}

static enum status memory_refuse(struct memory_store *m, const char *name, struct error *err)
{
    (void)error_set(err, ERR_IO, "call %u on %s was made to fail", m->calls, name);
    err->retriable = m->retriable;
    return FAILED;
}

static struct memory_object *memory_find(struct memory_store *m, const char *name)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (strcmp(m->objects[i].name, name) == 0)
            return &m->objects[i];
    return NULL;
}

static enum status memory_missing(const char *name, struct error *err)
{
    return error_set(err, ERR_NOT_FOUND, "there is no object %s", name);
}

static enum status memory_get(struct store *s, const char *name, struct buf *into, struct error *err)
{
    if (memory_fails(memory_of(s)))
        return memory_refuse(memory_of(s), name, err);
    struct memory_object *o = memory_find(memory_of(s), name);
    if (!o)
        return memory_missing(name, err);
    buf_put_slice(into, buf_slice(&o->bytes));
    return into->overflow ? error_set(err, ERR_LIMIT, "%s is too large", name) : OK;
}

static enum status memory_get_range(struct store *s, const char *name, uint64_t offset, void *into, size_t len,
                                    struct error *err)
{
    if (memory_fails(memory_of(s)))
        return memory_refuse(memory_of(s), name, err);
    struct memory_object *o = memory_find(memory_of(s), name);
    if (!o)
        return memory_missing(name, err);
    if (offset > o->bytes.len || len > o->bytes.len - offset)
        return error_set(err, ERR_CORRUPT, "%s is too short", name);
    if (len)
        memcpy(into, o->bytes.data + offset, len);
    return OK;
}

static enum status memory_head(struct store *s, const char *name, struct store_object *ret, struct error *err)
{
    if (memory_fails(memory_of(s)))
        return memory_refuse(memory_of(s), name, err);
    struct memory_object *o = memory_find(memory_of(s), name);
    if (!o)
        return memory_missing(name, err);
    *ret = (struct store_object){.size = o->bytes.len};
    return OK;
}

static void memory_drop(struct memory_store *m, struct memory_object *o)
{
    free(o->name);
    buf_release(&o->bytes);
    uint32_t i = (uint32_t)(o - m->objects);
    memmove(o, o + 1, (m->count - i - 1) * sizeof *o);
    m->count--;
}

/* Takes the bytes. */
static void memory_set(struct memory_store *m, const char *name, struct buf bytes)
{
    struct memory_object *old = memory_find(m, name);
    if (old)
        memory_drop(m, old);
    m->objects = mem_realloc(m->objects, (m->count + 1) * sizeof *m->objects);
    uint32_t at = m->count++;
    for (; at > 0 && strcmp(m->objects[at - 1].name, name) > 0; at--)
        m->objects[at] = m->objects[at - 1];
    m->objects[at] = (struct memory_object){mem_strdup(name), bytes};
}

static enum status memory_store_parts(struct memory_store *m, const char *name, const struct slice *parts,
                                      size_t nparts, bool if_absent, struct error *err)
{
    if (m->before_put)
        m->before_put(m, name);
    bool fails = memory_fails(m);
    if (fails && !m->fail_after_effect)
        return memory_refuse(m, name, err);
    if (if_absent && memory_find(m, name))
        return error_set(err, ERR_EXISTS, "%s exists", name);
    struct buf bytes = BUF(GIB(4));
    for (size_t i = 0; i < nparts; i++)
        buf_put_slice(&bytes, parts[i]);
    memory_set(m, name, bytes);
    return fails ? memory_refuse(m, name, err) : OK;
}

static enum status memory_put(struct store *s, const char *name, const struct slice *parts, size_t nparts,
                              struct error *err)
{
    return memory_store_parts(memory_of(s), name, parts, nparts, false, err);
}

static enum status memory_put_if_absent(struct store *s, const char *name, const struct slice *parts, size_t nparts,
                                        struct error *err)
{
    return memory_store_parts(memory_of(s), name, parts, nparts, true, err);
}

static enum status memory_put_from(struct store *s, const char *name,
                                   enum status (*next)(void *arg, struct slice *ret, struct error *err), void *arg,
                                   struct error *err)
{
    AUTO(buf) all = BUF(GIB(4));
    for (;;) {
        struct slice piece;
        enum status status = next(arg, &piece, err);
        if (status == FAILED)
            return FAILED;
        if (status == AGAIN)
            break;
        buf_put_slice(&all, piece);
    }
    struct slice whole = buf_slice(&all);
    return memory_put(s, name, &whole, 1, err);
}

static enum status memory_list(struct store *s, const char *prefix, const char *from,
                               enum status (*visit)(void *arg, const struct store_object *object, struct error *err),
                               void *arg, struct error *err)
{
    struct memory_store *m = memory_of(s);
    if (memory_fails(m))
        return memory_refuse(m, prefix, err);
    for (uint32_t i = 0; i < m->count; i++) {
        const char *name = m->objects[i].name;
        if (strncmp(name, prefix, strlen(prefix)) != 0 || (from && strcmp(name, from) < 0) ||
            strchr(name + strlen(prefix), '/'))
            continue;
        struct store_object o = {.name = name, .size = m->objects[i].bytes.len};
        TRY(visit(arg, &o, err));
    }
    return OK;
}

static enum status memory_remove(struct store *s, const char *name, struct error *err)
{
    if (memory_fails(memory_of(s)))
        return memory_refuse(memory_of(s), name, err);
    struct memory_object *o = memory_find(memory_of(s), name);
    if (o)
        memory_drop(memory_of(s), o);
    return OK;
}

static const char *memory_describe(struct store *s)
{
    (void)s;
    return "memory";
}

static void memory_clear(struct memory_store *m)
{
    while (m->count)
        memory_drop(m, &m->objects[m->count - 1]);
    free(m->objects);
    m->objects = NULL;
}

static void memory_free(struct store *s)
{
    memory_clear(memory_of(s));
    free(s);
}

static struct store *memory_store_new(void)
{
    static const struct store_ops ops = {memory_get,      memory_get_range,     memory_head, memory_put,
                                         memory_put_from, memory_put_if_absent, memory_list, memory_remove,
                                         memory_describe, memory_free};
    struct memory_store *m = mem_zalloc(sizeof *m);
    m->base.ops = &ops;
    return &m->base;
}
