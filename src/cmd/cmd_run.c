/* bourn run: runs a pipeline, with a live status line on a terminal, one plain line a second elsewhere, and in the end
 * one of the whole run. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/os.h"
#include "cmd/cmd.h"
#include "cmd/show.h"
#include "column/civil.h"
#include "engine/engine.h"

enum { LINE_EVERY_TERMINAL = 200 * 1000, LINE_EVERY_PIPE = 1000 * 1000, LINE_MAX_RULES = 4 };

static struct engine *running;
static volatile sig_atomic_t asked_to_stop;

/* The first signal asks, also while the engine is still being opened; the second does not wait. Both are safe: what
 * counts is in the log. */
static void on_signal(int number)
{
    if (asked_to_stop)
        _exit(128 + number);
    asked_to_stop = 1;
    if (running)
        engine_stop(running);
}

static void catch_signals(void)
{
    struct sigaction act = {.sa_handler = on_signal};
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
}

/* ---- the status line ---- */

struct status_line {
    bool terminal, quiet, drawn;
    int64_t last_us;
    uint64_t last_rows;
    double rate;
};

static void put_rules(struct buf *out, const struct ledger *total)
{
    uint32_t shown = 0;
    for (uint32_t i = 0; i < total->nrules && shown < LINE_MAX_RULES; i++, shown++) {
        char n[16];
        buf_printf(out, "%s%s %s", shown ? ", " : " (", total->rules[i].rule, cmd_count(total->rules[i].count, n));
    }
    if (shown)
        buf_puts(out, total->nrules > shown ? ", ...)" : ")");
}

static void put_line(struct status_line *s, const struct engine_progress *p, struct buf *out)
{
    char a[16], b[16], c[16], time[40];
    buf_printf(out, "%s events/s, %s in, epoch %lld, ", cmd_count((uint64_t)s->rate, a), cmd_count(p->in, b),
               (long long)p->epoch);
    if (p->manifest->ended)
        buf_puts(out, "the input has ended, ");
    if (p->watermark > INT64_MIN && p->watermark < INT64_MAX) {
        civil_print_iso(p->watermark, 0, time);
        buf_printf(out, "watermark %s, ", time);
    }
    buf_printf(out, "rejected %s", cmd_count(p->rejected, a));
    put_rules(out, &p->manifest->total);
    if (p->failed)
        buf_printf(out, ", failed in a step %s", cmd_count(p->failed, a));
    buf_printf(out, ", late %s, duplicate %s, state %s", cmd_count(p->late, a), cmd_count(p->duplicate, b),
               cmd_bytes(p->state_bytes, c));
}

static void draw(struct status_line *s, const struct engine_progress *p)
{
    AUTO(buf) line = BUF(KIB(8));
    if (p->trouble && s->terminal) /* ahead: the line is cut where the terminal ends */
        buf_printf(&line, "trying again: %s | ", p->trouble);
    put_line(s, p, &line);
    if (p->trouble && !s->terminal)
        buf_printf(&line, " | trying again: %s", p->trouble);
    if (s->terminal) {
        fprintf(stderr, "\r\033[K%.*s", (int)MIN(line.len, (size_t)cmd_terminal_width() - 1), line.data);
        s->drawn = true;
    } else {
        fprintf(stderr, "%.*s\n", (int)line.len, line.data);
    }
    fflush(stderr);
}

static void on_progress(void *arg, const struct engine_progress *p)
{
    struct status_line *s = arg;
    if (s->last_us == 0)
        s->last_us = p->started_us;
    if (p->last) { /* of the whole run */
        s->last_us = p->started_us;
        s->last_rows = 0;
    }
    int64_t since = p->mono_us - s->last_us;
    if (s->quiet || (!p->last && since < (s->terminal ? LINE_EVERY_TERMINAL : LINE_EVERY_PIPE)))
        return;
    s->rate = (double)(p->rows - s->last_rows) * 1e6 / (double)MAX(since, (int64_t)1);
    s->last_us = p->mono_us;
    s->last_rows = p->rows;
    draw(s, p);
}

/* A log line must not be glued to the status line. */
static bool on_log(void *arg, const char *line)
{
    struct status_line *s = arg;
    (void)line;
    if (s->drawn)
        fputs("\r\033[K", stderr);
    s->drawn = false;
    return false;
}

static void end_line(struct status_line *s)
{
    if (s->drawn)
        fputc('\n', stderr);
    s->drawn = false;
}

/* ---- the verb ---- */

static bool parse_seconds(const char *text, int64_t *ret_us)
{
    if (!strcmp(text, "forever")) {
        *ret_us = 0;
        return true;
    }
    char *end;
    errno = 0;
    double seconds = strtod(text, &end);
    if (*end == 's' && !end[1])
        end++;
    if (errno || end == text || *end || !(seconds > 0) || seconds > 1e9)
        return false;
    *ret_us = (int64_t)(seconds * 1e6);
    return true;
}

static int run(const struct engine_config *config, struct status_line *line, bool show)
{
    struct error err;
    catch_signals();
    if (engine_open(config, &running, &err) != OK)
        return cmd_fail(&err);
    if (asked_to_stop)
        engine_stop(running);
    enum status s = engine_run(running, &err);
    end_line(line);
    if (s == FAILED && err.code == ERR_NO_SPACE && !err.hint[0])
        (void)error_hint(&err, "make room there, and run it again: nothing is lost, and nothing is done twice");
    int code = s == OK ? 0 : cmd_fail(&err);
    if (s == OK && show)
        code = show_run(running);
    engine_free(running);
    return code;
}

int cmd_run(int argc, char **argv)
{
    const char *seconds = NULL, *patience = NULL, *state = "./state", *workers = NULL, *spill = NULL;
    bool caught_up = false, adopt = false, resync = false, show = false, quiet = false, c_functions = false;
    const struct cmd_flag flags[] = {
        {"until-caught-up", NULL, &caught_up}, {"for", &seconds, NULL},     {"state", &state, NULL},
        {"give-up-after", &patience, NULL},
        {"workers", &workers, NULL},           {"adopt", NULL, &adopt},     {"resync", NULL, &resync},
        {"show", NULL, &show},                 {"quiet", NULL, &quiet},     {"allow-c-functions", NULL, &c_functions},
        {"spill", &spill, NULL},
    };
    int n = cmd_flags(argc, argv, flags, ARRAY_LEN(flags));
    if (n < 0)
        return 2;
    if (n == 0)
        return cmd_usage("run", "which pipeline?");
    struct engine_config config = {
        .ntexts = (size_t)n, .state = state, .until_caught_up = caught_up, .adopt = adopt, .resync = resync,
        .give_up_us = -1, .allow_c_functions = c_functions, .interrupted = &asked_to_stop, .spill = spill};
    if (seconds && !parse_seconds(seconds, &config.for_us))
        return cmd_usage("run", "--for wants seconds or `forever`, not \"%s\"", seconds);
    if (patience && !parse_seconds(patience, &config.give_up_us))
        return cmd_usage("run", "--give-up-after wants seconds or `forever`, not \"%s\"", patience);
    int64_t nworkers = 0;
    if (workers && (!option_parse_int(workers, &nworkers) || nworkers < 1 || nworkers > 64))
        return cmd_usage("run", "--workers wants 1 to 64, not \"%s\"", workers);
    config.workers = (uint32_t)nworkers;

    AUTO(arena) a = {0};
    struct error err;
    struct plan_text *texts;
    if (cmd_read_texts(argv, n, &a, &texts, &err) != OK)
        return cmd_fail(&err);
    struct status_line line = {.terminal = cmd_is_terminal(2), .quiet = quiet};
    config.texts = texts;
    config.progress = on_progress;
    config.progress_arg = &line;
    log_set_hook(on_log, &line);
    int code = run(&config, &line, show);
    log_set_hook(NULL, NULL);
    return code;
}
