#include "cmd/cmd.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/os.h"

enum { MAX_PIPELINE = 16 << 20 };

bool cmd_is_terminal(int fd) { return isatty(fd) == 1; }

bool cmd_wants_colour(int fd)
{
    const char *term = os_env("TERM");
    return cmd_is_terminal(fd) && !os_env("NO_COLOR") && !(term && !strcmp(term, "dumb"));
}

unsigned cmd_terminal_width(void)
{
    struct winsize size;
    for (int fd = 2; fd > 0; fd--)
        if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col)
            return MAX(size.ws_col, 20);
    return 80;
}

int cmd_fail(const struct error *err)
{
    char text[1200];
    error_print(err, text, sizeof text);
    if (cmd_wants_colour(2)) {
        const char *at = strstr(text, "error: ");
        int prefix = at ? (int)(at - text) : 0;
        fprintf(stderr, "%.*s\033[1;31merror:\033[0m%s\n", prefix, text, at ? at + 6 : text);
    } else {
        fprintf(stderr, "%s%s\n", err->place.line ? "" : "bourn: ", text);
    }
    return error_exit_code(err->code);
}

int cmd_usage(const char *verb, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "bourn %s: ", verb);
    vfprintf(stderr, format, args);
    va_end(args);
    const char *help = cmd_help(verb);
    const char *end = help ? strstr(help, "\n\n") : NULL;
    fprintf(stderr, "\nusage: %.*s\nRun `bourn help %s` for more.\n", end ? (int)(end - help) : 0, help ? help : "",
            verb);
    return 2;
}

/* ---- flags ---- */

static const struct cmd_flag *find_flag(const struct cmd_flag *flags, size_t nflags, struct slice name)
{
    for (size_t i = 0; i < nflags; i++)
        if (slice_is(name, flags[i].name))
            return &flags[i];
    return NULL;
}

/* 0, or -1 after having said what is wrong. */
static int take_environment(const char *verb, const struct cmd_flag *flags, size_t nflags)
{
    for (size_t i = 0; i < nflags; i++) {
        assert(strstr(cmd_help(verb), flags[i].name)); /* what no help names nobody finds */
        char name[64] = "BOURN_";
        for (size_t k = 0; flags[i].name[k] && k < 50; k++)
            name[6 + k] = flags[i].name[k] == '-' ? '_' : (char)toupper((unsigned char)flags[i].name[k]);
        const char *value = os_env(name);
        if (!value || !*value)
            continue;
        if (flags[i].value)
            *flags[i].value = value;
        else if (!option_parse_bool(value, flags[i].on))
            return cmd_usage(verb, "%s wants 1 or 0, not \"%s\"", name, value), -1;
    }
    return 0;
}

static int say_unknown_flag(const char *verb, const char *flag, const struct cmd_flag *flags, size_t nflags)
{
    const char *names[32] = {"help"};
    size_t n = 1;
    for (size_t i = 0; i < nflags && n < ARRAY_LEN(names); i++)
        names[n++] = flags[i].name;
    const char *near = nearest_name(flag + 2, names, n);
    cmd_usage(verb, near ? "there is no flag %s; did you mean --%s?" : "there is no flag %s", flag, near);
    return -1;
}

int cmd_flags(int argc, char **argv, const struct cmd_flag *flags, size_t nflags)
{
    const char *verb = argv[0];
    int plain = 0;
    bool ended = false;
    if (take_environment(verb, flags, nflags) < 0)
        return -1;
    for (int i = 1; i < argc; i++) {
        char *a = argv[i];
        if (ended || a[0] != '-' || !strcmp(a, "-")) {
            argv[plain++] = a;
            continue;
        }
        if (!strcmp(a, "--")) {
            ended = true;
            continue;
        }
        const char *bare = a + (a[1] == '-' ? 2 : 1), *equals = strchr(bare, '=');
        struct slice name = {bare, equals ? (size_t)(equals - bare) : strlen(bare)};
        const struct cmd_flag *f = find_flag(flags, nflags, name);
        if (!f)
            return say_unknown_flag(verb, a, flags, nflags);
        const char *dashes = f->name[1] ? "--" : "-";
        if (f->on && equals)
            return cmd_usage(verb, "%s%s takes no value", dashes, f->name), -1;
        if (f->on) {
            *f->on = true;
            continue;
        }
        if (!equals && i + 1 == argc)
            return cmd_usage(verb, "%s%s needs a value", dashes, f->name), -1;
        *f->value = equals ? equals + 1 : argv[++i];
        if (!**f->value)
            return cmd_usage(verb, "%s%s has an empty value: is a variable not set?", dashes, f->name), -1;
    }
    return plain;
}

/* ---- files ---- */

/* Editors may write a mark of what they write ahead of it. */
static struct slice without_mark(const struct buf *b)
{
    size_t skip = b->len >= 3 && memcmp(b->data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    return (struct slice){b->data + skip, b->len - skip};
}

static enum status refuse_other(const char *name, const struct buf *b, struct error *err)
{
    const unsigned char *p = (const unsigned char *)b->data;
    bool gzip = b->len > 2 && p[0] == 0x1f && p[1] == 0x8b;
    bool zstd = b->len > 4 && load_u32(p) == 0xfd2fb528u;
    bool utf16 = b->len >= 2 && ((p[0] == 0xff && p[1] == 0xfe) || (p[0] == 0xfe && p[1] == 0xff));
    if (utf16) {
        (void)error_set(err, ERR_USAGE, "%s is UTF-16: a pipeline is UTF-8 text", name);
        return error_hint(err, "save it as UTF-8, or: iconv -f UTF-16 -t UTF-8");
    }
    if (!gzip && !zstd)
        return OK;
    (void)error_set(err, ERR_USAGE, "%s is compressed (%s): a pipeline is plain SQL text", name,
                    gzip ? "gzip" : "zstd");
    return error_hint(err, "unpack it first: %s", gzip ? "gunzip" : "zstd -d");
}

static enum status slurp_stdin(struct buf *into, struct error *err)
{
    for (;;) {
        size_t got;
        char *at = buf_reserve(into, KIB(64));
        if (!at)
            return error_set(err, ERR_USAGE, "standard input is more than %d bytes: is that a pipeline?", MAX_PIPELINE);
        TRY(os_file_read(0, at, KIB(64), &got, err));
        if (got == 0)
            return OK;
        into->len += got;
    }
}

static enum status read_text(const char *name, struct arena *a, struct plan_text *ret, struct error *err)
{
    AUTO(buf) b = BUF(MAX_PIPELINE);
    struct os_stat st = {.kind = OS_FILE};
    if (strcmp(name, "-")) {
        TRY(os_stat(name, &st, err));
        if (st.kind == OS_MISSING)
            return error_set(err, ERR_USAGE, "there is no file %s", name);
        if (st.kind == OS_FOLDER)
            return error_set(err, ERR_USAGE, "%s is a folder; a pipeline is a file of SQL", name);
        TRY(os_file_slurp(name, &b, err));
    } else {
        TRY(slurp_stdin(&b, err));
    }
    TRY(refuse_other(name, &b, err));
    struct slice text = without_mark(&b);
    if (text.len == 0)
        return error_set(err, ERR_USAGE, "%s is empty", strcmp(name, "-") ? name : "standard input");
    *ret = (struct plan_text){strcmp(name, "-") ? arena_strdup(a, name) : "stdin",
                              {arena_dup(a, text.data, text.len), text.len}};
    return OK;
}

enum status cmd_read_texts(char *const *names, int n, struct arena *a, struct plan_text **ret, struct error *err)
{
    struct plan_text *texts = arena_array(a, (size_t)n, sizeof *texts);
    for (int i = 0; i < n; i++)
        TRY(read_text(names[i], a, &texts[i], err));
    cmd_check_environment(texts, (size_t)n);
    *ret = texts;
    return OK;
}

static char *trim(char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    for (size_t n = strlen(s); n && isspace((unsigned char)s[n - 1]); n--)
        s[n - 1] = 0;
    return s;
}

enum status cmd_load_dotenv(struct error *err)
{
    struct os_stat st;
    TRY(os_stat(".env", &st, err));
    if (st.kind != OS_FILE)
        return OK;
    AUTO(buf) b = BUF(MIB(1));
    TRY(os_file_slurp(".env", &b, err));
    (void)buf_cstr(&b);
    int number = 0;
    for (char *line = b.data, *next; line && *line; line = next) {
        number++;
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        char *name = trim(line);
        if (!strncmp(name, "export ", 7))
            name = trim(name + 7);
        if (!*name || *name == '#')
            continue;
        char *equals = strchr(name, '=');
        if (!equals || equals == name)
            return error_set(err, ERR_USAGE, ".env, line %d: expected NAME=value", number);
        *equals = 0;
        if (!strcmp(trim(name), "BOURN_ALLOW_C_FUNCTIONS")) {
            (void)error_set(err, ERR_USAGE, ".env, line %d: a file that comes with a pipeline cannot allow its code to "
                                            "run", number);
            return error_hint(err, "give --allow-c-functions, or set the variable outside");
        }
        char *value = trim(equals + 1);
        size_t n = strlen(value);
        if (n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n - 1] == value[0]) {
            value[n - 1] = 0;
            value++;
        }
        os_env_default(trim(name), value);
    }
    return OK;
}

/* ---- numbers for people ---- */

static const char *scaled(uint64_t n, const char *const *units, char out[static 16])
{
    double v = (double)n;
    size_t u = 0;
    while (v >= 999.5 && u < 4) {
        v /= 1000;
        u++;
    }
    snprintf(out, 16, u == 0 || v >= 99.95 ? "%.0f%s" : "%.1f%s", v, units[u]);
    return out;
}

const char *cmd_count(uint64_t n, char out[static 16])
{
    static const char *const units[] = {"", " K", " M", " G", " T"};
    return scaled(n, units, out);
}

const char *cmd_bytes(uint64_t n, char out[static 16])
{
    static const char *const units[] = {" B", " kB", " MB", " GB", " TB"};
    return scaled(n, units, out);
}
