// SPDX-License-Identifier: Apache-2.0

// What NVIDIA's container runtime calls in runc's place on a machine with a SIMULATED GPU. A container
// that got the driver's library from it also gets the directory that the stand-in library reads, since
// no driver would have one. Everything else is runc's.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	marker  = "/etc/gpucluster/simulated-gpu"
	library = "/libnvidia-ml.so."
)

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

// hasLibrary tells whether a mount is the driver's library.
func hasLibrary(mounts []any) bool {
	for _, m := range mounts {
		mount, _ := m.(map[string]any)
		destination, _ := mount["destination"].(string)
		if strings.Contains(destination, library) {
			return true
		}
	}
	return false
}

// edit adds the directory to the bundle's config.json.
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
	mounts, _ := spec["mounts"].([]any)
	if !hasLibrary(mounts) {
		return nil
	}
	spec["mounts"] = append(mounts, map[string]any{
		"destination": marker, "source": marker, "type": "bind",
		"options": []string{"rbind", "ro", "nosuid", "nodev"},
	})
	if data, err = json.Marshal(spec); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

func findRunc() (string, error) {
	for _, path := range []string{"/usr/local/sbin/runc", "/usr/local/bin/runc", "/usr/sbin/runc", "/usr/bin/runc"} {
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return exec.LookPath("runc")
}

func fail(err error) {
	fmt.Fprintf(os.Stderr, "simulated-gpu-runc (SIMULATED): %v\n", err)
	os.Exit(1)
}

func main() {
	if bundle := bundleOf(os.Args[1:]); bundle != "" {
		if err := edit(bundle); err != nil {
			fail(err)
		}
	}
	runc, err := findRunc()
	if err != nil {
		fail(err)
	}
	fail(syscall.Exec(runc, append([]string{"runc"}, os.Args[1:]...), os.Environ()))
}
