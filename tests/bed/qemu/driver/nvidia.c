/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* A SIMULATED nvidia.ko for the emulated machine, which has no GPU: a version that modinfo tells, and
 * /proc/driver/nvidia/version while it is loaded. It drives nothing. */
#include <linux/init.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#define VERSION "580.95.05"

static struct proc_dir_entry *folder;

static int show(struct seq_file *file, void *data)
{
    seq_puts(file, "NVRM version: NVIDIA UNIX x86_64 Kernel Module (SIMULATED)  " VERSION "  none\n");
    return 0;
}

static int __init begin(void)
{
    folder = proc_mkdir("driver/nvidia", NULL);
    if (!folder || !proc_create_single("version", 0444, folder, show)) {
        proc_remove(folder);
        return -ENOMEM;
    }
    return 0;
}

static void __exit end(void)
{
    proc_remove(folder);
}

module_init(begin);
module_exit(end);
MODULE_DESCRIPTION("SIMULATED: no driver");
MODULE_VERSION(VERSION);
MODULE_LICENSE("Dual MIT/GPL");
