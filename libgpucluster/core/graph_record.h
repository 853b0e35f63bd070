/* SPDX-License-Identifier: Apache-2.0 */
/* What a run leaves behind: the store and the events. Failures to write make the run fail. */
#ifndef GPUC__GRAPH_RECORD_H
#define GPUC__GRAPH_RECORD_H
#include "core/graph_internal.h"

void gpuc__record_begin(gpuc__graph *graph);
bool gpuc__record_commit(gpuc__graph *graph);
void gpuc__record_load(gpuc__graph *graph);
void gpuc__record_open_attempt(gpuc__node *node);
void gpuc__record_started(gpuc__node *node);
void gpuc__record_attempt_end(gpuc__node *node, int code, const char *detail);
void gpuc__record_done(gpuc__node *node, const char *detail);
void gpuc__record_failed(gpuc__node *node, const gpuc_error *error);
void gpuc__record_retry(gpuc__node *node, const gpuc_error *error, uint64_t delay_ms);
void gpuc__record_skipped(gpuc__node *node);
void gpuc__record_waiting(gpuc__node *node);
void gpuc__record_progress(gpuc__graph *graph, bool last);
#endif
