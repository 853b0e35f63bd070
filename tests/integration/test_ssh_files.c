/* SPDX-License-Identifier: Apache-2.0 */
/* SFTP over a real sshd: upload, download, and what goes wrong. */
#include <sys/mount.h>

#include "support/ssh_client.h"

static void upload_wait(gpuc__ssh *ssh, const char *local, const char *remote, int mode, result *r)
{
    memset(r, 0, sizeof(*r));
    gpuc__ssh_upload(ssh, local, remote, mode, on_done, r);
    assert_true(wait_for(&r->done, 1));
}

static void download_wait(gpuc__ssh *ssh, const char *remote, const char *local, result *r)
{
    memset(r, 0, sizeof(*r));
    gpuc__ssh_download(ssh, remote, local, on_done, r);
    assert_true(wait_for(&r->done, 1));
}

static void make_file(const char *path, size_t size)
{
    FILE *f = fopen(path, "w");
    uint32_t x = 1;

    assert_non_null(f);
    for (size_t i = 0; i < size; i++) {
        x = x * 1664525u + 1013904223u;
        fputc((int)(x >> 24), f);
    }
    fclose(f);
}

static bool same_file(const char *a, const char *b)
{
    return run_program((const char *const[]){"cmp", "-s", a, b, NULL}) == 0;
}

static int mode_of(const char *path)
{
    struct stat st;

    return stat(path, &st) ? -1 : (int)(st.st_mode & 07777);
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static void test_ssh_files__there_and_back(void **state)
{
    static const size_t sizes[] = {0, 1, 29999, 30000, 30001, 1048576, 20000003};
    gpuc__ssh *ssh = client();
    result r;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        make_file(sshd_path(&server, "source"), sizes[i]);
        upload_wait(ssh, sshd_path(&server, "source"), sshd_path(&server, "remote"), 0640, &r);
        assert_null(r.message);
        assert_true(same_file(sshd_path(&server, "source"), sshd_path(&server, "remote")));
        assert_int_equal(mode_of(sshd_path(&server, "remote")), 0640);
        download_wait(ssh, sshd_path(&server, "remote"), sshd_path(&server, "back"), &r);
        assert_null(r.message);
        assert_true(same_file(sshd_path(&server, "source"), sshd_path(&server, "back")));
        assert_int_equal(mode_of(sshd_path(&server, "back")), 0600);
        assert_false(exists(sshd_path(&server, "remote.part")));
        assert_false(exists(sshd_path(&server, "back.part")));
    }
    gpuc__ssh_unref(ssh);
}

static void test_ssh_files__several_at_once_beside_commands(void **state)
{
    gpuc__ssh *ssh = client();
    result up[4] = {{0}}, run[4] = {{0}};
    char name[16];

    make_file(sshd_path(&server, "source"), 3000000);
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "copy%d", i);
        gpuc__ssh_upload(ssh, sshd_path(&server, "source"), sshd_path(&server, name), 0600, on_done,
                         &up[i]);
        exec_start(ssh, "head -c 500000 /dev/zero | wc -c", &run[i]);
    }
    for (int i = 0; i < 4; i++) {
        assert_true(wait_for(&up[i].done, 1) && wait_for(&run[i].done, 1));
        assert_null(up[i].message);
        assert_null(run[i].message);
        assert_string_equal(run[i].out, "500000\n");
        snprintf(name, sizeof(name), "copy%d", i);
        assert_true(same_file(sshd_path(&server, "source"), sshd_path(&server, name)));
        result_clear(&run[i]);
    }
    gpuc__ssh_unref(ssh);
}

static void test_ssh_files__missing_paths(void **state)
{
    gpuc__ssh *ssh = client();
    result r;

    upload_wait(ssh, "/nonexistent/local", sshd_path(&server, "x"), 0600, &r);
    assert_int_equal(r.code, GPUC_ENOTFOUND);
    assert_contains(r.message, "/nonexistent/local");
    result_clear(&r);
    upload_wait(ssh, sshd_path(&server, "id.pub"), "/nonexistent/remote", 0600, &r);
    assert_int_equal(r.code, GPUC_ENOTFOUND);
    assert_contains(r.message, "/nonexistent/remote");
    assert_contains(r.message, "gpu-1 (");
    result_clear(&r);
    download_wait(ssh, "/nonexistent/remote", sshd_path(&server, "x"), &r);
    assert_int_equal(r.code, GPUC_ENOTFOUND);
    assert_false(exists(sshd_path(&server, "x.part")));
    result_clear(&r);
    download_wait(ssh, sshd_path(&server, "id.pub"), "/nonexistent/local", &r);
    assert_int_equal(r.code, GPUC_ENOTFOUND);
    assert_contains(r.message, "/nonexistent/local");
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

static void test_ssh_files__a_directory_is_not_replaced(void **state)
{
    gpuc__ssh *ssh = client();
    result r;

    assert_int_equal(mkdir(sshd_path(&server, "directory"), 0700), 0);
    upload_wait(ssh, sshd_path(&server, "id.pub"), sshd_path(&server, "directory"), 0600, &r);
    assert_int_equal(r.code, GPUC_EREMOTE);
    assert_contains(r.remedy, "ls -ld");
    result_clear(&r);
    exec_wait(ssh, "true", &r); /* lets the cleaning up finish */
    result_clear(&r);
    turn_for(300);
    assert_false(exists(sshd_path(&server, "directory.part")));
    gpuc__ssh_unref(ssh);
}

/* Root may write anywhere but not into /proc; others not into /. */
static void test_ssh_files__no_permission(void **state)
{
    gpuc__ssh *ssh = client();
    result r;

    upload_wait(ssh, sshd_path(&server, "id.pub"), getuid() ? "/x" : "/proc/x", 0600, &r);
    assert_true(r.code == GPUC_EPERM || r.code == GPUC_ENOTFOUND || r.code == GPUC_EREMOTE);
    assert_contains(r.message, getuid() ? "/x" : "/proc/x");
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

static void test_ssh_files__full_disk(void **state)
{
    gpuc__ssh *ssh;
    char small[256], target[300];
    result r;

    snprintf(small, sizeof(small), "%s", sshd_path(&server, "small"));
    snprintf(target, sizeof(target), "%s/file", small);
    mkdir(small, 0700);
    if (mount("tmpfs", small, "tmpfs", 0, "size=1m")) {
        print_message("a small file system cannot be mounted: %s\n", strerror(errno));
        skip();
    }
    make_file(sshd_path(&server, "source"), 5000000);
    ssh = client();
    upload_wait(ssh, sshd_path(&server, "source"), target, 0600, &r);
    turn_for(300);
    gpuc__ssh_unref(ssh);
    umount2(small, MNT_DETACH);
    assert_int_equal(r.code, GPUC_EREMOTE);
    assert_contains(r.message, "disk is full");
    assert_contains(r.remedy, "df -h");
    result_clear(&r);
}

static void test_ssh_files__server_without_sftp(void **state)
{
    test_sshd plain;
    gpuc__ssh *ssh;
    result r;

    assert_true(sshd_make(&plain, NULL, "# no subsystem") && sshd_launch(&plain));
    ssh = client_with(&plain, NULL);
    upload_wait(ssh, sshd_path(&plain, "id.pub"), sshd_path(&plain, "x"), 0600, &r);
    assert_int_equal(r.code, GPUC_ENETWORK);
    assert_int_equal(r.retryable, 0);
    assert_contains(r.remedy, "Subsystem sftp");
    result_clear(&r);
    exec_wait(ssh, "echo works still", &r);
    assert_string_equal(r.out, "works still\n");
    result_clear(&r);
    gpuc__ssh_unref(ssh);
    sshd_stop(&plain);
}

static void test_ssh_files__cancelled_or_cut_at_any_moment(void **state)
{
    result r;

    make_file(sshd_path(&server, "source"), 8000000);
    for (int i = 0; i < 12; i++) {
        gpuc__ssh *ssh = client();
        gpuc__ssh_op *op;

        memset(&r, 0, sizeof(r));
        op = i % 4 < 2 ? gpuc__ssh_upload(ssh, sshd_path(&server, "source"),
                                          sshd_path(&server, "cut"), 0600, on_done, &r)
                       : gpuc__ssh_download(ssh, sshd_path(&server, "source"),
                                            sshd_path(&server, "cut"), on_done, &r);
        turn_for(10 + i * 12);
        if (i % 2 && !r.done)
            gpuc__ssh_op_cancel(op);
        else
            sshd_kill(&server, true);
        assert_true(wait_for(&r.done, 1));
        assert_true(r.code == 0 || r.code == (i % 2 ? GPUC_ECANCELLED : GPUC_ENETWORK));
        result_clear(&r);
        gpuc__ssh_unref(ssh);
        if (!server.pid)
            assert_true(sshd_launch(&server));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ssh_files__there_and_back),
        cmocka_unit_test(test_ssh_files__several_at_once_beside_commands),
        cmocka_unit_test(test_ssh_files__missing_paths),
        cmocka_unit_test(test_ssh_files__a_directory_is_not_replaced),
        cmocka_unit_test(test_ssh_files__no_permission),
        cmocka_unit_test(test_ssh_files__full_disk),
        cmocka_unit_test(test_ssh_files__server_without_sftp),
        cmocka_unit_test(test_ssh_files__cancelled_or_cut_at_any_moment),
    };

    return sshd_missing() ? 0 : cmocka_run_group_tests(tests, set_up, tear_down);
}
