#include "epoch/record.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- writing ---- */

static void put_text(struct buf *out, const char *member, const char *text)
{
    buf_printf(out, "\"%s\":", member);
    buf_put_json(out, slice_of(text));
}

static void put_time(struct buf *out, const char *member, int64_t us)
{
    if (us == INT64_MIN)
        buf_printf(out, ",\"%s\":null", member);
    else
        buf_printf(out, ",\"%s\":%" PRId64, member, us);
}

static void put_source(struct buf *out, const void *item)
{
    const struct source_time *x = item;
    put_text(out, "source", x->source);
    put_time(out, "watermark", x->watermark);
    put_time(out, "evict", x->evict);
    if (x->delay >= 0)
        buf_printf(out, ",\"delay\":%" PRId64, x->delay);
    put_time(out, "since", x->since);
}

static const char *truth(bool b) { return b ? "true" : "false"; }

static void put_step(struct buf *out, const void *item)
{
    const struct step_time *x = item;
    put_text(out, "step", x->step);
    buf_putc(out, ',');
    put_text(out, "name", x->name);
    buf_putc(out, ',');
    put_text(out, "source", x->source);
    put_time(out, "watermark", x->watermark);
    put_time(out, "evict", x->evict);
    put_time(out, "closes", x->closes);
    put_time(out, "since", x->since);
    buf_printf(out, ",\"lag\":%" PRId64 ",\"waits\":%s", x->lag, truth(x->waits));
}

static void put_split(struct buf *out, const void *item)
{
    const struct split_position *x = item;
    put_text(out, "source", x->source);
    buf_putc(out, ',');
    put_text(out, "split", x->split);
    buf_printf(out, ",\"number\":%" PRIu32 ",\"position\":%" PRId64, x->number, x->position);
    if (x->start >= 0)
        buf_printf(out, ",\"start\":%" PRId64, x->start);
    if (x->mark.known)
        buf_printf(out, ",\"mark\":{\"position\":%" PRId64 ",\"time\":%" PRId64 ",\"crc\":\"%08" PRIx32 "\"}",
                   x->mark.position, x->mark.time_us, x->mark.crc);
    put_time(out, "max_event", x->max_event);
    buf_printf(out, ",\"idle\":%s,\"finished\":%s", truth(x->idle), truth(x->finished));
}

static const char *const renewals[] = {[RENEW_FROM_STATE] = "state", [RENEW_FROM_OUTBOX] = "outbox"};

static void put_renewal(struct buf *out, enum sink_renewal renew)
{
    buf_puts(out, ",");
    put_text(out, "renew", renewals[renew]);
}

static void put_sink(struct buf *out, const void *item)
{
    const struct sink_state *x = item;
    put_text(out, "name", x->name);
    buf_printf(out, ",\"confirmed\":%" PRId64 ",\"applied\":%" PRId64 ",\"target\":%" PRId64, x->confirmed, x->applied,
               x->target);
    if (x->renew)
        put_renewal(out, x->renew);
}

static void put_segment(struct buf *out, const void *item)
{
    const struct segment_ref *x = item;
    put_text(out, "name", x->name);
    buf_printf(out, ",\"bytes\":%" PRIu64 ",\"crc\":\"%08" PRIx32 "\",\"from\":%" PRId64 ",\"to\":%" PRId64, x->bytes,
               x->crc, x->from, x->to);
    buf_printf(out, ",\"level\":%" PRIu32 ",\"state\":%s,\"outbox\":%s,\"keyed\":%s", x->level,
               truth(x->has_state), truth(x->has_outbox), truth(x->has_keyed));
    put_time(out, "sets_end", x->sets_end_us);
}

/* A list of objects. The outer object leaves empty ones out; a manifest states all. */
static void put_list(struct buf *out, const char *member, const void *items, uint32_t count, size_t size,
                     void (*put)(struct buf *out, const void *item))
{
    buf_printf(out, ",\n\"%s\":[", member);
    for (uint32_t i = 0; i < count; i++) {
        buf_puts(out, i ? ",{" : "{");
        put(out, (const char *)items + i * size);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

#define PUT_LIST(out, member, items, count, put) put_list(out, member, items, count, sizeof *(items), put)

static void put_names(struct buf *out, const char *member, const char *const *names, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        buf_puts(out, i ? "," : ",\n");
        if (i == 0)
            buf_printf(out, "\"%s\":[", member);
        buf_put_json(out, slice_of(names[i]));
    }
    buf_puts(out, n ? "]" : "");
}

static void put_hash(struct buf *out, const char *member, const char *hex)
{
    if (hex && hex[0])
        buf_printf(out, ",\n\"%s\":\"%s\"", member, hex);
}

void manifest_json(const struct manifest *m, struct buf *out)
{
    buf_putc(out, '{');
    put_text(out, "uuid", m->uuid);
    buf_printf(out, ",\"seed\":\"%016" PRIx64 "\",\"epoch\":%" PRId64 ",\"now\":%" PRId64 ",\"ended\":%s", m->hash_seed,
               m->epoch, m->now_us, truth(m->ended));
    put_hash(out, "plan", m->plan);
    put_hash(out, "fingerprint", m->fingerprint);
    PUT_LIST(out, "sources", m->sources, m->nsources, put_source);
    PUT_LIST(out, "steps", m->steps, m->nsteps, put_step);
    PUT_LIST(out, "splits", m->splits, m->nsplits, put_split);
    PUT_LIST(out, "sinks", m->sinks, m->nsinks, put_sink);
    PUT_LIST(out, "segments", m->segments, m->nsegments, put_segment);
    buf_puts(out, ",\n\"total\":");
    ledger_json(&m->total, out);
    buf_puts(out, ",\n\"history\":[");
    for (uint32_t i = 0; i < m->nhistory; i++) {
        buf_puts(out, i ? ",\n" : "");
        ledger_json(&m->history[i], out);
    }
    buf_puts(out, "]}");
}

void record_json(uint64_t slot, uint64_t term, const struct journal_record *r, const struct manifest *full,
                 struct buf *out)
{
    buf_printf(out, "{\"slot\":%" PRIu64 ",\"term\":%" PRIu64 ",", slot, term);
    put_text(out, "kind", r->kind);
    buf_printf(out, ",\"epoch\":%" PRId64 ",\"now\":%" PRId64 ",\"ended\":%s", r->epoch, r->now_us, truth(r->ended));
    if (r->nsources)
        PUT_LIST(out, "sources", r->sources, r->nsources, put_source);
    if (r->nsteps)
        PUT_LIST(out, "steps", r->steps, r->nsteps, put_step);
    if (r->nsplits)
        PUT_LIST(out, "splits", r->splits, r->nsplits, put_split);
    if (r->nsinks)
        PUT_LIST(out, "sinks", r->sinks, r->nsinks, put_sink);
    if (r->nadded)
        PUT_LIST(out, "added", r->added, r->nadded, put_segment);
    put_names(out, "dropped", r->dropped_state, r->ndropped_state);
    put_names(out, "gone_sources", r->gone_sources, r->ngone_sources);
    put_names(out, "gone_sinks", r->gone_sinks, r->ngone_sinks);
    put_hash(out, "plan", r->plan);
    put_hash(out, "fingerprint", r->fingerprint);
    if (r->ledger) {
        buf_puts(out, ",\n\"ledger\":");
        ledger_json(r->ledger, out);
    }
    if (full) {
        buf_puts(out, ",\n\"full\":");
        manifest_json(full, out);
    }
    buf_puts(out, "}\n");
}

/* ---- reading ---- */

static enum status wrong(const char *member, struct error *err)
{
    return error_set(err, ERR_CORRUPT, "member \"%s\" is missing or wrong", member);
}

static enum status get_int(const json_t *o, const char *member, int64_t *ret, struct error *err)
{
    const json_t *v = json_object_get(o, member);
    if (!json_is_integer(v))
        return wrong(member, err);
    *ret = json_integer_value(v);
    return OK;
}

static enum status get_uint(const json_t *o, const char *member, uint64_t *ret, struct error *err)
{
    int64_t v = 0;
    TRY(get_int(o, member, &v, err));
    if (v < 0)
        return wrong(member, err);
    *ret = (uint64_t)v;
    return OK;
}

static enum status get_u32(const json_t *o, const char *member, uint32_t *ret, struct error *err)
{
    uint64_t v = 0;
    TRY(get_uint(o, member, &v, err));
    if (v > UINT32_MAX)
        return wrong(member, err);
    *ret = (uint32_t)v;
    return OK;
}

static enum status get_time(const json_t *o, const char *member, int64_t *ret, struct error *err)
{
    if (!json_is_null(json_object_get(o, member)))
        return get_int(o, member, ret, err);
    *ret = INT64_MIN;
    return OK;
}

static enum status get_bool(const json_t *o, const char *member, bool *ret, struct error *err)
{
    const json_t *v = json_object_get(o, member);
    if (!json_is_boolean(v))
        return wrong(member, err);
    *ret = json_is_true(v);
    return OK;
}

/* Into a field of `size` bytes, its NUL included. */
static enum status get_text(const json_t *o, const char *member, char *ret, size_t size, struct error *err)
{
    const json_t *v = json_object_get(o, member);
    if (!json_is_string(v) || json_string_length(v) >= size)
        return wrong(member, err);
    memcpy(ret, json_string_value(v), json_string_length(v) + 1);
    return OK;
}

static enum status get_hex(const json_t *o, const char *member, size_t digits, uint64_t *ret, struct error *err)
{
    char text[17];
    TRY(get_text(o, member, text, sizeof text, err));
    if (strspn(text, "0123456789abcdef") != digits || text[digits])
        return wrong(member, err);
    *ret = strtoull(text, NULL, 16);
    return OK;
}

/* A SHA-256 in hex, or "" where there is none. */
static enum status get_hash(const json_t *o, const char *member, char ret[static 65], struct error *err)
{
    ret[0] = 0;
    if (!json_object_get(o, member))
        return OK;
    TRY(get_text(o, member, ret, 65, err));
    return strspn(ret, "0123456789abcdef") == 64 ? OK : wrong(member, err);
}

static enum status read_source(const json_t *o, void *item, struct error *err)
{
    struct source_time *x = item;
    TRY(get_text(o, "source", x->source, sizeof x->source, err));
    TRY(get_time(o, "watermark", &x->watermark, err));
    TRY(get_time(o, "evict", &x->evict, err));
    x->delay = -1;
    x->since = INT64_MIN;
    if (json_object_get(o, "delay"))
        TRY(get_int(o, "delay", &x->delay, err));
    return json_object_get(o, "since") ? get_time(o, "since", &x->since, err) : OK;
}

static enum status read_step(const json_t *o, void *item, struct error *err)
{
    struct step_time *x = item;
    TRY(get_text(o, "step", x->step, sizeof x->step, err));
    TRY(get_text(o, "name", x->name, sizeof x->name, err));
    TRY(get_text(o, "source", x->source, sizeof x->source, err));
    TRY(get_time(o, "watermark", &x->watermark, err));
    TRY(get_time(o, "evict", &x->evict, err));
    TRY(get_time(o, "closes", &x->closes, err));
    TRY(get_time(o, "since", &x->since, err));
    TRY(get_int(o, "lag", &x->lag, err));
    return get_bool(o, "waits", &x->waits, err);
}

static enum status read_mark(const json_t *o, int64_t below, struct source_mark *ret, struct error *err)
{
    uint64_t crc = 0;
    TRY(get_int(o, "position", &ret->position, err));
    TRY(get_int(o, "time", &ret->time_us, err));
    TRY(get_hex(o, "crc", 8, &crc, err));
    ret->crc = (uint32_t)crc;
    ret->known = true;
    return ret->position >= 0 && ret->position < below ? OK : wrong("mark", err);
}

static enum status read_split(const json_t *o, void *item, struct error *err)
{
    struct split_position *x = item;
    TRY(get_text(o, "source", x->source, sizeof x->source, err));
    TRY(get_text(o, "split", x->split, sizeof x->split, err));
    TRY(get_u32(o, "number", &x->number, err));
    TRY(get_int(o, "position", &x->position, err));
    x->start = -1;
    if (json_object_get(o, "start"))
        TRY(get_int(o, "start", &x->start, err));
    if (json_object_get(o, "mark"))
        TRY(read_mark(json_object_get(o, "mark"), x->position, &x->mark, err));
    TRY(get_time(o, "max_event", &x->max_event, err));
    TRY(get_bool(o, "idle", &x->idle, err));
    return get_bool(o, "finished", &x->finished, err);
}

static enum status read_sink(const json_t *o, void *item, struct error *err)
{
    struct sink_state *x = item;
    TRY(get_text(o, "name", x->name, sizeof x->name, err));
    TRY(get_int(o, "confirmed", &x->confirmed, err));
    TRY(get_int(o, "applied", &x->applied, err));
    TRY(get_int(o, "target", &x->target, err));
    const char *renew = json_string_value(json_object_get(o, "renew"));
    x->renew = renew && !strcmp(renew, renewals[RENEW_FROM_STATE])    ? RENEW_FROM_STATE
               : renew && !strcmp(renew, renewals[RENEW_FROM_OUTBOX]) ? RENEW_FROM_OUTBOX
                                                                      : RENEW_NOT;
    return json_object_get(o, "renew") && !x->renew ? wrong("renew", err) : OK;
}

static enum status read_segment(const json_t *o, void *item, struct error *err)
{
    struct segment_ref *x = item;
    uint64_t crc = 0;
    TRY(get_text(o, "name", x->name, sizeof x->name, err));
    TRY(get_uint(o, "bytes", &x->bytes, err));
    TRY(get_hex(o, "crc", 8, &crc, err));
    x->crc = (uint32_t)crc;
    TRY(get_int(o, "from", &x->from, err));
    TRY(get_int(o, "to", &x->to, err));
    TRY(get_u32(o, "level", &x->level, err));
    TRY(get_bool(o, "state", &x->has_state, err));
    TRY(get_bool(o, "outbox", &x->has_outbox, err));
    if (!json_object_get(o, "keyed")) { /* an older record: what is not known is taken to be needed */
        x->has_keyed = x->has_state;
        x->sets_end_us = INT64_MAX;
        return OK;
    }
    TRY(get_bool(o, "keyed", &x->has_keyed, err));
    return get_time(o, "sets_end", &x->sets_end_us, err);
}

/* A list of objects; one that is missing is empty. The result has room for a power of two of them, as mem_grow_by_count
 * takes it to have. */
static enum status get_list(const json_t *o, const char *member, size_t size,
                            enum status (*read)(const json_t *o, void *item, struct error *err), void **ret,
                            uint32_t *ret_count, struct error *err)
{
    const json_t *list = json_object_get(o, member);
    size_t n = json_array_size(list), room = 1;
    if (list && !json_is_array(list))
        return wrong(member, err);
    while (room < n)
        room *= 2;
    char *items = n ? mem_zalloc(room * size) : NULL;
    for (size_t i = 0; i < n; i++)
        if (read(json_array_get(list, i), items + i * size, err) != OK) {
            free(items);
            return error_prefix(err, "%s %zu", member, i);
        }
    *ret = items;
    *ret_count = (uint32_t)n;
    return OK;
}

static enum status read_line(const json_t *o, struct ledger *into, struct error *err)
{
    static const char *const kinds[] = {[LEDGER_SOURCE] = "source", [LEDGER_STEP] = "step", [LEDGER_SINK] = "sink"};
    char kind[10], name[sizeof(struct ledger_line){0}.name];
    TRY(get_text(o, "kind", kind, sizeof kind, err));
    TRY(get_text(o, "name", name, sizeof name, err));
    size_t k = 0;
    while (k < ARRAY_LEN(kinds) && strcmp(kinds[k], kind) != 0)
        k++;
    if (k == ARRAY_LEN(kinds))
        return wrong("kind", err);
    struct ledger_line *x = ledger_line(into, (enum ledger_kind)k, name);
    const struct {
        const char *member;
        uint64_t *count;
    } counts[] = {
        {"in", &x->counts.in}, {"out", &x->counts.out}, {"filtered", &x->counts.filtered},
        {"rejected", &x->counts.rejected}, {"late", &x->counts.late}, {"duplicate", &x->counts.duplicate},
        {"error", &x->counts.error}, {"inserted", &x->inserted}, {"updated", &x->updated},
        {"deleted", &x->deleted}, {"unchanged", &x->unchanged}, {"expired", &x->expired},
    };
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        if (json_object_get(o, counts[i].member))
            TRY(get_uint(o, counts[i].member, counts[i].count, err));
    return OK;
}

static enum status read_rule(const json_t *o, struct ledger *into, struct error *err)
{
    struct ledger_rule x;
    TRY(get_text(o, "source", x.source, sizeof x.source, err));
    TRY(get_text(o, "rule", x.rule, sizeof x.rule, err));
    TRY(get_uint(o, "count", &x.count, err));
    ledger_count_rule(into, x.source, x.rule, x.count);
    return OK;
}

/* Into an empty ledger, which the caller releases in any case. */
static enum status read_ledger(const json_t *o, struct ledger *into, struct error *err)
{
    const json_t *lines = json_object_get(o, "lines"), *rules = json_object_get(o, "rules");
    TRY(get_int(o, "from", &into->from, err));
    TRY(get_int(o, "to", &into->to, err));
    if (!json_is_array(lines) || !json_is_array(rules))
        return wrong("lines, rules", err);
    for (size_t i = 0; i < json_array_size(lines); i++)
        TRY(read_line(json_array_get(lines, i), into, err));
    for (size_t i = 0; i < json_array_size(rules); i++)
        TRY(read_rule(json_array_get(rules, i), into, err));
    return OK;
}

enum status ledger_parse(struct slice json, struct ledger *ret, struct error *err)
{
    json_error_t bad;
    json_t *o = json_loadb(json.data, json.len, JSON_REJECT_DUPLICATES, &bad);
    if (!o)
        return error_set(err, ERR_CORRUPT, "a ledger is no JSON: %s", bad.text);
    struct ledger l = {0};
    enum status status = read_ledger(o, &l, err);
    json_decref(o);
    if (status == OK)
        *ret = l;
    else
        ledger_release(&l);
    return status;
}

#define GET_LIST(o, member, read, items, count, err)                                                                   \
    get_list(o, member, sizeof **(items), read, (void **)(items), count, err)

static enum status read_manifest(const json_t *o, struct manifest *m, struct error *err)
{
    TRY(get_text(o, "uuid", m->uuid, sizeof m->uuid, err));
    TRY(get_hex(o, "seed", 16, &m->hash_seed, err));
    TRY(get_int(o, "epoch", &m->epoch, err));
    TRY(get_int(o, "now", &m->now_us, err));
    TRY(get_bool(o, "ended", &m->ended, err));
    TRY(get_hash(o, "plan", m->plan, err));
    TRY(get_hash(o, "fingerprint", m->fingerprint, err));
    TRY(GET_LIST(o, "sources", read_source, &m->sources, &m->nsources, err));
    TRY(GET_LIST(o, "steps", read_step, &m->steps, &m->nsteps, err));
    TRY(GET_LIST(o, "splits", read_split, &m->splits, &m->nsplits, err));
    TRY(GET_LIST(o, "sinks", read_sink, &m->sinks, &m->nsinks, err));
    TRY(GET_LIST(o, "segments", read_segment, &m->segments, &m->nsegments, err));
    TRY(read_ledger(json_object_get(o, "total"), &m->total, err));
    const json_t *history = json_object_get(o, "history");
    if (!json_is_array(history) || json_array_size(history) > LEDGER_HISTORY)
        return wrong("history", err);
    m->history = mem_zalloc(LEDGER_HISTORY * sizeof *m->history);
    for (size_t i = 0; i < json_array_size(history); i++) {
        m->nhistory++;
        TRY(read_ledger(json_array_get(history, i), &m->history[i], err));
    }
    return OK;
}

/* *ret, an array of *ret_count strings, is the caller's in any case. */
static enum status get_names(const json_t *o, const char *member, char ***ret, uint32_t *ret_count, struct error *err)
{
    const json_t *list = json_object_get(o, member);
    size_t n = json_array_size(list);
    *ret = mem_zalloc(MAX(n, (size_t)1) * sizeof **ret);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_string(v))
            return wrong(member, err);
        (*ret)[i] = mem_strdup(json_string_value(v));
        ++*ret_count;
    }
    return OK;
}

static void free_names(char **names, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

static enum status read_record(const json_t *o, struct record_read *r, struct error *err)
{
    struct journal_record *x = &r->record;
    TRY(get_uint(o, "slot", &r->slot, err));
    TRY(get_uint(o, "term", &r->term, err));
    TRY(get_text(o, "kind", r->kind, sizeof r->kind, err));
    TRY(get_int(o, "epoch", &x->epoch, err));
    TRY(get_int(o, "now", &x->now_us, err));
    TRY(get_bool(o, "ended", &x->ended, err));
    TRY(GET_LIST(o, "sources", read_source, &r->sources, &x->nsources, err));
    TRY(GET_LIST(o, "steps", read_step, &r->steps, &x->nsteps, err));
    TRY(GET_LIST(o, "splits", read_split, &r->splits, &x->nsplits, err));
    TRY(GET_LIST(o, "sinks", read_sink, &r->sinks, &x->nsinks, err));
    TRY(GET_LIST(o, "added", read_segment, &r->added, &x->nadded, err));
    TRY(get_names(o, "dropped", &r->dropped, &x->ndropped_state, err));
    TRY(get_names(o, "gone_sources", &r->gone_sources, &x->ngone_sources, err));
    TRY(get_names(o, "gone_sinks", &r->gone_sinks, &x->ngone_sinks, err));
    TRY(get_hash(o, "plan", r->plan, err));
    TRY(get_hash(o, "fingerprint", r->fingerprint, err));
    const json_t *ledger = json_object_get(o, "ledger"), *full = json_object_get(o, "full");
    if (ledger)
        TRY(read_ledger(ledger, &r->ledger, err));
    if (full)
        TRY(read_manifest(full, &r->full, err));
    r->is_full = full;
    x->kind = r->kind;
    x->sources = r->sources;
    x->steps = r->steps;
    x->splits = r->splits;
    x->sinks = r->sinks;
    x->added = r->added;
    x->dropped_state = (const char *const *)r->dropped;
    x->gone_sources = (const char *const *)r->gone_sources;
    x->gone_sinks = (const char *const *)r->gone_sinks;
    x->plan = r->plan[0] ? r->plan : NULL;
    x->fingerprint = r->fingerprint[0] ? r->fingerprint : NULL;
    x->ledger = ledger ? &r->ledger : NULL;
    return OK;
}

enum status record_read_new(struct slice json, struct record_read **ret, struct error *err)
{
    json_error_t why;
    json_t *o = json_loadb(json.data, json.len, JSON_REJECT_DUPLICATES, &why);
    if (!o)
        return error_set(err, ERR_CORRUPT, "its JSON is broken: %s", why.text);
    struct record_read *r = mem_zalloc(sizeof *r);
    enum status status = read_record(o, r, err);
    json_decref(o);
    if (status == OK)
        *ret = r;
    else
        record_read_free(r);
    return status;
}

void record_read_free(struct record_read *r)
{
    if (!r)
        return;
    free_names(r->dropped, r->record.ndropped_state);
    free_names(r->gone_sources, r->record.ngone_sources);
    free_names(r->gone_sinks, r->record.ngone_sinks);
    free(r->sources);
    free(r->steps);
    free(r->splits);
    free(r->sinks);
    free(r->added);
    ledger_release(&r->ledger);
    manifest_release(&r->full);
    free(r);
}
