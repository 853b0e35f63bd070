/* SPDX-License-Identifier: Apache-2.0 */
/* Progress on stderr: a bar on a terminal, plain lines otherwise, JSON lines with --json. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"

volatile int interrupted;

static struct {
    int done, total;
    int64_t remaining;
    char now[256]; /* what is being worked on */
    bool bar_shown;
} state;

static void on_signal(int signal_number)
{
    (void)signal_number;
    if (interrupted++)
        _exit(EXIT_CANCELLED); /* asked twice: the next run picks up from the state */
}

void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void clear_bar(void)
{
    if (state.bar_shown)
        fputs("\r\033[K", stderr);
    state.bar_shown = false;
}

static int columns(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20)
        return size.ws_col;
    return 80;
}

static void draw_bar(const cli *c)
{
    char left[32] = "";
    int width = 20, filled, room;

    if (!c->terminal || c->quiet || !state.total)
        return;
    filled = state.done * width / state.total;
    if (state.remaining >= 0)
        snprintf(left, sizeof(left), " ~%dm%02ds", (int)(state.remaining / 60000),
                 (int)(state.remaining / 1000 % 60));
    fputs("\r\033[K[", stderr);
    for (int i = 0; i < width; i++)
        fputc(i < filled ? '#' : '-', stderr);
    room = columns() - width - 14 - (int)strlen(left);
    fprintf(stderr, "] %d/%d%s %.*s", state.done, state.total, left, room > 0 ? room : 0, state.now);
    fflush(stderr);
    state.bar_shown = true;
}

/* The mark and colour of a kind of event; NULL: not worth a line of its own. */
static const char *mark(int kind, const char **color)
{
    *color = "";
    switch (kind) {
    case GPUC_EVENT_STEP_DONE:
        *color = "\033[32m";
        return "ok";
    case GPUC_EVENT_STEP_FAILED:
        *color = "\033[31m";
        return "FAILED";
    case GPUC_EVENT_STEP_RETRY:
        *color = "\033[33m";
        return "retry";
    case GPUC_EVENT_STEP_SKIPPED:
        return "skipped";
    case GPUC_EVENT_STEP_STARTED:
        return "start";
    case GPUC_EVENT_NOTICE:
        *color = "\033[33m";
        return "note";
    default:
        return NULL;
    }
}

static void print_line(const cli *c, gpuc_event *event)
{
    const char *color, *word = mark(gpuc_event_kind(event), &color);
    const char *machine = gpuc_event_machine(event), *step = gpuc_event_step(event);

    if (!word || (c->terminal && gpuc_event_kind(event) == GPUC_EVENT_STEP_STARTED))
        return;
    clear_bar();
    fprintf(stderr, "%s%-7s%s %-20s %-18s ", c->color ? color : "", word,
            c->color && color[0] ? "\033[0m" : "", machine ? machine : "-", step ? step : "-");
    print_clean(stderr, gpuc_event_message(event));
    fputc('\n', stderr);
}

static void on_event(gpuc_context *context, gpuc_event *event, void *userdata)
{
    const cli *c = userdata;

    (void)context;
    if (c->json) {
        char *text = gpuc_event_to_json(event);

        fprintf(stderr, "%s\n", text ? text : "{}");
        gpuc_free(text);
        return;
    }
    if (gpuc_event_kind(event) == GPUC_EVENT_LOG_LINE)
        return; /* cmd_run prints them on stdout */
    if (gpuc_event_kind(event) == GPUC_EVENT_PROGRESS) {
        state.done = gpuc_event_done(event);
        state.total = gpuc_event_total(event);
        state.remaining = gpuc_event_remaining(event);
    } else if (gpuc_event_kind(event) == GPUC_EVENT_STEP_PROGRESS ||
               gpuc_event_kind(event) == GPUC_EVENT_STEP_STARTED) {
        snprintf(state.now, sizeof(state.now), "%s: %s",
                 gpuc_event_machine(event) ? gpuc_event_machine(event) : "cluster",
                 gpuc_event_message(event));
    }
    if (!c->quiet)
        print_line(c, event);
    draw_bar(c);
}

void progress_begin(cli *c)
{
    memset(&state, 0, sizeof(state));
    state.remaining = -1;
    gpuc_context_set_event(c->context, on_event, c, NULL);
}

void progress_end(cli *c)
{
    clear_bar();
    gpuc_context_set_event(c->context, NULL, NULL, NULL);
}
