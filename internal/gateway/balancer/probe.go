// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package balancer

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"blackout/internal/gateway/entity"
)

// probe is an upstream's active health check.
type probe struct {
	kind                         string // http, https or tcp
	path, sni                    string
	verify                       bool
	headers                      http.Header
	timeout                      time.Duration
	concurrency                  int
	healthyEvery, unhealthyEvery time.Duration // 0: off
}

func newProbe(row entity.Record) probe {
	seconds := func(row entity.Record, field string, missing float64) time.Duration {
		value, given := row[field].(float64)
		if !given {
			value = missing
		}
		return time.Duration(value * float64(time.Second))
	}
	verify, given := row["https_verify_certificate"].(bool)
	p := probe{
		kind: cmp.Or(row.Text("type"), "http"), path: cmp.Or(row.Text("http_path"), "/"), sni: row.Text("https_sni"),
		verify: verify || !given, headers: http.Header{}, timeout: seconds(row, "timeout", 1),
		concurrency:    max(1, cmp.Or(row.Integer("concurrency"), 10)),
		healthyEvery:   seconds(sub(row, "healthy"), "interval", 0),
		unhealthyEvery: seconds(sub(row, "unhealthy"), "interval", 0),
	}
	for name, values := range sub(row, "headers") {
		list, _ := values.([]any)
		for _, value := range list {
			if text, ok := value.(string); ok {
				p.headers.Add(name, text)
			}
		}
	}
	return p
}

type addressKey struct{}

// startChecks begins the active checks: those that are well and those that are
// not each have a pace of their own.
func (u *Upstream) startChecks(ctx context.Context, running *sync.WaitGroup) {
	for _, pace := range []struct {
		every   time.Duration
		healthy bool
	}{{u.checks.probe.healthyEvery, true}, {u.checks.probe.unhealthyEvery, false}} {
		if pace.every > 0 {
			running.Go(func() { u.check(ctx, pace.every, pace.healthy) })
		}
	}
}

// check probes the peers of one state at each tick until ctx ends.
func (u *Upstream) check(ctx context.Context, every time.Duration, healthy bool) {
	client := u.checks.probe.client()
	defer client.CloseIdleConnections()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		m, err := u.current(ctx)
		if err != nil {
			continue
		}
		var probes errgroup.Group
		probes.SetLimit(u.checks.probe.concurrency)
		for _, peer := range m.all {
			if peer.state.healthy.Load() == healthy {
				probes.Go(func() error { u.probePeer(ctx, client, peer); return nil })
			}
		}
		_ = probes.Wait() // what was found is in the peers' states
	}
}

// client asks peers over new connections, follows no redirect and verifies
// certificates as configured.
func (p *probe) client() *http.Client {
	var dialer net.Dialer
	transport := &http.Transport{
		// A URL names the target, for TLS; what is dialled is one of its addresses.
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			address, _ := ctx.Value(addressKey{}).(string)
			return dialer.DialContext(ctx, network, address)
		},
		DisableKeepAlives: true, DisableCompression: true,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: !p.verify, ServerName: p.sni}, // #nosec G402 -- https_verify_certificate decides
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (u *Upstream) probePeer(ctx context.Context, client *http.Client, peer *Peer) {
	probe := &u.checks.probe
	within, cancel := context.WithTimeout(ctx, probe.timeout)
	defer cancel()
	outcome, err := probe.ask(within, client, peer, cmp.Or(u.HostHeader, peer.Host))
	if ctx.Err() != nil {
		return // the check was ended, the peer is not to blame
	}
	if err != nil {
		var timeout net.Error
		outcome = Outcome{Timeout: errors.As(err, &timeout) && timeout.Timeout()}
		outcome.Refused = !outcome.Timeout
	}
	peer.report(outcome, &u.checks.active, "active")
}

func (p *probe) ask(ctx context.Context, client *http.Client, peer *Peer, host string) (Outcome, error) {
	if p.kind == "tcp" {
		var dialer net.Dialer
		connection, err := dialer.DialContext(ctx, "tcp", peer.Address)
		if err != nil {
			return Outcome{}, err
		}
		return Outcome{Connected: true}, connection.Close()
	}
	ctx = context.WithValue(ctx, addressKey{}, peer.Address)
	target := net.JoinHostPort(peer.Host, strconv.Itoa(peer.Port))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.kind+"://"+target+p.path, nil)
	if err != nil {
		return Outcome{}, err
	}
	request.Header = p.headers.Clone()
	request.Host = cmp.Or(request.Header.Get("Host"), strings.Trim(host, "[]"))
	request.Header.Del("Host")
	response, err := client.Do(request)
	if err != nil {
		return Outcome{}, err
	}
	return Outcome{Status: response.StatusCode}, response.Body.Close()
}
