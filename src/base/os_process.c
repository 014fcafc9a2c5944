/* The half of the seam that is about the process: clock, random bytes, environment, memory, threads. */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/os_fault.h"

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t os_now_us(void) { return os_fault_clock(read_clock(CLOCK_REALTIME)); }
int64_t os_mono_us(void) { return read_clock(CLOCK_MONOTONIC); }
int64_t os_cpu_us(void) { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

void os_sleep_us(int64_t us)
{
    if (us <= 0)
        return;
    struct timespec left = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        ;
}

void os_random(void *p, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = getrandom((char *)p + done, n - done, 0);
        assert(got >= 0 || errno == EINTR);
        done += got > 0 ? (size_t)got : 0;
    }
}

void os_uuid(char ret[static 37])
{
    unsigned char b[16];
    os_random(b, sizeof b);
    b[6] = (b[6] & 0x0f) | 0x40; /* version 4, variant 10: RFC 4122, 4.4 */
    b[8] = (b[8] & 0x3f) | 0x80;
    snprintf(ret, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3],
             b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

const char *os_env(const char *name) { return getenv(name); }

const char *os_env_at(size_t i) { return environ[i]; }

/* A number of KiB behind `key` in /proc/self/status, as bytes; 0 where there is no /proc. */
static uint64_t process_status(const char *key)
{
    FILE *f = fopen("/proc/self/status", "re");
    char line[256];
    unsigned long long kib = 0;
    size_t len = strlen(key);
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, key, len) == 0) {
            kib = strtoull(line + len, NULL, 10);
            break;
        }
    if (f)
        fclose(f);
    return kib * 1024;
}

uint64_t os_memory_resident(void) { return process_status("VmRSS:"); }
/* Not getrusage: its maximum is inherited over exec, so a child of a large process would start with the parent's. */
uint64_t os_memory_peak(void) { return process_status("VmHWM:"); }

/* Processors' worth of time that a container gives us (cgroup v2, "QUOTA PERIOD"), rounded up; INT_MAX: no quota. */
static int cgroup_cpus(void)
{
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    long long quota, period;
    int cpus = INT_MAX;
    if (f && fscanf(f, "%lld %lld", &quota, &period) == 2 && quota > 0 && period > 0)
        cpus = (int)MIN((quota + period - 1) / period, (long long)INT_MAX);
    if (f)
        fclose(f);
    return cpus;
}

int os_cpu_count(void)
{
    cpu_set_t set;
    bool known = sched_getaffinity(0, sizeof set, &set) == 0; /* unless there are more than cpu_set_t has bits */
    int cpus = known ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    return MAX(MIN(cpus, cgroup_cpus()), 1);
}

void os_thread_start(struct os_thread *t, void *(*run)(void *), void *arg, const char *name)
{
    int e = pthread_create(&t->id, NULL, run, arg);
    if (e) {
        fprintf(stderr, "bourn: cannot start the thread %s: the limit of threads is reached (ulimit -u)\n", name);
        abort();
    }
    char short_name[16]; /* the kernel's limit */
    snprintf(short_name, sizeof short_name, "%s", name);
    pthread_setname_np(t->id, short_name);
}

void os_thread_join(struct os_thread *t) { pthread_join(t->id, NULL); }

bool os_cond_wait(pthread_cond_t *c, pthread_mutex_t *m, int64_t timeout_us)
{
    if (timeout_us < 0)
        return pthread_cond_wait(c, m) == 0;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + timeout_us % 1000000 * 1000;
    until.tv_sec += timeout_us / 1000000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    return pthread_cond_clockwait(c, m, CLOCK_MONOTONIC, &until) == 0;
}

void os_env_default(const char *name, const char *value) { setenv(name, value, 0); }
