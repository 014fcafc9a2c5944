/* Bytes in several buffers, one behind the other; and large buffers that are used again, because new memory costs more
 * than what is written into it.
 *
 *     struct bufs all = {0};
 *     buf_put(&piece, ...);
 *     bufs_put(&all, &piece);      // piece is empty again
 *     bufs_clear(&all);            // its buffers are for others now
 */
#pragma once

#include "base/buf.h"

struct bufs {
    struct buf *items;
    uint32_t count, cap;
    size_t bytes;
};

/* What is in *b follows what is there: a long buffer moves, a short one's bytes are copied behind others, so that there
 * are few. *b is empty then and has its maximum; in one buffer of `all` it lies as a whole. */
void bufs_put(struct bufs *all, struct buf *b);
/* All of it in one buffer, appended to *to. */
void bufs_join(const struct bufs *all, struct buf *to);
/* Forget the bytes; the buffers are given to whoever wants one. */
void bufs_clear(struct bufs *all);
void bufs_release(struct bufs *all);

/* An empty buffer, with memory if there is a spare one; max: 8 MiB or more. From any thread. */
struct buf buf_spare(size_t max);
/* Its memory is for others from here on; *b is empty. */
void buf_give(struct buf *b);
/* Free all spare ones: what was busy has become quiet. */
void buf_spares_drop(void);
