package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

// plugin advertises devices of one resource; all are healthy, and none exists.
type plugin struct {
	api.UnimplementedDevicePluginServer
	resource string
	count    int
}

// advertiseAll serves one plugin for each RESOURCE=COUNT and tells the kubelet of it.
func advertiseAll(ctx context.Context, pairs []string) error {
	for number, pair := range pairs {
		resource, text, _ := strings.Cut(pair, "=")
		count, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is not RESOURCE=COUNT", pair)
		}
		socket := fmt.Sprintf("standin-%d.sock", number)
		if err := advertise(ctx, plugin{resource: resource, count: count}, socket); err != nil {
			return fmt.Errorf("%s: %w", resource, err)
		}
	}
	return nil
}

func advertise(ctx context.Context, served plugin, socket string) error {
	path := filepath.Join(api.DevicePluginPath, socket)
	os.Remove(path)
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	api.RegisterDevicePluginServer(server, served)
	go server.Serve(listener)
	connection, err := grpc.NewClient("unix://"+api.KubeletSocket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	request := &api.RegisterRequest{Version: api.Version, Endpoint: socket, ResourceName: served.resource}
	_, err = api.NewRegistrationClient(connection).Register(ctx, request)
	return err
}

func (served plugin) GetDevicePluginOptions(context.Context, *api.Empty) (*api.DevicePluginOptions, error) {
	return &api.DevicePluginOptions{}, nil
}

func (served plugin) ListAndWatch(_ *api.Empty, stream grpc.ServerStreamingServer[api.ListAndWatchResponse]) error {
	devices := make([]*api.Device, 0, served.count)
	for number := range served.count {
		devices = append(devices, &api.Device{ID: fmt.Sprintf("standin-%d", number), Health: api.Healthy})
	}
	if err := stream.Send(&api.ListAndWatchResponse{Devices: devices}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

func (served plugin) Allocate(_ context.Context, asked *api.AllocateRequest) (*api.AllocateResponse, error) {
	answer := &api.AllocateResponse{}
	for _, container := range asked.ContainerRequests {
		visible := map[string]string{"NVIDIA_VISIBLE_DEVICES": strings.Join(container.DevicesIds, ",")}
		answer.ContainerResponses = append(answer.ContainerResponses, &api.ContainerAllocateResponse{Envs: visible})
	}
	return answer, nil
}
