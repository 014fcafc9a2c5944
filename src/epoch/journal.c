/* Writing the log. The bytes of a slot: top of slot.c; its JSON: record.h; what records add up to: manifest.h.
 *
 * A full record states everything before it, then its own edit like any other. So slots below the newest full one are
 * not needed to recover. Those down to the full one before it are kept nevertheless: journal_verify adds them up and
 * compares. What is below is removed from the lowest up, a few with every append.
 */
#include "epoch/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/hash.h"
#include "base/os.h"
#include "epoch/chain.h"
#include "epoch/manifest.h"
#include "epoch/record.h"
#include "epoch/slot.h"

enum {
    SWEEP = 4,      /* slots, and segments, removed with an append: more than come in, few enough not to be felt */
    TAKEOVERS = 100, /* lost races for a slot before journal_open gives up */
    PUTS = 5,       /* of one slot, where the store says that trying again makes sense */
    UNFINISHED_US = 60 * 1000000, /* a write that has stood still for so long has no living writer */
};

struct journal {
    struct store *store;
    struct manifest m;
    char sha[65];        /* of slot m.slot */
    uint64_t first;      /* lowest slot that may still be there */
    uint64_t newest_full, keep_from; /* keep_from: the full slot before the newest */
    bool broken;         /* an append has failed: what is committed is known only after recovery */
    struct slot_won {
        uint64_t number, term;
        char sha[65];
        bool full;
    } won; /* its record is not in the manifest yet; number 0: none */
    char (*unneeded)[sizeof(struct segment_ref){0}.name]; /* segments to remove */
    uint32_t nunneeded;
};

void journal_close(struct journal *j)
{
    if (!j)
        return;
    manifest_release(&j->m);
    free(j->unneeded);
    free(j);
}

const struct manifest *journal_manifest(const struct journal *j) { return &j->m; }

/* ---- winning a slot ---- */

static void random_hex(char ret[static 33])
{
    unsigned char raw[16];
    os_random(raw, sizeof raw);
    *hex_put(ret, raw, sizeof raw) = 0;
}

/* Somebody's bytes are in the slot: ours, whose answer was lost, or another's (AGAIN)? */
static enum status whose(struct journal *j, const struct slot *s, struct error *err)
{
    struct slot_bytes there;
    TRY(slot_get(j->store, s->number, &there, err));
    bool ours = strcmp(there.slot.nonce, s->nonce) == 0;
    slot_bytes_release(&there);
    return ours ? OK : AGAIN;
}

/* AGAIN: another has won it. */
static enum status put_slot(struct journal *j, const struct slot *s, const struct slice parts[static 2],
                            struct error *err)
{
    const struct store_ops *ops = j->store->ops;
    char name[25];
    slot_name(s->number, name);
    if (os_planted_bug("fence-off"))
        return ops->put(j->store, name, parts, 2, err);
    for (int i = 1;; i++) {
        struct error why;
        enum status status = ops->put_if_absent(j->store, name, parts, 2, &why);
        if (status == OK || os_planted_bug("slot-error-swallowed"))
            return OK;
        if (why.code == ERR_EXISTS)
            return whose(j, s, err);
        if (!why.retriable || i == PUTS) {
            *err = why;
            return error_hint(err, "start bourn again: it finds out whether this epoch was committed, and goes on");
        }
        os_sleep_us(100000 * i);
    }
}

/* A slot below ours is gone: others have long gone on, and truncation, which ascends, has freed the one that we took.
 * */
static enum status check_fence(struct journal *j, uint64_t number, bool *ret_fenced, struct error *err)
{
    char name[25];
    struct store_object object;
    *ret_fenced = false;
    if (number == 1 || os_planted_bug("fence-off"))
        return OK;
    slot_name(number - 1, name);
    enum status status = j->store->ops->head(j->store, name, &object, err);
    if (status != FAILED || err->code != ERR_NOT_FOUND)
        return status;
    *ret_fenced = true;
    slot_name(number, name);
    return j->store->ops->remove(j->store, name, err);
}

/* Write the record into the slot after the manifest's, as `term`. AGAIN: another owns it. The manifest is only read:
 * others may do so meanwhile. */
static enum status win_slot(struct journal *j, const struct journal_record *r, uint64_t term, bool full,
                            struct error *err)
{
    assert(j->won.number == 0);
    AUTO(buf) payload = BUF(GIB(1));
    struct slot s = {.number = j->m.slot + 1, .term = term};
    record_json(s.number, term, r, full ? &j->m : NULL, &payload);
    if (payload.overflow)
        return error_set(err, ERR_LIMIT, "the record of epoch %" PRId64 " is larger than %zu bytes", r->epoch,
                         payload.max);
    s.payload = buf_slice(&payload);
    memcpy(s.previous, j->sha, sizeof s.previous);
    random_hex(s.nonce);
    char header[SLOT_HEADER + 1];
    slot_header(&s, header);
    struct slice parts[2] = {{header, SLOT_HEADER}, s.payload};
    bool fenced;
    TRY(put_slot(j, &s, parts, err));
    TRY(check_fence(j, s.number, &fenced, err));
    if (fenced)
        return AGAIN;
    AUTO(buf) whole = BUF(GIB(1) + SLOT_HEADER);
    buf_put_slice(&whole, parts[0]);
    buf_put_slice(&whole, parts[1]);
    j->won = (struct slot_won){.number = s.number, .term = term, .full = full};
    sha256_hex(whole.data, whole.len, j->won.sha);
    return OK;
}

static void take_in(struct journal *j, const struct journal_record *r)
{
    assert(j->won.number > 0);
    memcpy(j->sha, j->won.sha, sizeof j->sha);
    manifest_apply(&j->m, r);
    j->m.slot = j->won.number;
    j->m.term = j->won.term;
    if (j->won.full) {
        j->keep_from = j->newest_full;
        j->newest_full = j->won.number;
    }
    j->won.number = 0;
}

/* ---- removing what nothing needs ---- */

static void note_unneeded(struct journal *j)
{
    for (struct segment_ref gone; manifest_take_unneeded(&j->m, &gone);) {
        if ((j->nunneeded & (j->nunneeded - 1)) == 0)
            j->unneeded = mem_realloc(j->unneeded, (j->nunneeded ? (size_t)j->nunneeded * 2 : 1) * sizeof *j->unneeded);
        memcpy(j->unneeded[j->nunneeded++], gone.name, sizeof gone.name);
    }
}

/* An error here endangers nothing that is committed: what stays is tried again with the next append, and by the next
 * journal_open. Slots go strictly ascending, as every living process sees it; that is what check_fence rests on. What a
 * power loss brings back lies below the log's unbroken run, and a stranger to it. */
static void sweep(struct journal *j, uint32_t segments)
{
    struct error ignored;
    char name[25];
    for (uint32_t i = 0; i < segments && j->nunneeded > 0; i++) {
        if (store_discard(j->store, j->unneeded[j->nunneeded - 1], &ignored) != OK)
            break;
        j->nunneeded--;
    }
    for (int i = 0; i < SWEEP && j->first < j->keep_from; i++) {
        slot_name(j->first, name);
        if (store_discard(j->store, name, &ignored) != OK)
            break;
        j->first++;
    }
}

/* ---- appending ---- */

static enum status fenced(struct journal *j, struct error *err)
{
    struct slot_bytes theirs;
    struct error ignored;
    char who[60] = "";
    if (slot_get(j->store, j->m.slot + 1, &theirs, &ignored) == OK) {
        snprintf(who, sizeof who, " (term %" PRIu64 ")", theirs.slot.term);
        slot_bytes_release(&theirs);
    }
    (void)error_set(err, ERR_FENCED,
                    "another process%s has taken over the state in %s; this one, of term %" PRIu64
                    ", has committed nothing after epoch %" PRId64,
                    who, j->store->ops->describe(j->store), j->m.term, j->m.epoch);
    return error_hint(err, "only one process may run on a state: stop one of the two");
}

enum status journal_write(struct journal *j, const struct journal_record *r, struct error *err)
{
    if (j->broken)
        return error_set(err, ERR_STATE, "the log in %s takes no more records after an earlier error",
                         j->store->ops->describe(j->store));
    TRY(manifest_check(&j->m, r, err));
    bool full = j->m.slot + 1 - j->newest_full >= JOURNAL_FULL_EVERY;
    enum status status = win_slot(j, r, j->m.term, full, err);
    if (status != OK) {
        j->broken = true;
        return status == AGAIN ? fenced(j, err) : FAILED;
    }
    return OK;
}

void journal_written(struct journal *j, const struct journal_record *r)
{
    take_in(j, r);
    note_unneeded(j);
}

void journal_sweep(struct journal *j) { sweep(j, SWEEP); }

enum status journal_append(struct journal *j, const struct journal_record *r, struct error *err)
{
    TRY(journal_write(j, r, err));
    journal_written(j, r);
    /* A record that closes no epoch keeps nobody waiting. */
    sweep(j, strcmp(r->kind, "confirm") ? SWEEP : UINT32_MAX);
    return OK;
}

/* ---- opening ---- */

static void mint(struct manifest *m)
{
    os_uuid(m->uuid);
    os_random(&m->hash_seed, sizeof m->hash_seed);
}

/* One try to take over. AGAIN: somebody else was faster. */
static enum status take_over(struct journal *j, struct error *err)
{
    struct chain_end end;
    manifest_release(&j->m);
    TRY(chain_load(j->store, &j->m, &end, err));
    if (end.newest == 0)
        mint(&j->m);
    memcpy(j->sha, end.sha, sizeof j->sha);
    j->first = end.newest ? end.first : 1;
    j->newest_full = end.full;
    struct journal_record r = {.kind = "open", .epoch = j->m.epoch, .now_us = j->m.now_us, .ended = j->m.ended};
    TRY(win_slot(j, &r, j->m.term + 1, true, err));
    take_in(j, &r);
    return OK;
}

struct leftovers {
    struct journal *j;
    struct buf names; /* each with its NUL */
};

static void leftover(struct leftovers *l, const char *name) { buf_put(&l->names, name, strlen(name) + 1); }

static enum status note_old_slot(void *arg, const struct store_object *object, struct error *err)
{
    (void)err;
    struct leftovers *l = arg;
    uint64_t number;
    if (slot_number(object->name, &number) && number < l->j->first)
        leftover(l, object->name);
    return OK;
}

static enum status note_old_segment(void *arg, const struct store_object *object, struct error *err)
{
    (void)err;
    struct leftovers *l = arg;
    uint64_t term;
    if (sscanf(object->name, "seg/%*20[0-9]-%*20[0-9]-%20" SCNu64 "-", &term) != 1 || term >= l->j->m.term)
        return OK;
    for (uint32_t i = 0; i < l->j->m.nsegments; i++)
        if (strcmp(l->j->m.segments[i].name, object->name) == 0)
            return OK;
    leftover(l, object->name);
    return OK;
}

/* What crashed or fenced writers left: segments that no record names, and slots below a hole. Only now, after the slot
 * is won: nobody else can still make them valid. */
static enum status remove_leftovers(struct journal *j, struct error *err)
{
    struct leftovers l = {.j = j, .names = BUF(GIB(1))};
    enum status status = j->store->ops->list(j->store, "log/", NULL, note_old_slot, &l, err);
    if (status == OK)
        status = j->store->ops->list(j->store, "seg/", NULL, note_old_segment, &l, err);
    for (size_t at = 0; status == OK && at < l.names.len; at += strlen(l.names.data + at) + 1)
        status = store_discard(j->store, l.names.data + at, err);
    buf_release(&l.names);
    if (status == OK)
        status = store_sweep(j->store, "log/", UNFINISHED_US, err);
    return status == OK ? store_sweep(j->store, "seg/", UNFINISHED_US, err) : status;
}

enum status journal_open(struct store *store, struct journal **ret, struct error *err)
{
    struct journal *j = mem_zalloc(sizeof *j);
    j->store = store;
    enum status status = AGAIN;
    for (int i = 0; status == AGAIN && i < TAKEOVERS; i++)
        status = take_over(j, err);
    if (status == AGAIN)
        status = error_set(err, ERR_CONFLICT, "other processes keep taking over the state in %s",
                           store->ops->describe(store));
    if (status == OK) {
        note_unneeded(j);
        status = remove_leftovers(j, err);
    }
    if (status == OK) {
        sweep(j, UINT32_MAX);
        *ret = j;
    } else {
        journal_close(j);
    }
    return status;
}
