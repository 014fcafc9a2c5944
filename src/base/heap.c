/* How the page file is cut up. Its unit is a span of 64 KiB. Pieces up to 32 KiB are of 40 sizes, each span has pieces
 * of one; larger pieces are runs of whole spans. What is used is written down beside the file, in memory, so that to
 * make or to free a piece touches no page: a bit a piece, 48 bytes a span.
 *
 * Spans of small pieces belong to one of a few stripes, each behind a lock; a thread makes pieces in a stripe of its
 * own, and frees them wherever they came from. Runs are behind one lock. Neighbouring free runs are one; when enough of
 * it has disk behind it, the disk is given back.
 */
#include "base/heap.h"

#include <stdlib.h>

#include "base/os.h"
#include "base/pager.h"

enum {
    SPAN = 64 << 10,
    BLOCK = 1024, /* spans whose records are made at once */
    CLASSES = 40,
    LARGEST = 32 << 10,
    STRIPES = 16,
    BINS = 32,
    LOOKS = 32,       /* free runs of the right order of size that are looked at before a larger one is cut */
    GROW = 128,       /* spans that the file grows by at least, or an eighth of what it has... */
    GROW_MOST = 4096, /* ...but no more than this; and that get disk at once */
    PUNCH = 16,       /* spans of a free run that give their disk back */
};

#define NONE UINT32_MAX

enum use { INNER, FREE, PIECES, RUN };

struct span {
    uint32_t next, previous; /* of free runs of its bin, or of its stripe's spans with room for one more piece */
    uint32_t run;            /* spans: in the first and the last of a free run, and in the first of one in use */
    uint32_t backed;         /* in the first of a free run: of its spans, with disk behind them */
    uint16_t live, most;     /* pieces */
    uint16_t hint;           /* no word of the map before this one has room */
    uint8_t use, class, stripe;
    bool bare;     /* no disk behind it */
    bool zero;     /* nothing was ever written to it since it was backed */
    uint64_t *map; /* a bit a piece: 1 is in use */
};

struct stripe {
    pthread_mutex_t lock;
    uint32_t room[CLASSES]; /* spans with room */
};

static struct {
    struct page_file file;
    struct pager *pager;
    struct stripe stripes[STRIPES];
    pthread_mutex_t lock; /* of what follows */
    struct span **blocks;
    uint32_t nspans, bare; /* spans that the file has; of these, without disk */
    uint32_t bins[BINS];
    uint64_t memory, kept; /* allowed; of this, what is kept */
    struct error error;
} heap;

bool heap_spills;
static uint32_t threads; /* that have made a piece */
static _Thread_local uint32_t my_number;

static struct span *span_at(uint32_t i) { return &heap.blocks[i / BLOCK][i % BLOCK]; }
static char *start_of(uint32_t i) { return heap.file.base + (size_t)i * SPAN; }
static bool is_here(const void *p)
{
    return (const char *)p >= heap.file.base && (const char *)p < heap.file.base + heap.file.reserved;
}
static uint32_t index_of(const void *p) { return (uint32_t)((size_t)((const char *)p - heap.file.base) / SPAN); }

/* ---- sizes: 16 to 128 by 16, then four to a doubling ---- */

static unsigned class_of(size_t size)
{
    if (size <= 128)
        return size ? (unsigned)((size - 1) / 16) : 0;
    unsigned power = 63 - (unsigned)__builtin_clzll(size - 1);
    return 8 + (power - 7) * 4 + (unsigned)((size - 1) >> (power - 2) & 3);
}

static size_t class_size(unsigned class)
{
    if (class < 8)
        return (class + 1) * (size_t)16;
    unsigned power = 7 + (class - 8) / 4;
    return ((size_t)1 << power) + (((size_t)(class - 8) % 4 + 1) << (power - 2));
}

/* ---- lists of spans ---- */

static void list_put(uint32_t *head, uint32_t i)
{
    struct span *s = span_at(i);
    s->previous = NONE;
    s->next = *head;
    if (*head != NONE)
        span_at(*head)->previous = i;
    *head = i;
}

static void list_take(uint32_t *head, uint32_t i)
{
    struct span *s = span_at(i);
    if (s->previous != NONE)
        span_at(s->previous)->next = s->next;
    else
        *head = s->next;
    if (s->next != NONE)
        span_at(s->next)->previous = s->previous;
}

/* ---- disk behind runs; the heap's lock is held ---- */

static void note_error(const struct error *err)
{
    if (heap.error.code == ERR_NONE)
        heap.error = *err;
}

/* Spans [i, ...) of n that are alike in `bare`. */
static uint32_t alike(uint32_t i, uint32_t n)
{
    uint32_t k = 1;
    while (k < n && span_at(i + k)->bare == span_at(i)->bare)
        k++;
    return k;
}

static void set_bare(uint32_t i, uint32_t n, bool bare)
{
    for (uint32_t k = 0; k < n; k++) {
        span_at(i + k)->bare = bare;
        span_at(i + k)->zero = true;
    }
    heap.bare = bare ? heap.bare + n : heap.bare - n;
}

static uint32_t count_backed(uint32_t i, uint32_t n)
{
    uint32_t sum = 0;
    for (uint32_t k = 0; k < n; k++)
        sum += !span_at(i + k)->bare;
    return sum;
}

static bool back_run(uint32_t i, uint32_t n, struct error *err)
{
    for (uint32_t k; n; i += k, n -= k) {
        k = alike(i, n);
        if (!span_at(i)->bare)
            continue;
        if (page_file_back(&heap.file, (uint64_t)i * SPAN, (uint64_t)k * SPAN, err) != OK)
            return false;
        set_bare(i, k, false);
    }
    return true;
}

static void punch_run(uint32_t i, uint32_t n)
{
    struct error ignored; /* then it stays on disk, and is used again */
    for (uint32_t k; n; i += k, n -= k) {
        k = alike(i, n);
        if (!span_at(i)->bare && page_file_punch(&heap.file, (uint64_t)i * SPAN, (uint64_t)k * SPAN, &ignored) == OK)
            set_bare(i, k, true);
    }
}

/* ---- runs; the heap's lock is held ---- */

static unsigned bin_of(uint32_t n) { return 31 - (unsigned)__builtin_clz(n); }

static void put_free(uint32_t i, uint32_t n, uint32_t backed)
{
    span_at(i)->use = span_at(i + n - 1)->use = FREE;
    span_at(i)->run = span_at(i + n - 1)->run = n;
    span_at(i)->backed = backed;
    list_put(&heap.bins[bin_of(n)], i);
}

static uint32_t take_free(uint32_t i)
{
    uint32_t n = span_at(i)->run;
    list_take(&heap.bins[bin_of(n)], i);
    span_at(i)->use = span_at(i + n - 1)->use = INNER;
    return n;
}

/* Together with the free runs on both sides. */
static void free_run(uint32_t i, uint32_t n)
{
    uint32_t backed = count_backed(i, n);
    span_at(i)->use = INNER;
    if (i + n < heap.nspans && span_at(i + n)->use == FREE) {
        backed += span_at(i + n)->backed;
        n += take_free(i + n);
    }
    if (i > 0 && span_at(i - 1)->use == FREE) {
        uint32_t more = span_at(i - 1)->run;
        i -= more;
        n += more;
        backed += span_at(i)->backed;
        take_free(i);
    }
    if (backed >= PUNCH) {
        punch_run(i, n);
        backed = count_backed(i, n);
    }
    put_free(i, n, backed);
}

static uint32_t find_run(uint32_t n)
{
    unsigned looks = 0;
    for (uint32_t i = heap.bins[bin_of(n)]; i != NONE && looks < LOOKS; i = span_at(i)->next, looks++)
        if (span_at(i)->run >= n)
            return i;
    for (unsigned bin = bin_of(n) + 1; bin < BINS; bin++)
        if (heap.bins[bin] != NONE)
            return heap.bins[bin];
    return NONE;
}

/* More spans, without disk as yet, as one free run. */
static bool grow(uint32_t n)
{
    uint32_t most = (uint32_t)(heap.file.reserved / SPAN), room = most - heap.nspans;
    uint32_t more = MAX(MAX(n, (uint32_t)GROW), MIN(heap.nspans / 8, (uint32_t)GROW_MOST));
    more = MIN(more, room);
    if (more < n) {
        struct error err;
        (void)error_set(&err, ERR_LIMIT, "state needs more than the %zu bytes of the disk that %s is on",
                        heap.file.reserved, heap.file.folder);
        note_error(&err);
        return false;
    }
    for (uint32_t i = heap.nspans; i < heap.nspans + more; i++) {
        if (!heap.blocks[i / BLOCK])
            heap.blocks[i / BLOCK] = mem_zalloc(BLOCK * sizeof(struct span));
        *span_at(i) = (struct span){.use = INNER, .bare = true, .zero = true};
    }
    heap.bare += more;
    __atomic_store_n(&heap.nspans, heap.nspans + more, __ATOMIC_RELAXED);
    free_run(heap.nspans - more, more);
    return true;
}

/* The first n spans of the free run i, with disk behind them. */
static bool cut_run(uint32_t i, uint32_t n, enum use use)
{
    struct error err;
    uint32_t has = take_free(i), ahead = MIN(has, MAX(n, (uint32_t)GROW)); /* disk for the next ones, if there is */
    bool backed = back_run(i, ahead, &err) || back_run(i, n, &err);
    if (has > n)
        put_free(i + n, has - n, count_backed(i + n, has - n));
    span_at(i)->run = n;
    span_at(i)->use = (uint8_t)use;
    if (backed)
        return true;
    note_error(&err);
    free_run(i, n);
    return false;
}

/* n spans of zeros or of anything; NONE: there is no room for them on disk. */
static uint32_t make_run(uint32_t n, enum use use, bool zero)
{
    pthread_mutex_lock(&heap.lock);
    uint32_t i = find_run(n);
    if (i == NONE && grow(n))
        i = find_run(n);
    if (i != NONE && !cut_run(i, n, use))
        i = NONE;
    pthread_mutex_unlock(&heap.lock);
    for (uint32_t k = 0; i != NONE && k < n; k++) {
        if (zero && !span_at(i + k)->zero)
            memset(start_of(i + k), 0, SPAN);
        span_at(i + k)->zero = false;
    }
    return i;
}

static void drop_run(uint32_t i, uint32_t n)
{
    pthread_mutex_lock(&heap.lock);
    free_run(i, n);
    pthread_mutex_unlock(&heap.lock);
}

/* ---- pieces ---- */

static uint8_t my_stripe(void)
{
    if (!my_number)
        my_number = __atomic_add_fetch(&threads, 1, __ATOMIC_RELAXED);
    return (uint8_t)(my_number % STRIPES);
}

static uint32_t make_span(uint8_t stripe, unsigned class)
{
    uint32_t i = make_run(1, PIECES, false);
    if (i == NONE)
        return NONE;
    struct span *s = span_at(i);
    s->class = (uint8_t)class;
    s->stripe = stripe;
    s->live = s->hint = 0;
    s->most = (uint16_t)(SPAN / class_size(class));
    size_t words = BITMAP_WORDS(s->most);
    s->map = mem_zalloc(words * sizeof *s->map);
    if (s->most % 64) /* past the last piece */
        s->map[words - 1] = ~UINT64_C(0) << s->most % 64;
    list_put(&heap.stripes[stripe].room[class], i);
    return i;
}

static char *take_piece(uint32_t i)
{
    struct span *s = span_at(i);
    while (s->map[s->hint] == UINT64_MAX)
        s->hint++;
    unsigned bit = (unsigned)__builtin_ctzll(~s->map[s->hint]);
    s->map[s->hint] |= UINT64_C(1) << bit;
    if (++s->live == s->most)
        list_take(&heap.stripes[s->stripe].room[s->class], i);
    return start_of(i) + ((size_t)s->hint * 64 + bit) * class_size(s->class);
}

static void *make_piece(unsigned class)
{
    uint8_t number = my_stripe();
    struct stripe *stripe = &heap.stripes[number];
    pthread_mutex_lock(&stripe->lock);
    uint32_t i = stripe->room[class];
    if (i == NONE)
        i = make_span(number, class);
    char *p = i == NONE ? NULL : take_piece(i);
    pthread_mutex_unlock(&stripe->lock);
    return p;
}

/* An empty span goes, unless it is the only one with room: the next piece would make it anew. */
static void free_piece(uint32_t i, const char *p)
{
    struct span *s = span_at(i);
    struct stripe *stripe = &heap.stripes[s->stripe];
    pthread_mutex_lock(&stripe->lock);
    uint32_t n = (uint32_t)((size_t)(p - start_of(i)) / class_size(s->class));
    assert(bit_get(s->map, n));
    bit_clear(s->map, n);
    s->hint = (uint16_t)MIN((uint32_t)s->hint, n / 64);
    if (s->live-- == s->most)
        list_put(&stripe->room[s->class], i);
    if (s->live == 0 && (s->next != NONE || s->previous != NONE)) {
        list_take(&stripe->room[s->class], i);
        free(s->map);
        s->map = NULL;
        drop_run(i, 1);
    }
    pthread_mutex_unlock(&stripe->lock);
}

static size_t piece_size(uint32_t i)
{
    const struct span *s = span_at(i);
    return s->use == RUN ? (size_t)s->run * SPAN : class_size(s->class);
}

/* ---- what everybody calls ---- */

void *heap_spill_alloc(size_t size, size_t alignment, bool zero)
{
    unsigned class = size > LARGEST ? CLASSES : class_of(size);
    while (class < CLASSES && class_size(class) % alignment)
        class++;
    char *p = NULL;
    if (class < CLASSES) {
        p = make_piece(class);
        if (p && zero)
            memset(p, 0, size);
    } else if (size <= heap.file.reserved) {
        uint32_t i = make_run((uint32_t)((size + SPAN - 1) / SPAN), RUN, zero);
        p = i == NONE ? NULL : start_of(i);
    }
    if (p)
        return p;
    size_t whole = (MAX(size, (size_t)1) + alignment - 1) & ~(alignment - 1);
    p = mem_aligned(alignment, MAX(whole, size)); /* a size that wraps is more than there is */
    return zero ? memset(p, 0, size) : p;
}

void heap_spill_free(void *p)
{
    if (!is_here(p)) {
        free(p);
        return;
    }
    uint32_t i = index_of(p);
    if (span_at(i)->use == RUN)
        drop_run(i, span_at(i)->run);
    else
        free_piece(i, p);
}

void *heap_spill_realloc(void *old, size_t size)
{
    if (old && !is_here(old))
        return mem_realloc(old, size);
    size_t had = old ? piece_size(index_of(old)) : 0;
    if (old && size <= had && size > had / 2)
        return old;
    void *p = heap_spill_alloc(size, 16, false);
    if (old) {
        memcpy(p, old, MIN(size, had));
        heap_spill_free(old);
    }
    return p;
}

void *heap_aligned(size_t alignment, size_t size)
{
    return heap_spills ? heap_spill_alloc(size, alignment, true) : memset(mem_aligned(alignment, size), 0, size);
}

/* What is kept is so much more or less, within its part of memory; the rest is the pager's. */
static bool keep(int64_t change)
{
    pthread_mutex_lock(&heap.lock);
    int64_t now = MAX((int64_t)heap.kept + change, INT64_C(0));
    bool room = change < 0 || (uint64_t)now <= heap.memory / 4 * 3;
    if (room) {
        heap.kept = (uint64_t)now;
        pager_set_limit(heap.pager, heap.memory - heap.kept);
    }
    pthread_mutex_unlock(&heap.lock);
    return room;
}

void *heap_kept(size_t alignment, size_t size)
{
    assert(size <= INT64_MAX);
    if (heap_spills && !keep((int64_t)size))
        return heap_spill_alloc(size, alignment, true);
    return memset(mem_aligned(alignment, size), 0, size);
}

void heap_kept_free(void *p, size_t size)
{
    if (heap_spills && p && !is_here(p))
        (void)keep(-(int64_t)size);
    heap_free(p);
}

void *heap_dup(const void *p, size_t len)
{
    void *copy = heap_alloc(len);
    if (len)
        memcpy(copy, p, len);
    return copy;
}

void heap_free(void *p)
{
    if (unlikely(heap_spills))
        heap_spill_free(p);
    else
        free(p);
}

/* ---- on disk ---- */

enum status heap_spill(const char *folder, uint64_t memory, struct error *err)
{
    assert(!heap_spills);
    TRY(page_file_open(folder, &heap.file, err));
    heap.pager = pager_new(&heap.file, memory);
    pthread_mutex_init(&heap.lock, NULL);
    for (unsigned i = 0; i < STRIPES; i++) {
        pthread_mutex_init(&heap.stripes[i].lock, NULL);
        memset(heap.stripes[i].room, 0xff, sizeof heap.stripes[i].room);
    }
    memset(heap.bins, 0xff, sizeof heap.bins);
    heap.blocks = mem_zalloc((heap.file.reserved / SPAN / BLOCK + 1) * sizeof(struct span *));
    heap.nspans = heap.bare = 0;
    heap.memory = memory;
    heap.kept = 0;
    heap.error = (struct error){0};
    heap_spills = true;
    return OK;
}

void heap_end(void)
{
    if (!heap_spills)
        return;
    heap_spills = false;
    for (uint32_t i = 0; i < heap.nspans; i++)
        if (span_at(i)->use == PIECES)
            free(span_at(i)->map);
    for (uint32_t i = 0; i < heap.nspans; i += BLOCK)
        free(heap.blocks[i / BLOCK]);
    free(heap.blocks);
    pager_free(heap.pager);
    page_file_close(&heap.file);
    for (unsigned i = 0; i < STRIPES; i++)
        pthread_mutex_destroy(&heap.stripes[i].lock);
    pthread_mutex_destroy(&heap.lock);
}

enum status heap_check(struct error *err)
{
    if (!heap_spills)
        return OK;
    TRY(pager_check(heap.pager, err));
    enum status s = OK;
    pthread_mutex_lock(&heap.lock);
    if (heap.error.code != ERR_NONE) {
        *err = heap.error;
        s = error_hint(err, "make room there, or name a folder on another disk (SET bourn.spill); nothing is lost, the "
                            "next run goes on from the last epoch");
    }
    pthread_mutex_unlock(&heap.lock);
    return s;
}

/* Pages, counted from 1, that the thread asked for since it tended last: to ask again costs a call of the system. */
static _Thread_local uint32_t asked[256];

void heap_spill_tend(void)
{
    memset(asked, 0, sizeof asked);
    pager_tend(heap.pager, (uint64_t)__atomic_load_n(&heap.nspans, __ATOMIC_RELAXED) * SPAN);
}

void heap_spill_want(const void *p)
{
    if (!is_here(p))
        return;
    uint64_t offset = (uint64_t)((const char *)p - heap.file.base);
    uint32_t page = (uint32_t)(offset / PAGE_FILE_PAGE) + 1, *mine = &asked[page % ARRAY_LEN(asked)];
    if (*mine != page)
        pager_want(heap.pager, offset, 1);
    *mine = page;
}

void heap_spill_want_all(const void *p, size_t size)
{
    if (is_here(p) && size > 0)
        pager_want(heap.pager, (uint64_t)((const char *)p - heap.file.base), size);
}

void heap_status(struct heap_status *ret)
{
    *ret = (struct heap_status){0};
    if (!heap_spills)
        return;
    pthread_mutex_lock(&heap.lock);
    ret->disk = (uint64_t)(heap.nspans - heap.bare) * SPAN;
    ret->limit = heap.memory;
    ret->memory = heap.kept + pager_memory(heap.pager);
    pthread_mutex_unlock(&heap.lock);
}
