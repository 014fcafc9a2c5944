/* A store: durable named objects, written whole. The state, the log, the outbox and Delta tables live in one, so that
 * a local folder and an object store look alike to everything above link/.
 *
 * Names are relative, '/'-separated, no "." or ".." parts, no leading '/'; every part is 1..255 bytes. A put is
 * all-or-nothing and durable when it returns OK: after a crash the object is whole or not there. Implementations:
 * link/local.c (a folder). Thread-safe unless said otherwise.
 */
#pragma once

#include "base/buf.h"

struct store;

struct store_object {
    const char *name; /* full name, as given to get; valid during the visit */
    uint64_t size;
    int64_t modified_us;
};

struct store_ops {
    /* Whole object appended to *into. ERR_NOT_FOUND if there is none, ERR_LIMIT past the buffer's maximum. */
    enum status (*get)(struct store *s, const char *name, struct buf *into, struct error *err);
    /* Exactly len bytes at offset. */
    enum status (*get_range)(struct store *s, const char *name, uint64_t offset, void *into, size_t len,
                             struct error *err);
    /* The object's size and time; ERR_NOT_FOUND if there is none. name is not set. */
    enum status (*head)(struct store *s, const char *name, struct store_object *ret, struct error *err);
    /* Create or replace with the concatenation of parts. */
    enum status (*put)(struct store *s, const char *name, const struct slice *parts, size_t nparts, struct error *err);
    /* As put, for what does not fit into memory: `next` answers OK with a piece, valid until it is called again; AGAIN
     * at the end. What it fails with is passed on, and nothing is left under the name. */
    enum status (*put_from)(struct store *s, const char *name,
                            enum status (*next)(void *arg, struct slice *ret, struct error *err), void *arg,
                            struct error *err);
    /* Create, whole, only if it is not there: ERR_EXISTS when somebody else won. Exactly one of any number of racers
     * gets OK. On any other error the outcome is unknown: read the object back and compare. */
    enum status (*put_if_absent)(struct store *s, const char *name, const struct slice *parts, size_t nparts,
                                 struct error *err);
    /* Every object whose name starts with prefix (a folder prefix ends in '/'; "" = all), in bytewise order of names,
     * those at or after `from` only (NULL = all); names that start with "." or "_tmp" in their last part are
     * unfinished writes and are left out. Not recursive: objects in sub-folders of the prefix's folder are not
     * visited. A visit that does not return OK ends the listing and is passed on. */
    enum status (*list)(struct store *s, const char *prefix, const char *from,
                        enum status (*visit)(void *arg, const struct store_object *object, struct error *err),
                        void *arg, struct error *err);
    /* A missing object is OK. Durable when it returns OK: a removed object does not come back. */
    enum status (*remove)(struct store *s, const char *name, struct error *err);
    /* The place as a person would write it: "/data/lake/t". */
    const char *(*describe)(struct store *s);
    void (*free)(struct store *s);
    /* Remove what writers that were killed left unfinished in the folder of prefix, if it is at least `age_us` old.
     * Younger ones may belong to a writer that lives; should it lose its own after all, its put fails. May be NULL:
     * nothing is ever left. */
    enum status (*sweep)(struct store *s, const char *prefix, int64_t age_us, struct error *err);
    /* As remove, but until the next put into the same folder a power loss may bring the object back: for what is
     * garbage in any case, since making a removal durable costs as much as a put. May be NULL: remove does. */
    enum status (*discard)(struct store *s, const char *name, struct error *err);
};

struct store {
    const struct store_ops *ops;
};

/* Is it a name as described above? Every implementation refuses what is not, since names may come from outside. */
bool store_name_ok(const char *name);

static inline enum status store_get(struct store *s, const char *name, struct buf *into, struct error *err)
{
    return s->ops->get(s, name, into, err);
}
static inline enum status store_put(struct store *s, const char *name, struct slice bytes, struct error *err)
{
    return s->ops->put(s, name, &bytes, 1, err);
}
static inline enum status store_put_if_absent(struct store *s, const char *name, struct slice bytes, struct error *err)
{
    return s->ops->put_if_absent(s, name, &bytes, 1, err);
}
static inline enum status store_sweep(struct store *s, const char *prefix, int64_t age_us, struct error *err)
{
    return s->ops->sweep ? s->ops->sweep(s, prefix, age_us, err) : OK;
}
static inline enum status store_discard(struct store *s, const char *name, struct error *err)
{
    return s->ops->discard ? s->ops->discard(s, name, err) : s->ops->remove(s, name, err);
}
static inline void store_free(struct store *s)
{
    if (s)
        s->ops->free(s);
}
