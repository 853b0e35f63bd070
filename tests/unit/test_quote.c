/* SPDX-License-Identifier: Apache-2.0 */
/* Shell quoting: whatever goes in comes back as one word, byte for byte, from a real sh. */
#include "util_test.h"

#include <sys/wait.h>
#include <unistd.h>

#include "util/alloc.h"
#include "util/quote.h"

static void test_quote__known_forms(void **state)
{
    static const struct {
        const char *in, *out;
    } table[] = {{"", "''"},
                 {"a", "'a'"},
                 {"a b", "'a b'"},
                 {"it's", "'it'\\''s'"},
                 {"''", "''\\'''\\'''"},
                 {"$(reboot)`x`\\\n;&|", "'$(reboot)`x`\\\n;&|'"}};

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char *quoted = gpuc__quote_shell_dup(table[i].in);

        assert_string_equal(quoted, table[i].out);
        gpuc__free(quoted);
    }
}

/* Runs `printf %s WORD` in sh and reads what it prints. */
static size_t through_sh(const char *word, char *out, size_t size)
{
    char *command = gpuc__asprintf("printf %%s %s", word);
    int fds[2], status;
    size_t n = 0;
    ssize_t got;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(fds[1], 1);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    while ((got = read(fds[0], out + n, size - n)) > 0)
        n += (size_t)got;
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    gpuc__free(command);
    return n;
}

static void test_quote__survives_a_real_shell(void **state)
{
    unsigned seed = 1;

    for (int round = 0; round < 60; round++) {
        char text[256], back[512];
        size_t length = (size_t)round * 4 % 250;
        char *quoted;

        for (size_t i = 0; i < length; i++) {
            static const char nasty[] = "'\"\\$`!*?[]{}()<>|&;#~ \t\n=%-";

            seed = seed * 1103515245u + 12345u;
            text[i] = seed & 0x10000 ? nasty[(seed >> 17) % (sizeof(nasty) - 1)]
                                     : (char)(1 + (seed >> 17) % 255);
        }
        text[length] = '\0';
        quoted = gpuc__quote_shell_dup(text);
        assert_int_equal(through_sh(quoted, back, sizeof(back)), length);
        assert_memory_equal(back, text, length);
        gpuc__free(quoted);
    }
}

static void test_quote__marks_a_buffer_that_is_too_small(void **state)
{
    gpuc__buf out = GPUC__BUF_INIT(4);

    assert_true(gpuc__quote_shell(&out, "ab"));
    assert_false(gpuc__quote_shell(&out, "c"));
    assert_true(out.failed); /* half a word is never taken for a whole one */
    assert_null(gpuc__buf_take(&out));
    allow_allocations(0);
    assert_null(gpuc__quote_shell_dup("x"));
    allow_allocations(-1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quote__known_forms),
        cmocka_unit_test(test_quote__survives_a_real_shell),
        cmocka_unit_test(test_quote__marks_a_buffer_that_is_too_small),
    };

    return cmocka_run_group_tests_name("quote", tests, NULL, NULL);
}
