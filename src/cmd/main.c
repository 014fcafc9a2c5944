/* bourn: streams of events into trustworthy tables. This file is the table of contents of the command line. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/options.h"
#include "base/os.h"
#include "cmd/cmd.h"

static const struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary, *help;
    bool reads_texts; /* pipelines: which variables mean something, is known when they are read */
} verbs[] = {
    {"run", cmd_run, "run a pipeline",
     "bourn run [flags] FILE.sql...\n"
     "\n"
     "Several files are read as one: connections in one, the pipeline in another.\n"
     "\n"
     "  --until-caught-up    stop when every source has reached the end it had at the\n"
     "                       start\n"
     "  --for SECONDS        stop after so long (`forever`: never)\n"
     "  --give-up-after SECONDS\n"
     "                       end with an error when a source or sink fails for so\n"
     "                       long (`forever`: never, the default; with\n"
     "                       --until-caught-up it is 300)\n"
     "  --state FOLDER       where the engine keeps its state (BOURN_STATE; default\n"
     "                       ./state)\n"
     "  --workers N          threads that decode and compute\n"
     "  --spill FOLDER       state past bourn.state_memory lies on disk there\n"
     "                       (BOURN_SPILL; SET bourn.spill)\n"
     "  --adopt              take over tables that another state wrote to, or that\n"
     "                       lost rows no state has\n"
     "  --resync             write tables that were rolled back or lost anew from the\n"
     "                       state\n"
     "  --allow-c-functions  load and run the functions in C that the pipeline calls\n"
     "  --show               when done, print the tables, the ledger, and how to read\n"
     "                       them\n"
     "  --quiet              no status line\n", true},
    {"check", cmd_check, "check a pipeline without running it",
     "bourn check FILE.sql...\n"
     "\n"
     "Says the first error of every statement with its place, and of every stateful\n"
     "step what bounds it.\n", true},
    {"explain", cmd_explain, "show what a pipeline will do",
     "bourn explain FILE.sql...\n"
     "\n"
     "Each sink with the steps below it, down to the sources: what a step computes,\n"
     "its rules, whether its rows are only added or change later, and the id by which\n"
     "its state is known. Nothing is opened, and no secret is shown.\n", true},
    {"plan", cmd_plan, "what a changed pipeline does to its state",
     "bourn plan [--json] [--adopt] [--state FOLDER] [OLD] NEW\n"
     "\n"
     "OLD and NEW are a file each, or several with commas between:\n"
     "plan file.sql,old.sql file.sql,new.sql. Without OLD, the pipeline that the state\n"
     "runs. Says of every step whether it is kept, added, rebuilt or dropped, with\n"
     "bytes of state and what is read again where a state is at hand; `run` does just\n"
     "that. Exit 0: no state is lost; 1: steps with state are rebuilt or dropped;\n"
     "6: run would refuse, and why.\n", true},
    {"test", cmd_test, "run the tests beside a pipeline (*.test.sql)",
     "bourn test [--json] [--allow-c-functions] [FILE.test.sql | FOLDER]...\n"
     "\n"
     "Gives a pipeline rows and compares what it writes with what is expected; no\n"
     "source, sink or server is needed. Each test is run as it is written, killed in\n"
     "every epoch, on several workers, and cut into other epochs. Without a name:\n"
     "every *.test.sql below this folder. Exit 1 if a test fails. docs/testing.md is\n"
     "the language.\n"},
    {"generate", cmd_generate, "make events: payments, transactions, Nexmark",
     "bourn generate [flags]\n"
     "\n"
     "  --to WHERE           file path, - (stdout, the default), kafka:BROKERS/TOPIC,\n"
     "                       or eventhubs\n"
     "  --generator NAME     payments (the default), transactions or nexmark\n"
     "  --rate N             events a second (default 100; 0: as fast as possible)\n"
     "  --rows N             stop after so many (default: never)\n"
     "  --seed N             another seed, other events\n"
     "  --from N             begin with event N: to go on where an earlier run stopped\n"
     "  --base TIME          event time of event 0 (default 2020-01-01T00:00:00Z;\n"
     "                       `now`: the clock)\n"
     "  --nominal-rate N     events a second of event time (default 100; of nexmark\n"
     "                       10000)\n"
     "  --bad F              share of events that break the contract, 0 to 0.5\n"
     "                       (default 0.03; of nexmark none, as the next two)\n"
     "  --duplicates F       share of events that repeat an earlier one (0.03)\n"
     "  --late F             share of events older than their neighbours (0.001)\n"},
    {"verify", cmd_verify, "prove that published tables are what came in",
     "bourn verify [--json] [--state FOLDER] FILE.sql...\n"
     "             [--evidence FILE.sql [--allow-c-functions]]\n"
     "\n"
     "Checks the log's chain and progression, every ledger, the bytes of the state,\n"
     "and the tables against the log; reads every row of the tables as of the newest\n"
     "epoch that all of them have, runs the SELECTs of the evidence over these (each\n"
     "must give no row), and prints the account: in, accepted, rejected per rule,\n"
     "late, duplicate. Exit 1 if anything fails.\n", true},
    {"cat", cmd_cat, "print a Delta table, a Parquet file or NDJSON",
     "bourn cat PATH [--csv | --json] [--limit N] [--columns a,b]\n"
     "          [--order-by 'a desc'] [--version N | --timestamp T]\n"
     "\n"
     "PATH is the folder of a Delta table, a Parquet file, or NDJSON, compressed or\n"
     "not; - is NDJSON from stdin.\n"},
    {"query", cmd_query, "SELECT over published tables",
     "bourn query FILE.sql... -e 'SELECT ...' [--csv | --json] [--state FOLDER]\n"
     "            [--allow-c-functions]\n"
     "\n"
     "All tables as of one epoch. The SELECT may call the pipeline's functions.\n", true},
    {"status", cmd_status, "what a state has done, or a running process is doing",
     "bourn status [--json] [--state FOLDER]\n"
     "\n"
     "Its queries, sources with watermarks and lag, steps with their state, sinks with\n"
     "what they have published, and the ledger. A running process answers itself;\n"
     "without one, the log does.\n"},
    {"why", cmd_why, "why is nothing coming out?",
     "bourn why [--json] [--state FOLDER]\n"
     "\n"
     "What holds results back: a partition without events, an open window, a commit\n"
     "interval, a sink that fails.\n"},
    {"connectors", cmd_connectors, "what bourn can read and write, with every option",
     "bourn connectors [NAME | settings]\n"
     "\n"
     "Without a name all of them, the formats, and what SET bourn.NAME can say.\n"},
};

const char *cmd_help_at(size_t i) { return i < ARRAY_LEN(verbs) ? verbs[i].help : NULL; }

const char *cmd_help(const char *verb)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (!strcmp(verbs[i].name, verb))
            return verbs[i].help;
    return NULL;
}

static void print_overview(FILE *to)
{
    fprintf(to, "bourn %s: streams of events into trustworthy tables\n\nusage: bourn VERB ...\n\n", BOURN_VERSION);
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        fprintf(to, "  %-12s %s\n", verbs[i].name, verbs[i].summary);
    fprintf(to, "\n  bourn help VERB    more about one\n  bourn FILE.sql     the same as bourn run FILE.sql\n");
}

static int unknown_verb(const char *name)
{
    enum { OTHERS = 2 };
    const char *names[OTHERS + ARRAY_LEN(verbs)] = {"help", "version"};
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        names[OTHERS + i] = verbs[i].name;
    const char *near = nearest_name(name, names, ARRAY_LEN(names));
    fprintf(stderr, "bourn: there is no verb \"%s\"", name);
    if (near)
        fprintf(stderr, "; did you mean `bourn %s`?", near);
    fprintf(stderr, "\nRun `bourn --help` for the list.\n");
    return 2;
}

static int help(const char *verb)
{
    if (!verb || !strcmp(verb, "help") || !strcmp(verb, "version")) {
        print_overview(stdout);
        return 0;
    }
    const char *text = cmd_help(verb);
    if (!text)
        return unknown_verb(verb);
    printf("%s", text);
    return 0;
}

/* Behind a verb, wherever it stands: who asks wants nothing to happen. */
static bool asks_for_help(int n, char **words)
{
    for (int i = 0; i < n && strcmp(words[i], "--"); i++)
        if (!strcmp(words[i], "--help") || !strcmp(words[i], "-h"))
            return true;
    return false;
}

static bool ends_in_sql(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && !strcmp(name + n - 4, ".sql");
}

/* Did what was printed get anywhere? A reader of a pipe that has seen enough is no failure. */
static int end_output(int code)
{
    bool failed = ferror(stdout);
    errno = 0;
    failed |= fflush(stdout) != 0;
    int cause = errno;
    struct os_stat to;
    struct error err;
    if (code || !failed || cause == EPIPE || (os_stat("/dev/fd/1", &to, &err) == OK && to.pipe))
        return code;
    (void)error_errno(&err, cause ? cause : EIO, "cannot write the output");
    return cmd_fail(&err);
}

static int run_verb(int argc, char **argv)
{
    if (argc < 2) {
        print_overview(stderr);
        return 2;
    }
    const char *verb = argv[1];
    if (!strcmp(verb, "--version") || !strcmp(verb, "version")) {
        printf("bourn %s\n", BOURN_VERSION);
        return 0;
    }
    if (!strcmp(verb, "--help") || !strcmp(verb, "-h") || !strcmp(verb, "help"))
        return help(argc > 2 ? argv[2] : NULL);
    struct error err;
    if (cmd_load_dotenv(&err) != OK)
        return cmd_fail(&err);
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (!strcmp(verbs[i].name, verb)) {
            if (asks_for_help(argc - 2, argv + 2))
                return help(verb);
            if (!verbs[i].reads_texts)
                cmd_check_environment(NULL, 0);
            return verbs[i].run(argc - 1, argv + 1);
        }
    if (ends_in_sql(verb)) {
        argv[0] = (char *)"run";
        return cmd_run(argc, argv);
    }
    return unknown_verb(verb);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    mem_keep_large_blocks();
    return end_output(run_verb(argc, argv));
}
