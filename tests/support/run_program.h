/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a shell command with a text on stdin, gives what it printed. Include after cmocka.h. */
#ifndef GPUC_TEST_RUN_PROGRAM_H
#define GPUC_TEST_RUN_PROGRAM_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct run_result {
    int status;
    char out[256 * 1024], err[64 * 1024];
    size_t out_length, err_length;
} run_result;

__attribute__((unused)) static size_t run_slurp(FILE *file, char *out, size_t size)
{
    size_t n;

    rewind(file);
    n = fread(out, 1, size - 1, file);
    out[n] = '\0';
    fclose(file);
    return n;
}

__attribute__((unused)) static void run_program(run_result *result, const char *command,
                                                const char *input)
{
    FILE *in = tmpfile(), *out = tmpfile(), *err = tmpfile();
    int status;
    pid_t pid;

    assert_true(in && out && err);
    assert_int_equal(fwrite(input, 1, strlen(input), in), strlen(input));
    rewind(in);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(fileno(in), 0);
        dup2(fileno(out), 1);
        dup2(fileno(err), 2);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    result->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    fclose(in);
    result->out_length = run_slurp(out, result->out, sizeof(result->out));
    result->err_length = run_slurp(err, result->err, sizeof(result->err));
}
#endif
