/* The command line: a file per verb. Each verb gets its own argv (argv[0] is its name) and answers the exit code.
 *
 * Exit codes: 0 done; 1 a proof failed, or state would be lost (plan); 2 usage or environment; 3 the pipeline's text;
 * 4 a source or the input; 5 a sink; 6 the state (locked, fenced, changed, corrupt); 7 a limit or a full disk;
 * 8 authentication; 9 interrupted.
 */
#pragma once

#include "plan/plan.h"

int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_generate(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_cat(int argc, char **argv);
int cmd_query(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_why(int argc, char **argv);
int cmd_test(int argc, char **argv);
int cmd_connectors(int argc, char **argv);

/* The help text of a verb, from main.c's table; NULL: no such verb. */
const char *cmd_help(const char *verb);

/* The same of the i-th verb; NULL past the last. */
const char *cmd_help_at(size_t i);

/* Print an error on stderr, in colour on a terminal; answers its exit code. */
int cmd_fail(const struct error *err);
/* A usage error: text, then how the verb is used; answers 2. */
int cmd_usage(const char *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One flag of a verb: --name, or --name VALUE / --name=VALUE when `value` is set. */
struct cmd_flag {
    const char *name;
    const char **value; /* set to the value given */
    bool *on;           /* or set to true */
};
/* Parse argv: flags anywhere, "--" ends them, "-" is a plain argument. A flag --some-name has the environment twin
 * BOURN_SOME_NAME, and stands in the verb's help. Plain arguments are moved to argv[0..n-1]; answers n, or -1 after
 * having said what is wrong. */
int cmd_flags(int argc, char **argv, const struct cmd_flag *flags, size_t nflags);

/* Read pipeline files ("-" is stdin) into texts that live in the arena. A missing, empty or compressed file says so. */
enum status cmd_read_texts(char *const *names, int n, struct arena *a, struct plan_text **ret, struct error *err);
/* Variables from ./.env that are not set yet (NAME=value, quotes, # comments). No file: fine. */
enum status cmd_load_dotenv(struct error *err);
/* Warn of variables that begin with BOURN_, are no flag's twin, and do not stand in the texts either. */
void cmd_check_environment(const struct plan_text *texts, size_t n);
/* Is this stream a terminal that wants colour (NO_COLOR unset)? */
bool cmd_is_terminal(int fd);
bool cmd_wants_colour(int fd);
/* Columns of the terminal on stderr or stdout; 80 when unknown, never below 20. */
unsigned cmd_terminal_width(void);
/* "1.2 M", "34 K", "567"; "1.2 GB", "34 kB". */
const char *cmd_count(uint64_t n, char out[static 16]);
const char *cmd_bytes(uint64_t n, char out[static 16]);
