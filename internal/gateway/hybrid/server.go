// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package hybrid

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// DataPlane is what a control plane learns of a connected data plane.
type DataPlane struct {
	ID, Hostname, IP, Version string
	ConfigHash                string // 32 characters, from its last ping
	SyncStatus                string
	Labels                    map[string]string
	CertificateExpiry         time.Time
}

// ServerOptions set up a [Server]. Identity, Version and Record must be set.
type ServerOptions struct {
	Identity   Identity
	Version    string        // of the control plane, "x.y.z"
	Plugins    []Plugin      // what it knows, for comparing versions
	Silence    time.Duration // without a frame before a data plane is given up; 45 s
	MaxPayload int64         // bytes of one frame, in either direction; 16 MiB

	// Record keeps what is known of a data plane. It is called for each of its
	// pings, the first of which comes right after it has connected, when its
	// SyncStatus changes, and when it is refused for its version. Its errors are logged, no more: a
	// database that is down must not cut the data planes off.
	Record func(ctx context.Context, dp DataPlane) error

	Log *slog.Logger // slog.Default()
}

// Server is the control plane's side: an HTTP handler for the cluster listener.
type Server struct {
	options  ServerOptions
	plugins  pluginVersions
	upgrader websocket.Upgrader

	mu      sync.Mutex
	newest  *Publication // nil before the first
	clients map[*session]struct{}
	closed  bool
	running sync.WaitGroup // one for each client
}

// NewServer makes a server. It hands out nothing before [Server.Publish].
func NewServer(options ServerOptions) *Server {
	if options.Silence <= 0 {
		options.Silence = 45 * time.Second
	}
	if options.MaxPayload <= 0 {
		options.MaxPayload = 16 << 20
	}
	if options.Log == nil {
		options.Log = slog.Default()
	}
	return &Server{options: options, plugins: versionsOf(options.Plugins), clients: map[*session]struct{}{}}
}

// Publication is a configuration as it is handed out.
type Publication struct {
	Frame   []byte   // a [Reconfigure], gzip of JSON; the same bytes go to every data plane
	Plugins []string // the names of the plugins that it configures
}

// Publish makes p the current configuration and sends it to every connected data
// plane that has its plugins. It does not wait for them: a data plane that is
// behind gets only the newest.
func (s *Server) Publish(p Publication) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest = &p
	for client := range s.clients {
		client.offer(&p)
	}
}

// Clients is the number of connected data planes.
func (s *Server) Clients() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.clients)
}

// Close cuts all data planes off and waits for the end of their sessions.
func (s *Server) Close() {
	var farewells sync.WaitGroup
	s.mu.Lock()
	s.closed = true
	for client := range s.clients {
		farewells.Go(client.hangUp) // one that hangs must not keep the others waiting
	}
	s.mu.Unlock()
	farewells.Wait()
	s.running.Wait()
}

// ServeHTTP takes a data plane's connection and stays with it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != Path {
		http.NotFound(w, r)
		return
	}
	if err := s.identify(r.TLS); err != nil {
		s.options.Log.Warn("dataplane.refused", "remote", r.RemoteAddr, "reason", err.Error())
		// Kong answers nothing and closes (nginx's 444).
		panic(http.ErrAbortHandler)
	}
	query := r.URL.Query()
	dp := DataPlane{ID: query.Get("node_id"), Hostname: query.Get("node_hostname"), Version: query.Get("node_version"),
		SyncStatus: SyncUnknown, CertificateExpiry: r.TLS.PeerCertificates[0].NotAfter}
	if dp.ID == "" || dp.Version == "" {
		http.Error(w, "node_id and node_version are required", http.StatusBadRequest)
		return
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		dp.IP = host
	}
	conn, err := s.upgrader.Upgrade(pacedWriter{w}, r, nil)
	if err != nil {
		s.options.Log.Warn("dataplane.refused", "remote", r.RemoteAddr, "reason", err.Error())
		return
	}
	s.serve(r.Context(), conn, dp)
}

// identify checks who asks. In pki mode the handshake has done so already.
func (s *Server) identify(state *tls.ConnectionState) error {
	if state == nil {
		return errNoCertificate
	}
	return s.options.Identity.verifyDataPlane(*state)
}

func (s *Server) serve(ctx context.Context, conn *websocket.Conn, dp DataPlane) {
	client := newSession(conn, dp, s)
	if !s.add(client) {
		client.hangUp()
		return
	}
	defer s.running.Done()
	err := client.run(ctx)
	s.remove(client)
	client.log.Warn("dataplane.disconnected", "error", err)
}

func (s *Server) add(client *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.running.Add(1)
	s.clients[client] = struct{}{}
	if s.newest != nil {
		client.offer(s.newest) // goes out once the data plane has introduced itself
	}
	return true
}

func (s *Server) remove(client *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, client)
}
