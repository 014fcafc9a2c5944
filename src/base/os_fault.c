/* The test build's side of the seam (meson -Dfaults=true). Every call of os.c that touches the outside is counted per
 * process, over all calls and per name, and the environment says what happens at which:
 *
 *   BOURN_FAULT=RULE[;RULE...]
 *       kill:[CALL:]N               SIGKILL before call N (of all, or of those named CALL), N counts from 1
 *       stop:[CALL:]N               SIGSTOP before it
 *       fail:[CALL:]N[+][:ERRNO]    it fails with EIO or the errno named; N+ = every one from N on
 *       short:N[+]                  write N writes half of its bytes and fails with ENOSPC
 *   BOURN_FAULT_COUNT=FILE          lines "CALL NUMBER", first "total"; right however the process ends
 *   BOURN_STOP_AT=NAME:N:kill|stop  the signal when the program passes os_test_point(NAME) the Nth time; more by ';'
 *   BOURN_BUG=NAME[,NAME...]        os_planted_bug(NAME) is true
 *   BOURN_CLOCK=[+-]N(s|m|h|d)      the wall clock is that far off
 *              =@SECONDS            it starts at SECONDS since 1970
 *              ==SECONDS            it stands still there
 *   BOURN_RECORD=FOLDER             every mutation, in order, appended to FOLDER/os.rec
 *
 * A switch that cannot be read stops the process: a test must not pass because it injected nothing.
 *
 * os.rec holds one record after another, little-endian; processes append to the same file, each record by one write:
 *
 *   u32 size of what follows, u8 kind, u32 process id, u64 sequence number in the process (from 1), then by kind
 *     0 start        -
 *     1 open         u32 file, u8 how (1 created new, 2 created or emptied, 3 created or appended to), u64 size, path
 *     2 write        u32 file, u64 offset, u32 n, n bytes
 *     3 sync         u32 file, u64 mark
 *     4 close        u32 file
 *     5 mkdir        path
 *     6 rename       path, path
 *     7 link         path, path
 *     8 unlink       path
 *     9 rmdir        path
 *    10 folder_sync  path, u64 mark
 *    11 point        name of an os_test_point that was passed
 *   path, name: u16 length, bytes; paths are absolute, though not free of "." and ".."
 *   file: a number of the process for what it opened, never used twice
 *   mark: the last sequence number before the sync began; what was recorded later is not covered by it
 *
 * A record is written when the call has succeeded, and before it returns: what a thread does next is recorded later.
 */
#include "base/os_fault.h"

#ifdef BOURN_FAULTS

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { RULES = 16, STOPS = 8, COUNT_LINE = 32, ANY_CALL = 0 };

/* The first stands for all of them. */
static const char *const calls[] = {"total",  "open",   "read",        "pread", "write", "sync",  "size", "map", "stat",
                                    "mkdir",  "rename", "link",        "unlink", "rmdir", "folder_sync",
                                    "list",   "lock",   "disk_free",   "listen", "accept", "connect", "receive",
                                    "page_open", "page_back", "page_punch", "page_write"};
enum { CALLS = ARRAY_LEN(calls) };

enum action { KILL, STOP, FAIL, SHORT };

struct rule {
    enum action action;
    unsigned call;
    uint64_t from, to;
    int error;
};

struct stop {
    char name[64];
    uint64_t at, passed;
    int signal;
};

static struct {
    pthread_once_t once;
    pthread_mutex_t lock;
    uint64_t count[CALLS];
    struct rule rules[RULES];
    unsigned nrules;
    struct stop stops[STOPS];
    unsigned nstops;
    char *count_page; /* mapped file, or NULL */
    const char *bugs;
    int64_t clock_offset, clock_frozen;
    int record_fd; /* -1: none */
    uint64_t sequence;
    uint32_t last_file;
    struct recorded {
        uint32_t file; /* 0: not open for writing */
        uint64_t offset;
    } *files; /* by file descriptor */
    size_t nfiles;
    char folder[PATH_MAX]; /* where relative paths begin */
} s = {.once = PTHREAD_ONCE_INIT, .lock = PTHREAD_MUTEX_INITIALIZER, .record_fd = -1};

/* ---- switches ---- */

static void refuse(const char *variable, const char *why)
{
    fprintf(stderr, "bourn: %s=%s: %s\n", variable, getenv(variable), why);
    abort();
}

/* Up to the next ':' or the end; false at the end. */
static bool next_word(const char **at, char out[static 64])
{
    size_t n = strcspn(*at, ":");
    if (n == 0 || n >= 64)
        return false;
    memcpy(out, *at, n);
    out[n] = 0;
    *at += n + ((*at)[n] == ':');
    return true;
}

static int errno_of(const char *name)
{
    static const struct {
        const char *name;
        int error;
    } errors[] = {{"EIO", EIO},       {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EACCES", EACCES}, {"ENOENT", ENOENT},
                  {"EEXIST", EEXIST}, {"EMFILE", EMFILE}, {"ENOMEM", ENOMEM}, {"EROFS", EROFS},   {"ESTALE", ESTALE}};
    for (size_t i = 0; i < ARRAY_LEN(errors); i++)
        if (strcmp(name, errors[i].name) == 0)
            return errors[i].error;
    return 0;
}

static unsigned call_of(const char *name)
{
    for (unsigned i = 1; i < CALLS; i++)
        if (strcmp(name, calls[i]) == 0)
            return i;
    return ANY_CALL;
}

static bool parse_rule(const char *text, struct rule *r)
{
    static const char *const actions[] = {"kill", "stop", "fail", "short"};
    char word[64], *end;
    int action = -1;
    if (!next_word(&text, word))
        return false;
    for (int i = 0; i < (int)ARRAY_LEN(actions); i++)
        if (strcmp(word, actions[i]) == 0)
            action = i;
    if (action < 0 || !next_word(&text, word))
        return false;
    *r = (struct rule){.action = (enum action)action, .error = action == SHORT ? ENOSPC : EIO};
    if (word[0] < '0' || word[0] > '9') {
        r->call = call_of(word);
        if (r->call == ANY_CALL || !next_word(&text, word))
            return false;
    }
    if (action == SHORT)
        r->call = call_of("write");
    r->from = strtoull(word, &end, 10);
    r->to = *end == '+' ? UINT64_MAX : r->from;
    end += *end == '+';
    if (*end || r->from == 0)
        return false;
    if (action == FAIL && next_word(&text, word))
        r->error = errno_of(word);
    return r->error && !*text;
}

static void parse_rules(const char *text)
{
    for (const char *at = text; at && *at;) {
        char one[128];
        size_t n = strcspn(at, ";");
        if (n >= sizeof one || s.nrules == RULES)
            refuse("BOURN_FAULT", "too long");
        memcpy(one, at, n);
        one[n] = 0;
        if (!parse_rule(one, &s.rules[s.nrules++]))
            refuse("BOURN_FAULT", "not a rule: kill|stop|fail|short:[CALL:]N[+][:ERRNO]");
        at += n + (at[n] == ';');
    }
}

static void parse_stops(const char *text)
{
    for (const char *at = text; at && *at;) {
        struct stop *p = &s.stops[s.nstops];
        char signal_name[8] = "";
        unsigned long long n = 0;
        int used = 0;
        if (s.nstops++ == STOPS || sscanf(at, "%63[^:]:%llu:%4[a-z]%n", p->name, &n, signal_name, &used) != 3 || n == 0)
            refuse("BOURN_STOP_AT", "NAME:N:kill or NAME:N:stop was expected");
        p->at = n;
        p->signal = strcmp(signal_name, "kill") == 0 ? SIGKILL : strcmp(signal_name, "stop") == 0 ? SIGSTOP : 0;
        at += used;
        if (!p->signal || (*at && *at != ';'))
            refuse("BOURN_STOP_AT", "NAME:N:kill or NAME:N:stop was expected");
        at += *at == ';';
    }
}

static int64_t real_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void parse_clock(const char *text)
{
    if (!text)
        return;
    char *end;
    bool absolute = *text == '@' || *text == '=';
    int64_t n = strtoll(text + absolute, &end, 10) * 1000000;
    if (*text == '=')
        s.clock_frozen = n;
    else if (*text == '@')
        s.clock_offset = n - real_clock();
    else
        s.clock_offset = n * (*end == 's' ? 1 : *end == 'm' ? 60 : *end == 'h' ? 3600 : *end == 'd' ? 86400 : 0);
    if (absolute ? *end != 0 || n <= 0 : s.clock_offset == 0 || end[1] != 0)
        refuse("BOURN_CLOCK", "[+-]N(s|m|h|d), @SECONDS or =SECONDS was expected");
}

/* ---- counting ---- */

static void show_count(unsigned call)
{
    char line[COUNT_LINE + 1];
    snprintf(line, sizeof line, "%-15s %15llu\n", calls[call], (unsigned long long)s.count[call]);
    memcpy(s.count_page + (size_t)call * COUNT_LINE, line, COUNT_LINE);
}

/* A mapped file needs nobody to write it at the end, so _exit and SIGKILL cannot lose it. */
static void open_counts(const char *path)
{
    if (!path)
        return;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0 || ftruncate(fd, CALLS * COUNT_LINE) != 0)
        refuse("BOURN_FAULT_COUNT", strerror(errno));
    s.count_page = mmap(NULL, CALLS * COUNT_LINE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (s.count_page == MAP_FAILED)
        refuse("BOURN_FAULT_COUNT", strerror(errno));
    close(fd);
    for (unsigned i = 0; i < CALLS; i++)
        show_count(i);
}

/* ---- recording ---- */

enum kind { START, OPEN, WRITE, SYNC, CLOSE, MKDIR, RENAME, LINK, UNLINK, RMDIR, FOLDER_SYNC, POINT };

/* The head of a record; s.lock is held from here to record_end. */
static void record_begin(struct buf *b, enum kind kind)
{
    pthread_mutex_lock(&s.lock);
    *b = (struct buf)BUF(GIB(1));
    buf_put_u32(b, 0);
    buf_put_u8(b, (uint8_t)kind);
    buf_put_u32(b, (uint32_t)getpid());
    buf_put_u64(b, ++s.sequence);
}

static void record_end(struct buf *b)
{
    assert(!b->overflow);
    store_u32(b->data, (uint32_t)(b->len - sizeof(uint32_t)));
    ssize_t n = write(s.record_fd, b->data, b->len);
    if (n < 0 || (size_t)n != b->len)
        refuse("BOURN_RECORD", "cannot write os.rec");
    buf_release(b);
    pthread_mutex_unlock(&s.lock);
}

static void put_text(struct buf *b, const char *text, size_t len)
{
    uint16_t n = (uint16_t)len;
    buf_put(b, &n, sizeof n);
    buf_put(b, text, len);
}

static void put_path(struct buf *b, const char *path)
{
    char absolute[2 * PATH_MAX];
    int n = snprintf(absolute, sizeof absolute, "%s%s%s", *path == '/' ? "" : s.folder, *path == '/' ? "" : "/", path);
    put_text(b, absolute, (size_t)n);
}

static void open_record(const char *folder)
{
    char path[PATH_MAX];
    struct buf b;
    if (!folder)
        return;
    snprintf(path, sizeof path, "%s/os.rec", folder);
    s.record_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (s.record_fd < 0 || !getcwd(s.folder, sizeof s.folder))
        refuse("BOURN_RECORD", strerror(errno));
    record_begin(&b, START);
    record_end(&b);
}

/* The entry of an open file, with room for it. */
static struct recorded *recorded_of(int fd)
{
    if ((size_t)fd >= s.nfiles) {
        size_t n = (size_t)fd + 64;
        s.files = mem_realloc(s.files, n * sizeof *s.files);
        memset(s.files + s.nfiles, 0, (n - s.nfiles) * sizeof *s.files);
        s.nfiles = n;
    }
    return &s.files[fd];
}

uint64_t os_record_mark(void)
{
    pthread_mutex_lock(&s.lock);
    uint64_t mark = s.sequence;
    pthread_mutex_unlock(&s.lock);
    return mark;
}

void os_record_open(const char *path, enum os_open how, int fd)
{
    struct buf b;
    if (s.record_fd < 0)
        return;
    off_t size = lseek(fd, 0, SEEK_END);
    record_begin(&b, OPEN);
    struct recorded *r = recorded_of(fd);
    *r = (struct recorded){.file = ++s.last_file, .offset = size > 0 ? (uint64_t)size : 0};
    buf_put_u32(&b, r->file);
    buf_put_u8(&b, (uint8_t)how);
    buf_put_u64(&b, r->offset);
    put_path(&b, path);
    record_end(&b);
}

/* The record of an open file is begun, unless it is not a recorded one. */
static bool file_record_begin(struct buf *b, enum kind kind, int fd, struct recorded **ret)
{
    if (s.record_fd < 0 || fd < 0)
        return false;
    pthread_mutex_lock(&s.lock);
    bool known = recorded_of(fd)->file != 0;
    pthread_mutex_unlock(&s.lock);
    if (!known)
        return false;
    record_begin(b, kind);
    *ret = recorded_of(fd);
    buf_put_u32(b, (*ret)->file);
    return true;
}

void os_record_close(int fd)
{
    struct buf b;
    struct recorded *r;
    if (!file_record_begin(&b, CLOSE, fd, &r))
        return;
    r->file = 0;
    record_end(&b);
}

void os_record_write(int fd, const void *p, size_t n)
{
    struct buf b;
    struct recorded *r;
    if (!file_record_begin(&b, WRITE, fd, &r))
        return;
    buf_put_u64(&b, r->offset);
    buf_put_u32(&b, (uint32_t)n);
    buf_put(&b, p, n);
    r->offset += n;
    record_end(&b);
}

void os_record_sync(int fd, uint64_t mark)
{
    struct buf b;
    struct recorded *r;
    if (!file_record_begin(&b, SYNC, fd, &r))
        return;
    buf_put_u64(&b, mark);
    record_end(&b);
}

void os_record_path(const char *call, const char *path, const char *to, uint64_t mark)
{
    static const struct {
        const char *call;
        enum kind kind;
    } kinds[] = {{"mkdir", MKDIR},   {"rename", RENAME}, {"link", LINK},
                 {"unlink", UNLINK}, {"rmdir", RMDIR},   {"folder_sync", FOLDER_SYNC}};
    struct buf b;
    if (s.record_fd < 0)
        return;
    size_t i = 0;
    while (strcmp(kinds[i].call, call) != 0)
        i++;
    record_begin(&b, kinds[i].kind);
    put_path(&b, path);
    if (to)
        put_path(&b, to);
    if (kinds[i].kind == FOLDER_SYNC)
        buf_put_u64(&b, mark);
    record_end(&b);
}

/* ---- the hooks ---- */

static void start(void)
{
    parse_rules(getenv("BOURN_FAULT"));
    parse_stops(getenv("BOURN_STOP_AT"));
    parse_clock(getenv("BOURN_CLOCK"));
    s.bugs = getenv("BOURN_BUG");
    open_counts(getenv("BOURN_FAULT_COUNT"));
    open_record(getenv("BOURN_RECORD"));
}

/* Count a call; answers the rule that strikes it, or NULL. */
static const struct rule *strike(const char *name)
{
    pthread_once(&s.once, start);
    unsigned call = call_of(name);
    assert(call != ANY_CALL);
    const struct rule *found = NULL;
    pthread_mutex_lock(&s.lock);
    s.count[ANY_CALL]++;
    s.count[call]++;
    if (s.count_page) {
        show_count(ANY_CALL);
        show_count(call);
    }
    for (unsigned i = 0; i < s.nrules && !found; i++) {
        const struct rule *r = &s.rules[i];
        uint64_t n = s.count[r->call];
        if ((r->call == ANY_CALL || r->call == call) && n >= r->from && n <= r->to)
            found = r;
    }
    pthread_mutex_unlock(&s.lock);
    if (found && found->action == KILL)
        raise(SIGKILL);
    if (found && found->action == STOP)
        raise(SIGSTOP);
    return found && found->action >= FAIL ? found : NULL;
}

int os_fault(const char *call)
{
    const struct rule *r = strike(call);
    return r ? r->error : 0;
}

int os_fault_write(size_t *n)
{
    const struct rule *r = strike("write");
    if (r)
        *n = r->action == SHORT ? *n / 2 : 0;
    return r ? r->error : 0;
}

int64_t os_fault_clock(int64_t now)
{
    pthread_once(&s.once, start);
    return s.clock_frozen ? s.clock_frozen : now + s.clock_offset;
}

bool os_planted_bug(const char *name)
{
    pthread_once(&s.once, start);
    size_t len = strlen(name);
    for (const char *at = s.bugs; at && *at; at += *at == ',') {
        size_t n = strcspn(at, ",");
        if (n == len && memcmp(at, name, n) == 0)
            return true;
        at += n;
    }
    return false;
}

void os_test_point(const char *name)
{
    int signal = 0;
    struct buf b;
    pthread_once(&s.once, start);
    if (s.record_fd >= 0) {
        record_begin(&b, POINT);
        put_text(&b, name, strlen(name));
        record_end(&b);
    }
    pthread_mutex_lock(&s.lock);
    for (unsigned i = 0; i < s.nstops; i++)
        if (strcmp(s.stops[i].name, name) == 0 && ++s.stops[i].passed == s.stops[i].at)
            signal = s.stops[i].signal;
    pthread_mutex_unlock(&s.lock);
    if (signal)
        raise(signal);
}

#endif
