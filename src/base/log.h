/* The process's own log on stderr: one plain line each, "2026-11-21T06:00:00.123Z level text". Log once, at the top:
 * libraries return errors and do not log. Control characters are escaped. Thread-safe. Secrets never get here: they
 * exist only inside link/ clients. */
#pragma once

#include "base/base.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_set_level(enum log_level level); /* LOG_INFO at start */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
/* A hook that sees each line before it is printed and may take it (answer true): the live status line redraws itself
 * around it. NULL = none. */
void log_set_hook(bool (*hook)(void *arg, const char *line), void *arg);
