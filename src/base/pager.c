#include "base/pager.h"

#include <stdlib.h>

#include "base/os.h"

enum {
    STRETCH = 2 << 20,
    PAGES = STRETCH / PAGE_FILE_PAGE,
    NEAR = 2, /* pages between two cold runs that are written along with them */
};

struct pager {
    struct page_file *file;
    uint64_t limit;       /* pages; atomic */
    int64_t resident;     /* pages: what came in since the beginning, less what was seen to leave; atomic */
    int64_t came;         /* pages that came in since the beginning; atomic */
    pthread_mutex_t lock; /* of what follows */
    uint64_t hand;        /* stretches the first hand has passed since the beginning */
    uint64_t round;       /* where it was when this round began */
    int64_t counted;      /* pages seen to stay in this round */
    int64_t came_then;    /* when the round began */
    struct error error;
};

static _Thread_local uint64_t my_faults;

struct pager *pager_new(struct page_file *file, uint64_t limit)
{
    struct pager *p = mem_zalloc(sizeof *p);
    p->file = file;
    p->limit = limit / PAGE_FILE_PAGE;
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

void pager_free(struct pager *p)
{
    if (!p)
        return;
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void pager_set_limit(struct pager *p, uint64_t limit)
{
    __atomic_store_n(&p->limit, limit / PAGE_FILE_PAGE, __ATOMIC_RELAXED);
}

static int64_t resident(const struct pager *p) { return __atomic_load_n(&p->resident, __ATOMIC_RELAXED); }

static void count(struct pager *p, int64_t pages)
{
    __atomic_fetch_add(&p->resident, pages, __ATOMIC_RELAXED);
    if (pages > 0)
        __atomic_fetch_add(&p->came, pages, __ATOMIC_RELAXED);
}

static void note_error(struct pager *p, const struct error *err)
{
    if (p->error.code == ERR_NONE)
        p->error = *err;
}

/* ---- hands; the lock is held ---- */

struct runs {
    uint64_t offset; /* of the stretch */
    bool mapped[PAGES];
    size_t from, to;
};

/* The next run of pages that are in no page table, with fewer than `near` others in a row between them. */
static bool next_run(struct runs *r, size_t near)
{
    size_t i = r->to;
    while (i < PAGES && r->mapped[i])
        i++;
    if (i >= PAGES)
        return false;
    size_t last = i;
    r->from = i;
    for (; i < PAGES && i - last <= near; i++)
        if (!r->mapped[i])
            last = i;
    r->to = last + 1;
    return true;
}

static struct runs cold_runs(struct pager *p, uint64_t stretch)
{
    struct runs r = {.offset = stretch * STRETCH};
    page_file_mapped(p->file, r.offset, PAGES, r.mapped);
    return r;
}

static void write_cold(struct pager *p, uint64_t stretch)
{
    struct error err;
    struct runs r = cold_runs(p, stretch);
    while (next_run(&r, NEAR)) {
        uint64_t at = r.offset + r.from * PAGE_FILE_PAGE;
        if (page_file_write(p->file, at, (r.to - r.from) * PAGE_FILE_PAGE, false, &err) != OK)
            note_error(p, &err);
    }
}

static void drop_cold(struct pager *p, uint64_t stretch)
{
    struct error err;
    uint64_t before = page_file_resident(p->file, stretch * STRETCH, STRETCH);
    if (before == 0)
        return;
    if (page_file_write(p->file, stretch * STRETCH, STRETCH, true, &err) != OK)
        note_error(p, &err);
    struct runs r = cold_runs(p, stretch);
    while (next_run(&r, 1))
        page_file_drop(p->file, r.offset + r.from * PAGE_FILE_PAGE, (r.to - r.from) * PAGE_FILE_PAGE);
    uint64_t after = page_file_resident(p->file, stretch * STRETCH, STRETCH);
    if (after < before)
        count(p, -(int64_t)(before - after));
    p->counted += (int64_t)after;
}

/* Once round: what was counted, with what has come since, is not less than what there is either. The kernel may have
 * dropped pages on its own. */
static void end_round(struct pager *p)
{
    int64_t came = __atomic_load_n(&p->came, __ATOMIC_RELAXED), most = p->counted + came - p->came_then;
    int64_t now = resident(p);
    while (most < now &&
           !__atomic_compare_exchange_n(&p->resident, &now, most, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
    p->round = p->hand;
    p->counted = 0;
    p->came_then = came;
}

/* The second hand is a quarter round behind the first, the third soon after the second: what is being written meanwhile
 * need not be waited for. */
static void step(struct pager *p, uint64_t stretches)
{
    uint64_t second = stretches / 4, third = second + MIN(stretches / 4, UINT64_C(8));
    page_file_unmap(p->file, p->hand % stretches * STRETCH, STRETCH);
    if (p->hand >= second)
        write_cold(p, (p->hand - second) % stretches);
    if (p->hand >= third)
        drop_cold(p, (p->hand - third) % stretches);
    p->hand++;
    if (p->hand - p->round >= stretches)
        end_round(p);
}

/* ---- what everybody calls ---- */

void pager_tend(struct pager *p, uint64_t size)
{
    uint64_t faults = page_file_faults();
    if (faults > my_faults)
        count(p, (int64_t)(faults - my_faults));
    my_faults = faults;
    int64_t limit = (int64_t)__atomic_load_n(&p->limit, __ATOMIC_RELAXED), enough = limit - limit / 8;
    if (resident(p) <= limit)
        return;
    if (resident(p) > limit + limit / 4)
        pthread_mutex_lock(&p->lock);
    else if (pthread_mutex_trylock(&p->lock) != 0)
        return;
    uint64_t stretches = (size + STRETCH - 1) / STRETCH;
    for (uint64_t steps = 0; resident(p) > enough && steps < 2 * stretches; steps++)
        step(p, stretches);
    pthread_mutex_unlock(&p->lock);
}

void pager_want(struct pager *p, uint64_t offset, uint64_t len)
{
    const uint64_t within = PAGE_FILE_PAGE - 1;
    uint64_t from = offset & ~within, to = (offset + len + within) & ~within;
    uint64_t missing = (to - from) / PAGE_FILE_PAGE - page_file_resident(p->file, from, to - from);
    if (missing == 0)
        return;
    page_file_want(p->file, from, to - from);
    count(p, (int64_t)missing);
}

enum status pager_check(struct pager *p, struct error *err)
{
    pthread_mutex_lock(&p->lock);
    bool failed = p->error.code != ERR_NONE;
    if (failed)
        *err = p->error;
    pthread_mutex_unlock(&p->lock);
    return failed ? FAILED : OK;
}

uint64_t pager_memory(const struct pager *p) { return (uint64_t)MAX(resident(p), INT64_C(0)) * PAGE_FILE_PAGE; }
