/* SPDX-License-Identifier: Apache-2.0 */
/* Uploads and downloads over SFTP. Both go to a file with ".part" behind its name, which is renamed
 * when it is whole. Writes and reads are pipelined by libssh2 as far as the buffer reaches. */
#include <errno.h>
#include <fcntl.h>
#include <libssh2_sftp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/ssh_internal.h"
#include "util/alloc.h"
#include "util/error.h"

#define UPLOAD_BUFFER (1024 * 1024)
#define UPLOAD_REFILL (256 * 1024)
#define DOWNLOAD_BUFFER (256 * 1024)
#define START_MS 600000 /* until the channel is open: others may be in front */
#define STALL_MS 60000  /* without any progress */

enum phase { OPEN, SET_MODE, COPY, CLOSE, REMOVE_OLD, RENAME, FINISHED };

struct sftp_op {
    gpuc__ssh_op op;
    bool upload;
    char *local, *local_part, *remote, *remote_part;
    int mode, fd;
    LIBSSH2_SFTP *sftp;
    LIBSSH2_SFTP_HANDLE *handle;
    enum phase phase;
    bool made_part, local_eof, replaced, part_removed;
    char *buffer;
    size_t start, end;
    gpuc__ssh_done_fn done;
    void *data;
};

static const struct {
    unsigned long status;
    int code;
    const char *text;
} statuses[] = {
    {LIBSSH2_FX_NO_SUCH_FILE, GPUC_ENOTFOUND, "no such file or directory"},
    {LIBSSH2_FX_PERMISSION_DENIED, GPUC_EPERM, "permission denied"},
    {LIBSSH2_FX_FAILURE, GPUC_EREMOTE, "failure (the disk is full, or the path is a directory)"},
    {LIBSSH2_FX_NO_SPACE_ON_FILESYSTEM, GPUC_EREMOTE, "the disk is full"},
    {LIBSSH2_FX_QUOTA_EXCEEDED, GPUC_EREMOTE, "quota exceeded"},
    {LIBSSH2_FX_WRITE_PROTECT, GPUC_EPERM, "write protected"},
    {LIBSSH2_FX_OP_UNSUPPORTED, GPUC_EUNSUPPORTED, "not supported by the server"},
};

static int sftp_channel_open(gpuc__ssh_op *op)
{
    struct sftp_op *self = (struct sftp_op *)op;
    LIBSSH2_SESSION *session = op->ssh->link->session;

    self->sftp = libssh2_sftp_init(session);
    return self->sftp ? 0 : libssh2_session_last_errno(session);
}

/* WAIT for "would block", else the error of `what` on `path`. */
static gpuc__ssh_next sftp_fail(struct sftp_op *self, const char *what, const char *path,
                                gpuc_error **err)
{
    gpuc__ssh *ssh = self->op.ssh;
    int native = libssh2_session_last_errno(ssh->link->session);
    GPUC__AUTOFREE char *doing = NULL;
    unsigned long status;

    if (native == LIBSSH2_ERROR_EAGAIN || ssh->link->ended)
        return GPUC__SSH_WAIT;
    if (native != LIBSSH2_ERROR_SFTP_PROTOCOL) {
        doing = gpuc__ssh_op_doing(&self->op);
        gpuc__ssh_error_session(ssh, err, doing ? doing : self->op.class->verb);
        return GPUC__SSH_FAIL;
    }
    status = libssh2_sftp_last_error(self->sftp);
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (statuses[i].status == status) {
            gpuc__ssh_error(ssh, err, statuses[i].code, (long)status, "%s %s: %s", what, path,
                            statuses[i].text);
            break;
        }
    }
    gpuc__ssh_error(ssh, err, GPUC_EREMOTE, (long)status, "%s %s: SFTP status %lu", what, path,
                    status);
    gpuc__error_remedy(err, "look at the path on the machine as user %s: ls -ld, df -h", ssh->user);
    return GPUC__SSH_FAIL;
}

static gpuc__ssh_next local_fail(struct sftp_op *self, int error, const char *path,
                                 gpuc_error **err)
{
    gpuc__error_errno(err, error, "%s", path);
    gpuc__error_remedy(err, "check the local path and its permissions");
    gpuc__error_at(err, self->op.ssh->machine, NULL);
    return GPUC__SSH_FAIL;
}

static gpuc__ssh_next move_on(struct sftp_op *self, enum phase phase)
{
    self->phase = phase;
    self->op.deadline = gpuc__clock_ms() + STALL_MS;
    return phase == FINISHED ? GPUC__SSH_DONE : GPUC__SSH_ON;
}

static gpuc__ssh_next open_remote(struct sftp_op *self, gpuc_error **err)
{
    const char *path = self->upload ? self->remote_part : self->remote;
    unsigned long flags = self->upload ? LIBSSH2_FXF_WRITE | LIBSSH2_FXF_CREAT | LIBSSH2_FXF_TRUNC
                                       : LIBSSH2_FXF_READ;

    self->handle = libssh2_sftp_open_ex(self->sftp, path, (unsigned)strlen(path), flags, self->mode,
                                        LIBSSH2_SFTP_OPENFILE);
    if (!self->handle)
        return sftp_fail(self, self->upload ? "writing" : "reading", path, err);
    self->made_part = self->upload;
    return move_on(self, self->upload ? SET_MODE : COPY);
}

/* The server's umask, or an old file of that name, may have given another mode. */
static gpuc__ssh_next set_mode(struct sftp_op *self, gpuc_error **err)
{
    LIBSSH2_SFTP_ATTRIBUTES attributes = {.flags = LIBSSH2_SFTP_ATTR_PERMISSIONS,
                                          .permissions = (unsigned long)self->mode};

    if (libssh2_sftp_fstat_ex(self->handle, &attributes, 1))
        return sftp_fail(self, "setting the mode of", self->remote_part, err);
    return move_on(self, COPY);
}

static int refill(struct sftp_op *self)
{
    ssize_t n;

    if (self->local_eof || UPLOAD_BUFFER - (self->end - self->start) < UPLOAD_REFILL)
        return 0;
    memmove(self->buffer, self->buffer + self->start, self->end - self->start);
    self->end -= self->start;
    self->start = 0;
    do
        n = read(self->fd, self->buffer + self->end, UPLOAD_BUFFER - self->end);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno;
    self->end += (size_t)n;
    self->local_eof = n == 0;
    return 0;
}

/* libssh2 wants to see unacknowledged bytes again, and accepts more behind them. */
static gpuc__ssh_next copy_up(struct sftp_op *self, gpuc_error **err)
{
    gpuc__ssh_next moved = GPUC__SSH_WAIT;

    while (gpuc__ssh_link_queued(self->op.ssh->link) < GPUC__SSH_OUT_HIGH) {
        int error = refill(self);
        ssize_t n;

        if (error)
            return local_fail(self, error, self->local, err);
        if (self->start == self->end && self->local_eof)
            return move_on(self, CLOSE);
        if (self->start == self->end)
            continue;
        n = libssh2_sftp_write(self->handle, self->buffer + self->start, self->end - self->start);
        if (n == LIBSSH2_ERROR_EAGAIN || n == 0)
            return moved;
        if (n < 0) {
            gpuc__ssh_next result = sftp_fail(self, "writing", self->remote_part, err);

            return result == GPUC__SSH_WAIT ? moved : result;
        }
        self->start += (size_t)n;
        moved = move_on(self, COPY);
    }
    return moved;
}

static gpuc__ssh_next copy_down(struct sftp_op *self, gpuc_error **err)
{
    ssize_t n = libssh2_sftp_read(self->handle, self->buffer, DOWNLOAD_BUFFER);

    if (n < 0)
        return sftp_fail(self, "reading", self->remote, err);
    if (n == 0)
        return move_on(self, CLOSE);
    for (ssize_t done = 0, wrote; done < n; done += wrote) {
        wrote = write(self->fd, self->buffer + done, (size_t)(n - done));
        if (wrote < 0 && errno == EINTR)
            wrote = 0;
        if (wrote < 0)
            return local_fail(self, errno, self->local_part, err);
    }
    return move_on(self, COPY);
}

static gpuc__ssh_next close_remote(struct sftp_op *self, gpuc_error **err)
{
    int rc = libssh2_sftp_close_handle(self->handle);

    if (rc == LIBSSH2_ERROR_EAGAIN)
        return GPUC__SSH_WAIT;
    self->handle = NULL;
    if (rc)
        return sftp_fail(self, "closing", self->upload ? self->remote_part : self->remote, err);
    if (self->upload)
        return move_on(self, RENAME);
    rc = close(self->fd) ? errno : 0;
    self->fd = -1;
    if (!rc && rename(self->local_part, self->local))
        rc = errno;
    if (rc)
        return local_fail(self, rc, self->local, err);
    gpuc__free(self->local_part); /* nothing to remove any more */
    self->local_part = NULL;
    return move_on(self, FINISHED);
}

/* Version 3 of SFTP does not rename over a file; libssh2 1.11 has OpenSSH's extension that does. */
static gpuc__ssh_next rename_remote(struct sftp_op *self, gpuc_error **err)
{
    unsigned from = (unsigned)strlen(self->remote_part), to = (unsigned)strlen(self->remote);
    gpuc__ssh_next result;
    int rc;

#if LIBSSH2_VERSION_NUM >= 0x010b00
    if (!self->replaced)
        rc = libssh2_sftp_posix_rename_ex(self->sftp, self->remote_part, from, self->remote, to);
    else
#endif
        rc = libssh2_sftp_rename_ex(self->sftp, self->remote_part, from, self->remote, to,
                                    LIBSSH2_SFTP_RENAME_OVERWRITE | LIBSSH2_SFTP_RENAME_ATOMIC |
                                        LIBSSH2_SFTP_RENAME_NATIVE);
    if (rc == 0) {
        self->made_part = false;
        return move_on(self, FINISHED);
    }
    result = sftp_fail(self, "renaming to", self->remote, err);
    if (result == GPUC__SSH_FAIL && !self->replaced) {
        *err = gpuc_error_unref(*err);
        self->replaced = true;
        return move_on(self, REMOVE_OLD);
    }
    return result;
}

static gpuc__ssh_next remove_old(struct sftp_op *self, gpuc_error **err)
{
    int rc = libssh2_sftp_unlink_ex(self->sftp, self->remote, (unsigned)strlen(self->remote));

    if (rc == LIBSSH2_ERROR_EAGAIN)
        return GPUC__SSH_WAIT;
    return move_on(self, RENAME); /* if it could not be removed, renaming says why */
}

static gpuc__ssh_next sftp_step(gpuc__ssh_op *op, gpuc_error **err)
{
    struct sftp_op *self = (struct sftp_op *)op;

    switch (self->phase) {
    case OPEN:
        return open_remote(self, err);
    case SET_MODE:
        return set_mode(self, err);
    case COPY:
        return self->upload ? copy_up(self, err) : copy_down(self, err);
    case CLOSE:
        return close_remote(self, err);
    case REMOVE_OLD:
        return remove_old(self, err);
    case RENAME:
        return rename_remote(self, err);
    default:
        return GPUC__SSH_DONE;
    }
}

static void close_local(struct sftp_op *self)
{
    if (self->fd >= 0)
        close(self->fd);
    self->fd = -1;
    if (!self->upload && self->local_part)
        unlink(self->local_part);
    gpuc__free(self->buffer);
    self->buffer = NULL;
}

static void sftp_finish(gpuc__ssh_op *op, gpuc_error *error)
{
    struct sftp_op *self = (struct sftp_op *)op;

    close_local(self);
    op->deadline = 0;
    self->done(self->data, error);
}

static bool sftp_clean(gpuc__ssh_op *op)
{
    struct sftp_op *self = (struct sftp_op *)op;

    if (!self->sftp)
        return true;
    if (self->handle && libssh2_sftp_close_handle(self->handle) == LIBSSH2_ERROR_EAGAIN)
        return false;
    self->handle = NULL;
    if (self->made_part && libssh2_sftp_unlink_ex(self->sftp, self->remote_part,
                                                  (unsigned)strlen(self->remote_part)) ==
                               LIBSSH2_ERROR_EAGAIN)
        return false;
    self->made_part = false;
    if (libssh2_sftp_shutdown(self->sftp) == LIBSSH2_ERROR_EAGAIN)
        return false;
    self->sftp = NULL;
    return true;
}

static void sftp_free(gpuc__ssh_op *op)
{
    struct sftp_op *self = (struct sftp_op *)op;

    close_local(self);
    gpuc__free(self->local);
    gpuc__free(self->local_part);
    gpuc__free(self->remote);
    gpuc__free(self->remote_part);
}

static const gpuc__ssh_op_class upload_class = {
    .verb = "uploading",
    .channel = true,
    .session_channel = true,
    .open = sftp_channel_open,
    .step = sftp_step,
    .finish = sftp_finish,
    .clean = sftp_clean,
    .free = sftp_free,
};

static const gpuc__ssh_op_class download_class = {
    .verb = "downloading",
    .channel = true,
    .session_channel = true,
    .open = sftp_channel_open,
    .step = sftp_step,
    .finish = sftp_finish,
    .clean = sftp_clean,
    .free = sftp_free,
};

/* A local file that cannot be opened is reported by done, later. */
static gpuc__ssh_next broken_step(gpuc__ssh_op *op, gpuc_error **err)
{
    struct sftp_op *self = (struct sftp_op *)op;

    return local_fail(self, self->mode, self->upload ? self->local : self->local_part, err);
}

static const gpuc__ssh_op_class broken_class = {
    .verb = "opening",
    .step = broken_step,
    .finish = sftp_finish,
    .clean = sftp_clean,
    .free = sftp_free,
};

static gpuc__ssh_op *transfer(gpuc__ssh *ssh, bool upload, const char *local, const char *remote,
                              int mode, gpuc__ssh_done_fn done, void *data)
{
    struct sftp_op *self = gpuc__calloc(1, sizeof(*self));
    const gpuc__ssh_op_class *class = upload ? &upload_class : &download_class;

    if (!self)
        return NULL;
    self->fd = -1;
    self->upload = upload;
    self->mode = mode;
    self->done = done;
    self->data = data;
    self->local = gpuc__strdup(local);
    self->remote = gpuc__strdup(remote);
    self->local_part = gpuc__asprintf("%s.part", local);
    self->remote_part = gpuc__asprintf("%s.part", remote);
    self->buffer = gpuc__malloc(upload ? UPLOAD_BUFFER : DOWNLOAD_BUFFER);
    if (!self->local || !self->remote || !self->local_part || !self->remote_part || !self->buffer) {
        sftp_free(&self->op);
        gpuc__free(self);
        return NULL;
    }
    self->fd = upload ? open(local, O_RDONLY | O_CLOEXEC)
                      : open(self->local_part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (self->fd < 0) {
        self->mode = errno;
        class = &broken_class;
    }
    gpuc__ssh_op_start(ssh, &self->op, class, gpuc__strdup(remote), START_MS);
    return &self->op;
}

gpuc__ssh_op *gpuc__ssh_upload(gpuc__ssh *ssh, const char *local_path, const char *remote_path,
                               int mode, gpuc__ssh_done_fn done, void *data)
{
    return transfer(ssh, true, local_path, remote_path, mode, done, data);
}

gpuc__ssh_op *gpuc__ssh_download(gpuc__ssh *ssh, const char *remote_path, const char *local_path,
                                 gpuc__ssh_done_fn done, void *data)
{
    return transfer(ssh, false, local_path, remote_path, 0, done, data);
}
