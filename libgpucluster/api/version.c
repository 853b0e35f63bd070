/* SPDX-License-Identifier: Apache-2.0 */
/* The version of the library that is loaded. */
#include <gpucluster.h>

const char *gpuc_version(void)
{
    return GPUC_VERSION;
}
