// SPDX-License-Identifier: Apache-2.0

// A small stand-in for NVIDIA's device plugin: SIMULATED GPUs only. It lists
// what the machine's nvidia-smi lists, marks a GPU unhealthy while nvidia-smi
// reports it lost, and hands GPUs out by NVIDIA_VISIBLE_DEVICES, as NVIDIA's
// plugin does by default. Where there is no GPU it waits, which is what
// NVIDIA's does with FAIL_ON_INIT_ERROR=false.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

const (
	resource   = "nvidia.com/gpu"
	endpoint   = "nvidia-gpu.sock"
	marker     = "/etc/gpucluster/simulated-gpu"
	pollPeriod = 2 * time.Second
)

var uuidPattern = regexp.MustCompile(`\(UUID: (GPU-[0-9a-f-]+)\)`)

type gpu struct {
	uuid    string
	healthy bool
}

// listGPUs asks nvidia-smi, as a lost GPU is still listed by -L and only the
// query tells its state.
func listGPUs() []gpu {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "nvidia-smi", "-L").Output()
	if err != nil {
		return nil
	}
	query, queryErr := exec.CommandContext(ctx, "nvidia-smi", "-q", "-x").Output()
	var gpus []gpu
	for _, line := range strings.Split(string(out), "\n") {
		match := uuidPattern.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		healthy := queryErr == nil && !gpuIsLost(string(query), match[1])
		gpus = append(gpus, gpu{uuid: match[1], healthy: healthy})
	}
	return gpus
}

// gpuIsLost looks at the one <gpu> element that has the UUID.
func gpuIsLost(xml, uuid string) bool {
	for _, part := range strings.Split(xml, "<gpu id=")[1:] {
		if strings.Contains(part, uuid) {
			return strings.Contains(part, "GPU is lost") || strings.Contains(part, "requires reset")
		}
	}
	return true
}

type plugin struct {
	api.UnimplementedDevicePluginServer
	mu      sync.Mutex
	gpus    []gpu
	changed chan struct{} // closed and replaced at each change
}

func newPlugin(gpus []gpu) *plugin { return &plugin{gpus: gpus, changed: make(chan struct{})} }

func (p *plugin) set(gpus []gpu) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.Equal(p.gpus, gpus) {
		return
	}
	// A GPU that vanished stays listed as unhealthy, so that its loss is seen.
	for _, old := range p.gpus {
		if !slices.ContainsFunc(gpus, func(g gpu) bool { return g.uuid == old.uuid }) {
			gpus = append(gpus, gpu{uuid: old.uuid})
		}
	}
	if slices.Equal(p.gpus, gpus) {
		return
	}
	p.gpus = gpus
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *plugin) get() ([]*api.Device, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	devices := make([]*api.Device, 0, len(p.gpus))
	for _, g := range p.gpus {
		health := api.Healthy
		if !g.healthy {
			health = api.Unhealthy
		}
		devices = append(devices, &api.Device{ID: g.uuid, Health: health})
	}
	return devices, p.changed
}

func (p *plugin) GetDevicePluginOptions(context.Context, *api.Empty) (*api.DevicePluginOptions, error) {
	return &api.DevicePluginOptions{}, nil
}

func (p *plugin) ListAndWatch(_ *api.Empty, stream grpc.ServerStreamingServer[api.ListAndWatchResponse]) error {
	for {
		devices, changed := p.get()
		for _, d := range devices {
			log.Printf("SIMULATED GPU %s is %s", d.ID, d.Health)
		}
		if err := stream.Send(&api.ListAndWatchResponse{Devices: devices}); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-stream.Context().Done():
			return nil
		}
	}
}

func (p *plugin) Allocate(_ context.Context, req *api.AllocateRequest) (*api.AllocateResponse, error) {
	resp := &api.AllocateResponse{}
	for _, c := range req.ContainerRequests {
		ids := strings.Join(c.DevicesIds, ",")
		log.Printf("SIMULATED GPU %s allocated", ids)
		resp.ContainerResponses = append(resp.ContainerResponses, &api.ContainerAllocateResponse{
			Envs: map[string]string{"NVIDIA_VISIBLE_DEVICES": ids},
		})
	}
	return resp, nil
}

func (p *plugin) PreStartContainer(context.Context, *api.PreStartContainerRequest) (*api.PreStartContainerResponse, error) {
	return &api.PreStartContainerResponse{}, nil
}

func (p *plugin) GetPreferredAllocation(context.Context, *api.PreferredAllocationRequest) (*api.PreferredAllocationResponse, error) {
	return &api.PreferredAllocationResponse{}, nil
}

// register tells the kubelet about the plugin's socket.
func register() error {
	conn, err := grpc.NewClient("unix://"+api.KubeletSocket,
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err = api.NewRegistrationClient(conn).Register(ctx, &api.RegisterRequest{
		Version: api.Version, Endpoint: endpoint, ResourceName: resource,
		Options: &api.DevicePluginOptions{},
	})
	return err
}

// kubeletSocket tells one kubelet's run from the next: each makes its own file.
func kubeletSocket() uint64 {
	info, err := os.Stat(api.KubeletSocket)
	if err != nil {
		return 0
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Ino
	}
	return 0
}

// serve runs until the kubelet restarts, and is then called again.
func serve(ctx context.Context, p *plugin) error {
	socket := filepath.Join(api.DevicePluginPath, endpoint)
	if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	api.RegisterDevicePluginServer(server, p)
	go server.Serve(listener) //nolint:errcheck // Stop below ends it
	defer server.Stop()
	inode := kubeletSocket()
	if err := register(); err != nil {
		return fmt.Errorf("register with the kubelet: %w", err)
	}
	log.Printf("registered %s with the kubelet (SIMULATED GPU)", resource)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pollPeriod):
		}
		p.set(listGPUs())
		if kubeletSocket() != inode {
			log.Print("the kubelet restarted; registering again")
			return nil
		}
	}
}

func main() {
	log.SetFlags(log.LstdFlags | log.LUTC)
	for _, arg := range os.Args[1:] {
		if arg == "--version" || arg == "-version" || arg == "-h" || arg == "--help" {
			fmt.Println("device plugin of the gpucluster test bed: a stand-in, SIMULATED GPUs only")
			return
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log.Print("SIMULATED GPU: a stand-in for NVIDIA's device plugin")
	gpus := listGPUs()
	if len(gpus) == 0 {
		log.Print("no GPU found on this machine; nothing to do")
		<-ctx.Done()
		return
	}
	if _, err := os.Stat(marker); err != nil {
		log.Fatalf("%s is missing: this stand-in serves SIMULATED GPUs only", marker)
	}
	p := newPlugin(gpus)
	for ctx.Err() == nil {
		if err := serve(ctx, p); err != nil {
			log.Printf("%v; trying again", err)
			select {
			case <-ctx.Done():
			case <-time.After(pollPeriod):
			}
		}
	}
}
