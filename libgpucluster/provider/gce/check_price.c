/* SPDX-License-Identifier: Apache-2.0 */
/* What a cluster is expected to cost an hour. A price that is not known is said to be unknown. */
#include <string.h>

#include "provider/gce/check.h"
#include "util/error.h"

#define DOMAIN GPUC_DOMAIN_PROVIDER

typedef struct sum {
    double price;        /* negative: not known */
    const char *source;  /* or what has no price */
    const char *machine; /* whose price is not known */
} sum;

static sum add_up(const gpuc__gce_wish *wish, const char *region)
{
    sum total = {0, "", NULL};

    for (size_t i = 0; i < wish->spec->machine_count; i++) {
        const char *source;
        double price =
            gpuc__gce_catalogue_price(wish->catalogue, &wish->shapes[i], region, &source);

        total.source = source;
        if (price < 0) {
            total.price = -1;
            total.machine = wish->spec->machines[i].name;
            return total;
        }
        total.price += price;
    }
    return total;
}

/* max_price holds wherever the machines may come to be. */
static int check_limit(const gpuc__gce_wish *wish, const char *region, const sum *total,
                       gpuc_error **err)
{
    double limit = wish->spec->max_price;

    if (limit < 0 || (total->price >= 0 && total->price <= limit))
        return GPUC_OK;
    if (total->price < 0) {
        gpuc__error_set(err, GPUC_EUNSUPPORTED, DOMAIN,
                        "max_price_per_hour is %.2f, and no price of %s in %s is known", limit,
                        total->source, region);
        gpuc__error_at(err, total->machine, NULL);
        gpuc__error_remedy(err,
                           "see Google's price list, then remove max_price_per_hour, or choose "
                           "machines and regions whose prices are known (`gpucluster catalog`)");
        return GPUC_EUNSUPPORTED;
    }
    gpuc__error_set(err, GPUC_ELIMIT, DOMAIN,
                    "the cluster would cost about %.2f USD an hour in %s (%s), and "
                    "max_price_per_hour is %.2f",
                    total->price, region, total->source, limit);
    gpuc__error_remedy(err, "ask for fewer or smaller machines, use spot, or raise "
                            "max_price_per_hour");
    return GPUC_ELIMIT;
}

static int tell(gpuc__gce_wish *wish, const char *region, const sum *total, gpuc_error **err)
{
    json_t *d = wish->described, *by_region = json_object_get(d, "price_by_region");
    /* Cents are all that an estimate can tell; more digits would look like knowledge. */
    json_t *price = total->price < 0
                        ? json_null()
                        : json_real((double)(long long)(total->price * 1000 + 0.5) / 1000);
    int bad = 0;

    if (!by_region) {
        bad |= json_object_set_new(d, "currency", json_string("USD"));
        bad |= json_object_set(d, "price_per_hour", price);
        bad |= json_object_set_new(d, "price_region", json_string(region));
        bad |= json_object_set_new(d, total->price < 0 ? "price_unknown_of" : "source",
                                   json_string(total->source));
        bad |= json_object_set_new(d, "price_by_region", json_object());
        by_region = json_object_get(d, "price_by_region");
    }
    bad |= json_object_set(by_region, region, price);
    json_decref(price);
    return bad ? gpuc__error_nomem(err) : GPUC_OK;
}

int gpuc__gce_wish_price(gpuc__gce_wish *wish, gpuc_error **err)
{
    json_t *region;
    size_t i;
    int rc = GPUC_OK;

    json_array_foreach(wish->regions, i, region)
    {
        const char *name = json_string_value(region);
        sum total = add_up(wish, name);

        rc = check_limit(wish, name, &total, err);
        if (!rc)
            rc = tell(wish, name, &total, err);
        if (rc)
            break;
    }
    return rc;
}
