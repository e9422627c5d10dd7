// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"blackout/fixtures"
	"blackout/harness/history"
	"blackout/harness/traffic"
)

// addEntities adds an entity of every kind.
func (c *Cluster) addEntities(ctx context.Context, upstream service) error {
	server, err := c.authority.Server(fixtures.NamedHost)
	if err != nil {
		return err
	}
	c.rec.Redact(string(server.Key))
	with := fixtures.Backdrop{Host: upstream.Host, Port: upstream.Port, Authority: c.authority.Certificate, Server: server}
	for _, call := range fixtures.Entities(with) {
		if err := c.admin(ctx, call.Method, call.Path, call.Body); err != nil {
			return err
		}
	}
	c.entities = true
	return nil
}

// Compare asks data planes for what shows their entities, one after the other, and
// records what they answer. What is asked over TLS is asked of those that have ProxyTLS.
type Compare struct {
	Nodes []string `json:"nodes"`
}

// Name implements plan.Action.
func (Compare) Name() string { return "compare" }

// Title implements plan.Action.
func (a Compare) Title() string {
	return fmt.Sprintf("ask %s for %d answers that show their entities", abridged(a.Nodes), len(fixtures.Probes))
}

// Lasts implements plan.Lasting.
func (a Compare) Lasts(history.Profile) time.Duration {
	return callLength + time.Duration(len(a.Nodes)*len(fixtures.Probes))*routeLength
}

// Do implements Action.
func (a Compare) Do(ctx context.Context, c *Cluster) error {
	client := &http.Client{
		Timeout:       adminTimeout,
		Transport:     &http.Transport{TLSClientConfig: c.authority.ClientTLS(fixtures.NamedHost)},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	for _, node := range a.Nodes {
		at, err := c.proxies(ctx, node)
		if err != nil {
			c.progress("  %s is not asked: %v", node, err)
			continue // its end is in the recording, for the oracles
		}
		for _, p := range fixtures.Probes {
			if p.TLS && at.tls == "" {
				continue
			}
			e := history.Event{Kind: history.ProbeAnswer, Node: node, At: c.rec.Now()}
			said, err := ask(ctx, client, at, p)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			e.Until, e.Code, e.Text = c.rec.Now(), said.code, p.Name+": "+said.text
			if err != nil {
				e.Text = p.Name + ": " + unanswered(err)
			}
			c.rec.Event(e)
		}
	}
	return nil
}

// unanswered says why a probe has no answer.
func unanswered(err error) string {
	var unknown *tls.CertificateVerificationError
	if errors.As(err, &unknown) {
		return "a certificate that is not the configuration's"
	}
	return traffic.Classify(err).String()
}

// proxies are the URLs at which a data plane proxies; tls is empty if it has no
// ProxyTLS.
type proxies struct{ plain, tls string }

func (c *Cluster) proxies(ctx context.Context, node string) (proxies, error) {
	plain, err := c.endpoint(ctx, node, portProxy)
	if n, _ := c.topology.Node(node); err != nil || !n.ProxyTLS {
		return proxies{plain: "http://" + plain}, err
	}
	overTLS, err := c.endpoint(ctx, node, portProxyTLS)
	return proxies{"http://" + plain, "https://" + overTLS}, err
}

// said is what came back of a probe: all of it that a configuration determines.
type said struct {
	code int
	text string
}

// ask sends a probe to a data plane.
func ask(ctx context.Context, client *http.Client, at proxies, p fixtures.Probe) (said, error) {
	to := at.plain
	if p.TLS {
		to = at.tls
	}
	req, err := http.NewRequestWithContext(ctx, cmp.Or(p.Method, http.MethodGet), to+p.Path, nil)
	if err != nil {
		return said{}, err
	}
	req.Host = cmp.Or(p.Host, "probe.example")
	for name, value := range p.Header {
		req.Header.Set(name, value)
	}
	res, err := client.Do(req)
	if err != nil {
		return said{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<12))
	if err != nil {
		return said{}, err
	}
	parts := []string{fmt.Sprint(res.StatusCode)}
	for _, name := range fixtures.Shown {
		if value := res.Header.Get(name); value != "" {
			parts = append(parts, name+": "+value)
		}
	}
	return said{res.StatusCode, strings.Join(append(parts, lasting(body)), ", ")}, nil
}

// lasting is a body without what is another in each answer.
func lasting(body []byte) string {
	var object map[string]any
	if json.Unmarshal(body, &object) != nil {
		return string(body)
	}
	delete(object, "request_id")
	text, err := json.Marshal(object)
	if err != nil {
		return string(body)
	}
	return string(text)
}
