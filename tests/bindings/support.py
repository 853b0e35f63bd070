# SPDX-License-Identifier: Apache-2.0
"""What the tests of the Python module share."""
import json

import native as g


def check(name, holds, detail=""):
    print("ok" if holds else "FAIL", "python:", name, detail, flush=True)
    return bool(holds)


def finish(context, op):
    """Runs op to its end as a script does: a little at a time, taking events in between."""
    events = []
    while g.gpuc_op_state(op) == g.GPUC_OP_RUNNING:
        g.gpuc_context_run(context, 200)
        while True:
            found, event = g.gpuc_context_next_event(context)
            if not found:
                break
            events.append(json.loads(g.gpuc_event_to_json(event)))
    g.gpuc_op_wait(op, 0)
    return events


def caught(function, *arguments):
    """(code, message, JSON) of the exception; None without one."""
    try:
        function(*arguments)
    except g.Error as error:
        code, message, text = error.args
        return code, message, json.loads(text)
    return None
