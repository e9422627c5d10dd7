// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// roleVariable makes this test binary a server apart, so that what the prober
// itself costs can be measured.
const roleVariable = "TRAFFIC_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) == "serve" {
		serve()
		return
	}
	os.Exit(m.Run())
}

// serve says where it listens and answers until its input ends, which is when
// the test that started it does.
func serve() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { echo(w) }))
	fmt.Println(server.Listener.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// serveApart starts a trivial server in a process of its own.
func serveApart(tb testing.TB) Target {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"=serve")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		tb.Fatal(err)
	}
	return Target{Endpoint: Endpoint{Address: strings.TrimSpace(address)}, Paths: []string{"/probe"}}
}
