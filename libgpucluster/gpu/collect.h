/* SPDX-License-Identifier: Apache-2.0 */
/* What one look at a machine says about its GPUs: the script that looks (sh/collect.sh), and the
 * reader of what it prints. Sections may be missing or cut; each is then not known. */
#ifndef GPUC__COLLECT_H
#define GPUC__COLLECT_H
#include <gpucluster.h>
#include <jansson.h>
#include <stdbool.h>

#include "gpu/klog.h"
#include "gpu/rules.h"
#include "gpu/smi_xml.h"

#define GPUC__COLLECT_OUTPUT_MAX (GPUC__SMI_INPUT_MAX + 1024u * 1024)
#define GPUC__COLLECT_TIMEOUT_MS 120000 /* the caller's deadline; inside, each tool has its own */
#define GPUC__COLLECT_AFTER_TIMEOUT_MS 40000 /* more for the second look */
#define GPUC__COLLECT_PCI_MAX 512
#define GPUC__COLLECT_NODES_MAX 512

typedef struct gpuc__pci_device {
    char bus[GPUC__BUS_ID_SIZE];
    unsigned vendor, device, pci_class; /* class as in sysfs, 0x030200 */
    char driver[32];                    /* "" : none bound, or not shown */
    int width, width_max;               /* lanes; 0: not known */
    double speed, speed_max;            /* GT/s; 0: not known */
    int width_after;                    /* right after the probe; 0: not known */
    double speed_after;
} gpuc__pci_device;

/* What is between the driver and Kubernetes on the machine. "": absent or not known. */
typedef struct gpuc__collect_chain {
    bool known;              /* its section came whole; the first five hold without that */
    bool smi_known;          /* nvidia-smi was asked */
    int smi_status;          /* as in gpuc__collect */
    bool smi_read, mig;      /* it gave a document; a GPU has MIG devices */
    size_t smi_gpus, slices; /* slices: MIG devices, and GPUs that have none */
    char smi_line[256];      /* its first line, or why it could not be read */
    char toolkit[96];        /* what nvidia-ctk --version says */
    char runtime[128];       /* path of nvidia-container-runtime */
    char containerd[16];     /* "active", "inactive", "failed" */
    char kubelet[16];
    bool config_known;       /* containerd's configuration was read: it has the handler runc */
    bool handler;            /* it has a runtime "nvidia" */
    char binary[128];        /* which runs this program */
    bool binary_is_there;
    char default_handler[64];
    char unread[128];        /* a configuration file written since containerd was started */
    size_t cdi_files;        /* of NVIDIA's devices */
    bool sockets_known, plugin_socket, kubelet_socket; /* in /var/lib/kubelet/device-plugins */
} gpuc__collect_chain;

/* The second look, right after the probe. */
typedef struct gpuc__collect_after {
    gpuc__smi *smi;  /* some elements only; NULL: not to be had */
    int64_t time_s;  /* the machine's clock; 0: not known */
    bool dcgm_run;
    int dcgm_status; /* exit status; -1: its section was cut */
    json_t *dcgm;    /* what it printed; NULL: no JSON */
} gpuc__collect_after;

/* A text of the machine and whether its section came whole. */
typedef struct gpuc__collect {
    bool simulated; /* the marker directory is there, or nvidia-smi's document says so */
    bool complete;  /* the script reached its end */
    bool not_root;  /* nor was sudo to be had: what only root may read is missing */

    bool pci_known;
    gpuc__pci_device *pci; /* NVIDIA functions of all classes */
    size_t pci_count;

    bool version_known; /* section was whole; driver_version may still be "": not loaded */
    char driver_version[64]; /* of the loaded module, from /proc/driver/nvidia/version */
    char driver_text[256];   /* its first line */
    bool modules_known;
    bool module_nvidia, module_uvm, module_nouveau;
    char modinfo_version[64]; /* of the module on disk; "" not known */
    bool driver_shown; /* false: a simulated GPU's machine, where no driver is to be seen */
    char nvml_version[32], cuda_version[32]; /* of the libraries' file names; "" not known */
    int proc_gpus; /* in /proc/driver/nvidia/gpus; -1: not known */

    int secure_boot; /* 1 on, 0 off, -1 not known */
    bool no_efi;

    size_t nvswitches;       /* on the PCI bus */
    char fm_state[24];       /* of Fabric Manager's service; "" : it is not installed */
    char fm_version[32];

    char klog_source[16]; /* "journalctl" …; "" : no kernel log could be read */
    gpuc__klog *klog;     /* NULL then */

    bool nodes_known;
    bool node_ctl, node_uvm;
    size_t node_gpus; /* /dev/nvidiaN */
    char node_closed[40]; /* the first that not everybody may use, and its mode; "" : none */

    char kernel[128], boot_id[64]; /* "" : not known */
    int64_t time_s; /* the machine's clock; 0: not known */
    bool bandwidth_shown; /* a simulated GPU's bandwidth is meant to be judged */

    gpuc__collect_chain chain;

    bool smi_started;  /* its section began */
    int smi_status;    /* exit status; -1: not known, the section was cut */
    char smi_line[256]; /* first line of stdout */
    char smi_stderr[512];
    gpuc__smi *smi;      /* NULL: no readable document */
    char smi_error[256]; /* why not */
    gpuc__smi *links;    /* nvlink -s; NULL: not to be had */
    json_t *link_errors; /* {"UUID": most errors of one of its links}; NULL: not to be had */
    gpuc__collect_after after;
    json_t *topology;    /* gpuc__smi_read_topology; NULL: not known */
} gpuc__collect;

/* The script, to be run as root by `sh -s` with it on stdin. nonce: 8 to 64 letters and digits that
 * the machine cannot guess. New string. GPUC_EINVAL, GPUC_ENOMEM. */
int gpuc__collect_script(char **out, const char *nonce, gpuc_error **err);
/* Reads what it printed. rules NULL: the tables as they are. GPUC_EPROTO when no section is in it,
 * GPUC_ELIMIT, GPUC_ENOMEM. */
int gpuc__collect_parse(gpuc__collect **out, const char *nonce, const char *bytes, size_t length,
                        gpuc__rules *rules, gpuc_error **err);
/* The text of the second look, to follow the probe's command in the same shell; it ends with the
 * probe's exit status. dcgm_level 0: dcgmi is not run. New string. GPUC_EINVAL, GPUC_ENOMEM. */
int gpuc__collect_after_script(char **out, const char *nonce, int dcgm_level, gpuc_error **err);
/* Adds what it printed; what is missing is not known. GPUC_ELIMIT, GPUC_ENOMEM. */
int gpuc__collect_after_parse(gpuc__collect *collect, const char *nonce, const char *bytes,
                              size_t length, gpuc_error **err);
void gpuc__collect_free(gpuc__collect *collect);

/* GPUs among the PCI functions (display and 3D controllers of NVIDIA). */
size_t gpuc__collect_pci_gpus(const gpuc__collect *collect);
/* The section "chain" of an answer. Private to collect.c. */
void gpuc__collect_read_chain(gpuc__collect_chain *out, const char *bytes, size_t length, bool whole);
bool gpuc__pci_is_gpu(const gpuc__pci_device *device);
#endif
