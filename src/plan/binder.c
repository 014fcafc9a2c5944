#include <stdio.h>

#include "plan/bind.h"

__attribute__((format(printf, 4, 0)))
static void set_error(struct binder *b, int32_t location, enum error_code code, const char *format, va_list args)
{
    char text[sizeof b->err->text];
    vsnprintf(text, sizeof text, format, args);
    (void)problem_at(b->text, location, b->err, code, "%s%s", text,
                     code == ERR_UNSUPPORTED ? " is not supported" : "");
}

enum status bind_error(struct binder *b, int32_t location, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_error(b, location, ERR_SQL, format, args);
    va_end(args);
    return FAILED;
}

enum status bind_refuse(struct binder *b, int32_t location, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_error(b, location, ERR_UNSUPPORTED, format, args);
    va_end(args);
    return FAILED;
}

enum status bind_unknown(struct binder *b, int32_t location, const char *name, const char *const *names, size_t n,
                         const char *format, ...)
{
    char text[sizeof b->err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *near = nearest_name(name, names, n);
    return near ? bind_error(b, location, "%s; did you mean \"%s\"?", text, near) : bind_error(b, location, "%s", text);
}

void *binder_grow(struct binder *b, void *items, uint32_t count, uint32_t *cap, size_t size)
{
    return arena_grow(b->arena, items, count, cap, size);
}
