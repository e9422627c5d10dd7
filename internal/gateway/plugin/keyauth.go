// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"net/http"
	"strings"

	"blackout/internal/gateway/entity"
)

// keyAuth lets in who shows a key (Kong 3.9 key-auth, priority 1250).
type keyAuth struct {
	names                     []string
	inHeader, inQuery, inBody bool
	hide, preflight           bool
	challenge                 string
	anonymous                 string
	people                    *people // who are known where the plugin is
}

func newKeyAuth(config entity.Record, build *builder) (Plugin, error) {
	k := &keyAuth{
		names:    config.Texts("key_names"),
		inHeader: flagOr(config, "key_in_header", true), inQuery: flagOr(config, "key_in_query", true), inBody: flagOr(config, "key_in_body", false),
		hide: flagOr(config, "hide_credentials", false), preflight: flagOr(config, "run_on_preflight", true),
		challenge: "Key", anonymous: config.Text("anonymous"),
		people: build.people,
	}
	if len(k.names) == 0 {
		k.names = []string{"apikey"}
	}
	if realm := config.Text("realm"); realm != "" {
		k.challenge = fmt.Sprintf("Key realm=%q", realm)
	}
	return k, nil
}

// Access authenticates the request.
func (k *keyAuth) Access(x *Exchange) *Answer {
	if !k.preflight && x.Request.Method == http.MethodOptions {
		return nil
	}
	if k.anonymous != "" && x.Consumer != nil && x.Credential != "" {
		return nil // another plugin has authenticated it
	}
	found, answer := k.authenticate(x)
	if answer == nil {
		x.identify(found.consumer, found.id)
		return nil
	}
	if k.anonymous == "" {
		return answer
	}
	consumer := k.people.consumers[k.anonymous]
	if consumer == nil {
		return &Answer{Status: http.StatusInternalServerError, Message: "An unexpected error occurred"}
	}
	x.identify(consumer, "")
	return nil
}

func (k *keyAuth) authenticate(x *Exchange) (credential, *Answer) {
	for _, name := range k.names {
		values, err := k.find(x, name)
		if err != nil {
			return credential{}, &Answer{Status: http.StatusBadRequest, Message: "Cannot process request body"}
		}
		switch {
		case len(values) > 1:
			return credential{}, k.refuse("Duplicate API key found")
		case len(values) == 0 || values[0] == "":
			continue
		}
		if k.hide {
			k.conceal(x, name)
		}
		found, known := k.people.keys[values[0]]
		if !known || !found.expires.IsZero() && !x.Now.Before(found.expires) {
			return credential{}, k.refuse("Unauthorized")
		}
		return found, nil
	}
	return credential{}, k.refuse("No API key found in request")
}

func (k *keyAuth) refuse(message string) *Answer {
	return &Answer{
		Status: http.StatusUnauthorized, Message: message,
		Header: http.Header{"WWW-Authenticate": {k.challenge}},
	}
}

// find returns the keys under a name from the first place that has any.
func (k *keyAuth) find(x *Exchange, name string) ([]string, error) {
	if k.inHeader {
		if values := x.Header().Values(name); len(values) > 0 && values[0] != "" {
			return values, nil
		}
	}
	if k.inQuery {
		if values := parseArguments(x.Upstream.Query).values(name); len(values) > 0 {
			return values, nil
		}
	}
	if !k.inBody {
		return nil, nil
	}
	body, err := readFields(x)
	if err != nil || body == nil {
		return nil, err
	}
	return body.values(name), nil
}

// conceal keeps the key from the service, wherever the client sent it.
func (k *keyAuth) conceal(x *Exchange, name string) {
	delHeader(x.Edit(), name)
	if arguments := parseArguments(x.Upstream.Query); arguments.has(name) {
		x.Upstream.Query = arguments.without(name).String()
	}
	if !k.inBody {
		return
	}
	if body, err := readFields(x); err == nil && body != nil && len(body.values(name)) > 0 {
		body.remove(name)
		body.write(x)
	}
}

// identify notes the consumer and tells the service of it. What a client sent
// under these names never goes through.
func (x *Exchange) identify(consumer *Consumer, credential string) {
	x.Consumer, x.Credential = consumer, credential
	anonymous := ""
	if credential == "" {
		anonymous = "true"
	}
	header := x.Edit()
	for _, field := range [...]Added{
		{"X-Consumer-ID", consumer.ID},
		{"X-Consumer-Custom-ID", consumer.CustomID},
		{"X-Consumer-Username", consumer.Username},
		{"X-Credential-Identifier", credential},
		{"X-Anonymous-Consumer", anonymous},
	} {
		delHeader(header, field.Name)
		if field.Value != "" {
			header[field.Name] = []string{escapeControls(field.Value)}
		}
	}
}

// escapeControls writes the bytes that no header may have, tabs excepted, as %0A
// and the like, which is what OpenResty sends. A custom_id may be anything.
func escapeControls(value string) string {
	if !strings.ContainsFunc(value, isControl) {
		return value
	}
	var escaped strings.Builder
	for i := range len(value) {
		if isControl(rune(value[i])) {
			fmt.Fprintf(&escaped, "%%%02X", value[i])
		} else {
			escaped.WriteByte(value[i])
		}
	}
	return escaped.String()
}

func isControl(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }
