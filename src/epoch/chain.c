#include "epoch/chain.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/hash.h"
#include "epoch/record.h"

enum { ATTEMPTS = 100 };

static const char no_sha[] = "0000000000000000000000000000000000000000000000000000000000000000";

/* ---- the slots that are there ---- */

struct slots {
    uint64_t *at; /* ascending */
    uint32_t count;
};

static void slots_autofree(struct slots *s) { free(s->at); }

static enum status note_slot(void *arg, const struct store_object *object, struct error *err)
{
    (void)err;
    struct slots *s = arg;
    uint64_t number;
    if (!slot_number(object->name, &number))
        return OK; /* a stranger's file; a slot under a wrong name shows as a hole */
    if ((s->count & (s->count - 1)) == 0)
        s->at = mem_realloc(s->at, (s->count ? (size_t)s->count * 2 : 1) * sizeof *s->at);
    s->at[s->count++] = number;
    return OK;
}

static enum status slots_list(struct store *store, struct slots *ret, struct error *err)
{
    return store->ops->list(store, "log/", NULL, note_slot, ret, err);
}

/* Index of the lowest slot of the unbroken run that ends at index `last`. */
static uint32_t run_start(const struct slots *s, uint32_t last)
{
    while (last > 0 && s->at[last - 1] + 1 == s->at[last])
        last--;
    return last;
}

/* ---- one slot ---- */

enum status slot_get(struct store *store, uint64_t number, struct slot_bytes *ret, struct error *err)
{
    char name[25];
    slot_name(number, name);
    struct slot_bytes s = {.bytes = BUF(GIB(1) + SLOT_HEADER)};
    enum status status = store_get(store, name, &s.bytes, err);
    if (status == OK)
        status = slot_read(buf_slice(&s.bytes), number, store->ops->describe(store), &s.slot, err);
    if (status != OK) {
        buf_release(&s.bytes);
        return status;
    }
    sha256_hex(s.bytes.data, s.bytes.len, s.sha);
    *ret = s;
    return OK;
}

void slot_bytes_release(struct slot_bytes *s) { buf_release(&s->bytes); }

static enum status slot_error(struct store *store, uint64_t number, struct error *err)
{
    (void)error_prefix(err, "%s/log/%020" PRIu64, store->ops->describe(store), number);
    return error_hint(err,
                      "restore the log from a copy; without one, start with a new state and a new lake: bourn does not "
                      "guess at what was committed");
}

static enum status hole(struct store *store, uint64_t number, struct error *err)
{
    (void)error_set(err, ERR_CORRUPT, "the slot is missing, and the log goes on after it");
    return slot_error(store, number, err);
}

static enum status check_link(struct store *store, const struct slot_bytes *before, const struct slot *after,
                              struct error *err)
{
    if (strcmp(before->sha, after->previous) == 0)
        return OK;
    (void)error_set(err, ERR_CORRUPT, "the slot does not follow the one before it: one of the two was replaced");
    return slot_error(store, after->number, err);
}

static enum status read_payload(struct store *store, const struct slot *s, struct record_read **ret, struct error *err)
{
    struct record_read *r;
    if (record_read_new(s->payload, &r, err) != OK)
        return slot_error(store, s->number, err);
    if (r->slot == s->number && r->term == s->term) {
        *ret = r;
        return OK;
    }
    record_read_free(r);
    (void)error_set(err, ERR_CORRUPT, "its payload says that it is another slot");
    return slot_error(store, s->number, err);
}

/* ---- the manifest ---- */

static enum status advance(struct store *store, struct manifest *m, struct record_read *r, struct error *err)
{
    if (manifest_check(m, &r->record, err) != OK)
        return slot_error(store, r->slot, err);
    manifest_apply(m, &r->record);
    m->slot = r->slot;
    m->term = r->term;
    for (struct segment_ref gone; manifest_take_unneeded(m, &gone);)
        ;
    return OK;
}

/* From the newest slot back to the last full record: newest first. */
struct tail {
    struct record_read **records;
    uint32_t count;
};

static void tail_autofree(struct tail *t)
{
    for (uint32_t i = 0; i < t->count; i++)
        record_read_free(t->records[i]);
    free(t->records);
}

static enum status tail_add(struct store *store, struct tail *t, const struct slot *s, struct error *err)
{
    struct record_read *r;
    TRY(read_payload(store, s, &r, err));
    if ((t->count & (t->count - 1)) == 0)
        t->records = mem_realloc(t->records, (t->count ? (size_t)t->count * 2 : 1) * sizeof(struct record_read *));
    t->records[t->count++] = r;
    return OK;
}

/* AGAIN: a slot that the tail needs is not there. */
static enum status tail_read(struct store *store, uint64_t newest, struct tail *t, struct chain_end *end,
                             struct error *err)
{
    struct slot after = {0};
    for (uint64_t n = newest; n > 0; n--) {
        struct slot_bytes s;
        enum status status = slot_get(store, n, &s, err);
        if (status == FAILED && err->code == ERR_NOT_FOUND) {
            end->first = n; /* the missing one, for the message */
            return AGAIN;
        }
        TRY(status);
        if (n == newest)
            memcpy(end->sha, s.sha, sizeof end->sha);
        else
            status = check_link(store, &s, &after, err);
        if (status == OK)
            status = tail_add(store, t, &s.slot, err);
        after = s.slot;
        slot_bytes_release(&s);
        TRY(status);
        end->full = n;
        if (t->records[t->count - 1]->is_full)
            return OK;
    }
    (void)error_set(err, ERR_CORRUPT, "no slot down to the first holds the whole state");
    return slot_error(store, newest, err);
}

static enum status tail_replay(struct store *store, struct tail *t, struct manifest *ret, struct error *err)
{
    struct record_read *full = t->records[t->count - 1];
    struct manifest m = full->full;
    full->full = (struct manifest){0};
    enum status status = OK;
    for (uint32_t i = t->count; i-- > 0 && status == OK;)
        status = advance(store, &m, t->records[i], err);
    if (status == OK)
        *ret = m;
    else
        manifest_release(&m);
    return status;
}

enum status chain_load(struct store *store, struct manifest *ret, struct chain_end *ret_end, struct error *err)
{
    uint64_t seen = 0;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        AUTO(slots) slots = {0};
        AUTO(tail) tail = {0};
        struct chain_end end = {0};
        TRY(slots_list(store, &slots, err));
        if (slots.count == 0) {
            memcpy(end.sha, no_sha, sizeof end.sha);
            *ret = (struct manifest){0};
            *ret_end = end;
            return OK;
        }
        end.newest = slots.at[slots.count - 1];
        enum status status = tail_read(store, end.newest, &tail, &end, err);
        if (status == AGAIN) {
            /* Truncated under our eyes by a live writer, then the log has grown too; else it is a hole. */
            if (end.newest == seen)
                return hole(store, end.first, err);
            seen = end.newest;
            continue;
        }
        TRY(status);
        TRY(tail_replay(store, &tail, ret, err));
        end.first = slots.at[run_start(&slots, slots.count - 1)];
        *ret_end = end;
        return OK;
    }
    return error_set(err, ERR_CONFLICT, "the log in %s is truncated faster than it can be read",
                     store->ops->describe(store));
}

enum status journal_exists(struct store *store, bool *ret_exists, struct error *err)
{
    AUTO(slots) slots = {0};
    TRY(slots_list(store, &slots, err));
    *ret_exists = slots.count > 0;
    return OK;
}

enum status journal_read(struct store *store, struct manifest *ret, struct error *err)
{
    struct chain_end end;
    TRY(chain_load(store, ret, &end, err));
    if (end.newest == 0)
        return error_set(err, ERR_NOT_FOUND, "there is no log in %s", store->ops->describe(store));
    return OK;
}

/* ---- verifying ---- */

struct verify {
    struct store *store;
    enum status (*visit)(void *arg, uint64_t slot, struct slice json, struct error *err);
    void *arg;
    struct slot_bytes before; /* number 0: none */
    struct manifest m;        /* as of `before`, once a full record was met */
    bool has_manifest;
    uint32_t full;    /* full records met in this pass */
    uint64_t visited; /* the newest slot that `visit` was called with */
};

static void verify_restart(struct verify *v)
{
    slot_bytes_release(&v->before);
    v->before = (struct slot_bytes){.bytes = BUF(1)};
    manifest_release(&v->m);
    v->has_manifest = false;
    v->full = 0;
}

/* A full record must state exactly what the records before it add up to. */
static enum status verify_full(struct verify *v, struct record_read *r, struct error *err)
{
    AUTO(buf) told = BUF(GIB(1)), known = BUF(GIB(1));
    manifest_json(&r->full, &told);
    manifest_json(&v->m, &known);
    if (v->has_manifest && !slice_equal(buf_slice(&told), buf_slice(&known))) {
        (void)error_set(err, ERR_VERIFY, "the state it tells differs from what the records before it add up to");
        return slot_error(v->store, r->slot, err);
    }
    manifest_release(&v->m);
    v->m = r->full;
    r->full = (struct manifest){0};
    v->has_manifest = true;
    v->full++;
    return OK;
}

static enum status verify_record(struct verify *v, struct record_read *r, struct error *err)
{
    if (r->is_full)
        TRY(verify_full(v, r, err));
    if (v->has_manifest)
        return advance(v->store, &v->m, r, err);
    if (r->record.ledger && ledger_balance(r->record.ledger, err) != OK) /* its base is truncated already */
        return slot_error(v->store, r->slot, err);
    return OK;
}

static enum status verify_slot(struct verify *v, struct slot_bytes *s, struct error *err)
{
    if (v->before.slot.number) {
        TRY(check_link(v->store, &v->before, &s->slot, err));
        if (s->slot.term < v->before.slot.term) {
            (void)error_set(err, ERR_VERIFY, "its term %" PRIu64 " is older than the slot's before, %" PRIu64,
                            s->slot.term, v->before.slot.term);
            return slot_error(v->store, s->slot.number, err);
        }
    }
    struct record_read *r;
    TRY(read_payload(v->store, &s->slot, &r, err));
    enum status status = verify_record(v, r, err);
    record_read_free(r);
    if (status != OK || s->slot.number <= v->visited)
        return status;
    v->visited = s->slot.number;
    return v->visit ? v->visit(v->arg, s->slot.number, s->slot.payload, err) : OK;
}

/* Slots below the unbroken run, which has been read. Truncation removes what lies below the full record before the
 * newest, and a power loss may bring some of that back, in any order: where the run reaches down to two full records
 * nothing is missing that was kept. Else a hole is explained only by a fenced writer's last put, which found its slot
 * free because truncation had passed it: one slot, of an older term than what follows. */
static enum status verify_hole(struct verify *v, const struct slots *slots, uint32_t start, struct error *err)
{
    struct slot_bytes orphan, next;
    if (start == 0 || v->full >= 2)
        return OK;
    if (start > 1)
        return hole(v->store, slots->at[start] - 1, err);
    TRY(slot_get(v->store, slots->at[0], &orphan, err));
    enum status status = slot_get(v->store, slots->at[1], &next, err);
    if (status == OK) {
        if (orphan.slot.term >= next.slot.term)
            status = hole(v->store, slots->at[1] - 1, err);
        slot_bytes_release(&next);
    }
    slot_bytes_release(&orphan);
    return status;
}

/* One pass over the slots as they are listed now. AGAIN: one of them is gone. */
static enum status verify_pass(struct verify *v, uint64_t *ret_missing, struct error *err)
{
    AUTO(slots) slots = {0};
    TRY(slots_list(v->store, &slots, err));
    if (slots.count == 0)
        return error_set(err, ERR_NOT_FOUND, "there is no log in %s", v->store->ops->describe(v->store));
    uint32_t start = run_start(&slots, slots.count - 1);
    for (uint32_t i = start; i < slots.count; i++) {
        struct slot_bytes s;
        enum status status = slot_get(v->store, slots.at[i], &s, err);
        if (status == FAILED && err->code == ERR_NOT_FOUND) {
            *ret_missing = slots.at[i];
            return AGAIN;
        }
        TRY(status);
        status = verify_slot(v, &s, err);
        slot_bytes_release(&v->before);
        v->before = s;
        TRY(status);
    }
    TRY(verify_hole(v, &slots, start, err));
    if (v->has_manifest)
        return OK;
    (void)error_set(err, ERR_CORRUPT, "no slot down to the first holds the whole state");
    return slot_error(v->store, slots.at[slots.count - 1], err);
}

enum status journal_verify(struct store *store,
                           enum status (*visit)(void *arg, uint64_t slot, struct slice json, struct error *err),
                           void *arg, struct error *err)
{
    struct verify v = {.store = store, .visit = visit, .arg = arg, .before.bytes = BUF(1)};
    uint64_t missing = 0, missed = 0;
    enum status status = AGAIN;
    for (int attempt = 0; status == AGAIN && attempt < ATTEMPTS; attempt++) {
        status = verify_pass(&v, &missing, err);
        if (status != AGAIN)
            break;
        if (missing == missed)
            status = hole(store, missing, err);
        missed = missing;
        verify_restart(&v); /* what lies below was truncated by a live writer: begin at what is left */
    }
    verify_restart(&v);
    return status == AGAIN ? hole(store, missing, err) : status;
}
