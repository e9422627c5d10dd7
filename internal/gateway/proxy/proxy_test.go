// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"blackout/internal/gateway/entity"
)

const (
	serviceID = "00000001-0000-4000-8000-000000000001"
	routeID   = "0000000b-0000-4000-8000-00000000000b"
)

// oneRoute is a config_table with one service and one route; the arguments are
// further fields of each.
func oneRoute(service, route string) string {
	return `{"_format_version":"3.0","services":[{"id":"` + serviceID + `",` + service + `}],` +
		`"routes":[{"id":"` + routeID + `","service":"` + serviceID + `",` + route + `}]}`
}

func build(t testing.TB, p *Proxy, table string) *Configuration {
	t.Helper()
	parsed, err := entity.ParseTable([]byte(table))
	if err != nil {
		t.Fatal(err)
	}
	made, err := p.Build(parsed)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// serve serves a proxy on loopback with the given configuration.
func serve(t testing.TB, table string) (*Proxy, *httptest.Server) {
	t.Helper()
	return serveWith(t, table, Options{})
}

func serveWith(t testing.TB, table string, options Options) (*Proxy, *httptest.Server) {
	t.Helper()
	options.Version, options.Log = "3.9.1", slog.New(slog.DiscardHandler)
	p := New(options)
	if table != "" {
		p.Use(build(t, p, table))
	}
	server := httptest.NewUnstartedServer(p)
	server.Listener = p.Listener(server.Listener)
	server.Config.MaxHeaderBytes = MaxHeader
	server.Start()
	t.Cleanup(func() { server.Close(); p.Close() })
	return p, server
}

// get asks for an address with the given names and values of headers.
func get(t testing.TB, address string, headers ...string) (got, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return got{response.StatusCode, response.Header, response.Trailer}, string(body)
}

// got is a response without its body.
type got struct {
	StatusCode      int
	Header, Trailer http.Header
}

// backend starts an upstream and returns the fields of a service for it.
func backend(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`"host":%q,"port":%s,"retries":2`, address.Hostname(), address.Port())
}

func TestProxiedRequestAndResponse(t *testing.T) {
	t.Parallel()
	seen := make(chan *http.Request, 1)
	service := backend(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Clone(r.Context())
		w.Header().Set("Via", "1.1 other")
		fmt.Fprint(w, "hello")
	})
	_, server := serve(t, oneRoute(service+`,"path":"/gen/7"`, `"paths":["/a"]`))
	response, body := get(t, server.URL+"/a/b?x=%zz;y")
	if response.StatusCode != 200 || body != "hello" {
		t.Fatalf("got %d %q", response.StatusCode, body)
	}
	upstream := <-seen
	if upstream.RequestURI != "/gen/7/b?x=%zz;y" {
		t.Errorf("the upstream was asked for %s", upstream.RequestURI)
	}
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	for name, want := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "127.0.0.1", "X-Real-Ip": "127.0.0.1",
		"X-Forwarded-Port": port, "X-Forwarded-Path": "/a/b", "X-Forwarded-Prefix": "/a", "Via": "1.1 kong/3.9.1",
		"X-Kong-Request-Id": response.Header.Get("X-Kong-Request-Id"),
	} {
		if got := upstream.Header.Get(name); got != want {
			t.Errorf("to the upstream, %s: got %q, want %q", name, got, want)
		}
	}
	if via := response.Header.Values("Via"); fmt.Sprint(via) != "[1.1 other, 1.1 kong/3.9.1]" {
		t.Errorf("Via is %v", via)
	}
	for _, name := range []string{"X-Kong-Upstream-Latency", "X-Kong-Proxy-Latency", "X-Kong-Request-Id"} {
		if response.Header.Get(name) == "" {
			t.Errorf("no %s", name)
		}
	}
}

func TestOwnAnswers(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	refused := fmt.Sprintf(`"host":"127.0.0.1","port":%d`, closed.Addr().(*net.TCPAddr).Port)
	release := make(chan struct{})
	slow := backend(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { close(release) })
	noService := `{"_format_version":"3.0","routes":[{"id":"` + routeID + `","paths":["/"]}]}`
	for name, c := range map[string]struct {
		table   string
		status  int
		message string
	}{
		"no configuration": {"", 404, "no Route matched with those values"},
		"no route":         {oneRoute(refused, `"paths":["/other"]`), 404, "no Route matched with those values"},
		"no service":       {noService, 503, "no Service found with those values"},
		"refused":          {oneRoute(refused, `"paths":["/"]`), 502, "An invalid response was received from the upstream server"},
		"slow":             {oneRoute(slow+`,"read_timeout":50`, `"paths":["/"]`), 504, "The upstream server is timing out"},
		"no such name":     {oneRoute(`"host":"absent.invalid"`, `"paths":["/"]`), 503, "name resolution failed"},
		"TLS only":         {oneRoute(refused, `"paths":["/"],"protocols":["https"]`), 426, "Please use HTTPS protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, server := serve(t, c.table)
			response, body := get(t, server.URL+"/x", "Accept", "application/json")
			want := "{\n  \"message\":\"" + c.message + "\",\n  \"request_id\":\"" + response.Header.Get("X-Kong-Request-Id") + "\"\n}"
			if response.StatusCode != c.status || body != want {
				t.Errorf("got %d %s, want %d %s", response.StatusCode, body, c.status, want)
			}
			if c.status == 404 && len(body) != 103 {
				t.Errorf("the body has %d bytes", len(body))
			}
			if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(response.Header.Get("X-Kong-Request-Id")) {
				t.Errorf("headers: %v", response.Header)
			}
			// What is answered in a service's stead looks as if it had come through.
			latency := "X-Kong-Response-Latency"
			if name == "refused" || name == "slow" {
				latency = "X-Kong-Upstream-Latency"
			}
			if response.Header.Get("Server") != "kong/3.9.1" || response.Header.Get(latency) == "" {
				t.Errorf("headers: %v", response.Header)
			}
		})
	}
}

// A client that has closed its side may still read: what it must not read is
// that its request was served.
func TestAClientThatHalfClosesIsNotToldThatItWasServed(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	service := backend(t, func(_ http.ResponseWriter, r *http.Request) { close(asked); <-r.Context().Done() })
	_, server := serve(t, oneRoute(service, `"paths":["/"]`))
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-asked
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); err != nil || len(answer) > 0 {
		t.Errorf("got %q, %v, want the end of the connection", answer, err)
	}
}

func TestConnectIsRetriedWithTheBody(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().(*net.TCPAddr)
	_ = listener.Close()
	service := fmt.Sprintf(`"host":"127.0.0.1","port":%d,"retries":3`, address.Port)
	p, server := serve(t, oneRoute(service, `"paths":["/"]`))
	dials := 0
	for _, service := range p.current.Load().services {
		service.transport.client.open = func(context.Context, endpoint) (net.Conn, error) {
			dials++
			return nil, &net.OpError{Op: "dial", Err: io.ErrUnexpectedEOF}
		}
	}
	response, err := http.Post(server.URL, "text/plain", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != 502 || dials != 4 {
		t.Errorf("got %d after %d dials, want 502 after 4", response.StatusCode, dials)
	}
}

func TestRefusesWhatItCannotServe(t *testing.T) {
	t.Parallel()
	p := New(Options{Version: "3.9.1"})
	t.Cleanup(p.Close)
	for name, c := range map[string]struct{ section, want string }{
		"plugin":          {`"plugins":[{"id":"0000000a-0000-4000-8000-00000000000a","name":"jwt","enabled":true}]`, "plugin 'jwt': cannot be run"},
		"disabled plugin": {`"plugins":[{"id":"0000000a-0000-4000-8000-00000000000a","name":"jwt","enabled":false}]`, ""},
		"known plugin":    {`"plugins":[{"id":"0000000a-0000-4000-8000-00000000000a","name":"key-auth"}]`, ""},
		"SRV names":       {`"upstreams":[{"id":"0000000a-0000-4000-8000-00000000000a","name":"h","use_srv_name":true}]`, "use_srv_name is not supported"},
	} {
		raw := strings.Replace(oneRoute(`"host":"h"`, `"paths":["/"]`), `"services"`, c.section+`,"services"`, 1)
		parsed, err := entity.ParseTable([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Build(parsed)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestSwapUnderTraffic(t *testing.T) {
	t.Parallel()
	service := backend(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) })
	p, server := serve(t, oneRoute(service+`,"path":"/gen/0"`, `"paths":["/"]`))
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if response, body := get(t, server.URL); response.StatusCode != 200 || !strings.HasPrefix(body, "/gen/") {
					t.Errorf("got %d %s", response.StatusCode, body)
					return
				}
			}
		})
	}
	for generation := 1; generation <= 50; generation++ {
		p.Use(build(t, p, oneRoute(fmt.Sprintf(`%s,"path":"/gen/%d"`, service, generation), `"paths":["/"]`)))
		// What is asked after the swap is served by the new configuration.
		if _, body := get(t, server.URL); body != fmt.Sprintf("/gen/%d", generation) {
			t.Errorf("generation %d: got %s", generation, body)
		}
	}
	close(stop)
	clients.Wait()
}
