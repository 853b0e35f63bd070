# SPDX-License-Identifier: Apache-2.0
# What TensorFlow sees of the GPUs, and whether each multiplies two matrices right: one line of JSON.
# Ends with NO_GPU_STATUS (1) when there is none, 1 when a product is wrong.
import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import tensorflow as tf

N = 64
A = [[(i * 7 + j * 3) % 11 - 5 for j in range(N)] for i in range(N)]
B = [[(i * 5 + j * 2) % 13 - 6 for j in range(N)] for i in range(N)]
# Small whole numbers: the product is exact in float32, whatever order the device sums in.
WANTED = [[sum(A[i][k] * B[k][j] for k in range(N)) for j in range(N)] for i in range(N)]


def compute(device):
    try:
        with tf.device(device):
            a, b = (tf.constant(m, dtype=tf.float32) for m in (A, B))
            return "ok" if tf.matmul(a, b).numpy().tolist() == WANTED else "wrong"
    except Exception as error:
        return "failed: %s" % str(error)[:300]


gpus = []
for index, gpu in enumerate(tf.config.list_physical_devices("GPU")):
    try:
        name = tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
    except Exception:
        name = gpu.name
    gpus.append({"name": name, "compute": compute("/GPU:%d" % index)})
states = {g["compute"] for g in gpus}
print(json.dumps({
    "framework": "tensorflow",
    "version": tf.__version__,
    "cuda_built": tf.test.is_built_with_cuda(),
    "gpus": gpus,
    "cpu": compute("/CPU:0"),
    "compute": "no GPU" if not gpus else "ok" if states == {"ok"} else "wrong",
}), flush=True)
sys.exit(int(os.environ.get("NO_GPU_STATUS", "1")) if not gpus else 0 if states == {"ok"} else 1)
