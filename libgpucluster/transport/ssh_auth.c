/* SPDX-License-Identifier: Apache-2.0 */
/* User authentication: the given keys in order, then those of the agent. */
#include <stdlib.h>
#include <string.h>

#include "transport/ssh_internal.h"
#include "util/alloc.h"
#include "util/error.h"

#define RSA_SHA2_SINCE 0x010b00 /* libssh2 1.11.0 */
#define AGENT_RSA_SHA2_256 2
#define AGENT_RSA_SHA2_512 4

void gpuc__ssh_auth_reset(gpuc__ssh *ssh)
{
    gpuc__agent_free(ssh->agent);
    ssh->agent = NULL;
    gpuc__agent_identities_free(ssh->identities, ssh->identity_count);
    ssh->identities = NULL;
    ssh->identity_count = 0;
    ssh->agent_error = gpuc_error_unref(ssh->agent_error);
    ssh->key_at = 0;
    ssh->agent_turn = ssh->agent_listed = ssh->agent_signing = ssh->agent_signed = false;
    ssh->auth_listing = ssh->rsa_renamed = false;
    gpuc__buf_clear(&ssh->tried);
    gpuc__buf_clear(&ssh->agent_signature);
}

/* The agent */

static void on_identities(void *data, gpuc__span payload, gpuc_error *error)
{
    gpuc__ssh *ssh = data;

    ssh->agent_listed = true;
    if (!error && !gpuc__agent_parse_list(payload, &ssh->identities, &ssh->identity_count))
        gpuc__error_set(&error, GPUC_EPROTO, GPUC_DOMAIN_SSH,
                        "the SSH agent's list of keys cannot be understood");
    ssh->agent_error = error;
    gpuc__ssh_pump(ssh);
}

static void on_signature(void *data, gpuc__span payload, gpuc_error *error)
{
    gpuc__ssh *ssh = data;
    gpuc__span algorithm, signature;

    ssh->agent_signing = false;
    ssh->agent_signed = true;
    gpuc__buf_reset(&ssh->agent_signature);
    if (!error && gpuc__agent_parse_signature(payload, &algorithm, &signature))
        gpuc__buf_add(&ssh->agent_signature, signature.data, signature.length);
    gpuc_error_unref(error); /* an empty signature counts as a refusal */
    gpuc__ssh_pump(ssh);
}

static gpuc__ssh_next list_agent(gpuc__ssh *ssh)
{
    const char *path = getenv("SSH_AUTH_SOCK");

    if (ssh->agent)
        return ssh->agent_listed ? GPUC__SSH_ON : GPUC__SSH_WAIT;
    if (!path || !*path) {
        gpuc__error_set(&ssh->agent_error, GPUC_EAUTH, GPUC_DOMAIN_SSH,
                        "no SSH agent: SSH_AUTH_SOCK is not set");
        ssh->agent_listed = true;
        return GPUC__SSH_ON;
    }
    ssh->agent = gpuc__agent_new(ssh->context, path);
    if (!ssh->agent) {
        gpuc__error_nomem(&ssh->agent_error);
        ssh->agent_listed = true;
        return GPUC__SSH_ON;
    }
    gpuc__agent_list(ssh->agent, on_identities, ssh);
    return GPUC__SSH_WAIT;
}

/* Signing, called by libssh2 with the packet to be signed */

/* The algorithm the packet announces (RFC 4252 section 7). */
static gpuc__span announced(const unsigned char *data, size_t length)
{
    gpuc__wire wire = gpuc__wire_of(data, length);

    gpuc__wire_string(&wire); /* session id */
    gpuc__wire_u8(&wire);
    gpuc__wire_string(&wire); /* user */
    gpuc__wire_string(&wire); /* service */
    gpuc__wire_string(&wire); /* "publickey" */
    gpuc__wire_u8(&wire);
    return gpuc__wire_string(&wire);
}

static bool sign_by_agent(gpuc__ssh *ssh, const unsigned char *data, size_t length, bool *wait)
{
    const gpuc__buf *blob = &ssh->identities[ssh->key_at].blob;
    gpuc__span algorithm = announced(data, length);
    unsigned flags = gpuc__span_is(algorithm, "rsa-sha2-512")   ? AGENT_RSA_SHA2_512
                     : gpuc__span_is(algorithm, "rsa-sha2-256") ? AGENT_RSA_SHA2_256
                                                                : 0;

    *wait = !ssh->agent_signed;
    if (ssh->agent_signed) {
        ssh->agent_signed = false;
        return ssh->agent_signature.length > 0;
    }
    if (!ssh->agent_signing) {
        ssh->agent_signing = true;
        gpuc__agent_sign(ssh->agent,
                         (gpuc__span){(const unsigned char *)blob->data, blob->length},
                         (gpuc__span){data, length}, flags, on_signature, ssh);
    }
    return false;
}

static LIBSSH2_USERAUTH_PUBLICKEY_SIGN_FUNC(sign)
{
    gpuc__ssh_link *link = *libssh2_session_abstract(session);
    gpuc__ssh *ssh = link->ssh;
    gpuc__buf made = GPUC__BUF_INIT(64 * 1024), *signature = &made;
    bool ok, wait = false;

    if (ssh->agent_turn) {
        ok = sign_by_agent(ssh, data, data_len, &wait);
        signature = &ssh->agent_signature;
    } else {
        ok = gpuc__ssh_key_sign(ssh->keys[ssh->key_at], announced(data, data_len), data, data_len,
                                &made);
    }
    if (!ok) {
        gpuc__buf_clear(&made);
        return wait ? LIBSSH2_ERROR_EAGAIN : LIBSSH2_ERROR_PUBLICKEY_PROTOCOL;
    }
    *sig_len = signature->length;
    *sig = (unsigned char *)gpuc__buf_take(signature); /* the session frees it: same allocator */
    return *sig ? 0 : LIBSSH2_ERROR_ALLOC;
}

/* Trying keys */

static bool rsa_works(void)
{
    return libssh2_version(RSA_SHA2_SINCE) != NULL;
}

static bool is_rsa(gpuc__span blob)
{
    gpuc__wire wire = gpuc__wire_of(blob.data, blob.length);

    return gpuc__span_is(gpuc__wire_string(&wire), "ssh-rsa");
}

/* Before 1.11 libssh2 announces the algorithm by the type inside the key, and servers refuse
 * "ssh-rsa" (SHA-1). Naming the type rsa-sha2-256 gets the right signature announced; it is not
 * what RFC 8332 asks for, but OpenSSH takes it as the same key. */
static void rename_rsa(gpuc__buf *out, gpuc__span blob)
{
    gpuc__wire wire = gpuc__wire_of(blob.data, blob.length);

    gpuc__wire_string(&wire);
    gpuc__wire_put_text(out, "rsa-sha2-256");
    gpuc__buf_add(out, wire.at, wire.left);
}

static void note_tried(gpuc__ssh *ssh, const char *kind, const char *name, const char *outcome)
{
    gpuc__buf_printf(&ssh->tried, "%s%s %s%s", ssh->tried.length ? ", " : "", kind, name, outcome);
}

static gpuc__ssh_next try_key(gpuc__ssh *ssh, gpuc__span blob, const char *kind, const char *name,
                              gpuc_error **err)
{
    gpuc__buf renamed = GPUC__BUF_INIT(16 * 1024);
    int rc;

    if (is_rsa(blob) && !rsa_works()) {
        rename_rsa(&renamed, blob);
        blob = (gpuc__span){(const unsigned char *)gpuc__buf_text(&renamed), renamed.length};
        ssh->rsa_renamed = true;
    }
    rc = libssh2_userauth_publickey(ssh->link->session, ssh->user, blob.data, blob.length, sign,
                                    NULL);
    gpuc__buf_clear(&renamed);
    if (rc == LIBSSH2_ERROR_EAGAIN || (rc && ssh->link->ended))
        return GPUC__SSH_WAIT;
    if (rc == 0) {
        gpuc__log(ssh->context, GPUC_LOG_INFO, "ssh", "%s: connected, %s %s", ssh->label, kind,
                  name);
        return GPUC__SSH_DONE;
    }
    if (rc != LIBSSH2_ERROR_AUTHENTICATION_FAILED && rc != LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED) {
        gpuc__ssh_error_session(ssh, err, "authenticating");
        return GPUC__SSH_FAIL;
    }
    note_tried(ssh, kind, name, " (refused)");
    ssh->key_at++;
    return GPUC__SSH_ON;
}

static bool given_already(const gpuc__ssh *ssh, const gpuc__buf *blob)
{
    for (size_t i = 0; i < ssh->key_count; i++) {
        gpuc__span own = gpuc__ssh_key_blob(ssh->keys[i]);

        if (own.length == blob->length && memcmp(own.data, blob->data, own.length) == 0)
            return true;
    }
    return false;
}

static gpuc__ssh_next try_agent(gpuc__ssh *ssh, gpuc_error **err)
{
    const gpuc__agent_identity *identity;

    if (!ssh->agent_listed && list_agent(ssh) == GPUC__SSH_WAIT)
        return GPUC__SSH_WAIT;
    if (ssh->key_at >= ssh->identity_count) {
        ssh->auth_listing = true;
        return GPUC__SSH_ON;
    }
    identity = &ssh->identities[ssh->key_at];
    if (given_already(ssh, &identity->blob)) {
        ssh->key_at++;
        return GPUC__SSH_ON;
    }
    return try_key(ssh,
                   (gpuc__span){(const unsigned char *)identity->blob.data, identity->blob.length},
                   "agent key", identity->comment, err);
}

static void refused(gpuc__ssh *ssh, const char *methods, gpuc_error **err)
{
    gpuc__ssh_error(ssh, err, GPUC_EAUTH, LIBSSH2_ERROR_AUTHENTICATION_FAILED,
                    "the machine refuses user %s; tried: %s%s%s; the server accepts: %s", ssh->user,
                    ssh->tried.length ? gpuc__buf_text(&ssh->tried) : "nothing, no key is given",
                    ssh->agent_error ? "; " : "",
                    ssh->agent_error ? gpuc_error_message(ssh->agent_error) : "", methods);
    if (!strstr(methods, "publickey"))
        gpuc__error_remedy(err, "allow PubkeyAuthentication in the machine's sshd_config");
    else if (ssh->rsa_renamed)
        gpuc__error_remedy(err,
                           "put the public key into ~%s/.ssh/authorized_keys on the machine; if it "
                           "is there, use an ed25519 key (ssh-keygen -t ed25519): the installed "
                           "libssh2 %s can offer an RSA key with SHA-2 to OpenSSH only, 1.11 or "
                           "later to all servers", ssh->user, libssh2_version(0));
    else
        gpuc__error_remedy(err,
                           "put the public key into ~%s/.ssh/authorized_keys on the machine, or "
                           "name another key or user", ssh->user);
}

/* Everything failed: ask the server what it would take, for the error. The question itself may be
 * answered with "come in". */
static gpuc__ssh_next ask_methods(gpuc__ssh *ssh, gpuc_error **err)
{
    LIBSSH2_SESSION *session = ssh->link->session;
    char *methods = libssh2_userauth_list(session, ssh->user, (unsigned)strlen(ssh->user));

    if (!methods && libssh2_userauth_authenticated(session))
        return GPUC__SSH_DONE;
    if (!methods && (libssh2_session_last_errno(session) == LIBSSH2_ERROR_EAGAIN ||
                     ssh->link->ended))
        return GPUC__SSH_WAIT;
    refused(ssh, methods ? methods : "unknown", err);
    return GPUC__SSH_FAIL;
}

gpuc__ssh_next gpuc__ssh_step_auth(gpuc__ssh *ssh, gpuc_error **err)
{
    gpuc__ssh_next result;

    if (ssh->auth_listing) {
        result = ask_methods(ssh, err);
    } else if (ssh->agent_turn) {
        result = try_agent(ssh, err);
    } else if (ssh->key_at < ssh->key_count) {
        const gpuc__ssh_key *key = ssh->keys[ssh->key_at];

        result = try_key(ssh, gpuc__ssh_key_blob(key), "key", gpuc__ssh_key_name(key), err);
    } else {
        ssh->key_at = 0;
        ssh->agent_turn = ssh->agent_wanted;
        ssh->auth_listing = !ssh->agent_wanted;
        result = GPUC__SSH_ON;
    }
    if (result == GPUC__SSH_DONE) {
        gpuc__ssh_auth_reset(ssh);
        ssh->idle_since = gpuc__clock_ms();
        gpuc__ssh_set_state(ssh, GPUC__SSH_READY);
        return GPUC__SSH_ON;
    }
    return result;
}
