/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the gpucluster command share. */
#ifndef CLI_H
#define CLI_H
#include <gpucluster.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Exit statuses, also in gpucluster.1. */
enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_PROOF = 3,     /* everything ran, the proof failed */
    EXIT_HELD = 4,      /* another process works on the cluster */
    EXIT_SPEC = 5,      /* the spec is wrong */
    EXIT_UNPROVEN = 6,  /* nothing failed, but not all could be tried */
    EXIT_CANCELLED = 130
};

typedef struct cli {
    gpuc_context *context;
    gpuc_cluster *cluster;
    const char *state_dir;
    const char *bundle, *mirror; /* override sources.* of the spec */
    bool json, quiet, verbose, color, terminal;
    const char **report_files; /* of --report */
    size_t report_file_count;
} cli;

typedef struct command {
    const char *name, *arguments, *summary;
    int (*run)(cli *c, int argc, char **argv);
} command;

extern const command commands[]; /* ends with a NULL name */

/* errors.c */
int print_error(cli *c, gpuc_error *error); /* prints and releases; gives the exit status */
/* The same, beside the data that a failed operation left, JSON as text: {"error":…, KEY:…} on one line.
 * The data stays the caller's; NULL: there is none. */
int print_error_with(cli *c, gpuc_error *error, const char *key, const char *data);

/* options.c */
struct option;
enum { BAD_OPTION = 256 };
int usage_error(const cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* getopt_long that says itself what is wrong: BAD_OPTION then, with the exit status in *status. */
int next_option(cli *c, int argc, char **argv, const char *letters, const struct option *options,
                int *status);
/* The same; *index: which of the long options it is. */
int next_option_at(cli *c, int argc, char **argv, const char *letters, const struct option *options,
                   int *status, int *index);
/* Looks at how many arguments are left after the options. */
int arguments(cli *c, int argc, char **argv, int least, int most);
bool parse_number(const char *text, long least, long most, long *out);

/* output.c */
void print_clean(FILE *out, const char *text); /* without what drives a terminal */
void keep_utf8(char *text);                     /* "?" in place of each byte that is none */
void print_new(char *text);                    /* prints a library string and frees it */
void print_json(json_t *root);                 /* on one line; consumes it */
void print_one_line(const char *json);         /* JSON as text, without its line breaks */
json_t *take_json(char *text);                 /* parses a library string and frees it */

/* Writes beside the file and renames: never half a file. mode: less the umask, of a new file. What is
 * no regular file, /dev/stdout for one, is written as it is. Says what went wrong. */
int write_file(const cli *c, const char *path, const char *text, int mode);

/* report.c */
struct report_format {
    const char *name, *ending;
    char *(*write)(const gpuc_report *report);
};
/* NULL: there is none of that name; the path's ending says none. */
const struct report_format *report_format_named(const char *name);
const struct report_format *report_format_of(const char *path);
int add_report_file(cli *c, const char *path); /* --report PATH; an exit status */
int write_report(cli *c, const gpuc_report *report, const struct report_format *format,
                 const char *path);
int write_report_files(cli *c, const gpuc_report *report); /* all of --report */
void print_report(const cli *c, const gpuc_report *report);
int verdict_status(const gpuc_report *report); /* the exit status that a verdict has */

/* open.c: `what` is a spec file or the name of a cluster; NULL: the only cluster there is. */
int open_cluster(cli *c, const char *what);
/* Runs op to its end, showing progress; Ctrl-C cancels it. Consumes op. */
int run_operation(cli *c, gpuc_op *op, gpuc_error **err);

/* cmd_cluster.c: prints the report that an operation left, and writes it where --report says, also when it
 * failed; consumes op and error. by_verdict: where the operation went well, the exit status is that of
 * the verdict. */
int finish_with_report(cli *c, gpuc_op *op, int rc, gpuc_error *error, bool by_verdict);

/* progress.c */
void progress_begin(cli *c);
void progress_end(cli *c);
extern volatile int interrupted; /* signals seen */
void catch_signals(void);

int cmd_plan(cli *c, int argc, char **argv);
int cmd_up(cli *c, int argc, char **argv);
int cmd_status(cli *c, int argc, char **argv);
int cmd_verify(cli *c, int argc, char **argv);
int cmd_report(cli *c, int argc, char **argv);
int cmd_run(cli *c, int argc, char **argv);
int cmd_kubeconfig(cli *c, int argc, char **argv);
int cmd_proxy(cli *c, int argc, char **argv);
int cmd_ssh(cli *c, int argc, char **argv);
int cmd_scp(cli *c, int argc, char **argv);
int cmd_logs(cli *c, int argc, char **argv);
int cmd_support_bundle(cli *c, int argc, char **argv);
int cmd_down(cli *c, int argc, char **argv);
int cmd_catalog(cli *c, int argc, char **argv);
int cmd_gc(cli *c, int argc, char **argv);
int cmd_gpu(cli *c, int argc, char **argv);
int cmd_list(cli *c, int argc, char **argv);
#endif
