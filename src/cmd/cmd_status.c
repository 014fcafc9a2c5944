/* bourn status, bourn why: what a state has done, what a running process is doing, and what holds its results back. */
#include <jansson.h>
#include <stdio.h>

#include "base/os.h"
#include "cmd/cmd.h"
#include "column/civil.h"
#include "engine/control.h"
#include "engine/status.h"
#include "link/local.h"

/* ---- asking ---- */

static enum status no_state(const char *state, struct error *err)
{
    (void)error_set(err, ERR_STATE, "there is no state at %s", state);
    return error_hint(err, "name the state folder of the run: --state or BOURN_STATE");
}

static enum status read_log(const char *state, struct buf *out, struct error *err)
{
    struct store *store = store_local_new(state);
    bool exists = false;
    enum status s = journal_exists(store, &exists, err);
    if (s == OK && !exists)
        s = no_state(state, err);
    struct manifest m = {0};
    struct error ignored;
    long pid = 0;
    if (s == OK)
        s = journal_read(store, &m, err);
    if (s == OK && engine_owner(state, &pid, &ignored) != OK) /* not ours to open: nothing is known of it */
        pid = 0;
    if (s == OK)
        status_json(NULL, &m, pid, out);
    manifest_release(&m);
    store_free(store);
    return s;
}

/* A running process answers itself; without one, and while one starts or ends, the log does. */
static enum status ask(const char *state, struct buf *out, struct error *err)
{
    struct os_stat st;
    TRY(os_stat(state, &st, err));
    if (st.kind != OS_FOLDER)
        return no_state(state, err);
    enum status s = control_ask(state, out, err);
    if (s != FAILED || err->code != ERR_NOT_FOUND)
        return s;
    buf_clear(out);
    return read_log(state, out, err);
}

static const char *text_of(const json_t *o, const char *name, const char *otherwise)
{
    const char *s = json_string_value(json_object_get(o, name));
    return s ? s : otherwise;
}

static long long number_of(const json_t *o, const char *name)
{
    return (long long)json_integer_value(json_object_get(o, name));
}

/* Takes off the digits of an ISO time's second that say nothing. */
static const char *shorten(char *time)
{
    size_t n = strlen(time);
    if (n < 2 || time[n - 1] != 'Z' || !strchr(time, '.'))
        return time;
    while (time[n - 2] == '0')
        n--;
    n -= time[n - 2] == '.';
    memcpy(time + n - 1, "Z", 2);
    return time;
}

static const char *when(const json_t *o, const char *name, const char *otherwise, char ret[static 40])
{
    snprintf(ret, 40, "%s", text_of(o, name, otherwise));
    return shorten(ret);
}

/* ---- status ---- */

static void print_sources(const json_t *sources)
{
    size_t i, k;
    json_t *source, *split;
    json_array_foreach(sources, i, source) {
        char time[40];
        printf("source %s: watermark %s\n", text_of(source, "name", "?"), when(source, "watermark", "none yet", time));
        if (text_of(source, "trouble", NULL))
            printf("  trying again: %s\n", text_of(source, "trouble", ""));
        json_array_foreach(json_object_get(source, "splits"), k, split) {
            long long position = number_of(split, "position");
            printf("  %-32s ", text_of(split, "name", "?"));
            if (position < 0)
                printf("nothing read");
            else
                printf("position %lld", position);
            if (json_object_get(split, "lag"))
                printf(", lag %lld", number_of(split, "lag"));
            printf(", newest event %s%s%s%s\n", when(split, "max_event", "none yet", time),
                   json_is_true(json_object_get(split, "idle")) ? ", idle" : "",
                   json_is_true(json_object_get(split, "finished")) ? ", finished" : "",
                   json_is_true(json_object_get(split, "paused")) ? ", paused" : "");
        }
    }
}

static void print_rates(const json_t *q)
{
    char input[16], work[16];
    if (number_of(q, "batch_duration_us") == 0)
        printf("; no epoch yet in this run");
    else
        printf("; in %s rows/s, able to %s rows/s, last epoch %.1f ms",
               cmd_count((uint64_t)number_of(q, "input_rows_per_second"), input),
               cmd_count((uint64_t)number_of(q, "processed_rows_per_second"), work),
               (double)number_of(q, "batch_duration_us") / 1e3);
}

/* One line an INSERT; rates only of a process that runs. */
static void print_queries(const json_t *queries)
{
    size_t i;
    json_t *q;
    json_array_foreach(queries, i, q) {
        char rows[16], lag[16];
        printf("query %s: %s, %s rows to the sink", text_of(q, "name", "?"), text_of(q, "state", "?"),
               cmd_count((uint64_t)number_of(q, "rows"), rows));
        if (text_of(q, "trigger", NULL)) {
            printf(", published %s", text_of(q, "trigger", "?"));
            print_rates(q);
            printf(", %s (lag %s)", json_is_true(json_object_get(q, "data_available")) ? "data waits" : "no data waits",
                   cmd_count((uint64_t)number_of(q, "lag"), lag));
        }
        printf("\n  id %s\n", text_of(q, "id", "?"));
    }
}

/* Rules of one name are told apart by their sources, where there are several. */
static void print_rules(const json_t *rules, bool several)
{
    size_t i;
    json_t *item;
    json_array_foreach(rules, i, item) {
        char text[160];
        snprintf(text, sizeof text, "%s%s%s", several ? text_of(item, "source", "?") : "", several ? " " : "",
                 text_of(item, "rule", "?"));
        printf("  rejected by %-20s %9lld\n", text, number_of(item, "count"));
    }
}

static void print_ledger(const json_t *ledger)
{
    size_t i, sources = 0;
    json_t *item;
    json_array_foreach(json_object_get(ledger, "lines"), i, item)
        sources += !strcmp(text_of(item, "kind", ""), "source");
    print_rules(json_object_get(ledger, "rules"), sources > 1);
    json_array_foreach(json_object_get(ledger, "lines"), i, item) {
        static const char *const fates[] = {"late", "duplicate", "error"};
        for (size_t k = 0; k < ARRAY_LEN(fates); k++)
            if (number_of(item, fates[k]) > 0)
                printf("  %-9s at %-19s %9lld\n", fates[k], text_of(item, "name", "?"), number_of(item, fates[k]));
    }
}

static void print_step(const json_t *step)
{
    char time[40], bytes[16];
    long long keys = number_of(step, "keys");
    printf("step %s (%s)", text_of(step, "name", "?"), text_of(step, "id", "?"));
    if (json_object_get(step, "keys"))
        printf(": %lld key%s, %s", keys, keys == 1 ? "" : "s", cmd_bytes((uint64_t)number_of(step, "bytes"), bytes));
    if (json_object_get(step, "evict"))
        printf("; watermark %s", when(step, "evict", "none yet", time));
    if (text_of(step, "closes_next", NULL))
        printf(", closes next at %s", when(step, "closes_next", "?", time));
    printf("\n");
}

static void print_status(const json_t *root)
{
    size_t i;
    json_t *item;
    char time[40], disk[16], memory[16], limit[16];
    if (json_is_true(json_object_get(root, "running")))
        printf("running, pid %lld\n", number_of(root, "pid"));
    else if (json_object_get(root, "pid"))
        printf("pid %lld is starting or ending; what follows is from its log\n", number_of(root, "pid"));
    else
        printf("not running%s\n", json_is_true(json_object_get(root, "ended")) ? "; its input has ended" : "");
    if (number_of(root, "epoch") == 0)
        printf("state %s, no epoch yet\n", text_of(root, "uuid", "?"));
    else
        printf("state %s, epoch %lld at %s\n", text_of(root, "uuid", "?"), number_of(root, "epoch"),
               when(root, "now", "?", time));
    print_queries(json_object_get(root, "queries"));
    print_sources(json_object_get(root, "sources"));
    json_array_foreach(json_object_get(root, "steps"), i, item)
        print_step(item);
    if ((item = json_object_get(root, "spill")))
        printf("state takes %s of disk in %s; %s of it are in memory, of %s allowed\n",
               cmd_bytes((uint64_t)number_of(item, "disk"), disk), text_of(item, "folder", "?"),
               cmd_bytes((uint64_t)number_of(item, "memory"), memory),
               cmd_bytes((uint64_t)number_of(item, "limit"), limit));
    json_array_foreach(json_object_get(root, "sinks"), i, item) {
        printf("sink %s: published up to epoch %lld of %lld%s\n", text_of(item, "name", "?"),
               number_of(item, "confirmed"), number_of(root, "epoch"),
               json_is_true(json_object_get(item, "applying")) ? ", publishing now" : "");
        if (text_of(item, "trouble", NULL))
            printf("  trying again: %s\n", text_of(item, "trouble", ""));
    }
    print_ledger(json_object_get(root, "ledger"));
}

/* ---- why ---- */

static int explain_sources(const json_t *root)
{
    size_t i, k;
    int reasons = 0;
    char time[40];
    json_t *source, *split;
    json_array_foreach(json_object_get(root, "sources"), i, source) {
        const char *name = text_of(source, "name", "?");
        if (text_of(source, "trouble", NULL)) {
            printf("source %s cannot be read: %s. It is tried again by itself.\n", name,
                   text_of(source, "trouble", ""));
            reasons++;
        }
        json_array_foreach(json_object_get(source, "splits"), k, split) {
            if (json_is_true(json_object_get(split, "paused"))) {
                printf("source %s: %s is paused: its newest event, %s, is more than max_drift ahead of another split "
                       "that has rows to read. It goes on when that one has come closer.\n",
                       name, text_of(split, "name", "?"), when(split, "max_event", "?", time));
                reasons++;
            }
            bool idle = json_is_true(json_object_get(split, "idle"));
            bool done = json_is_true(json_object_get(split, "finished"));
            if (idle || done || text_of(split, "max_event", NULL))
                continue;
            printf("source %s: %s has shown no event time yet and holds the watermark back. It stops doing so when an "
                   "event arrives%s.\n", name, text_of(split, "name", "?"),
                   json_array_size(json_object_get(source, "splits")) > 1
                       ? " or it has been idle for the source's idle_timeout" : "");
            reasons++;
        }
    }
    return reasons;
}

static const json_t *named(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(text_of(json_array_get(list, i), "name", ""), name) == 0)
            return json_array_get(list, i);
    return NULL;
}

/* The split whose newest event is the oldest: the watermark is where it is. Times of one form sort as text. */
static const json_t *slowest_split(const json_t *source)
{
    const json_t *slowest = NULL;
    const json_t *splits = json_object_get(source, "splits");
    for (size_t i = 0; i < json_array_size(splits); i++) {
        const json_t *split = json_array_get(splits, i);
        const char *newest = text_of(split, "max_event", "");
        if (json_is_true(json_object_get(split, "idle")) || json_is_true(json_object_get(split, "finished")))
            continue;
        if (!slowest || strcmp(newest, text_of(slowest, "max_event", "")) < 0)
            slowest = split;
    }
    return slowest;
}

/* An ISO time so many microseconds later; what is no such time stays as it is. */
static const char *later(const char *time, long long us, char ret[static 40])
{
    int64_t at;
    bool zone;
    if (!civil_parse_timestamp(slice_of(time), &at, &zone) || __builtin_add_overflow(at, us, &at))
        return time;
    civil_print_iso(at, 6, ret);
    return shorten(ret);
}

/* What an open thing is called, by the kind of its step, which its id begins with. */
static const char *what_is_open(const char *id)
{
    static const struct { const char *kind, *what; } kinds[] = {
        {"session-", "earliest open session closes"},
        {"join-", "earliest row that it keeps, and that could still meet another, goes"},
        {"topn-", "earliest open partition closes"},
        {"over-", "earliest open partition closes"},
    };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strncmp(id, kinds[i].kind, strlen(kinds[i].kind)) == 0)
            return kinds[i].what;
    return "earliest open window closes";
}

static void explain_holder(const json_t *source, const json_t *step, const char *closes)
{
    char needed[40], newest[40];
    const json_t *split = slowest_split(source);
    const char *name = text_of(source, "name", "?");
    long long behind = number_of(source, "delay_us") + number_of(step, "lag_us");
    if (json_is_true(json_object_get(source, "by_clock"))) {
        printf("  The clock closes it, when it is past %s.\n", closes);
        return;
    }
    if (!split) {
        printf("  All partitions of %s are idle or at their end: an event of %s or later in any of them closes it.\n",
               name, later(closes, behind, needed));
        return;
    }
    printf("  The watermark is held by %s, ", text_of(split, "name", "?"));
    if (text_of(split, "max_event", NULL))
        printf("whose newest event is of %s", when(split, "max_event", "?", newest));
    else
        printf("which has shown no event yet");
    if (json_object_get(split, "unchanged_us"))
        printf(", for %.1f s", (double)number_of(split, "unchanged_us") / 1e6);
    printf(".\n  An event of %s or later there closes it", later(closes, behind, needed));
    if (json_array_size(json_object_get(source, "splits")) > 1)
        printf(", or such events in all other partitions once this one has been idle for the source's idle_timeout");
    printf(".\n");
}

/* Steps that go by event time: what of them is open, at which watermark, since when, and what would close it. */
static int explain_windows(const json_t *root)
{
    size_t i;
    int reasons = 0;
    json_t *step;
    json_array_foreach(json_object_get(root, "steps"), i, step) {
        char closes[40], watermark[40], since[40];
        const char *id = text_of(step, "id", "?"), *name = text_of(step, "source", "?");
        const json_t *source = named(json_object_get(root, "sources"), name);
        if (!text_of(step, "closes_next", NULL))
            continue;
        when(step, "closes_next", "?", closes);
        printf("step %s (%s): its %s at %s%s.\n", text_of(step, "name", "?"), id, what_is_open(id), closes,
               json_is_true(json_object_get(step, "waits")) ? ", and what it gives waits for that"
                                                            : "; what it has given so far is out");
        reasons++;
        if (!source) { /* of one that has given nothing the log says nothing */
            printf("  It has no watermark yet: from source %s nothing has come.\n", name);
            continue;
        }
        if (text_of(step, "evict", NULL))
            printf("  Its watermark, by source %s, is %s since %s.\n", name, when(step, "evict", "?", watermark),
                   when(step, "since", "?", since));
        else
            printf("  It has no watermark yet: source %s has shown no event time that counts.\n", name);
        explain_holder(source, step, closes);
    }
    return reasons;
}

/* Steps that hold nothing back, but remember; when the input has ended there is nothing to remember it for. */
static void explain_memory(const json_t *root)
{
    size_t i;
    json_t *step;
    if (json_is_true(json_object_get(root, "ended")))
        return;
    json_array_foreach(json_object_get(root, "steps"), i, step) {
        char watermark[40], since[40];
        const char *id = text_of(step, "id", "?");
        if (strncmp(id, "dedup-", 6) != 0 || !text_of(step, "evict", NULL))
            continue;
        printf("step %s (%s) holds nothing back: the first row of a key comes out at once. A key is forgotten, and a "
               "row late, by its watermark, which is %s by source %s since %s.\n",
               text_of(step, "name", "?"), id, when(step, "evict", "?", watermark), text_of(step, "source", "?"),
               when(step, "since", "?", since));
    }
}

static int explain_sinks(const json_t *root)
{
    size_t i;
    int reasons = 0;
    json_t *sink;
    long long epoch = number_of(root, "epoch");
    bool running = json_is_true(json_object_get(root, "running"));
    json_array_foreach(json_object_get(root, "sinks"), i, sink) {
        const char *name = text_of(sink, "name", "?"), *trouble = text_of(sink, "trouble", NULL);
        long long confirmed = number_of(sink, "confirmed"), target = number_of(sink, "target");
        if (trouble)
            printf("sink %s fails and tries again: %s. Nothing is lost: epochs %lld to %lld wait in the state.\n", name,
                   trouble, confirmed + 1, epoch);
        else if (confirmed >= epoch)
            continue;
        else if (!running)
            printf("sink %s: epochs %lld to %lld wait in the state; the next `bourn run` publishes them.\n", name,
                   confirmed + 1, epoch);
        else if (confirmed < target)
            printf("sink %s is publishing epochs %lld to %lld just now.\n", name, confirmed + 1, target);
        else
            printf("sink %s holds epochs %lld to %lld until its commit_interval is over.\n", name, confirmed + 1,
                   epoch);
        reasons++;
    }
    return reasons;
}

static void print_why(const json_t *root)
{
    int reasons = 0;
    if (json_object_get(root, "pid") && !json_is_true(json_object_get(root, "running"))) {
        printf("The process, pid %lld, is starting (reading its state) or ending; what follows is from its log.\n",
               number_of(root, "pid"));
        reasons++;
    } else if (!json_is_true(json_object_get(root, "running"))) {
        printf("No process is running on this state.%s\n",
               json_is_true(json_object_get(root, "ended")) ? " Its input has ended, and every window is closed." : "");
        reasons++;
    }
    reasons += explain_sources(root) + explain_windows(root) + explain_sinks(root);
    if (reasons == 0)
        printf("Nothing is held back: every finished epoch is published.\n");
    explain_memory(root);
}

/* ---- the verbs ---- */

static int show(int argc, char **argv, void (*print)(const json_t *root))
{
    const char *verb = argv[0], *state = "./state";
    bool json = false;
    const struct cmd_flag flags[] = {{"state", &state, NULL}, {"json", NULL, &json}};
    int n = cmd_flags(argc, argv, flags, ARRAY_LEN(flags));
    if (n < 0)
        return 2;
    if (n > 0)
        return cmd_usage(verb, "unexpected argument \"%s\"", argv[0]);
    AUTO(buf) text = BUF(MIB(64));
    struct error err;
    if (ask(state, &text, &err) != OK)
        return cmd_fail(&err);
    if (json) {
        fwrite(text.data, 1, text.len, stdout);
        return 0;
    }
    json_error_t bad;
    json_t *root = json_loadb(text.data, text.len, 0, &bad);
    assert(root); /* it is our own */
    print(root);
    json_decref(root);
    return 0;
}

int cmd_status(int argc, char **argv) { return show(argc, argv, print_status); }
int cmd_why(int argc, char **argv) { return show(argc, argv, print_why); }
