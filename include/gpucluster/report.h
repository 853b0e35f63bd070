/* SPDX-License-Identifier: Apache-2.0 */
/* Reports: the proof, as data. */
#ifndef GPUCLUSTER_REPORT_H
#define GPUCLUSTER_REPORT_H

#include <gpucluster/types.h>

GPUC_BEGIN_DECLS

/** Verdict of a check, a machine or a whole report; the worst check decides. */
enum { GPUC_CHECK_PASS = 0, GPUC_CHECK_SKIP = 1, GPUC_CHECK_WARN = 2, GPUC_CHECK_FAIL = 3 };

/** The worst verdict. @param[in] report not NULL. @return a GPUC_CHECK value. @blocking no @threadsafety any thread; reports are immutable @since 0.1 */
GPUC_API int gpuc_report_verdict(const gpuc_report *report);

/** Whether any GPU in it is a stand-in. @param[in] report not NULL. @return 1 or 0. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API int gpuc_report_simulated(const gpuc_report *report);

/**
 * The report as JSON: {"cluster","verdict","simulated","machines":[{"name","verdict","simulated",
 * "started","finished","driver","cuda","kernel","gpus":[{"index","uuid","bus","product",
 * "memory_mib","memory_gbs","nvidia_smi"}],"checks":[{"id","title","status" (pass, skip, warn or
 * fail),"applies","gpu": null or {"index","uuid","bus","mig"},"observed","threshold","source" (of
 * the threshold),"reason" (why it was skipped),"remedy","evidence"}]}]}. What is not known is null.
 * @param[in] report not NULL.
 * @return new string (gpuc_free), or NULL without memory.
 * @blocking no
 * @threadsafety any thread
 * @since 0.1
 */
GPUC_API char *gpuc_report_to_json(const gpuc_report *report);

/** The report as a table for people. @param[in] report not NULL. @return new string (gpuc_free), or NULL without memory. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API char *gpuc_report_to_text(const gpuc_report *report);

/** Takes a reference. @param[in] report not NULL. @return report. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_report *gpuc_report_ref(gpuc_report *report);

/** Drops a reference. @param[in] report may be NULL. @return NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_report *gpuc_report_unref(gpuc_report *report);

GPUC_END_DECLS

#endif
