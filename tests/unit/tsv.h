/* Recorded rows for unit tests: COPY's text format, tab between fields, \t \n \r \b \f \v \\ escaped, \N for no value.
 * tests/unit/record_values.py writes them. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "base/os.h"

enum { TSV_FIELDS = 24 };

struct tsv {
    struct buf text;
    char *next;
    size_t line;
    struct slice field[TSV_FIELDS]; /* data is NULL for \N; terminated */
    int fields;
};

static inline void tsv_open(struct tsv *t, const char *name)
{
    struct error err;
    char path[4096];
    const char *folder = os_env("BOURN_TEST_DATA"); /* meson sets it */
    snprintf(path, sizeof path, "%s/%s", folder ? folder : "tests/unit/data", name);
    *t = (struct tsv){.text = BUF(MIB(16))};
    if (os_file_slurp(path, &t->text, &err) != OK) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    t->next = t->text.data;
    buf_cstr(&t->text);
    t->next = t->text.data;
}

static inline char *tsv_unescape(char *from, char *to)
{
    static const char names[] = "tnrbfv\\", values[] = "\t\n\r\b\f\v\\";
    for (; *from; from++) {
        if (*from == '\\')
            *to++ = values[strchr(names, *++from) - names];
        else
            *to++ = *from;
    }
    *to = 0;
    return to;
}

/* The next row; false at the end. */
static inline bool tsv_next(struct tsv *t)
{
    char *line = t->next, *end = line ? strchr(line, '\n') : NULL;
    if (!end)
        return false;
    *end = 0;
    t->next = end + 1;
    t->line++;
    t->fields = 0;
    for (char *field = line; field; t->fields++) {
        char *tab = strchr(field, '\t');
        if (tab)
            *tab = 0;
        bool none = strcmp(field, "\\N") == 0;
        t->field[t->fields] = none ? (struct slice){0} : (struct slice){field, (size_t)(tsv_unescape(field,
                                                                                                     field) - field)};
        field = tab ? tab + 1 : NULL;
    }
    return true;
}

static inline void tsv_close(struct tsv *t) { buf_release(&t->text); }
