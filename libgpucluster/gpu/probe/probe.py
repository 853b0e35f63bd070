# SPDX-License-Identifier: Apache-2.0
"""CUDA compute probe. Needs python3 (3.4 or later) and libcuda.so.1, nothing else.

usage: python3 -c PROGRAM [--mib N] [--deadline SECONDS] DEVICE[=PARENT/INDEX] ... <probe.ptx
Devices are UUIDs as nvidia-smi -L prints them, probed in turn, each by a process of its own that sees
no other: a GPU that hangs or takes the process down does not hide the next. probe.c does the same
where there is a compiler and no python3, and prints the same lines: one JSON object each, "start",
then "begin" and "gpu" for every device, "end" with a summary of them. Exit status: 0 every device passed, 5 one failed or
there was none, 2 wrong arguments.
"""
import argparse
import ctypes
import json
import os
import select
import signal
import sys
import time

SIMULATED_MARKER = "/etc/gpucluster/simulated-gpu"
MASK = 0xFFFFFFFF
WINDOW = 1024  # words compared on the host at the start, the middle and the end
ROUNDS = 6
THREADS = 256
MIB_LEAST = 256  # of each buffer, unless told otherwise
MIB_SIMULATED = 16
DEADLINE_AFTER_HANG = 20  # seconds for each device that comes after one that hung
GRACE = 2  # seconds for a killed process to go; one that waits for its GPU may never

ATTR_SMS, ATTR_COMPUTE_MODE, ATTR_ECC = 16, 20, 32
ATTR_MEMORY_KHZ, ATTR_BUS_BITS, ATTR_L2, ATTR_MAJOR, ATTR_MINOR = 36, 37, 38, 75, 76
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
    "cuDeviceGetUuid_v2": [Ptr, Int],
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


# In the order in which they are printed.
FIELDS = ("runner", "devices", "failed", "simulated", "device", "parent", "index", "cuda", "bus",
          "uuid", "name", "cc", "sms", "ecc", "compute_mode", "memory_mib", "l2_kib",
          "theoretical_gbs", "mib", "mismatches", "host_mismatches", "gbs", "status", "stage", "code",
          "error", "detail")


SUMMARY = ("device", "status", "gbs", "code", "error")


class CudaError(Exception):
    def __init__(self, stage, code, name, detail=""):
        Exception.__init__(self, "%s: %d %s" % (stage, code, name))
        self.stage, self.code, self.name, self.detail = stage, code, name, detail

    def fields(self):
        return {"stage": self.stage, "code": self.code, "error": self.name,
                "detail": self.detail}


class Cuda(object):
    """libcuda with every result checked: cuda.cuInit(0) raises CudaError.

    Each call is told to the parent before it is made, which so knows where a device hung, and what
    was known of it by then.
    """

    def __init__(self, result):
        self.result = result
        self.mark("dlopen")
        try:
            self.library = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise CudaError("dlopen", 0, "NO_LIBCUDA", str(error))

    def __getattr__(self, symbol):
        try:
            function = getattr(self.library, symbol)
        except AttributeError:
            raise CudaError(symbol, 0, "SYMBOL_MISSING", "libcuda.so.1 has no " + symbol)
        function.argtypes = SIGNATURES[symbol]
        function.restype = Int

        def checked(*arguments):
            self.mark(symbol)
            code = function(*arguments)
            if code:
                raise CudaError(symbol, code, self.error_name(code))
        return checked

    def mark(self, symbol):
        write_line("@" + json.dumps([symbol, self.result]))

    def error_name(self, code):
        name = ctypes.c_char_p()
        function = self.library.cuGetErrorName
        function.argtypes = SIGNATURES["cuGetErrorName"]
        function(code, ctypes.byref(name))
        return (name.value or b"CUDA_ERROR_?").decode("ascii", "replace")


def printable(text):
    """ASCII, at most 400 characters: what both programs print of a text that is not theirs."""
    return "".join(c if c == "\n" or " " <= c <= "~" else "?" for c in text[:400])


def value_text(value):
    if isinstance(value, float):
        return "%.1f" % value
    return json.dumps(printable(value) if isinstance(value, str) else value)


def write_line(text):
    os.write(1, (text + "\n").encode("ascii"))


def object_text(named):
    return "{" + ",".join('"%s":%s' % (key, value_text(value)) for key, value in named) + "}"


def say(event, fields):
    write_line(object_text([("event", event)] + [(k, fields[k]) for k in FIELDS if k in fields]))


def say_end(results):
    """The last line stands for the whole run."""
    failed = sum(result["status"] != "pass" for result in results)
    gpus = [object_text([(k, result[k]) for k in SUMMARY if k in result]) for result in results]
    write_line('{"event":"end","devices":%d,"failed":%d,"gpus":[%s]}'
               % (len(results), failed, ",".join(gpus)))
    return 0 if results and not failed else 5


def is_simulated():
    return os.path.isdir(SIMULATED_MARKER)


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


def uuid_text(cuda, device, prefix):
    """Of a MIG device the second form gives its own UUID, the first its parent's."""
    raw = (ctypes.c_ubyte * 16)()
    try:
        cuda.cuDeviceGetUuid_v2(raw, device)
    except CudaError:
        try:
            cuda.cuDeviceGetUuid(raw, device)
        except CudaError:
            return None
    digits = "".join("%02x" % byte for byte in raw)
    cuts = (0, 8, 12, 16, 20, 32)
    return prefix + "-".join(digits[a:b] for a, b in zip(cuts, cuts[1:]))


def describe(cuda, device, result):
    text = ctypes.create_string_buffer(256)
    cuda.cuDeviceGetPCIBusId(text, 256, device)
    result["bus"] = bus_id(text.value.decode("ascii", "replace"))
    uuid = uuid_text(cuda, device, result["device"][:4])
    if uuid:
        result["uuid"] = uuid
    cuda.cuDeviceGetName(text, 256, device)
    result["name"] = text.value.decode("ascii", "replace")
    result["cc"] = "%d.%d" % (attribute(cuda, ATTR_MAJOR, device),
                              attribute(cuda, ATTR_MINOR, device))
    result["sms"] = attribute(cuda, ATTR_SMS, device)
    result["ecc"] = attribute(cuda, ATTR_ECC, device)
    result["compute_mode"] = attribute(cuda, ATTR_COMPUTE_MODE, device)
    result["l2_kib"] = attribute(cuda, ATTR_L2, device) // 1024
    bits = attribute(cuda, ATTR_BUS_BITS, device)
    result["theoretical_gbs"] = 2.0e3 * attribute(cuda, ATTR_MEMORY_KHZ, device) * bits / 8 / 1e9


def load(cuda, ptx):
    log = ctypes.create_string_buffer(4096)
    options = (Int * 2)(JIT_ERROR_LOG, JIT_ERROR_LOG_SIZE)
    values = (Ptr * 2)(ctypes.cast(log, Ptr), Ptr(4096))
    module = Ptr()
    try:
        cuda.cuModuleLoadDataEx(ctypes.byref(module), ptx.encode("ascii"), 2, options, values)
    except CudaError as error:
        error.detail = log.value.decode("ascii", "replace").strip()
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


def fit(cuda, mib, result):
    """Buffers that no cache holds, and not more than a quarter of the free memory for each."""
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    cuda.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
    result["memory_mib"] = total.value >> 20
    least = MIB_SIMULATED if is_simulated() else MIB_LEAST
    wanted = mib or max(least, (4 * result["l2_kib"] + 1023) // 1024)
    result["mib"] = max(1, min(wanted, free.value // 4 >> 20))
    return result["mib"] << 20


def add_timed(run, module, blocks, arguments):
    """Milliseconds of the fastest round."""
    best, start, stop = None, run.event(), run.event()
    for _ in range(ROUNDS):
        milliseconds = ctypes.c_float()
        run.cuda.cuEventRecord(start, None)
        run.launch(module, b"gpuc_add", blocks, *arguments)
        run.cuda.cuEventRecord(stop, None)
        run.cuda.cuEventSynchronize(stop)
        run.cuda.cuEventElapsedTime(ctypes.byref(milliseconds), start, stop)
        best = min(best or milliseconds.value, milliseconds.value)
    return best


def compute(cuda, device, ptx, mib, result):
    run = Run(cuda, device)
    try:
        size = fit(cuda, mib, result)
        module = run.module(ptx)
        n, seed = Word(size // 4), Word(int.from_bytes(os.urandom(4), "little"))
        a, b, c, bad = run.buffer(size), run.buffer(size), run.buffer(size), run.buffer(4)
        cuda.cuMemsetD32_v2(bad, 0, 1)
        cuda.cuMemsetD32_v2(c, 0, n.value)
        blocks = n.value // 4 // THREADS
        run.launch(module, b"gpuc_fill", blocks, a, b, n, seed)
        best = add_timed(run, module, blocks, (a, b, c, n))
        run.launch(module, b"gpuc_check", blocks, c, bad, n, seed)
        cuda.cuCtxSynchronize()
        result["mismatches"] = run.words(bad, 0, 1)[0]
        result["host_mismatches"] = host_check(run, a, c, n.value, seed.value)
        if best and size >= 4096 * result["l2_kib"]:
            result["gbs"] = 3.0 * size / (best * 1e-3) / 1e9
    finally:
        run.close()
    if result["mismatches"] or result["host_mismatches"]:
        raise CudaError("compare", 0, "MISMATCH",
                        "%d of %d words wrong by the GPU's count, %d of %d by the host's"
                        % (result["mismatches"], n.value, result["host_mismatches"], 3 * WINDOW))


def probe(result, ptx, mib):
    """The device's own process."""
    version, device = Int(), Int()
    try:
        cuda = Cuda(result)
        cuda.cuInit(0)
        cuda.cuDriverGetVersion(ctypes.byref(version))
        result["cuda"] = version.value
        cuda.cuDeviceGet(ctypes.byref(device), 0)
        describe(cuda, device, result)
        compute(cuda, device, ptx, mib, result)
        result["status"] = "pass"
    except CudaError as error:
        result.update(error.fields(), status="fail")
    say("gpu", result)


def run_child(writer, result, ptx, mib):
    status = 1
    try:
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        os.environ["CUDA_VISIBLE_DEVICES"] = result["device"]
        os.environ["CUDA_CACHE_DISABLE"] = "1"  # nothing is written on the machine
        probe(result, ptx, mib)
        status = 0
    except Exception as error:
        write_line("%s: %s" % (type(error).__name__, printable(str(error)).replace("\n", " ")))
    finally:
        os._exit(status)


def read_all(reader, deadline):
    """What the child printed; whether it ended before the deadline."""
    output, until = b"", time.monotonic() + deadline
    while True:
        left = until - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            return output, False
        part = os.read(reader, 65536)
        if not part:
            return output, True
        output = (output + part)[-65536:]


def ending(child, killed):
    """How it ended, in words. A killed one may stay, and is then left to itself."""
    until = time.monotonic() + GRACE
    while True:
        pid, status = os.waitpid(child, os.WNOHANG if killed else 0)
        if pid:
            break
        if time.monotonic() > until:
            return "it could not be killed"
        time.sleep(0.02)
    if os.WIFSIGNALED(status):
        return "signal %d" % os.WTERMSIG(status)
    return "exit status %d" % os.WEXITSTATUS(status)


def supervise(result, ptx, options):
    """Probes one device; what is known of it then. The device's process knows the most."""
    say("begin", result)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        run_child(writer, result, ptx, options.mib)
    os.close(writer)
    output, ended = read_all(reader, options.deadline)
    if not ended:
        os.kill(child, signal.SIGKILL)
    how = ending(child, not ended)
    os.close(reader)
    stage, noise = "fork", []
    for line in output.decode("ascii", "replace").splitlines():
        if line.startswith('{"event":"gpu",') and line.endswith("}"):
            write_line(line)
            return json.loads(line)
        if line.startswith("@") and line.endswith("]"):
            stage, result = json.loads(line[1:])
        elif line:
            noise.append(line)
    result.update(status="fail", stage=stage, code=0, error="CRASHED" if ended else "TIMEOUT",
                  detail="\n".join([how] + noise))
    if not ended:
        result["detail"] = "no end after %d s; %s" % (options.deadline, result["detail"])
    say("gpu", result)
    return result


def target(text):
    """"DEVICE" or, of a MIG device, "DEVICE=PARENT/INDEX"."""
    device, _, place = text.partition("=")
    result = {"device": device}
    if place:
        parent, _, index = place.rpartition("/")
        result.update(parent=parent, index=int(index))
    return result


def main(arguments):
    parser = argparse.ArgumentParser(prog="probe")
    parser.add_argument("--mib", type=int, default=0, help="size of each buffer; 0: by the L2 cache")
    parser.add_argument("--deadline", type=int, default=60, help="seconds for each device")
    parser.add_argument("devices", type=target, nargs="*", metavar="DEVICE[=PARENT/INDEX]")
    options = parser.parse_args(arguments)
    ptx = sys.stdin.read()
    results = []
    say("start", {"runner": "python3", "devices": len(options.devices), "simulated": is_simulated()})
    for device in options.devices:
        results.append(supervise(device, ptx, options))
        if results[-1].get("error") == "TIMEOUT":
            options.deadline = min(options.deadline, DEADLINE_AFTER_HANG)
    return say_end(results)


sys.exit(main(sys.argv[1:]))
