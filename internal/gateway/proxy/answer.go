// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"blackout/internal/gateway/plugin"
)

// answer sends an error of the gateway's own in the form that the client
// accepts, JSON if it says nothing.
func (x *exchange) answer(status int, message string) {
	form := accepted(x.request.Header["Accept"])
	x.respond(status, form.contentType, form.body(message, x.id))
}

// answerPlain sends an error as nginx does where Kong has no say.
func (x *exchange) answerPlain(status int, message string) {
	x.respond(status, plainForm.contentType, plainForm.body(message, x.id))
}

// answerForUpstream sends an error in a service's stead. A client that does not
// say what it accepts gets error_default_type, text/plain, and the headers are
// those of a response that came through.
func (x *exchange) answerForUpstream(status int, message string) {
	form := plainForm
	if accept := x.request.Header["Accept"]; len(accept) > 0 {
		form = accepted(accept)
	}
	header := x.writer.Header()
	x.ownHeaders(header, nil, x.proxy.via)
	x.send(status, form.contentType, form.body(message, x.id))
}

// respond sends a response of the gateway's own.
func (x *exchange) respond(status int, contentType string, body []byte) {
	header := x.writer.Header()
	if x.proxy.headers.server {
		header["Server"] = x.value(x.proxy.server)
	}
	if x.proxy.headers.responseLatency {
		header["X-Kong-Response-Latency"] = x.value(milliseconds(time.Since(x.start)))
	}
	x.identify(header)
	x.send(status, contentType, body)
}

// send writes a response of the gateway's own, after the plugins have seen it.
func (x *exchange) send(status int, contentType string, body []byte) {
	header := x.writer.Header()
	header["Content-Type"] = x.value(contentType)
	header["Content-Length"] = x.value(strconv.Itoa(len(body)))
	if header["Connection"] == nil {
		x.connection(header)
	}
	if x.match.Route != nil {
		changed := plugin.Response{Status: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)), Length: int64(len(body))}
		if err := x.plugins.Respond(&changed); err != nil {
			x.log("proxy.transform", slog.LevelWarn, err)
		} else if changed.Length < 0 {
			body, _ = io.ReadAll(changed.Body) // memory
		}
	}
	x.conn.say(status, reasonPhrase(status))
	x.writer.WriteHeader(status)
	if _, err := x.writer.Write(body); err != nil {
		x.log("proxy.answer", slog.LevelDebug, err)
	}
}

// form is a form that errors have.
type form struct {
	types       []string // of Accept
	contentType string
	body        func(message, id string) []byte
}

var jsonForm = form{
	[]string{"application/json", "application/*", "*/*"}, "application/json; charset=utf-8",
	func(message, id string) []byte {
		return fmt.Appendf(nil, "{\n  \"message\":%s,\n  \"request_id\":\"%s\"\n}", quote(message), id)
	},
}

var plainForm = form{
	[]string{"text/plain", "text/*"}, "text/plain; charset=utf-8",
	func(message, id string) []byte { return fmt.Appendf(nil, "%s\nrequest_id: %s\n", message, id) },
}

var htmlForm = form{
	[]string{"text/html"}, "text/html; charset=utf-8",
	func(message, id string) []byte {
		return fmt.Appendf(nil, "<!doctype html>\n<html>\n  <head>\n    <meta charset=\"utf-8\">\n    <title>Error</title>\n  </head>\n"+
			"  <body>\n    <h1>Error</h1>\n    <p>%s.</p>\n    <p>request_id: %s</p>\n  </body>\n</html>\n", html.EscapeString(message), id)
	},
}

var xmlForm = form{
	[]string{"application/xml"}, "application/xml; charset=utf-8",
	func(message, id string) []byte {
		return fmt.Appendf(nil, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<error>\n  <message>%s</message>\n  <requestid>%s</requestid>\n</error>\n",
			html.EscapeString(message), id)
	},
}

var grpcForm = form{
	[]string{"application/grpc"}, "application/grpc",
	func(message, _ string) []byte { return []byte(message) },
}

var forms = []*form{&jsonForm, &plainForm, &htmlForm, &xmlForm, &grpcForm}

// accepted returns the form that a client prefers. Of equals it is the one
// named first; without any that is known it is JSON.
func accepted(accept []string) form {
	best, weight := &jsonForm, 0.0
	for _, line := range accept {
		for element := range strings.SplitSeq(line, ",") {
			media, parameters, _ := strings.Cut(element, ";")
			media = strings.ToLower(strings.TrimSpace(media))
			at := slices.IndexFunc(forms, func(f *form) bool { return slices.Contains(f.types, media) })
			if at < 0 {
				continue
			}
			if q := quality(parameters); q > weight {
				best, weight = forms[at], q
			}
		}
	}
	return *best
}

// quality reads the weight of an element of Accept, 1 if it has none.
func quality(parameters string) float64 {
	for parameter := range strings.SplitSeq(parameters, ";") {
		if value, ok := strings.CutPrefix(strings.TrimSpace(parameter), "q="); ok {
			q, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0
			}
			return q
		}
	}
	return 1
}

// quote writes text as JSON does, but for the escapes that only HTML needs.
func quote(text string) string {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x80 {
			var quoted strings.Builder
			encoder := json.NewEncoder(&quoted)
			encoder.SetEscapeHTML(false)
			if err := encoder.Encode(text); err != nil {
				return `""` // a text always can be encoded
			}
			return strings.TrimSuffix(quoted.String(), "\n")
		}
	}
	return `"` + text + `"`
}
