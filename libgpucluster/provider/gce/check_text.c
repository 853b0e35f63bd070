/* SPDX-License-Identifier: Apache-2.0 */
/* What a plan says of the whole to people: where, what it costs, which images, and remarks. */
#include <string.h>

#include "gpu/tables.h"
#include "provider/gce/check.h"
#include "util/buf.h"
#include "util/error.h"

#define TEXT_MAX 65536

static void add_price(const gpuc__gce_wish *wish, gpuc__buf *text)
{
    const json_t *d = wish->described, *price = json_object_get(d, "price_per_hour");
    const char *region = gpuc__table_text(d, "price_region");
    double hour = json_number_value(price), hours = (double)wish->spec->ttl_s / 3600;

    if (!json_is_number(price)) {
        gpuc__buf_printf(text, "Price: not known (no price of %s in %s in the table)\n",
                         gpuc__table_text(d, "price_unknown_of"), region);
        return;
    }
    gpuc__buf_printf(text, "Price: about %.2f USD an hour in %s, %.2f a day", hour, region,
                     hour * 24);
    if (wish->spec->ttl_s > 0)
        gpuc__buf_printf(text, ", at most %.2f before ttl deletes the machines", hour * hours);
    gpuc__buf_printf(text,
                     "\n  estimated, without traffic, addresses, local SSDs and discounts\n"
                     "  from %s\n",
                     gpuc__table_text(d, "source"));
}

int gpuc__gce_wish_text(gpuc__gce_wish *wish, gpuc_error **err)
{
    gpuc__buf text = GPUC__BUF_INIT(TEXT_MAX);
    json_t *d = wish->described, *one;
    size_t i;
    int rc = GPUC_OK;

    gpuc__buf_printf(&text, "Project: %s\nZones: ", wish->project);
    json_array_foreach(wish->zones, i, one)
    {
        gpuc__buf_printf(&text, "%s%s", i ? ", then " : "", json_string_value(one));
    }
    gpuc__buf_putc(&text, '\n');
    add_price(wish, &text);
    json_array_foreach(json_object_get(d, "images"), i, one)
    {
        gpuc__buf_printf(&text, "Image: %s of %s, now %s\n", gpuc__table_text(one, "family"),
                         gpuc__table_text(one, "project"), gpuc__table_text(one, "name"));
    }
    json_array_foreach(json_object_get(d, "notes"), i, one)
    {
        gpuc__buf_printf(&text, "Note: %s\n", json_string_value(one));
    }
    if (text.failed || json_object_set_new(d, "text", json_string(gpuc__buf_text(&text))) ||
        json_object_set_new(d, "project", json_string(wish->project)))
        rc = gpuc__error_nomem(err);
    gpuc__buf_clear(&text);
    return rc;
}
