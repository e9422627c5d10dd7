// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/proxy"
)

// The ports of the recording: of the gateway's two listeners and of the
// upstream.
const (
	recordedHTTP     = "28300"
	recordedTLS      = "28343"
	recordedUpstream = "28480"
)

// routedGateway is a gateway's proxy with a plain listener and one with TLS, and
// with an upstream that tells what it was asked.
type routedGateway struct {
	proxy       *proxy.Proxy
	plain, tls  net.Listener
	portOf      map[string]string // from recorded to ours
	portPattern *regexp.Regexp
}

func startRouted(t *testing.T) *routedGateway {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	g := &routedGateway{proxy: proxy.New(proxy.Options{Version: "3.9.1", Log: log, Settings: conf.Proxy{AllowDebugHeader: true}})}
	t.Cleanup(g.proxy.Close)
	upstream := httptest.NewServer(http.HandlerFunc(tellRequest))
	t.Cleanup(upstream.Close)

	plain := httptest.NewUnstartedServer(g.proxy)
	plain.Listener = g.proxy.Listener(plain.Listener)
	plain.Config.MaxHeaderBytes = proxy.MaxHeader
	plain.Config.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	plain.Start()
	t.Cleanup(plain.Close)
	secure := httptest.NewUnstartedServer(g.proxy)
	secure.Listener = g.proxy.Listener(secure.Listener)
	secure.Config.MaxHeaderBytes = proxy.MaxHeader
	secure.Config.ErrorLog = plain.Config.ErrorLog
	secure.StartTLS()
	t.Cleanup(secure.Close)

	g.plain, g.tls = plain.Listener, secure.Listener
	g.portOf = map[string]string{
		recordedHTTP: portOf(plain.Listener), recordedTLS: portOf(secure.Listener), recordedUpstream: portOf(upstream.Listener),
	}
	g.portPattern = regexp.MustCompile(`\b(` + recordedHTTP + `|` + recordedTLS + `|` + recordedUpstream + `)\b`)
	return g
}

func portOf(l net.Listener) string {
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		panic(err) // a listener on TCP has a port
	}
	return port
}

// substitute puts our ports in the recorded ones' places, in configurations,
// requests and observations alike.
func (g *routedGateway) substitute(text []byte) []byte {
	return g.portPattern.ReplaceAllFunc(text, func(port []byte) []byte { return []byte(g.portOf[string(port)]) })
}

func (g *routedGateway) use(table *entity.Table) error {
	configuration, err := g.proxy.Build(table)
	if err != nil {
		return err
	}
	g.proxy.Use(configuration)
	return nil
}

// tellRequest answers with what it was asked. Headers are bytes: they are told as
// Latin-1, which has a character for each.
func tellRequest(w http.ResponseWriter, r *http.Request) {
	saw := upstreamSaw{Method: r.Method, URI: r.RequestURI, Host: r.Host, Forwarded: map[string]string{}}
	for name, values := range r.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-forwarded-") || name == "x-real-ip" {
			saw.Forwarded[name] = latin1(strings.Join(values, ", "))
		}
	}
	w.Header().Set("X-Echo", "1")
	if err := json.NewEncoder(w).Encode(saw); err != nil {
		panic(http.ErrAbortHandler)
	}
}

func latin1(text string) string {
	runes := make([]rune, len(text))
	for i := range len(text) {
		runes[i] = rune(text[i])
	}
	return string(runes)
}

// ask sends a request byte by byte as it was recorded, on a connection of its
// own, and observes the answer.
func (g *routedGateway) ask(ctx context.Context, request routerRequest) (observation, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	connection, err := g.dial(ctx, request)
	if err != nil {
		return observation{}, err
	}
	defer func() { _ = connection.Close() }()
	deadline, _ := ctx.Deadline()
	if err := connection.SetDeadline(deadline); err != nil {
		return observation{}, err
	}
	if _, err := connection.Write(request.text()); err != nil {
		return observation{}, err
	}
	answer, err := io.ReadAll(connection)
	if err != nil {
		return observation{}, err
	}
	return observe(request.Method, answer)
}

func (g *routedGateway) dial(ctx context.Context, request routerRequest) (net.Conn, error) {
	if !request.TLS {
		return (&net.Dialer{}).DialContext(ctx, "tcp", g.plain.Addr().String())
	}
	dialer := tls.Dialer{Config: &tls.Config{ServerName: request.SNI, InsecureSkipVerify: true}} // #nosec G402 -- the certificate is the test server's
	return dialer.DialContext(ctx, "tcp", g.tls.Addr().String())
}

func (r routerRequest) text() []byte {
	text := fmt.Appendf(nil, "%s %s HTTP/1.1\r\n", r.Method, r.Path)
	for _, header := range r.Headers {
		text = fmt.Appendf(text, "%s: %s\r\n", header[0], header[1])
	}
	text = append(text, "Connection: close\r\nKong-Debug: 1\r\n"...)
	if r.Body != "" {
		text = append(text, "Content-Length: "+strconv.Itoa(len(r.Body))+"\r\n"...)
	}
	return append(append(text, "\r\n"...), r.Body...)
}

func observe(method string, answer []byte) (observation, error) {
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), &http.Request{Method: method})
	if err != nil {
		return observation{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return observation{}, err
	}
	header := response.Header
	seen := observation{
		Status: response.StatusCode, From: "gateway",
		Route: given(header, "Kong-Route-Id"), RouteName: given(header, "Kong-Route-Name"), Service: given(header, "Kong-Service-Name"),
	}
	if header.Get("X-Echo") != "" {
		seen.From = "upstream"
		if len(body) > 0 {
			seen.Upstream = new(upstreamSaw)
			err = json.Unmarshal(body, seen.Upstream)
		}
		return seen, err
	}
	_, seen.Reason, _ = strings.Cut(response.Status, " ")
	seen.ContentType, seen.Location = header.Get("Content-Type"), header.Get("Location")
	if seen.Upgrade = header.Get("Upgrade"); seen.Upgrade != "" {
		seen.Connection = linesOf(answer, "Connection")
	}
	if id := header.Get("X-Kong-Request-Id"); id != "" {
		body = bytes.ReplaceAll(body, []byte(id), []byte("<request_id>"))
	}
	seen.Body = string(body)
	return seen, nil
}

// linesOf returns the values of a header as they were sent; net/http drops some
// of Connection.
func linesOf(answer []byte, name string) []string {
	reader := textproto.NewReader(bufio.NewReader(bytes.NewReader(answer)))
	if _, err := reader.ReadLine(); err != nil {
		return nil
	}
	header, _ := reader.ReadMIMEHeader() // what could be read of it
	return header[name]
}

func given(header http.Header, name string) *string {
	if values := header[name]; len(values) > 0 {
		return &values[0]
	}
	return nil
}
