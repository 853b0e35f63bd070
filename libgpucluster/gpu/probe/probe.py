# SPDX-License-Identifier: Apache-2.0
"""CUDA compute probe. Needs python3 (3.4 or later) and libcuda.so.1, nothing else.

Read from stdin; the sender appends the PTX and the call of main. Prints one JSON object a line:
"driver" first, then "begin" and "gpu" for every GPU, "end" last; "fatal" when it cannot begin.
Exit status: 0 every GPU passed or was left alone, 3 no libcuda, 4 CUDA does not start, 5 a GPU
failed or there is none, 2 wrong arguments.
"""
import argparse
import ctypes
import json
import os
import sys

SIMULATED_MARKER = "/etc/gpucluster/simulated-gpu"
MASK = 0xFFFFFFFF
WINDOW = 1024  # words compared on the host at the start, the middle and the end
ROUNDS = 6
THREADS = 256

ATTR_SMS, ATTR_COMPUTE_MODE, ATTR_ECC = 16, 20, 32
ATTR_MEMORY_KHZ, ATTR_BUS_BITS, ATTR_MAJOR, ATTR_MINOR = 36, 37, 75, 76
JIT_ERROR_LOG, JIT_ERROR_LOG_SIZE = 5, 6

Ptr = ctypes.c_void_p
DevicePtr = ctypes.c_uint64
Word = ctypes.c_uint32
Int = ctypes.c_int


def ref(kind):
    return ctypes.POINTER(kind)


# Argument types matter: a device pointer is 64 bits, which ctypes would cut to an int.
SIGNATURES = {
    "cuInit": [Word],
    "cuDriverGetVersion": [ref(Int)],
    "cuDeviceGetCount": [ref(Int)],
    "cuDeviceGet": [ref(Int), Int],
    "cuDeviceGetName": [ctypes.c_char_p, Int, Int],
    "cuDeviceGetPCIBusId": [ctypes.c_char_p, Int, Int],
    "cuDeviceGetUuid": [Ptr, Int],
    "cuDeviceGetAttribute": [ref(Int), Int, Int],
    "cuGetErrorName": [Int, ref(ctypes.c_char_p)],
    "cuDevicePrimaryCtxRetain": [ref(Ptr), Int],
    "cuDevicePrimaryCtxRelease": [Int],
    "cuDevicePrimaryCtxRelease_v2": [Int],
    "cuCtxSetCurrent": [Ptr],
    "cuCtxSynchronize": [],
    "cuMemGetInfo_v2": [ref(ctypes.c_size_t), ref(ctypes.c_size_t)],
    "cuModuleLoadDataEx": [ref(Ptr), ctypes.c_char_p, Word, ref(Int), ref(Ptr)],
    "cuModuleGetFunction": [ref(Ptr), Ptr, ctypes.c_char_p],
    "cuModuleUnload": [Ptr],
    "cuMemAlloc_v2": [ref(DevicePtr), ctypes.c_size_t],
    "cuMemFree_v2": [DevicePtr],
    "cuMemsetD32_v2": [DevicePtr, Word, ctypes.c_size_t],
    "cuMemcpyDtoH_v2": [Ptr, DevicePtr, ctypes.c_size_t],
    "cuEventCreate": [ref(Ptr), Word],
    "cuEventDestroy_v2": [Ptr],
    "cuEventRecord": [Ptr, Ptr],
    "cuEventSynchronize": [Ptr],
    "cuEventElapsedTime": [ref(ctypes.c_float), Ptr, Ptr],
    "cuLaunchKernel": [Ptr] + [Word] * 7 + [Ptr, ref(Ptr), ref(Ptr)],
}


class CudaError(Exception):
    def __init__(self, stage, code, name, detail=""):
        Exception.__init__(self, "%s: %d %s" % (stage, code, name))
        self.stage, self.code, self.name, self.detail = stage, code, name, detail

    def fields(self):
        return {"stage": self.stage, "code": self.code, "error": self.name,
                "detail": self.detail}


class Cuda(object):
    """libcuda with every result checked: cuda.cuInit(0) raises CudaError."""

    def __init__(self):
        self.library = ctypes.CDLL("libcuda.so.1")

    def __getattr__(self, symbol):
        try:
            function = getattr(self.library, symbol)
        except AttributeError:
            raise CudaError(symbol, 0, "SYMBOL_MISSING", "libcuda.so.1 has no " + symbol)
        function.argtypes = SIGNATURES[symbol]
        function.restype = Int

        def checked(*arguments):
            code = function(*arguments)
            if code:
                raise CudaError(symbol, code, self.error_name(code))
        return checked

    def error_name(self, code):
        name = ctypes.c_char_p()
        function = self.library.cuGetErrorName
        function.argtypes = SIGNATURES["cuGetErrorName"]
        function(code, ctypes.byref(name))
        return (name.value or b"CUDA_ERROR_?").decode("ascii", "replace")


def say(event, **fields):
    fields["event"] = event
    sys.stdout.write(json.dumps(fields, sort_keys=True) + "\n")
    sys.stdout.flush()


def bus_id(text):
    """Lower case, domain of 4 digits: what sysfs says."""
    domain, bus, rest = text.strip().lower().split(":")
    return "%04x:%02x:%s" % (int(domain, 16), int(bus, 16), rest)


def attribute(cuda, which, device):
    value = Int(0)
    try:
        cuda.cuDeviceGetAttribute(ctypes.byref(value), which, device)
    except CudaError:
        return 0
    return value.value


def uuid_text(cuda, device):
    raw = (ctypes.c_ubyte * 16)()
    try:
        cuda.cuDeviceGetUuid(raw, device)
    except CudaError:
        return None
    digits = "".join("%02x" % byte for byte in raw)
    cuts = (0, 8, 12, 16, 20, 32)
    return "GPU-" + "-".join(digits[a:b] for a, b in zip(cuts, cuts[1:]))


def describe(cuda, device):
    text = ctypes.create_string_buffer(256)
    cuda.cuDeviceGetPCIBusId(text, 256, device)
    facts = {"bus": bus_id(text.value.decode("ascii", "replace"))}
    cuda.cuDeviceGetName(text, 256, device)
    facts["name"] = text.value.decode("ascii", "replace")
    facts["uuid"] = uuid_text(cuda, device)
    facts["cc"] = "%d.%d" % (attribute(cuda, ATTR_MAJOR, device),
                             attribute(cuda, ATTR_MINOR, device))
    facts["sms"] = attribute(cuda, ATTR_SMS, device)
    facts["ecc"] = attribute(cuda, ATTR_ECC, device)
    facts["compute_mode"] = attribute(cuda, ATTR_COMPUTE_MODE, device)
    transfers = 2.0e3 * attribute(cuda, ATTR_MEMORY_KHZ, device)
    facts["theoretical_gbs"] = round(
        transfers * attribute(cuda, ATTR_BUS_BITS, device) / 8 / 1e9, 1)
    return facts


def load(cuda, ptx):
    log = ctypes.create_string_buffer(4096)
    options = (Int * 2)(JIT_ERROR_LOG, JIT_ERROR_LOG_SIZE)
    values = (Ptr * 2)(ctypes.cast(log, Ptr), Ptr(4096))
    module = Ptr()
    try:
        cuda.cuModuleLoadDataEx(ctypes.byref(module), ptx.encode("ascii"), 2, options, values)
    except CudaError as error:
        error.detail = log.value.decode("utf-8", "replace")[:400]
        raise
    return module


class Run(object):
    """One GPU's buffers and kernels, released in the reverse order whatever happens."""

    def __init__(self, cuda, device):
        self.cuda, self.undo = cuda, []
        context = Ptr()
        cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device)
        self.undo.append((self.release, device))
        cuda.cuCtxSetCurrent(context)

    def release(self, device):
        self.cuda.cuCtxSetCurrent(None)
        try:
            self.cuda.cuDevicePrimaryCtxRelease_v2(device)
        except CudaError as error:
            if error.name != "SYMBOL_MISSING":
                raise
            self.cuda.cuDevicePrimaryCtxRelease(device)

    def module(self, ptx):
        module = load(self.cuda, ptx)
        self.undo.append((self.cuda.cuModuleUnload, module))
        return module

    def buffer(self, size):
        pointer = DevicePtr()
        self.cuda.cuMemAlloc_v2(ctypes.byref(pointer), size)
        self.undo.append((self.cuda.cuMemFree_v2, pointer))
        return pointer

    def event(self):
        event = Ptr()
        self.cuda.cuEventCreate(ctypes.byref(event), 0)
        self.undo.append((self.cuda.cuEventDestroy_v2, event))
        return event

    def launch(self, module, name, blocks, *arguments):
        function = Ptr()
        self.cuda.cuModuleGetFunction(ctypes.byref(function), module, name)
        pointers = (Ptr * len(arguments))(
            *[ctypes.cast(ctypes.byref(argument), Ptr) for argument in arguments])
        self.cuda.cuLaunchKernel(function, blocks, 1, 1, THREADS, 1, 1, 0, None, pointers, None)

    def words(self, pointer, first, count):
        host = (Word * count)()
        self.cuda.cuMemcpyDtoH_v2(host, pointer.value + 4 * first, 4 * count)
        return host

    def close(self):
        for function, argument in reversed(self.undo):
            try:
                function(argument)
            except CudaError:
                pass  # after a fatal error every call on the context fails


def mix(value):
    value = value * 0x9E3779B1 & MASK
    value ^= value >> 15
    value = value * 0x85EBCA77 & MASK
    return value ^ value >> 13


def host_check(run, a, c, n, seed):
    """Counts words that are wrong by the host's own arithmetic: the GPU is not its own judge."""
    wrong = 0
    for first in sorted({0, (n - WINDOW) // 2, n - WINDOW}):
        filled, added = run.words(a, first, WINDOW), run.words(c, first, WINDOW)
        for j in range(WINDOW):
            i = first + j
            wrong += filled[j] != mix(i ^ seed) or added[j] != (3 * i + seed) & MASK
    return wrong


def fit(cuda, mib):
    """Not more than a quarter of the free memory for each of the three buffers."""
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    cuda.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
    return max(1, min(mib, free.value // 4 >> 20))


def compute(cuda, device, ptx, mib, result):
    run = Run(cuda, device)
    try:
        mib = result["mib"] = fit(cuda, mib)
        module = run.module(ptx)
        size = mib << 20
        n, seed = Word(size // 4), Word(int.from_bytes(os.urandom(4), "little"))
        a, b, c, bad = run.buffer(size), run.buffer(size), run.buffer(size), run.buffer(4)
        cuda.cuMemsetD32_v2(bad, 0, 1)
        cuda.cuMemsetD32_v2(c, 0, n.value)
        blocks = n.value // 4 // THREADS
        start, stop = run.event(), run.event()
        run.launch(module, b"gpuc_fill", blocks, a, b, n, seed)
        best = None
        for _ in range(ROUNDS):
            milliseconds = ctypes.c_float()
            cuda.cuEventRecord(start, None)
            run.launch(module, b"gpuc_add", blocks, a, b, c, n)
            cuda.cuEventRecord(stop, None)
            cuda.cuEventSynchronize(stop)
            cuda.cuEventElapsedTime(ctypes.byref(milliseconds), start, stop)
            best = min(best or milliseconds.value, milliseconds.value)
        run.launch(module, b"gpuc_check", blocks, c, bad, n, seed)
        cuda.cuCtxSynchronize()
        result["mismatches"] = run.words(bad, 0, 1)[0]
        result["host_mismatches"] = host_check(run, a, c, n.value, seed.value)
        if best:
            result["gbs"] = round(3.0 * size / (best * 1e-3) / 1e9, 1)
    finally:
        run.close()
    if result["mismatches"] or result["host_mismatches"]:
        raise CudaError("compare", 0, "MISMATCH",
                        "%d of %d words wrong by the GPU's count, %d of %d by the host's"
                        % (result["mismatches"], n.value, result["host_mismatches"], 3 * WINDOW))


def probe(cuda, ordinal, ptx, options):
    """True unless the GPU failed."""
    result = {"ordinal": ordinal}
    try:
        device = Int()
        cuda.cuDeviceGet(ctypes.byref(device), ordinal)
        result.update(describe(cuda, device))
        if result["bus"] in options.skip:
            result.update(status="skip", detail="has running processes")
        else:
            say("begin", **result)
            compute(cuda, device, ptx, options.mib, result)
            result["status"] = "pass"
    except CudaError as error:
        result.update(error.fields(), status="fail")
    say("gpu", **result)
    return result["status"] != "fail"


def main(arguments, ptx):
    parser = argparse.ArgumentParser(prog="probe")
    parser.add_argument("--mib", type=int, default=256, help="size of each buffer")
    parser.add_argument("--skip", type=bus_id, action="append", default=[],
                        help="bus id of a GPU to leave alone")
    options = parser.parse_args(arguments)
    try:
        cuda = Cuda()
    except OSError as error:
        say("fatal", stage="dlopen", code=0, error="NO_LIBCUDA", detail=str(error)[:400])
        return 3
    version, count = Int(), Int()
    try:
        cuda.cuInit(0)
        cuda.cuDriverGetVersion(ctypes.byref(version))
        cuda.cuDeviceGetCount(ctypes.byref(count))
    except CudaError as error:
        say("fatal", **error.fields())
        return 4
    say("driver", cuda=version.value, count=count.value,
        simulated=os.path.isdir(SIMULATED_MARKER))
    passed = [probe(cuda, ordinal, ptx, options) for ordinal in range(count.value)]
    say("end", gpus=len(passed), failed=passed.count(False))
    return 0 if passed and all(passed) else 5
