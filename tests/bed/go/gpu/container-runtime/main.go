// SPDX-License-Identifier: Apache-2.0

// A stand-in for nvidia-container-runtime: SIMULATED GPUs only. Like the real
// one it is runc with one more step: a container whose environment has
// NVIDIA_VISIBLE_DEVICES gets the machine's nvidia-smi, driver libraries and
// /dev/nvidia* nodes. Everything else is runc's.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// What the driver's files are on the machine; each is mounted at its own path.
var driverFiles = []string{
	"/usr/bin/nvidia-smi",
	"/usr/lib/x86_64-linux-gnu/libcuda.so.1",
	"/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
	"/etc/gpucluster/simulated-gpu",
}

// bundleOf returns the bundle of a "create" or "run" command, or "".
func bundleOf(args []string) string {
	bundle, create := ".", false
	for i, arg := range args {
		switch {
		case arg == "create" || arg == "run":
			create = true
		case (arg == "--bundle" || arg == "-b") && i+1 < len(args):
			bundle = args[i+1]
		case strings.HasPrefix(arg, "--bundle="):
			bundle = strings.TrimPrefix(arg, "--bundle=")
		}
	}
	if !create {
		return ""
	}
	return bundle
}

func object(parent map[string]any, key string) map[string]any {
	child, ok := parent[key].(map[string]any)
	if !ok {
		child = map[string]any{}
		parent[key] = child
	}
	return child
}

func list(parent map[string]any, key string) []any {
	child, _ := parent[key].([]any)
	return child
}

// wantsGPU reads NVIDIA_VISIBLE_DEVICES; the last setting counts.
func wantsGPU(spec map[string]any) bool {
	visible := ""
	for _, entry := range list(object(spec, "process"), "env") {
		if s, ok := entry.(string); ok {
			if value, found := strings.CutPrefix(s, "NVIDIA_VISIBLE_DEVICES="); found {
				visible = value
			}
		}
	}
	return visible != "" && visible != "void" && visible != "none"
}

func addMounts(spec map[string]any) {
	mounts := list(spec, "mounts")
	for _, path := range driverFiles {
		taken := slices.ContainsFunc(mounts, func(m any) bool {
			mount, ok := m.(map[string]any)
			return ok && mount["destination"] == path
		})
		if _, err := os.Stat(path); err != nil || taken {
			continue
		}
		mounts = append(mounts, map[string]any{
			"destination": path, "source": path, "type": "bind",
			"options": []string{"rbind", "ro", "nosuid", "nodev"},
		})
	}
	spec["mounts"] = mounts
}

// addDevices lists every node; which of the GPUs a container may use is told by
// its NVIDIA_VISIBLE_DEVICES, which the stand-in nvidia-smi and libraries obey.
func addDevices(spec map[string]any) {
	nodes, _ := filepath.Glob("/dev/nvidia*")
	linux := object(spec, "linux")
	resources := object(linux, "resources")
	for _, path := range nodes {
		var st unix.Stat_t
		if unix.Stat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR {
			continue
		}
		major, minor := unix.Major(st.Rdev), unix.Minor(st.Rdev)
		linux["devices"] = append(list(linux, "devices"), map[string]any{
			"path": path, "type": "c", "major": major, "minor": minor, "fileMode": 0o666,
		})
		resources["devices"] = append(list(resources, "devices"), map[string]any{
			"allow": true, "type": "c", "major": major, "minor": minor, "access": "rwm",
		})
	}
}

// edit adds the SIMULATED GPU to the bundle's config.json.
func edit(bundle string) error {
	path := filepath.Join(bundle, "config.json")
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	spec := map[string]any{}
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.UseNumber() // limits are larger than a float keeps exactly
	if err := decoder.Decode(&spec); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if !wantsGPU(spec) {
		return nil
	}
	addMounts(spec)
	addDevices(spec)
	if data, err = json.Marshal(spec); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

func findRunc() (string, error) {
	for _, path := range []string{"/usr/local/sbin/runc", "/usr/local/bin/runc", "/usr/sbin/runc", "/usr/bin/runc"} {
		if unix.Access(path, unix.X_OK) == nil {
			return path, nil
		}
	}
	return exec.LookPath("runc")
}

func main() {
	if len(os.Args) == 2 && (os.Args[1] == "--version" || os.Args[1] == "-v") {
		fmt.Println("NVIDIA Container Runtime stand-in of the gpucluster test bed (SIMULATED GPU)")
		if _, err := findRunc(); err != nil {
			return
		}
	}
	if bundle := bundleOf(os.Args[1:]); bundle != "" {
		if err := edit(bundle); err != nil {
			fmt.Fprintf(os.Stderr, "nvidia-container-runtime stand-in (SIMULATED): %v\n", err)
			os.Exit(1)
		}
	}
	runc, err := findRunc()
	if err != nil {
		fmt.Fprintf(os.Stderr, "nvidia-container-runtime stand-in (SIMULATED): no runc: %v\n", err)
		os.Exit(1)
	}
	err = syscall.Exec(runc, append([]string{"runc"}, os.Args[1:]...), os.Environ())
	fmt.Fprintf(os.Stderr, "nvidia-container-runtime stand-in (SIMULATED): %s: %v\n", runc, err)
	os.Exit(1)
}
