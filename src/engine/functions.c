#include "engine/functions.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/object.h"
#include "base/os.h"

enum { LIBRARY_MAX = 256 << 20 };

/* What is wrong with it is an error of the pipeline's text, which names it. */
static enum status read_library(const char *path, struct buf *into, char ret_sha256[static 65], struct error *err)
{
    struct os_stat st;
    TRY(os_stat(path, &st, err));
    if (st.kind != OS_FILE) {
        (void)error_set(err, ERR_SQL, st.kind == OS_MISSING ? "there is no file %s" : "%s is no file", path);
        return error_hint(err, "a path is relative to the file that names it; cc -shared -fPIC -O2 -o %s ...", path);
    }
    TRY(os_code_trusted(path, err));
    TRY(os_file_slurp(path, into, err));
    sha256_hex(into->data, into->len, ret_sha256);
    return OK;
}

/* ---- what it declares ---- */

static enum status check_form(const struct foreign *f, const struct bourn_function *d, struct error *err)
{
    const char *what = NULL;
    if (d->abi != BOURN_ABI) {
        (void)error_set(err, ERR_UNSUPPORTED, "\"%s\" of %s has version %u of the interface, this bourn has %u",
                        f->symbol, f->library, d->abi, BOURN_ABI);
        return error_hint(err, "compile it with the bourn_function.h of this bourn");
    }
    if (d->size != sizeof *d)
        what = "does not have the size of struct bourn_function";
    else if (!(d->flags & BOURN_PURE))
        what = "does not say BOURN_PURE";
    else if (d->flags & ~BOURN_PURE)
        what = "has flags that are unknown";
    else if (d->nargs > BOURN_MAX_ARGS)
        what = "has too many arguments";
    if (!what)
        return OK;
    (void)error_set(err, ERR_UNSUPPORTED, "\"%s\" of %s %s", f->symbol, f->library, what);
    return error_hint(err, "bourn_function.h says how a function is declared, and what it must keep to");
}

static enum status take_declaration(struct foreign *f, const struct bourn_function *d, struct error *err)
{
    TRY(check_form(f, d, err));
    bool known = (f->result = foreign_type(d->result)) != TYPE_UNKNOWN;
    f->nargs = (uint8_t)d->nargs;
    for (uint32_t i = 0; i < d->nargs; i++)
        known &= (f->args[i] = foreign_type(d->args[i])) != TYPE_UNKNOWN;
    f->declared = known;
    if (known)
        return OK;
    (void)error_set(err, ERR_UNSUPPORTED, "\"%s\" of %s has a type that is unknown", f->symbol, f->library);
    return error_hint(err, "enum bourn_type in bourn_function.h has those there are");
}

enum status functions_declare(void *arg, struct foreign *f, struct error *err)
{
    (void)arg;
    AUTO(buf) bytes = BUF(LIBRARY_MAX);
    struct bourn_function d;
    TRY(read_library(f->library, &bytes, f->sha256, err));
    TRY(object_data(buf_slice(&bytes), f->library, f->symbol, &d, sizeof d, err));
    return take_declaration(f, &d, err);
}

/* ---- in the log ---- */

static void put_line(struct buf *out, const char *name)
{
    buf_puts(out, "\n-- function ");
    buf_put_json(out, slice_of(name)); /* no line break gets through */
    buf_puts(out, ": sha256 ");
}

void functions_log(const struct plan *p, struct buf *text)
{
    for (uint32_t i = 0; i < p->nforeigns; i++) {
        put_line(text, p->foreigns[i].foreign->name);
        buf_printf(text, "%s\n", p->foreigns[i].foreign->sha256);
    }
}

enum status functions_logged(void *arg, struct foreign *f, struct error *err)
{
    struct slice text = *(const struct slice *)arg;
    enum { DIGITS = sizeof f->sha256 - 1 };
    AUTO(buf) line = BUF(KIB(64));
    put_line(&line, f->name);
    const char *end = text.data + text.len, *found = NULL;
    for (const char *p = text.data; (p = memmem(p, (size_t)(end - p), line.data, line.len)); p += line.len)
        found = p + line.len; /* the last: what the pipeline's own text says stands before */
    if (!found || end - found < DIGITS)
        return error_set(err, ERR_CORRUPT, "the log does not say what the function %s was", f->name);
    memcpy(f->sha256, found, DIGITS);
    f->sha256[DIGITS] = 0;
    return OK;
}

bool functions_changed(const struct plan *before, const struct plan *now, struct buf *out)
{
    bool any = false;
    for (uint32_t i = 0; i < now->nforeigns; i++)
        for (uint32_t k = 0; k < before->nforeigns; k++) {
            const struct foreign *f = now->foreigns[i].foreign, *old = before->foreigns[k].foreign;
            if (strcmp(f->name, old->name) || !strcmp(f->sha256, old->sha256))
                continue;
            buf_printf(out, "%s%s of %s", any ? ", " : "", f->name, f->library);
            any = true;
        }
    return any;
}

/* ---- loading ---- */

static struct library {
    char sha256[65];
    void *handle;
    struct library *next;
} *libraries;
static pthread_mutex_t libraries_lock = PTHREAD_MUTEX_INITIALIZER;

static enum status load_library(const struct foreign *f, void **ret_handle, struct error *err)
{
    for (struct library *l = libraries; l; l = l->next)
        if (!strcmp(l->sha256, f->sha256)) {
            *ret_handle = l->handle;
            return OK;
        }
    AUTO(buf) bytes = BUF(LIBRARY_MAX);
    char sha256[65];
    TRY(read_library(f->library, &bytes, sha256, err));
    if (strcmp(sha256, f->sha256)) {
        (void)error_set(err, ERR_STATE, "%s was changed just now", f->library);
        return error_hint(err, "start again");
    }
    TRY(os_code_load(f->library, buf_slice(&bytes), ret_handle, err));
    struct library *l = mem_zalloc(sizeof *l);
    memcpy(l->sha256, sha256, sizeof sha256);
    l->handle = *ret_handle;
    l->next = libraries;
    libraries = l;
    return OK;
}

static enum status load(struct plan *p, struct foreign *f, struct error *err)
{
    void *handle;
    pthread_mutex_lock(&libraries_lock);
    enum status s = load_library(f, &handle, err);
    pthread_mutex_unlock(&libraries_lock);
    TRY(s);
    const struct bourn_function *d = os_code_symbol(handle, f->symbol);
    if (!d || !d->run) {
        (void)error_set(err, ERR_UNSUPPORTED, "\"%s\" of %s has nothing to run", f->symbol, f->library);
        return error_hint(err, "its last member is the function: bourn_function.h has an example");
    }
    f->run = d->run;
    f->culprit = arena_printf(&p->arena, "function %s (%s of %s)", f->name, f->symbol, f->library);
    return OK;
}

enum status functions_load(struct plan *p, bool allowed, struct error *err)
{
    bool any = false;
    for (uint32_t i = 0; i < p->nforeigns; i++) {
        struct foreign *f = p->foreigns[i].foreign;
        if (!f->called)
            continue;
        if (!allowed) {
            (void)error_set(err, ERR_USAGE, "function \"%s\" is code of %s, which can do all that bourn can", f->name,
                            f->library);
            (void)error_hint(err, "if you trust it: --allow-c-functions, or BOURN_ALLOW_C_FUNCTIONS=1");
        }
        if (!allowed || load(p, f, err) != OK) {
            err->place = p->foreigns[i].place;
            return FAILED;
        }
        any = true;
    }
    if (any)
        os_crash_watch();
    return OK;
}
