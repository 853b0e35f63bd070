/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a spec: reading ends with a spec or an error. What is read can be written as JSON,
 * and that JSON read again is the same; a model of it has machines and a control plane. */
#include <gpucluster.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "spec/model.h"
#include "spec/read.h"
#include "util/alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_json(const gpuc_spec *spec)
{
    char *json = gpuc_spec_to_json(spec), *again;
    gpuc_spec *second = NULL;

    if (!json || gpuc_spec_parse(&second, json, strlen(json), "again", NULL))
        abort();
    again = gpuc_spec_to_json(second);
    if (!again || strcmp(json, again) != 0)
        abort();
    gpuc_free(json);
    gpuc_free(again);
    gpuc_spec_unref(second);
}

static void check_model(const gpuc_spec *spec)
{
    gpuc__spec_model *model = NULL;
    gpuc_error *err = NULL;
    int rc = gpuc__spec_model_new(&model, spec, &err);

    if ((rc == GPUC_OK) != (model != NULL) || (rc == GPUC_OK) != (err == NULL))
        abort();
    if (model && (!model->machine_count ||
                  !gpuc__spec_model_machine(model, model->machines[0].name)))
        abort();
    gpuc__spec_model_free(model);
    gpuc_error_unref(err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gpuc_spec *spec = NULL;
    gpuc_error *err = NULL;
    int rc = gpuc_spec_parse(&spec, (const char *)data, size, "fuzz", &err);

    if ((rc == GPUC_OK) != (spec != NULL) || (rc == GPUC_OK) != (err == NULL))
        abort();
    if (spec) {
        check_json(spec);
        check_model(spec);
    }
    gpuc__free(gpuc__spec_json_as_yaml((const char *)data, size));
    gpuc_spec_unref(spec);
    gpuc_error_unref(err);
    return 0;
}
