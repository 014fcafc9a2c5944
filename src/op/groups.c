#include "op/groups.h"

#include <stdlib.h>

#include "column/rowkey.h"

enum {
    RECENT = 4096, /* a power of two; 500 groups share few places */
    KEY_COLUMNS_MAX = 32,
};

/* A value as 16 bytes: of two equal cells of a column the values are equal, too. A long string is a view, so its cells
 * are equal only by what they point to. NULL is all 0, and a bit in the mask beside. */
struct cell {
    uint64_t a, b;
};

struct recent {
    uint64_t hash;
    uint64_t batch; /* in which it was last met */
    struct keyed_entry *entry;
    uint32_t id;    /* the group's number in that batch */
    uint32_t nulls; /* by column */
    struct cell cells[]; /* a long string's points into the entry's key */
};

struct groups {
    struct keyed *table;
    uint32_t ncols;
    uint32_t stride;
    char *places;
    uint64_t batch, first_batch; /* places of batches before the first are forgotten */
    struct buf key;
};

struct groups *groups_new(uint32_t ncols, struct keyed *table)
{
    struct groups *g = mem_zalloc(sizeof *g);
    g->table = table;
    g->ncols = ncols;
    g->stride = (uint32_t)(sizeof(struct recent) + ncols * sizeof(struct cell));
    g->first_batch = 1;
    if (ncols > 0 && ncols <= KEY_COLUMNS_MAX)
        g->places = mem_zalloc((size_t)RECENT * g->stride);
    g->key.max = ROWKEY_MAX;
    return g;
}

void groups_free(struct groups *g)
{
    if (!g)
        return;
    free(g->places);
    buf_release(&g->key);
    free(g);
}

void groups_forget(struct groups *g) { g->first_batch = g->batch + 1; }

uint64_t groups_bytes(const struct groups *g)
{
    return sizeof *g + g->key.cap + (g->places ? (uint64_t)RECENT * g->stride : 0);
}

/* ---- a batch's keys, as they lie ---- */

struct keys {
    const struct batch *b;
    uint32_t ncols;
    struct cell *cells; /* [live row * ncols + column] */
    uint64_t *hashes;   /* by live row */
    uint32_t *nulls;    /* by live row; NULL: no column has any */
};

static inline uint64_t mix(uint64_t hash, uint64_t a, uint64_t b)
{
    uint128 product = (uint128)(hash ^ a ^ UINT64_C(0x9e3779b97f4a7c15)) * (b ^ UINT64_C(0xe7037ed1a0b428db));
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* What the loop reads is in locals, so that its stores do not make it read them again. */
#define GATHER(A, B, HASHED)                                                                                           \
    for (uint32_t i = 0; i < live; i++) {                                                                              \
        const uint32_t r = sel ? sel[i] : i;                                                                           \
        if (unlikely(valid && !bit_get(valid, r))) {                                                                   \
            put_null(k, i, which);                                                                                     \
            continue;                                                                                                  \
        }                                                                                                              \
        const struct cell c = {A, B};                                                                                  \
        cells[(size_t)i * ncols] = c;                                                                                  \
        hashes[i] = mix(hashes[i], c.a, HASHED);                                                                       \
    }

static void put_null(struct keys *k, uint32_t i, uint32_t which)
{
    k->cells[(size_t)i * k->ncols + which] = (struct cell){0, 0};
    k->nulls[i] |= UINT32_C(1) << which;
    k->hashes[i] = mix(k->hashes[i], which, UINT64_MAX);
}

static void gather_column(struct keys *k, uint32_t which)
{
    const struct column *col = &k->b->cols[which];
    const char *data = col->data;
    const uint64_t *valid = col->valid;
    const uint32_t *sel = k->b->sel, live = batch_live(k->b), ncols = k->ncols;
    struct cell *cells = k->cells + which;
    uint64_t *hashes = k->hashes;
    if (type_is_view(col->type)) { /* a long string's last bytes; the first four are in the view */
        GATHER(load_u64(data + r * 16), load_u64(data + r * 16 + 8),
               (uint32_t)c.a <= VIEW_INLINE ? c.b : load_u64((char *)(uintptr_t)c.b + (uint32_t)c.a - 8));
        return;
    }
    switch (type_width(col->type)) {
    case 1: GATHER((uint8_t)data[r], 0, 0); break;
    case 4: GATHER(load_u32(data + r * 4), 0, 0); break;
    case 8: GATHER(load_u64(data + r * 8), 0, 0); break;
    default: GATHER(load_u64(data + r * 16), load_u64(data + r * 16 + 8), c.b);
    }
}

static struct keys gather(const struct groups *g, const struct batch *b, struct arena *a)
{
    struct keys k = {.b = b, .ncols = g->ncols};
    k.cells = arena_array(a, (size_t)batch_live(b) * g->ncols, sizeof *k.cells);
    k.hashes = arena_zarray(a, batch_live(b), sizeof *k.hashes);
    for (uint32_t c = 0; c < g->ncols; c++)
        if (b->cols[c].valid && !k.nulls)
            k.nulls = arena_zarray(a, batch_live(b), sizeof *k.nulls);
    for (uint32_t c = 0; c < g->ncols; c++)
        gather_column(&k, c);
    return k;
}

/* ---- finding ---- */

static inline bool same_values(const struct cell *x, const struct cell *y, const struct column *cols, uint32_t ncols)
{
    for (uint32_t c = 0; c < ncols; c++) {
        if (x[c].a != y[c].a)
            return false;
        if (likely(x[c].b == y[c].b)) /* the same words, or a long string's same bytes in the same place */
            continue;
        if (!type_is_view(cols[c].type) || !view_equal((const struct view *)&x[c], (const struct view *)&y[c]))
            return false;
    }
    return true;
}

/* By its canonical key. ret_cells, unless NULL, become the row's, with long strings where the entry has them; false:
 * some string does not lie there as it is, so the row cannot be remembered. */
static bool find_by_key(struct groups *g, const struct batch *b, uint32_t row, struct keyed_entry **ret,
                        struct cell *ret_cells)
{
    bool fresh, whole = true;
    size_t at[KEY_COLUMNS_MAX];
    buf_clear(&g->key);
    for (uint32_t c = 0; c < g->ncols; c++) {
        if (ret_cells)
            at[c] = g->key.len + 1; /* behind the tag */
        rowkey_put(&g->key, b->cols, &c, 1, row);
    }
    uint64_t hash = hash64(g->key.data, g->key.len, 0);
    *ret = keyed_get(g->table, hash, g->key.data, g->key.len, &fresh);
    if (fresh)
        keyed_touch(g->table, *ret);
    const char *key = keyed_key(g->table, *ret).data;
    for (uint32_t c = 0; ret_cells && c < g->ncols; c++) {
        uint32_t len = (uint32_t)ret_cells[c].a;
        if (!type_is_view(b->cols[c].type) || len <= VIEW_INLINE)
            continue;
        size_t next = c + 1 < g->ncols ? at[c + 1] - 1 : g->key.len;
        whole &= b->cols[c].type.id != TYPE_ARRAY && next - at[c] == (size_t)len + 2;
        ret_cells[c].b = (uintptr_t)(key + at[c]);
    }
    return whole;
}

struct numbering {
    uint32_t *ids;
    char **values;
    uint32_t n;
};

static inline uint32_t number(struct numbering *n, struct keyed_entry *e)
{
    n->values[n->n] = keyed_value(e);
    return n->n++;
}

/* Not met lately, or another group has its place: it is given one again. */
static uint32_t find_anew(struct groups *g, const struct keys *k, uint32_t i, struct recent *p, struct numbering *n)
{
    *p = (struct recent){.hash = k->hashes[i], .batch = g->batch, .nulls = k->nulls ? k->nulls[i] : 0, .id = n->n};
    memcpy(p->cells, k->cells + (size_t)i * g->ncols, g->ncols * sizeof(struct cell));
    if (!find_by_key(g, k->b, batch_row(k->b, i), &p->entry, p->cells))
        p->batch = 0;
    return number(n, p->entry);
}

static void find_rows(struct groups *g, const struct keys *k, struct numbering *n)
{
    const uint32_t live = batch_live(k->b), ncols = g->ncols;
    const uint64_t batch = g->batch, first_batch = g->first_batch;
    const struct cell *cells = k->cells;
    for (uint32_t i = 0; i < live; i++, cells += ncols) {
        const uint64_t hash = k->hashes[i];
        struct recent *p = (struct recent *)(g->places + (hash & (RECENT - 1)) * g->stride);
        if (unlikely(p->hash != hash || p->batch < first_batch || (k->nulls && p->nulls != k->nulls[i]) ||
                     !same_values(p->cells, cells, k->b->cols, ncols))) {
            n->ids[i] = find_anew(g, k, i, p, n);
            continue;
        }
        if (p->batch != batch) {
            p->batch = batch;
            p->id = number(n, p->entry);
        }
        n->ids[i] = p->id;
    }
}

uint32_t groups_find(struct groups *g, const struct batch *b, struct arena *a, uint32_t *ret_ids, char ***ret_values)
{
    struct numbering n = {.ids = ret_ids};
    uint32_t live = batch_live(b);
    *ret_values = n.values = arena_array(a, g->ncols ? live : 1, sizeof(char *));
    struct keyed_entry *e;
    g->batch++;
    if (g->ncols == 0) {
        find_by_key(g, b, 0, &e, NULL);
        return number(&n, e) + 1;
    }
    if (!g->places) {
        for (uint32_t i = 0; i < live; i++) {
            find_by_key(g, b, batch_row(b, i), &e, NULL);
            ret_ids[i] = number(&n, e);
        }
        return n.n;
    }
    struct keys k = gather(g, b, a);
    find_rows(g, &k, &n);
    return n.n;
}
