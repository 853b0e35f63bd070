/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of connections: which machine, which address and user, what was under way, what to do. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "transport/ssh_internal.h"
#include "util/alloc.h"
#include "util/error.h"

#define SUBJECT_MAX 120

int gpuc__ssh_error(gpuc__ssh *ssh, gpuc_error **err, int code, long native, const char *format,
                    ...)
{
    gpuc__buf text = GPUC__BUF_INIT(16 * 1024);
    va_list args;

    va_start(args, format);
    gpuc__buf_vprintf(&text, format, args);
    va_end(args);
    gpuc__error_set(err, code, GPUC_DOMAIN_SSH, "%s: %s", ssh->label, gpuc__buf_text(&text));
    gpuc__error_native(err, native);
    gpuc__error_at(err, ssh->machine, NULL);
    gpuc__buf_clear(&text);
    return code;
}

/* native: an errno; 0: the other side closed it. */
static const char *how_lost(int native)
{
    switch (native) {
    case 0:
        return "the machine closed the connection";
    case ETIMEDOUT:
        return "it is dead, nothing comes back";
    case ECONNRESET:
        return "the machine closed the connection (reset)";
    default:
        return strerror(native);
    }
}

int gpuc__ssh_error_lost(gpuc__ssh *ssh, gpuc_error **err, const char *doing)
{
    const gpuc__ssh_link *link = ssh->link;
    const gpuc_error *through = gpuc__ssh_through_error(ssh);
    int native = link ? link->ended_errno : 0;
    bool mute = ssh->state == GPUC__SSH_HANDSHAKE && link && !link->greeting.length;

    if (native == ENOMEM || (through && gpuc_error_code(through) == GPUC_ENOMEM))
        return gpuc__error_nomem(err);
    gpuc__ssh_error(ssh, err, GPUC_ENETWORK, native, "the connection was lost while %s: %s%s%s%s",
                    doing, through ? gpuc_error_message(through) : how_lost(native),
                    mute ? ", before a greeting" : "",
                    ssh->tried.length ? "; tried: " : "", gpuc__buf_text(&ssh->tried));
    if (ssh->state == GPUC__SSH_AUTH && ssh->tried.length)
        gpuc__error_remedy(err, "a server hangs up after MaxAuthTries keys: give only the right "
                                "one");
    else if (mute)
        gpuc__error_remedy(err, "sshd is starting, has too many unfinished logins (MaxStartups), "
                                "or a firewall or TCP wrapper is in between; try again");
    else
        gpuc__error_remedy(err, "see whether the machine runs and sshd's log says why (journalctl "
                                "-u ssh); the call can be repeated");
    return GPUC_ENETWORK;
}

int gpuc__ssh_error_session(gpuc__ssh *ssh, gpuc_error **err, const char *doing)
{
    char *text = NULL;
    int native = libssh2_session_last_error(ssh->link->session, &text, NULL, 0);

    if (ssh->link->ended)
        return gpuc__ssh_error_lost(ssh, err, doing);
    switch (native) {
    case LIBSSH2_ERROR_ALLOC:
        return gpuc__error_nomem(err);
    case LIBSSH2_ERROR_SOCKET_DISCONNECT:
    case LIBSSH2_ERROR_SOCKET_RECV:
    case LIBSSH2_ERROR_SOCKET_SEND:
        return gpuc__ssh_error_lost(ssh, err, doing);
    case LIBSSH2_ERROR_TIMEOUT:
    case LIBSSH2_ERROR_SOCKET_TIMEOUT:
        return gpuc__ssh_error(ssh, err, GPUC_ETIMEDOUT, native, "no answer while %s", doing);
    default:
        gpuc__ssh_error(ssh, err, GPUC_EPROTO, native, "SSH failed while %s: %s", doing,
                        text && *text ? text : "no reason given");
        gpuc__error_remedy(err, "try \"ssh -v %s\" to the same address, and read sshd's log",
                           ssh->host);
        return GPUC_EPROTO;
    }
}

char *gpuc__ssh_op_doing(const gpuc__ssh_op *op)
{
    const char *subject = op->subject ? op->subject : "";
    char *clean = gpuc__context_redact(op->ssh->context, subject);
    size_t length = clean ? strcspn(clean, "\n") : 0;
    const char *more = clean && clean[length] ? " ..." : "";
    char *doing;

    if (length > SUBJECT_MAX) {
        length = SUBJECT_MAX;
        more = " ...";
    }
    if (clean && *clean)
        doing = gpuc__asprintf("%s: %.*s%s", op->class->verb, (int)length, clean, more);
    else
        doing = gpuc__strdup(op->class->verb);
    gpuc__free(clean);
    return doing;
}

gpuc_error *gpuc__ssh_error_copy(const gpuc_error *error, const char *doing)
{
    gpuc_error *copy = NULL;
    const char *evidence = gpuc_error_evidence(error), *remedy = gpuc_error_remedy(error);

    if (gpuc_error_code(error) == GPUC_ENOMEM) {
        gpuc__error_nomem(&copy);
        return copy;
    }
    gpuc__error_set(&copy, gpuc_error_code(error), gpuc_error_domain(error), "%s%s%s%s",
                    gpuc_error_message(error), doing ? " (while " : "", doing ? doing : "",
                    doing ? ")" : "");
    gpuc__error_native(&copy, gpuc_error_native_code(error));
    gpuc__error_at(&copy, gpuc_error_machine(error), gpuc_error_step(error));
    if (evidence)
        gpuc__error_evidence(&copy, evidence, strlen(evidence));
    if (remedy)
        gpuc__error_remedy(&copy, "%s", remedy);
    gpuc__error_retryable(&copy, gpuc_error_retryable(error));
    return copy;
}
