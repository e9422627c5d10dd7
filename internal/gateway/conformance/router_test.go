// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"blackout/internal/gateway/entity"
)

// routerGoal is the percentage of the requests, and of the configurations, that
// must be as recorded.
const routerGoal = 99.5

// routing is one line of router.jsonl: a configuration, and what a real gateway
// did with it and with requests.
type routing struct {
	Case       string
	Config     json.RawMessage
	LoadStatus int `json:"load_status"`
	LoadError  struct {
		Fields map[string]any
	} `json:"load_error"`
	Requests []routed
}

type routed struct {
	Request  routerRequest
	Observed observation
}

type routerRequest struct {
	Method, Path string
	Headers      [][2]string
	Body         string
	TLS          bool
	SNI          string
}

// observation is what a client and an upstream see of one request.
type observation struct {
	Status    int
	Route     *string
	RouteName *string `json:"route_name"`
	Service   *string
	From      string // upstream or gateway

	Upstream *upstreamSaw

	// From the gateway only.
	ContentType string `json:"content_type"`
	Location    string
	Upgrade     string
	Connection  []string // with Upgrade
	Body        string
	Reason      string
}

type upstreamSaw struct {
	Method    string            `json:"method"`
	URI       string            `json:"uri"`
	Host      string            `json:"host"`
	Forwarded map[string]string `json:"forwarded"`
}

// TestRouter replays router.jsonl over loopback against the proxy's handler.
func TestRouter(t *testing.T) {
	t.Parallel()
	gateway := startRouted(t)
	configurations, requests := newTally(), newTally()
	for line := range bytes.Lines(gateway.substitute(corpus(t, "router.jsonl"))) {
		var recorded routing
		if err := json.Unmarshal(line, &recorded); err != nil {
			t.Fatal(err)
		}
		table, err := entity.ParseDeclarative(recorded.Config)
		if class, difference := recorded.compareLoad(err); class != "" || err != nil {
			configurations.add(class, difference)
			continue
		}
		if err := gateway.use(table); err != nil {
			configurations.add("loading", fmt.Sprintf("%s: %v", recorded.Case, err))
			continue
		}
		configurations.add("", "")
		for _, r := range recorded.Requests {
			got, err := gateway.ask(t.Context(), r.Request)
			if err != nil {
				requests.add("no answer", fmt.Sprintf("%s: %s: %v", recorded.Case, r.Request, err))
				continue
			}
			class, difference := r.Observed.compare(got)
			if reason := r.mayDiffer(class); reason != "" {
				requests.expect(reason)
				continue
			}
			requests.add(class, fmt.Sprintf("%s: %s: %s", recorded.Case, r.Request, difference))
		}
	}
	configurations.report(t, "router configurations", routerGoal)
	requests.report(t, "router requests", routerGoal)
}

// mayDiffer returns why a request may differ in a field, or "".
func (r routed) mayDiffer(class string) string {
	switch {
	case r.Request.TLS && class == "reason":
		return "over TLS, reason phrases are net/http's"
	case r.Request.TLS && class == "body" && r.Observed.Status == http.StatusBadRequest:
		return "over TLS, the body of a bad request's answer is net/http's"
	}
	return ""
}

func (r routerRequest) String() string {
	scheme := "http"
	if r.TLS {
		scheme = "https(" + r.SNI + ")"
	}
	return fmt.Sprintf("%s %s %s %v", r.Method, scheme, r.Path, r.Headers)
}

// compareLoad compares whether the configuration was taken, and if it was not,
// the fields that are named and what is said of them.
func (r routing) compareLoad(err error) (class, difference string) {
	if r.LoadStatus == http.StatusCreated {
		if err != nil {
			return "loading", fmt.Sprintf("%s is refused: %v", r.Case, err)
		}
		return "", ""
	}
	var refused *entity.Error
	if !errors.As(err, &refused) {
		return "loading", fmt.Sprintf("%s: got %v, want a refusal: %s", r.Case, err, compact(r.LoadError.Fields))
	}
	if got, want := compact(refused.Fields), compact(r.LoadError.Fields); got != want {
		return "the error of a refusal", fmt.Sprintf("%s: got %s, want %s", r.Case, got, want)
	}
	return "", ""
}

// compare returns the first field that differs, which is the class of the
// difference.
func (o observation) compare(got observation) (class, difference string) {
	fields, have := reflect.ValueOf(o), reflect.ValueOf(got)
	for i := range fields.NumField() {
		name := fields.Type().Field(i).Name
		if want, is := fields.Field(i).Interface(), have.Field(i).Interface(); !reflect.DeepEqual(want, is) {
			if name == "Upstream" && o.Upstream != nil && got.Upstream != nil {
				return o.Upstream.compare(got.Upstream)
			}
			return strings.ToLower(name), fmt.Sprintf("got %s, want %s", compact(is), compact(want))
		}
	}
	return "", ""
}

func (u *upstreamSaw) compare(got *upstreamSaw) (class, difference string) {
	switch {
	case u.Method != got.Method:
		return "upstream's method", fmt.Sprintf("got %s, want %s", got.Method, u.Method)
	case u.URI != got.URI:
		return "upstream's uri", fmt.Sprintf("got %s, want %s", got.URI, u.URI)
	case u.Host != got.Host:
		return "upstream's host", fmt.Sprintf("got %s, want %s", got.Host, u.Host)
	}
	return "upstream's forwarded headers", fmt.Sprintf("got %s, want %s", compact(got.Forwarded), compact(u.Forwarded))
}
