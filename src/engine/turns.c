#include "engine/turns.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/os.h"

/* How often a worker looks whether it is its turn before it sleeps: some 50 us. A sleeper is woken no sooner than that
 * where the processor is a virtual one. */
enum { LOOKS = 1200, LINE = 64 };

/* Which slot may go through this part now; those before it have. */
struct [[gnu::aligned(LINE)]] turn {
    atomic_uint slot;
};

struct turns {
    pthread_mutex_t lock;
    pthread_cond_t turned;
    atomic_uint waiting; /* sleepers */
    uint32_t nparts;
    struct turn *parts;
};

struct turns *turns_new(uint32_t parts)
{
    struct turns *t = mem_zalloc(sizeof *t);
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->turned, NULL);
    t->nparts = parts;
    t->parts = mem_aligned(LINE, parts * sizeof *t->parts);
    turns_begin(t);
    return t;
}

void turns_free(struct turns *t)
{
    if (!t)
        return;
    pthread_cond_destroy(&t->turned);
    pthread_mutex_destroy(&t->lock);
    free(t->parts);
    free(t);
}

void turns_begin(struct turns *t)
{
    for (uint32_t part = 0; part < t->nparts; part++)
        t->parts[part].slot = 0;
}

bool turns_has_come(const struct turns *t, uint32_t part, uint32_t slot)
{
    return t->parts[part].slot >= slot;
}

void turns_await(struct turns *t, uint32_t part, uint32_t slot)
{
    for (int i = 0; i < LOOKS; i++) {
        if (turns_has_come(t, part, slot))
            return;
        os_pause();
    }
    pthread_mutex_lock(&t->lock);
    t->waiting++;
    while (!turns_has_come(t, part, slot))
        pthread_cond_wait(&t->turned, &t->lock);
    t->waiting--;
    pthread_mutex_unlock(&t->lock);
}

/* Who begins to wait after this store sees it; who began before is seen here. */
void turns_pass(struct turns *t, uint32_t part, uint32_t slot)
{
    t->parts[part].slot = slot + 1;
    if (t->waiting == 0)
        return;
    pthread_mutex_lock(&t->lock);
    pthread_cond_broadcast(&t->turned);
    pthread_mutex_unlock(&t->lock);
}

void turns_pass_rest(struct turns *t, uint32_t slot)
{
    for (uint32_t part = 0; part < t->nparts; part++) {
        turns_await(t, part, slot);
        if (t->parts[part].slot == slot)
            turns_pass(t, part, slot);
    }
}
