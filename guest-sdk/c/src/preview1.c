/* What the C library asks of WASI preview 1, answered inside the guest: so a guest needs no adapter and imports
 * nothing that it does not use. Standard output and error become log records, time and randomness are the host's,
 * sleeping suspends the guest as wisted_sleep() does, and files, sockets, arguments and environment are not there. It
 * must not know the guest.
 *
 * The C library declares these functions as imports; defined here, the linker takes them instead, and drops those that
 * nobody calls. */
#include "internal.h"

#include <string.h>

#define PREVIEW1(name) __imported_wasi_snapshot_preview1_##name
#define AT(type, address) ((type *)(uintptr_t)(address))
#define DENIED(name, ...) \
    int32_t PREVIEW1(name)(__VA_ARGS__); \
    int32_t PREVIEW1(name)(__VA_ARGS__) { \
        return NO_CAPABILITY; \
    }
#define ANSWER(name, ...) \
    int32_t PREVIEW1(name)(__VA_ARGS__); \
    int32_t PREVIEW1(name)(__VA_ARGS__)

enum { SUCCESS = 0, BAD_DESCRIPTOR = 8, INTERRUPTED = 27, INVALID = 28, CANNOT_SEEK = 70, NO_CAPABILITY = 76 };
enum { NANOSECONDS_PER_MS = 1000000 };

/* Standard output and error: each line a log record, and what is longer than this several. */
typedef struct output {
    wisted_level level;
    size_t size;
    char line[1024];
} output;

static void write_log(output *output) {
    wisted_host_log(output->level, output->line, output->size);
    output->size = 0;
}

static void write_output(output *output, const char *text, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (text[i] != '\n')
            output->line[output->size++] = text[i];
        if (text[i] == '\n' || output->size == sizeof output->line)
            write_log(output);
    }
}

ANSWER(fd_write, int32_t descriptor, int32_t pieces, int32_t count, int32_t written) {
    static output outputs[] = {{.level = WISTED_INFO}, {.level = WISTED_WARN}};
    if (descriptor != 1 && descriptor != 2)
        return BAD_DESCRIPTOR;
    const wisted_text *piece = AT(wisted_text, pieces);
    size_t sum = 0;
    for (int32_t i = 0; i < count; i++) {
        write_output(&outputs[descriptor - 1], piece[i].data, piece[i].size);
        sum += piece[i].size;
    }
    *AT(size_t, written) = sum;
    return SUCCESS;
}

ANSWER(fd_read, int32_t descriptor, int32_t pieces, int32_t count, int32_t read) {
    (void)pieces, (void)count;
    *AT(size_t, read) = 0; /* The end. */
    return descriptor == 0 ? SUCCESS : BAD_DESCRIPTOR;
}

ANSWER(fd_fdstat_get, int32_t descriptor, int32_t stat) {
    /* A terminal, so that the C library writes line by line. */
    enum { STAT_BYTES = 24, CHARACTER_DEVICE = 2 };
    if (descriptor < 0 || descriptor > 2)
        return BAD_DESCRIPTOR;
    memset(AT(uint8_t, stat), 0, STAT_BYTES);
    *AT(uint8_t, stat) = CHARACTER_DEVICE;
    return SUCCESS;
}

ANSWER(fd_close, int32_t descriptor) {
    return descriptor >= 0 && descriptor <= 2 ? SUCCESS : BAD_DESCRIPTOR;
}

/* The name under which that part of the C library asks for it which is written in Zig. */
int32_t wisted_fd_close_(int32_t descriptor) __asm__("fd_close|wasi_snapshot_preview1");
int32_t wisted_fd_close_(int32_t descriptor) {
    return PREVIEW1(fd_close)(descriptor);
}

ANSWER(fd_seek, int32_t descriptor, int64_t offset, int32_t whence, int32_t to) {
    (void)offset, (void)whence, (void)to;
    return descriptor >= 0 && descriptor <= 2 ? CANNOT_SEEK : BAD_DESCRIPTOR;
}

ANSWER(fd_prestat_get, int32_t descriptor, int32_t stat) {
    (void)descriptor, (void)stat;
    return BAD_DESCRIPTOR; /* No folder is open. */
}

/* The one import that is not Wisted's: the time of day. It is there only in guests that ask for it. */
typedef struct date_time {
    uint64_t seconds;
    uint32_t nanoseconds;
} date_time;
__attribute__((import_module("wasi:clocks/wall-clock@0.2.0"), import_name("now")))
void wisted_wall_clock_(date_time *now);

ANSWER(clock_time_get, int32_t clock, int64_t precision, int32_t time) {
    (void)precision;
    uint64_t nanoseconds;
    if (clock == 0) {
        date_time now;
        wisted_wall_clock_(&now);
        nanoseconds = now.seconds * 1000 * NANOSECONDS_PER_MS + now.nanoseconds;
    } else if (clock == 1) {
        nanoseconds = wisted_host_now() * NANOSECONDS_PER_MS;
    } else {
        return INVALID;
    }
    *AT(uint64_t, time) = nanoseconds;
    return SUCCESS;
}

ANSWER(clock_res_get, int32_t clock, int32_t resolution) {
    (void)clock;
    *AT(uint64_t, resolution) = NANOSECONDS_PER_MS;
    return SUCCESS;
}

typedef struct subscription {
    uint64_t user;
    uint8_t kind;
    struct {
        uint32_t id;
        uint64_t timeout, precision;
        uint16_t flags;
    } clock;
} subscription;
_Static_assert(sizeof(subscription) == 48 && offsetof(subscription, clock.timeout) == 24, "subscription");

/* sleep(), nanosleep() and the like: one subscription to a clock, for a time from now. */
ANSWER(poll_oneoff, int32_t subscriptions, int32_t events, int32_t count, int32_t happened) {
    enum { EVENT_BYTES = 32 };
    const subscription *timer = AT(subscription, subscriptions);
    if (count != 1 || timer->kind != 0 || timer->clock.flags != 0)
        return INVALID;
    uint64_t ms = timer->clock.timeout / NANOSECONDS_PER_MS + (timer->clock.timeout % NANOSECONDS_PER_MS != 0);
    if (wisted_sleep(ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX) != WISTED_WAITED)
        return INTERRUPTED;
    memset(AT(uint8_t, events), 0, EVENT_BYTES);
    *AT(uint64_t, events) = timer->user;
    *AT(size_t, happened) = 1;
    return SUCCESS;
}

ANSWER(random_get, int32_t buffer, int32_t size) {
    wisted_random(AT(uint8_t, buffer), (size_t)size);
    return SUCCESS;
}

ANSWER(sched_yield, void) {
    return SUCCESS;
}

static int32_t none(int32_t count, int32_t size) {
    *AT(size_t, count) = 0;
    *AT(size_t, size) = 0;
    return SUCCESS;
}

ANSWER(args_sizes_get, int32_t count, int32_t size) {
    return none(count, size);
}

ANSWER(environ_sizes_get, int32_t count, int32_t size) {
    return none(count, size);
}

ANSWER(args_get, int32_t arguments, int32_t texts) {
    (void)arguments, (void)texts;
    return SUCCESS;
}

ANSWER(environ_get, int32_t variables, int32_t texts) {
    (void)variables, (void)texts;
    return SUCCESS;
}

_Noreturn void PREVIEW1(proc_exit)(int32_t code);
_Noreturn void PREVIEW1(proc_exit)(int32_t code) {
    (void)code;
    __builtin_trap(); /* An instance ends when the host ends it, or abnormally. */
}

#pragma clang diagnostic ignored "-Wunused-parameter"
DENIED(fd_advise, int32_t a, int64_t b, int64_t c, int32_t d)
DENIED(fd_allocate, int32_t a, int64_t b, int64_t c)
DENIED(fd_datasync, int32_t a)
DENIED(fd_fdstat_set_flags, int32_t a, int32_t b)
DENIED(fd_fdstat_set_rights, int32_t a, int64_t b, int64_t c)
DENIED(fd_filestat_get, int32_t a, int32_t b)
DENIED(fd_filestat_set_size, int32_t a, int64_t b)
DENIED(fd_filestat_set_times, int32_t a, int64_t b, int64_t c, int32_t d)
DENIED(fd_pread, int32_t a, int32_t b, int32_t c, int64_t d, int32_t e)
DENIED(fd_prestat_dir_name, int32_t a, int32_t b, int32_t c)
DENIED(fd_pwrite, int32_t a, int32_t b, int32_t c, int64_t d, int32_t e)
DENIED(fd_readdir, int32_t a, int32_t b, int32_t c, int64_t d, int32_t e)
DENIED(fd_renumber, int32_t a, int32_t b)
DENIED(fd_sync, int32_t a)
DENIED(fd_tell, int32_t a, int32_t b)
DENIED(path_create_directory, int32_t a, int32_t b, int32_t c)
DENIED(path_filestat_get, int32_t a, int32_t b, int32_t c, int32_t d, int32_t e)
DENIED(path_filestat_set_times, int32_t a, int32_t b, int32_t c, int32_t d, int64_t e, int64_t f, int32_t g)
DENIED(path_link, int32_t a, int32_t b, int32_t c, int32_t d, int32_t e, int32_t f, int32_t g)
DENIED(path_open, int32_t a, int32_t b, int32_t c, int32_t d, int32_t e, int64_t f, int64_t g, int32_t h, int32_t i)
DENIED(path_readlink, int32_t a, int32_t b, int32_t c, int32_t d, int32_t e, int32_t f)
DENIED(path_remove_directory, int32_t a, int32_t b, int32_t c)
DENIED(path_rename, int32_t a, int32_t b, int32_t c, int32_t d, int32_t e, int32_t f)
DENIED(path_symlink, int32_t a, int32_t b, int32_t c, int32_t d, int32_t e)
DENIED(path_unlink_file, int32_t a, int32_t b, int32_t c)
DENIED(sock_accept, int32_t a, int32_t b, int32_t c)
DENIED(sock_recv, int32_t a, int32_t b, int32_t c, int32_t d, int32_t e, int32_t f)
DENIED(sock_send, int32_t a, int32_t b, int32_t c, int32_t d, int32_t e)
DENIED(sock_shutdown, int32_t a, int32_t b)
