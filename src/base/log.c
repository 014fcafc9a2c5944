#include "base/log.h"

#include <stdio.h>
#include <time.h>

#include "base/os.h"

enum { LINE_MAX_BYTES = 2048 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int minimum = LOG_INFO;
static bool (*hook)(void *arg, const char *line);
static void *hook_arg;

void log_set_level(enum log_level level) { minimum = (int)level; }

void log_set_hook(bool (*new_hook)(void *arg, const char *line), void *arg)
{
    pthread_mutex_lock(&lock);
    hook = new_hook;
    hook_arg = arg;
    pthread_mutex_unlock(&lock);
}

/* Text from outside must not move the cursor or forge a line. */
static void escape_into(char *out, size_t size, const char *text)
{
    size_t n = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p && n + 5 < size; p++) {
        if (*p >= 0x20 && *p != 0x7f)
            out[n++] = (char)*p;
        else
            n += (size_t)snprintf(out + n, size - n, "\\x%02x", *p);
    }
    out[n] = 0;
}

void log_line(enum log_level level, const char *format, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if ((int)level < minimum)
        return;
    char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES + 64], date[32];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);

    int64_t now = os_now_us();
    time_t seconds = (time_t)(now / 1000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    int n = snprintf(line, sizeof line, "%s.%03dZ %s ", date, (int)(now % 1000000 / 1000), names[level]);
    escape_into(line + n, sizeof line - (size_t)n, text);

    pthread_mutex_lock(&lock);
    if (!hook || !hook(hook_arg, line))
        fprintf(stderr, "%s\n", line);
    pthread_mutex_unlock(&lock);
}
