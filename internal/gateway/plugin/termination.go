// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"encoding/json"
	"net/http"
	"strings"

	"blackout/internal/gateway/entity"
)

// termination answers in the service's place (Kong 3.9 request-termination,
// priority 2).
type termination struct {
	status      int
	contentType string
	body        []byte
	trigger     string
	echo        bool
}

const jsonType = "application/json; charset=utf-8"

func newRequestTermination(config entity.Record, _ *builder) (Plugin, error) {
	t := &termination{
		status:  integerOr(config, "status_code", http.StatusServiceUnavailable),
		trigger: config.Text("trigger"), echo: flagOr(config, "echo", false),
		contentType: jsonType,
	}
	if body := config.Text("body"); body != "" {
		t.body = []byte(body)
		t.contentType = textOr(config, "content_type", jsonType)
		return t, nil
	}
	message := textOr(config, "message", "Service unavailable")
	t.body = marshal(map[string]any{"message": message})
	return t, nil
}

// Access answers, if the trigger is there or none is needed.
func (t *termination) Access(x *Exchange) *Answer {
	if t.trigger != "" {
		_, inHeader := getHeader(x.Header(), t.trigger)
		if !inHeader && len(parseArguments(x.Upstream.Query).values(t.trigger)) == 0 {
			return nil
		}
	}
	if t.echo {
		return t.echoed(x)
	}
	return &Answer{Status: t.status, ContentType: t.contentType, Body: t.body}
}

// echoed answers with the request itself and its matches.
func (t *termination) echoed(x *Exchange) *Answer {
	body, err := x.body()
	if err != nil {
		return &Answer{Status: http.StatusRequestEntityTooLarge, Message: err.Error()}
	}
	headers := map[string]any{}
	for name, values := range x.Header() {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	query := map[string]any{}
	for _, a := range parseArguments(x.Upstream.Query) {
		query[a.name] = a.value
	}
	request := map[string]any{
		"scheme": x.Scheme, "host": x.Request.Host, "method": x.Upstream.Method, "path": x.Path,
		"headers": headers, "query": query, "raw_body": string(body),
	}
	matched := map[string]any{"route": map[string]any{"id": x.Route}}
	if x.Service != "" {
		matched["service"] = map[string]any{"id": x.Service}
	}
	if x.Consumer != nil {
		matched["consumer"] = map[string]any{"id": x.Consumer.ID, "username": x.Consumer.Username}
	}
	return &Answer{Status: t.status, ContentType: jsonType, Body: marshal(map[string]any{"request": request, "matched": matched})}
}

// marshal encodes what always can be, without HTML escapes.
func marshal(value any) []byte {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return []byte("{}")
	}
	return []byte(strings.TrimSuffix(text.String(), "\n"))
}
