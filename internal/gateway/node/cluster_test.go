// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"blackout/internal/gateway/clustertest"
	"blackout/internal/gateway/conf"
)

func TestAClusterWithAnAuthority(t *testing.T) {
	t.Parallel()
	c, root := newCluster(t), clustertest.NewAuthority(t)
	of := func(issuer *clustertest.Authority, names ...string) func(*conf.Config) {
		return func(config *conf.Config) {
			config.Cluster.MTLS, config.Cluster.CA, config.Cluster.ServerName = conf.PKI, root.PEM(), "cp.example"
			config.Cluster.Certificate, config.Cluster.Key = issuer.Issue(t, clustertest.Leaf{Names: names})
		}
	}
	cp := c.start(conf.ControlPlane, t.TempDir(), of(root, "cp.example"))
	member := c.start(conf.DataPlane, t.TempDir(), of(root))
	eventually(t, "a data plane of the authority is ready", member.isReady)
	stranger := c.start(conf.DataPlane, t.TempDir(), of(clustertest.NewAuthority(t)))
	cp.admin("PUT", "/services/s", `{"host":"example.org"}`)
	eventually(t, "the change is at the data plane", func() bool { return member.status()["configuration_hash"] != zeros })
	if stranger.isReady() {
		t.Error("a data plane of another authority is given the configuration")
	}
}

// A client that dawdles, before the handshake or within the request, is cut off.
func TestTheClusterListenerCutsOffWhoDawdles(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(conf.ControlPlane, t.TempDir(), func(config *conf.Config) { config.Timing.HandshakeTimeout = 500 * time.Millisecond })
	pair, err := tls.X509KeyPair(c.certificate, c.key)
	if err != nil {
		t.Fatal(err)
	}
	for name, send := range map[string]func(conn net.Conn) (net.Conn, error){
		"silent": func(conn net.Conn) (net.Conn, error) { return conn, nil },
		"half a hello": func(conn net.Conn) (net.Conn, error) {
			_, err := conn.Write([]byte{22, 3, 1, 2, 0, 1})
			return conn, err
		},
		"half a request": func(conn net.Conn) (net.Conn, error) {
			over := tls.Client(conn, &tls.Config{Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true}) // #nosec G402 -- a test's
			_, err := io.WriteString(over, "GET /v1/outlet HTTP/1.1\r\nHost: cp\r\nX-Slow: ")
			return over, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", c.address)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			spoken, err := send(conn)
			if errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
				return // cut off before it had said all that, on a busy machine
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, spoken); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("it may hold its connection for good")
			}
		})
	}
}

func TestTheClusterListenerSurvivesPlainHTTP(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(conf.ControlPlane, t.TempDir(), nil)
	response, err := http.Get("http://" + c.address + "/v1/outlet")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusBadRequest {
		t.Errorf("status %d, want 400", response.StatusCode)
	}
	eventually(t, "a data plane attaches", c.start(conf.DataPlane, t.TempDir(), nil).isReady)
}

// counter counts the log lines of one message.
type counter struct {
	message string
	count   *atomic.Int64
}

func (c counter) Enabled(context.Context, slog.Level) bool { return true }
func (c counter) WithAttrs([]slog.Attr) slog.Handler       { return c }
func (c counter) WithGroup(string) slog.Handler            { return c }
func (c counter) Handle(_ context.Context, r slog.Record) error {
	if r.Message == c.message {
		c.count.Add(1)
	}
	return nil
}

// A publication is where a configuration is exported and compressed; the number
// of data planes has no part in it.
func TestOneChangeIsCompressedOnce(t *testing.T) {
	t.Parallel()
	c, published := newCluster(t), counter{"configuration.published", new(atomic.Int64)}
	c.log = published
	cp := c.start(conf.ControlPlane, t.TempDir(), nil)
	var fleet []*running
	for range 5 {
		fleet = append(fleet, c.start(conf.DataPlane, t.TempDir(), nil))
	}
	for _, dp := range fleet {
		eventually(t, "a data plane is ready", dp.isReady)
	}
	before, hash := published.count.Load(), fleet[0].status()["configuration_hash"]
	cp.admin("PUT", "/services/s", `{"host":"example.org"}`)
	for _, dp := range fleet {
		eventually(t, "the change is everywhere", func() bool { return dp.status()["configuration_hash"] != hash })
	}
	if n := published.count.Load() - before; n != 1 {
		t.Errorf("one change for %d data planes was exported %d times", len(fleet), n)
	}
}

// The first change goes out at once; those that come within db_update_frequency
// after it go out together at its end (Kong 3.9).
func TestChangesAreCoalesced(t *testing.T) {
	t.Parallel()
	c, published := newCluster(t), counter{"configuration.published", new(atomic.Int64)}
	c.log = published
	const frequency = 2 * time.Second
	cp := c.start(conf.ControlPlane, t.TempDir(), func(config *conf.Config) { config.DBUpdateFrequency = frequency })
	dp := c.start(conf.DataPlane, t.TempDir(), nil)
	eventually(t, "the data plane is ready", dp.isReady)
	upstream := echo(t)
	before, began := published.count.Load(), time.Now()
	cp.admin("PUT", "/services/s", `{"url":"`+upstream+`/gen/0"}`)
	eventually(t, "the first change is published", func() bool { return published.count.Load() == before+1 })
	if took := time.Since(began); took >= frequency {
		t.Errorf("the first change went out after %s", took)
	}
	cp.admin("POST", "/services/s/routes", `{"paths":["/"]}`)
	for n := 1; n <= 5; n++ {
		cp.admin("PATCH", "/services/s", fmt.Sprintf(`{"path":"/gen/%d"}`, n))
	}
	dp.awaitBody("/x", "/gen/5/x")
	if took, n := time.Since(began), published.count.Load()-before; took < frequency || n != 2 {
		t.Errorf("%d publications in %s, want the second after %s", n, took, frequency)
	}
}
