/* SPDX-License-Identifier: Apache-2.0 */
/* The pause container: holds a pod's namespaces and reaps what it inherits. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int signal_number)
{
    _exit(signal_number == SIGTERM || signal_number == SIGINT ? 0 : 1);
}

static void reap(int signal_number)
{
    (void)signal_number;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

int main(void)
{
    struct sigaction act;

    memset(&act, 0, sizeof(act));
    act.sa_handler = end;
    if (sigaction(SIGINT, &act, NULL) || sigaction(SIGTERM, &act, NULL))
        return 1;
    act.sa_handler = reap;
    act.sa_flags = SA_NOCLDSTOP;
    if (sigaction(SIGCHLD, &act, NULL))
        return 1;
    for (;;)
        pause();
}
