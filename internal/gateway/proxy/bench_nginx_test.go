// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

// nginxConfig is a proxy with one static target and kept connections.
const nginxConfig = `
daemon off;
worker_processes 1;
pid %[1]s/pid;
error_log stderr crit;
user root;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	keepalive_requests 10000000;
	upstream service { server %[2]s; keepalive 512; keepalive_requests 10000000; }
	server {
		listen %[3]s;
		location / { proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection ""; }
	}
}
`

// nginx is one beside the proxies, for scale.
type nginx struct {
	address string
	process *process.Process
}

// startNginx starts one before the upstream; nil if the machine has none.
func startNginx(b *testing.B, upstream string) *nginx {
	b.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		b.Log("nginx is not installed (apt-get install nginx-light): the figure for it is left out")
		return nil
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address, dir := listener.Addr().String(), b.TempDir()
	_ = listener.Close()
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, fmt.Appendf(nil, nginxConfig, dir, upstream, address), 0o600); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, program, "-p", dir, "-c", path) // #nosec G204 -- a configuration written here
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 5 * time.Second
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cancel(); _ = command.Wait() })
	running, err := process.NewProcess(int32(command.Process.Pid)) // #nosec G115 -- a process id
	if err != nil {
		b.Fatal(err)
	}
	awaitListener(b, address)
	return &nginx{address, running}
}

// awaitListener waits until something takes connections.
func awaitListener(b *testing.B, address string) {
	b.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-again.C {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return
		}
	}
	b.Fatalf("nothing listens at %s", address)
}

// cpuTime is what the workers have used.
func (n *nginx) cpuTime(b *testing.B) time.Duration {
	b.Helper()
	workers, err := n.process.Children()
	if err != nil {
		b.Fatal(err)
	}
	var seconds float64
	for _, worker := range workers {
		used, err := worker.Times()
		if err != nil {
			b.Fatal(err)
		}
		seconds += used.User + used.System
	}
	return time.Duration(seconds * float64(time.Second))
}
