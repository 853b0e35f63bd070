/* SPDX-License-Identifier: Apache-2.0 */
/* From nothing to an SSH session: jump host, name lookup, TCP, banner and key exchange. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/ssh_internal.h"
#include "util/alloc.h"
#include "util/error.h"

/* curve25519 is the cheapest; classic Diffie-Hellman only when nothing else is left. */
static const char kex_methods[] =
    "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,"
    "ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,"
    "diffie-hellman-group18-sha512,diffie-hellman-group14-sha256";
static const char ciphers[] = "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,"
                              "aes256-gcm@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr";
static const char macs[] = "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,"
                           "hmac-sha2-256,hmac-sha2-512";

/* A name lookup outlives the connection when it is let go: getaddrinfo cannot be stopped. */
struct gpuc__ssh_lookup {
    uv_getaddrinfo_t req;
    gpuc__ssh *ssh; /* NULL once let go */
    bool done;
    int status;
    struct addrinfo *result;
};

/* The way through another connection: first it is connected, then a tunnel is opened. */
struct gpuc__ssh_through {
    gpuc__ssh *ssh; /* NULL once let go */
    gpuc__ssh_op *op; /* under way on the jump connection */
    bool connected;
    int fd; /* ours until the link takes it */
    gpuc_error *error;
};

static void lookup_free(gpuc__ssh_lookup *lookup)
{
    if (lookup->result)
        uv_freeaddrinfo(lookup->result);
    gpuc__free(lookup);
}

static void on_lookup(uv_getaddrinfo_t *req, int status, struct addrinfo *result)
{
    gpuc__ssh_lookup *lookup = req->data;

    lookup->done = true;
    lookup->status = status;
    lookup->result = result;
    if (lookup->ssh)
        gpuc__ssh_pump(lookup->ssh);
    else
        lookup_free(lookup);
}

static void through_free(gpuc__ssh_through *through)
{
    if (through->fd >= 0)
        close(through->fd);
    gpuc_error_unref(through->error);
    gpuc__free(through);
}

static void through_ended(void *data, gpuc_error *error)
{
    gpuc__ssh_through *through = data;

    through->op = NULL;
    gpuc_error_unref(through->error);
    through->error = error;
    if (through->ssh)
        gpuc__ssh_kick(through->ssh);
    else
        through_free(through);
}

static void through_connected(void *data, gpuc_error *error)
{
    gpuc__ssh_through *through = data;
    gpuc__ssh *ssh = through->ssh;

    if (error || !ssh) {
        through_ended(through, error);
        return;
    }
    through->op = gpuc__ssh_tunnel(ssh->jump, ssh->host, ssh->port, &through->fd, through_ended,
                                   through);
    if (!through->op)
        gpuc__error_nomem(&through->error);
    through->connected = true;
    gpuc__ssh_kick(ssh);
}

const gpuc_error *gpuc__ssh_through_error(const gpuc__ssh *ssh)
{
    return ssh->through ? ssh->through->error : NULL;
}

void gpuc__ssh_connect_reset(gpuc__ssh *ssh)
{
    if (ssh->lookup) {
        ssh->lookup->ssh = NULL;
        if (ssh->lookup->done)
            lookup_free(ssh->lookup);
        else
            uv_cancel((uv_req_t *)&ssh->lookup->req);
        ssh->lookup = NULL;
    }
    if (ssh->through) {
        ssh->through->ssh = NULL;
        if (ssh->through->op)
            gpuc__ssh_op_cancel(ssh->through->op);
        else
            through_free(ssh->through);
        ssh->through = NULL;
    }
    if (ssh->addresses)
        freeaddrinfo(ssh->addresses);
    ssh->addresses = ssh->address = NULL;
    ssh->address_deadline = 0;
    gpuc__ssh_hostkey_reset(ssh);
}

static void start_clock(gpuc__ssh *ssh)
{
    ssh->connect_deadline = gpuc__clock_ms() + (uint64_t)ssh->connect_timeout_ms;
}

static gpuc__ssh_next out_of_memory(gpuc_error **err)
{
    gpuc__error_nomem(err);
    return GPUC__SSH_FAIL;
}

static gpuc__ssh_next begin_jump(gpuc__ssh *ssh, gpuc_error **err)
{
    ssh->through = gpuc__calloc(1, sizeof(*ssh->through));
    if (!ssh->through)
        return out_of_memory(err);
    ssh->through->ssh = ssh;
    ssh->through->fd = -1;
    ssh->through->op = gpuc__ssh_connect(ssh->jump, through_connected, ssh->through);
    if (!ssh->through->op)
        return out_of_memory(err);
    gpuc__ssh_set_state(ssh, GPUC__SSH_JUMP);
    return GPUC__SSH_ON;
}

static gpuc__ssh_next begin_lookup(gpuc__ssh *ssh, const char *port, const struct addrinfo *hints,
                                   gpuc_error **err)
{
    gpuc__ssh_lookup *lookup = gpuc__calloc(1, sizeof(*lookup));

    if (!lookup)
        return out_of_memory(err);
    lookup->req.data = lookup;
    lookup->ssh = ssh;
    if (uv_getaddrinfo(gpuc__context_loop(ssh->context), &lookup->req, on_lookup, ssh->host, port,
                       hints)) {
        lookup_free(lookup);
        return out_of_memory(err);
    }
    ssh->lookup = lookup;
    gpuc__ssh_set_state(ssh, GPUC__SSH_LOOKUP);
    return GPUC__SSH_ON;
}

static gpuc__ssh_next begin_handshake(gpuc__ssh *ssh, gpuc_error **err);

/* The stream that the caller opens. */
static gpuc__ssh_next begin_way(gpuc__ssh *ssh, gpuc_error **err)
{
    int fd = -1;

    start_clock(ssh);
    if (ssh->open_way(ssh->way_data, ssh->machine, ssh->port, &fd, err) < 0) {
        gpuc__error_at(err, ssh->machine, NULL);
        return GPUC__SSH_FAIL;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    ssh->link = gpuc__ssh_link_new(ssh, fd);
    return ssh->link ? begin_handshake(ssh, err) : out_of_memory(err);
}

gpuc__ssh_next gpuc__ssh_step_idle(gpuc__ssh *ssh, gpuc_error **err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    char port[16];

    if (ssh->open_way)
        return begin_way(ssh, err);
    if (ssh->jump)
        return begin_jump(ssh, err);
    start_clock(ssh);
    snprintf(port, sizeof(port), "%d", ssh->port);
    if (getaddrinfo(ssh->host, port, &hints, &ssh->addresses)) {
        ssh->addresses = NULL;
        hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
        return begin_lookup(ssh, port, &hints, err);
    }
    ssh->address = ssh->addresses;
    gpuc__ssh_set_state(ssh, GPUC__SSH_TCP);
    return GPUC__SSH_ON;
}

/* libssh2 1.10 drops what it does not know by an overlapping memcpy: it must be given only names it
 * supports. */
void gpuc__ssh_prefer(LIBSSH2_SESSION *session, int method, const char *list)
{
    const char **supported = NULL;
    int count = libssh2_session_supported_algs(session, method, &supported);
    gpuc__buf names = GPUC__BUF_INIT(2048);

    for (size_t length; count > 0 && *list; list += length + (list[length] == ',')) {
        length = strcspn(list, ",");
        for (int i = 0; i < count; i++) {
            if (strlen(supported[i]) == length && !memcmp(supported[i], list, length))
                gpuc__buf_printf(&names, "%s%s", names.length ? "," : "", supported[i]);
        }
    }
    if (count > 0)
        libssh2_free(session, supported);
    if (names.length)
        libssh2_session_method_pref(session, method, gpuc__buf_text(&names));
    gpuc__buf_clear(&names);
}

static gpuc__ssh_next begin_handshake(gpuc__ssh *ssh, gpuc_error **err)
{
    LIBSSH2_SESSION *session;

    if (!gpuc__ssh_link_start(ssh->link))
        return out_of_memory(err);
    session = ssh->link->session;
    gpuc__ssh_prefer(session, LIBSSH2_METHOD_KEX, kex_methods);
    gpuc__ssh_prefer(session, LIBSSH2_METHOD_CRYPT_CS, ciphers);
    gpuc__ssh_prefer(session, LIBSSH2_METHOD_CRYPT_SC, ciphers);
    gpuc__ssh_prefer(session, LIBSSH2_METHOD_MAC_CS, macs);
    gpuc__ssh_prefer(session, LIBSSH2_METHOD_MAC_SC, macs);
    if (gpuc__ssh_hostkey_prepare(ssh, err))
        return GPUC__SSH_FAIL;
    ssh->link->readable = true;
    gpuc__ssh_set_state(ssh, GPUC__SSH_HANDSHAKE);
    return GPUC__SSH_ON;
}

gpuc__ssh_next gpuc__ssh_step_jump(gpuc__ssh *ssh, gpuc_error **err)
{
    gpuc__ssh_through *through = ssh->through;
    int fd;

    if (through->error) {
        *err = gpuc__ssh_error_copy(through->error, NULL);
        gpuc__error_wrap(err, gpuc_error_code(through->error), GPUC_DOMAIN_SSH,
                         "%s: cannot be reached through the jump host %s", ssh->label,
                         ssh->jump->label);
        gpuc__error_at(err, ssh->machine, NULL);
        gpuc__error_remedy(err, "%s", gpuc_error_remedy(through->error)
                                          ? gpuc_error_remedy(through->error)
                                          : "see whether the jump host works");
        return GPUC__SSH_FAIL;
    }
    if (!through->connected)
        return GPUC__SSH_WAIT;
    start_clock(ssh);
    fd = through->fd;
    through->fd = -1;
    ssh->link = gpuc__ssh_link_new(ssh, fd);
    return ssh->link ? begin_handshake(ssh, err) : out_of_memory(err);
}

gpuc__ssh_next gpuc__ssh_step_lookup(gpuc__ssh *ssh, gpuc_error **err)
{
    gpuc__ssh_lookup *lookup = ssh->lookup;

    if (!lookup->done)
        return GPUC__SSH_WAIT;
    if (lookup->status) {
        gpuc__ssh_error(ssh, err, GPUC_ENETWORK, lookup->status, "the name %s has no address: %s",
                        ssh->host, uv_strerror(lookup->status));
        gpuc__error_retryable(err, lookup->status == UV_EAI_AGAIN);
        gpuc__error_remedy(err, "check the name, or give the machine's address");
        return GPUC__SSH_FAIL;
    }
    ssh->addresses = ssh->address = lookup->result;
    lookup->result = NULL;
    ssh->lookup = NULL;
    lookup_free(lookup);
    gpuc__ssh_set_state(ssh, GPUC__SSH_TCP);
    return GPUC__SSH_ON;
}

/* Starts connecting to ssh->address; 0 or errno. */
static int begin_tcp(gpuc__ssh *ssh)
{
    const struct addrinfo *address = ssh->address;
    uint64_t now = gpuc__clock_ms(), left = ssh->connect_deadline - now;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    unsigned count = 0;

    if (fd < 0)
        return errno;
    for (const struct addrinfo *a = address; a; a = a->ai_next)
        count++;
    ssh->address_deadline = count > 1 ? now + left / count + 1 : ssh->connect_deadline;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(fd, address->ai_addr, address->ai_addrlen) < 0 && errno != EINPROGRESS) {
        int error = errno;

        close(fd);
        return error;
    }
    ssh->link = gpuc__ssh_link_new(ssh, fd);
    return ssh->link ? 0 : ENOMEM;
}

/* -1: not yet; 0: connected; else errno */
static int tcp_result(gpuc__ssh *ssh)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof(peer);
    int error = 0;

    if (getpeername(ssh->link->fd, (struct sockaddr *)&peer, &length) == 0)
        return 0;
    length = sizeof(error);
    if (getsockopt(ssh->link->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        return errno;
    if (error)
        return error;
    return gpuc__clock_ms() >= ssh->address_deadline ? ETIMEDOUT : -1;
}

static gpuc__ssh_next tcp_failed(gpuc__ssh *ssh, int error, gpuc_error **err)
{
    const char *remedy = "check the address, the route to it and any firewall between";

    if (ssh->link)
        gpuc__ssh_link_drop(ssh->link);
    ssh->link = NULL;
    if (ssh->address->ai_next) {
        ssh->address = ssh->address->ai_next;
        return GPUC__SSH_ON;
    }
    if (error == ENOMEM)
        return out_of_memory(err);
    if (error == ECONNREFUSED)
        remedy = "see whether the machine has booted, sshd runs (systemctl status ssh), and the "
                 "port is right";
    gpuc__ssh_error(ssh, err, error == ETIMEDOUT ? GPUC_ETIMEDOUT : GPUC_ENETWORK, error,
                    "cannot connect: %s", strerror(error));
    gpuc__error_remedy(err, "%s", remedy);
    return GPUC__SSH_FAIL;
}

gpuc__ssh_next gpuc__ssh_step_tcp(gpuc__ssh *ssh, gpuc_error **err)
{
    int error = ssh->link ? tcp_result(ssh) : begin_tcp(ssh);

    if (error > 0)
        return tcp_failed(ssh, error, err);
    if (error < 0)
        return GPUC__SSH_WAIT;
    error = tcp_result(ssh);
    if (error)
        return error < 0 ? GPUC__SSH_WAIT : tcp_failed(ssh, error, err);
    return begin_handshake(ssh, err);
}

/* The name lists of the server's KEXINIT, which arrives in clear. */
static bool server_offers(const gpuc__buf *greeting, gpuc__span *kex, gpuc__span *hostkey)
{
    const char *p = gpuc__buf_text(greeting), *end = p + greeting->length, *line;
    gpuc__wire wire, packet;
    gpuc__span body;

    do {
        line = p;
        p = memchr(p, '\n', (size_t)(end - p));
        if (!p)
            return false;
        p++;
    } while (strncmp(line, "SSH-", 4) != 0);
    wire = gpuc__wire_of(p, (size_t)(end - p));
    body = gpuc__wire_string(&wire);
    packet = gpuc__wire_of(body.data, body.length);
    gpuc__wire_u8(&packet); /* padding length */
    if (gpuc__wire_u8(&packet) != 20)
        return false;
    for (int i = 0; i < 4; i++)
        gpuc__wire_u32(&packet); /* cookie */
    *kex = gpuc__wire_string(&packet);
    *hostkey = gpuc__wire_string(&packet);
    return !packet.bad;
}

static bool only_rsa(gpuc__span list)
{
    GPUC__AUTOFREE char *names = gpuc__strndup((const char *)list.data, list.length);

    return names && strstr(names, "rsa") && !strstr(names, "ssh-ed25519") &&
           !strstr(names, "ecdsa-sha2");
}

static gpuc__ssh_next handshake_failed(gpuc__ssh *ssh, int rc, gpuc_error **err)
{
    gpuc__span kex, hostkey;

    if (rc == LIBSSH2_ERROR_BANNER_RECV || rc == LIBSSH2_ERROR_BANNER_NONE) {
        gpuc__ssh_error(ssh, err, GPUC_EPROTO, rc, "what answers there does not speak SSH");
        gpuc__error_remedy(err, "check the port");
    } else if (server_offers(&ssh->link->greeting, &kex, &hostkey) &&
               (rc == LIBSSH2_ERROR_KEX_FAILURE || rc == LIBSSH2_ERROR_METHOD_NONE ||
                rc == LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE)) {
        bool rsa = only_rsa(hostkey);

        gpuc__ssh_error(ssh, err, rsa ? GPUC_EUNSUPPORTED : GPUC_EPROTO, rc,
                        "no common SSH methods%s; the server offers host keys %.*s and key "
                        "exchanges %.*s",
                        rsa ? ": the host has only an RSA key, which libssh2 " LIBSSH2_VERSION
                              " can use with the outdated SHA-1 signature alone"
                            : "",
                        (int)hostkey.length, hostkey.data, (int)kex.length, kex.data);
        gpuc__error_remedy(err,
                           rsa ? "make an ed25519 host key on the machine (sudo ssh-keygen -A; "
                                 "sudo systemctl restart ssh), or run with libssh2 1.11 or later "
                                 "(installed: %s)"
                               : "enable curve25519-sha256 and an ed25519 host key in the "
                                 "machine's sshd_config (libssh2 here: %s)",
                           libssh2_version(0));
    } else {
        gpuc__ssh_error_session(ssh, err, "exchanging keys");
    }
    return GPUC__SSH_FAIL;
}

gpuc__ssh_next gpuc__ssh_step_handshake(gpuc__ssh *ssh, gpuc_error **err)
{
    int rc = libssh2_session_handshake(ssh->link->session, ssh->link->fd);

    ssh->link->half_made = rc == LIBSSH2_ERROR_EAGAIN;
    if (rc == LIBSSH2_ERROR_EAGAIN || (rc && ssh->link->ended))
        return GPUC__SSH_WAIT;
    if (rc)
        return handshake_failed(ssh, rc, err);
    gpuc__buf_clear(&ssh->link->greeting);
    gpuc__ssh_set_state(ssh, GPUC__SSH_HOSTKEY);
    return GPUC__SSH_ON;
}
