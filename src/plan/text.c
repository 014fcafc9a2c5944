#include "plan/text.h"

#include <stdio.h>

int32_t text_base(const struct text *t, size_t file)
{
    size_t base = 0;
    for (size_t i = 0; i < file; i++)
        base += t->files[i].text.len;
    return (int32_t)base;
}

static void step_over(char c, struct text_mark *at)
{
    if (c == '\n')
        *at = (struct text_mark){at->line + 1, 1};
    else if (((unsigned char)c & 0xC0) != 0x80) /* the first byte of a character */
        at->column++;
}

enum status text_init(struct text *t, const struct plan_text *files, size_t nfiles, struct arena *a,
                      struct error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < nfiles; i++)
        if (__builtin_add_overflow(total, files[i].text.len, &total) || total > TEXT_MAX_BYTES)
            return error_set(err, ERR_LIMIT, "the text of the pipeline is longer than %d MiB", TEXT_MAX_BYTES >> 20);
    struct text_mark *marks = arena_array(a, total / TEXT_MARK_BYTES + 1, sizeof *marks), at = {1, 1};
    size_t offset = 0;
    for (size_t i = 0; i < nfiles; i++) {
        at = (struct text_mark){1, 1};
        for (size_t k = 0; k < files[i].text.len; k++, offset++) {
            if (offset % TEXT_MARK_BYTES == 0)
                marks[offset / TEXT_MARK_BYTES] = at;
            step_over(files[i].text.data[k], &at);
        }
    }
    if (offset % TEXT_MARK_BYTES == 0)
        marks[offset / TEXT_MARK_BYTES] = at;
    *t = (struct text){files, nfiles, marks};
    return OK;
}

struct place text_place(const struct text *t, int32_t location)
{
    if (location < 0 || t->nfiles == 0)
        return (struct place){0};
    size_t file = 0, base = 0, offset = (size_t)location;
    while (file + 1 < t->nfiles && offset - base >= t->files[file].text.len)
        base += t->files[file++].text.len;
    struct slice text = t->files[file].text;
    offset = MIN(offset, base + text.len);
    size_t from = offset - offset % TEXT_MARK_BYTES;
    struct text_mark at = t->marks[from / TEXT_MARK_BYTES];
    if (from < base) {
        from = base;
        at = (struct text_mark){1, 1};
    }
    for (; from < offset; from++)
        step_over(text.data[from - base], &at);
    struct place place = {.line = at.line, .column = at.column};
    snprintf(place.file, sizeof place.file, "%s", t->files[file].name);
    return place;
}

/* Length of the character at p, 0: none. Overlong forms and surrogates are no characters (RFC 3629). */
static size_t utf8_char(const unsigned char *p, size_t left)
{
    static const struct {
        unsigned char first, last, second_low, second_high, len;
    } forms[] = {
        {0x01, 0x7F, 0, 0, 1},          {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
        {0xE1, 0xEC, 0x80, 0xBF, 3},    {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
        {0xF0, 0xF0, 0x90, 0xBF, 4},    {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
    };
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        if (p[0] < forms[i].first || p[0] > forms[i].last)
            continue;
        size_t len = forms[i].len;
        if (len > left || (len > 1 && (p[1] < forms[i].second_low || p[1] > forms[i].second_high)))
            return 0;
        for (size_t k = 2; k < len; k++)
            if ((p[k] & 0xC0) != 0x80)
                return 0;
        return len;
    }
    return 0;
}

size_t text_utf8_prefix(struct slice s)
{
    size_t at = 0, len;
    while (at < s.len && (len = utf8_char((const unsigned char *)s.data + at, s.len - at)))
        at += len;
    return at;
}

enum status problem_at(const struct text *t, int32_t location, struct error *err, enum error_code code,
                       const char *format, ...)
{
    char message[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    (void)error_set(err, code, "%s", message);
    err->place = text_place(t, location);
    return FAILED;
}

enum status problem_locate(const struct text *t, int32_t location, enum status status, struct error *err)
{
    if (status == FAILED && err->code != ERR_NONE && err->place.line == 0)
        err->place = text_place(t, location);
    return status;
}

enum status problem_silent(struct error *err)
{
    *err = (struct error){.code = ERR_NONE};
    return FAILED;
}

void problems_add(struct problems *p, const struct error *err)
{
    if (err->code != ERR_NONE && p->count < PROBLEMS_MAX)
        p->items[p->count++] = *err;
}
