/* SPDX-License-Identifier: Apache-2.0 */
/* A real OpenSSH server for a test: unprivileged or not, on a free loopback port, with throw-away
 * keys in a temporary directory. It answers on all of 127.0.0.0/8. */
#ifndef TEST_SSHD_H
#define TEST_SSHD_H
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct test_sshd {
    char dir[64];
    int port;
    pid_t pid;
    char user[64];
    char host_key[512]; /* "ssh-ed25519 AAAA…" */
} test_sshd;

static inline const char *sshd_binary(void)
{
    static const char *const paths[] = {"/usr/sbin/sshd", "/usr/local/sbin/sshd", "/sbin/sshd"};

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (access(paths[i], X_OK) == 0)
            return paths[i];
    }
    return NULL;
}

static inline void pause_ms(int ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};

    nanosleep(&t, NULL);
}

/* Runs a program to its end, output dropped; the exit status. */
static inline int run_program(const char *const *argv)
{
    pid_t pid = fork();
    int status = -1, null;

    if (pid == 0) {
        null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* path in the server's directory; a few at a time */
static inline const char *sshd_path(const test_sshd *s, const char *name)
{
    static char paths[8][256];
    static int at;

    at = (at + 1) % 8;
    snprintf(paths[at], sizeof(paths[at]), "%s/%s", s->dir, name);
    return paths[at];
}

static inline void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    fputs(text, f);
    fclose(f);
}

static inline size_t read_text(const char *path, char *text, size_t size)
{
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, size - 1, f) : 0;

    text[n] = '\0';
    if (f)
        fclose(f);
    return n;
}

/* Makes dir/name and dir/name.pub. */
static inline bool make_key(const test_sshd *s, const char *name, const char *type,
                            const char *passphrase)
{
    /* 2048 bits for RSA: larger primes take long on a busy machine */
    const char *bits = !strcmp(type, "rsa") ? "2048" : "256";
    const char *argv[] = {"ssh-keygen", "-q", "-t", type, "-b", bits, "-N", passphrase, "-C", name,
                          "-f", sshd_path(s, name), NULL};

    return run_program(argv) == 0;
}

/* "type base64" of dir/name.pub */
static inline void public_line(const test_sshd *s, const char *name, char *line, size_t size)
{
    char file[128];

    snprintf(file, sizeof(file), "%s.pub", name);
    read_text(sshd_path(s, file), line, size);
    line[strcspn(strchr(line, ' ') + 1, " \n") + (size_t)(strchr(line, ' ') + 1 - line)] = '\0';
}

/* Lets dir/name log in. */
static inline void authorize(const test_sshd *s, const char *name)
{
    char line[4096];
    FILE *f = fopen(sshd_path(s, "authorized_keys"), "a");

    public_line(s, name, line, sizeof(line));
    fprintf(f, "%s\n", line);
    fclose(f);
}

static inline int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    socklen_t length = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    bind(fd, (struct sockaddr *)&a, sizeof(a));
    getsockname(fd, (struct sockaddr *)&a, &length);
    close(fd);
    return ntohs(a.sin_port);
}

static inline bool port_answers(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

    close(fd);
    return ok;
}

/* Starts (again) what sshd_make has written. */
static inline bool sshd_launch(test_sshd *s)
{
    s->pid = fork();
    if (s->pid == 0) {
        int log = open(sshd_path(s, "log"), O_WRONLY | O_CREAT | O_APPEND, 0600);

        dup2(log, 1);
        dup2(log, 2);
        execl(sshd_binary(), sshd_binary(), "-D", "-e", "-f", sshd_path(s, "config"), (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 500; i++) {
        if (port_answers(s->port))
            return true;
        if (waitpid(s->pid, NULL, WNOHANG) == s->pid)
            return false;
        pause_ms(20);
    }
    return false;
}

/* Keys and configuration: `host_keys` are types, separated by blanks, of which the first becomes
 * s->host_key; `more` are extra lines for sshd_config. The key "id" may log in. */
static inline bool sshd_make(test_sshd *s, const char *host_keys, const char *more)
{
    char types[64], name[32];
    FILE *f;

    memset(s, 0, sizeof(*s));
    snprintf(s->dir, sizeof(s->dir), "/tmp/gpuc-sshd.XXXXXX");
    if (!sshd_binary() || !mkdtemp(s->dir))
        return false;
    if (getuid() == 0)
        mkdir("/run/sshd", 0755); /* privilege separation wants it; packages make it at boot */
    snprintf(s->user, sizeof(s->user), "%s", getpwuid(getuid())->pw_name);
    s->port = free_port();
    f = fopen(sshd_path(s, "config"), "w");
    /* with SHLVL=1 bash takes itself for a second shell and does not read ~/.bashrc */
    fprintf(f,
            "ListenAddress 0.0.0.0:%d\nAuthorizedKeysFile %s/authorized_keys\nPidFile %s/pid\n"
            "UsePAM no\nUseDNS no\nStrictModes no\nMaxStartups 500\nPasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\nSetEnv SHLVL=1\n%s\n",
            s->port, s->dir, s->dir, more ? more : "Subsystem sftp internal-sftp");
    snprintf(types, sizeof(types), "%s", host_keys ? host_keys : "ed25519");
    for (char *save = NULL, *type = strtok_r(types, " ", &save); type;
         type = strtok_r(NULL, " ", &save)) {
        snprintf(name, sizeof(name), "host_%s", type);
        if (!make_key(s, name, type, ""))
            return false;
        if (!s->host_key[0])
            public_line(s, name, s->host_key, sizeof(s->host_key));
        fprintf(f, "HostKey %s/%s\n", s->dir, name);
    }
    fclose(f);
    if (!make_key(s, "id", "ed25519", ""))
        return false;
    authorize(s, "id");
    return true;
}

static inline bool sshd_start(test_sshd *s)
{
    return sshd_make(s, NULL, NULL) && sshd_launch(s);
}

/* Ends the listener only, or with `all` also the processes that serve connections. */
static inline void sshd_kill(test_sshd *s, bool all)
{
    char pid[16];
    const char *argv[] = {"pkill", "-KILL", "-P", pid, NULL};

    if (s->pid <= 0)
        return;
    snprintf(pid, sizeof(pid), "%d", (int)s->pid);
    if (all)
        run_program(argv);
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    s->pid = 0;
}

static inline void sshd_stop(test_sshd *s)
{
    const char *argv[] = {"rm", "-rf", s->dir, NULL};

    sshd_kill(s, false);
    if (!strncmp(s->dir, "/tmp/gpuc-sshd.", 15))
        run_program(argv);
}
#endif
