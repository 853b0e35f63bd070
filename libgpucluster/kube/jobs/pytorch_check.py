# SPDX-License-Identifier: Apache-2.0
# What PyTorch sees of the GPUs, and whether each multiplies two matrices right: one line of JSON.
# Ends with NO_GPU_STATUS (1) when there is none, 1 when a product is wrong.
import json
import os
import sys

import torch

N = 64
A = [[(i * 7 + j * 3) % 11 - 5 for j in range(N)] for i in range(N)]
B = [[(i * 5 + j * 2) % 13 - 6 for j in range(N)] for i in range(N)]
# Small whole numbers: the product is exact in float32, whatever order the device sums in.
WANTED = [[sum(A[i][k] * B[k][j] for k in range(N)) for j in range(N)] for i in range(N)]


def compute(device):
    try:
        a, b = (torch.tensor(m, dtype=torch.float32, device=device) for m in (A, B))
        return "ok" if torch.matmul(a, b).cpu().tolist() == WANTED else "wrong"
    except Exception as error:
        return "failed: %s" % str(error)[:300]


gpus = []
for index in range(torch.cuda.device_count()):
    gpus.append({"name": torch.cuda.get_device_name(index), "compute": compute("cuda:%d" % index)})
states = {g["compute"] for g in gpus}
print(json.dumps({
    "framework": "pytorch",
    "version": torch.__version__,
    "cuda_built": torch.version.cuda is not None,
    "gpus": gpus,
    "cpu": compute("cpu"),
    "compute": "no GPU" if not gpus else "ok" if states == {"ok"} else "wrong",
}), flush=True)
sys.exit(int(os.environ.get("NO_GPU_STATUS", "1")) if not gpus else 0 if states == {"ok"} else 1)
