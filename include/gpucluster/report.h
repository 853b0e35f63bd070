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
 * How many checks that apply have that status, over all machines and the fleet.
 * @param[in] report not NULL.
 * @param[in] status a GPUC_CHECK value; of any other there are none.
 * @return how many.
 * @blocking no
 * @threadsafety any thread
 * @since 0.1
 */
GPUC_API int gpuc_report_count(const gpuc_report *report, int status);

/**
 * The report as JSON by the schema of gpuc_report_schema: {"schema","library","cluster","started",
 * "finished","verdict","simulated","counts","fleet":{"facts","checks"},"machines":[{"name","verdict",
 * "simulated","started","finished","driver","cuda","kernel","gpus":[{"index","uuid","bus","product",
 * "memory_mib","memory_gbs","nvidia_smi"}],"topology","checks":[{"id","title","status" (pass, skip,
 * warn or fail),"applies","gpu": null or {"index","uuid","bus","mig"},"observed","threshold","source"
 * (of the threshold),"reason" (why it was skipped),"remedy","evidence"}]}]}. What is not known is
 * null. docs/report.md has all of it.
 * @param[in] report not NULL.
 * @return new string (gpuc_free), or NULL without memory.
 * @blocking no
 * @threadsafety any thread
 * @since 0.1
 */
GPUC_API char *gpuc_report_to_json(const gpuc_report *report);

/**
 * A report back from the JSON that gpuc_report_to_json gave, perhaps elsewhere or long ago. Checks
 * that this version does not know are left out; the verdicts are worked out anew.
 * @param[out] out     the report, owned by the caller.
 * @param[in]  text    the JSON; need not end in NUL.
 * @param[in]  length  bytes, at most 256 MiB.
 * @param[out] err     NULL or where an error goes.
 * @return GPUC_OK, GPUC_EPROTO (it is no such report, or of a later schema), GPUC_ELIMIT (too large),
 *         GPUC_EINVAL, GPUC_ENOMEM.
 * @blocking no
 * @threadsafety any thread
 * @since 0.1
 */
GPUC_API int gpuc_report_from_json(gpuc_report **out, const char *text, size_t length,
                                   gpuc_error **err);

/** The JSON Schema of gpuc_report_to_json; its "$id" is what a report has as "schema". @return borrowed, for ever. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API const char *gpuc_report_schema(void);

/** The report as CTRF, the JSON that ctrf.io describes: a check is a test, a machine is a suite, a warning is a test of status "other". @param[in] report not NULL. @return new string (gpuc_free), or NULL without memory. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API char *gpuc_report_to_ctrf(const gpuc_report *report);

/** The report as JUnit XML for Jenkins, GitLab and others: a check is a test case, a machine is a test suite, a warning is a test that passed with something in system-out. @param[in] report not NULL. @return new string (gpuc_free), or NULL without memory. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API char *gpuc_report_to_junit(const gpuc_report *report);

/** The report as one HTML page that loads nothing else and can be read without scripts. @param[in] report not NULL. @return new string (gpuc_free), or NULL without memory. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API char *gpuc_report_to_html(const gpuc_report *report);

/**
 * The report as a table for people, and below it each check that did not pass, the worst first.
 * @param[in] report not NULL.
 * @param[in] width  columns of the terminal: the table is made to fit, as far as it can; 0: any.
 * @param[in] color  1: verdicts are coloured by escape sequences; 0: plain.
 * @return new string (gpuc_free), or NULL without memory.
 * @blocking no
 * @threadsafety any thread
 * @since 0.1
 */
GPUC_API char *gpuc_report_to_table(const gpuc_report *report, int width, int color);

/** As gpuc_report_to_table, of any width and plain. @param[in] report not NULL. @return new string (gpuc_free), or NULL without memory. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API char *gpuc_report_to_text(const gpuc_report *report);

/** Takes a reference. @param[in] report not NULL. @return report. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_report *gpuc_report_ref(gpuc_report *report);

/** Drops a reference. @param[in] report may be NULL. @return NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_report *gpuc_report_unref(gpuc_report *report);

GPUC_END_DECLS

#endif
