// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"blackout/internal/gateway/plugin"
)

// modifyResponse makes of a service's response the one that the client gets.
func (x *exchange) modifyResponse(response *http.Response) error {
	via := x.responseVia(response)
	if len(x.plugins.Added) > 0 || x.configuration.chains[x.match.Route.ID] != nil {
		if err := x.transform(response); err != nil {
			return err
		}
	}
	header := x.writer.Header()
	upgraded := response.StatusCode == http.StatusSwitchingProtocols
	if upgraded {
		header = response.Header // the connection is handed over with it
		header["Connection"] = []string{"upgrade"}
	} else {
		x.takeOver(response, header)
	}
	x.ownHeaders(header, response, via)
	if !upgraded {
		x.conn.say(response.StatusCode, reasonOf(response.Status))
	}
	return nil
}

// takeOver moves the response's headers to the client's.
func (x *exchange) takeOver(response *http.Response, header http.Header) {
	for name, values := range response.Header {
		header[name] = values
	}
	clear(response.Header)
	// A nil value keeps the server from adding its own: what the service left
	// out the client does not get either.
	if _, ok := header["Date"]; !ok {
		header["Date"] = nil
	}
	if contentType := header["Content-Type"]; len(contentType) == 0 {
		if contentType == nil {
			header["Content-Type"] = nil
		}
	} else if full := withCharset(contentType[0]); full != contentType[0] {
		header["Content-Type"] = x.value(full)
	}
	x.connection(header)
}

// transform runs the plugins' response phase.
func (x *exchange) transform(response *http.Response) error {
	changed := plugin.Response{
		Status: response.StatusCode, Header: response.Header, Body: response.Body, Length: response.ContentLength,
	}
	err := x.plugins.Respond(&changed)
	response.Body, response.ContentLength = changed.Body, changed.Length
	return err
}

var closing = []string{"close"}

// connection says what becomes of the client's connection, as nginx always
// does in HTTP/1.
func (x *exchange) connection(header http.Header) {
	if x.request.ProtoMajor != 1 {
		return
	}
	if x.request.Close {
		header["Connection"] = closing
	} else {
		header["Connection"] = keepAlive
	}
}

// ownHeaders adds the gateway's headers to a service's response.
func (x *exchange) ownHeaders(header http.Header, response *http.Response, via string) {
	set := &x.proxy.headers
	if _, ok := header["Server"]; !ok && set.server {
		header["Server"] = x.value(x.proxy.server)
	}
	if set.upstreamLatency {
		header["X-Kong-Upstream-Latency"] = x.value(milliseconds(time.Since(x.sent)))
	}
	if set.proxyLatency {
		header["X-Kong-Proxy-Latency"] = x.value(milliseconds(x.sent.Sub(x.start)))
	}
	if set.upstreamStatus && response != nil {
		header["X-Kong-Upstream-Status"] = x.value(strconv.Itoa(response.StatusCode))
	}
	if set.via {
		header["Via"] = x.value(via)
	}
	x.identify(header)
}

// identify adds the request's id, and what a client that debugs asks for.
func (x *exchange) identify(header http.Header) {
	if x.proxy.headers.requestID {
		header["X-Kong-Request-Id"] = x.value(x.id)
	}
	if x.cookie != "" {
		name, path := x.service.upstream.Cookie()
		header["Set-Cookie"] = append(header["Set-Cookie"], (&http.Cookie{Name: name, Value: x.cookie, Path: path}).String())
	}
	route := x.match.Route
	if !x.debug || route == nil {
		return
	}
	header["Kong-Route-Id"] = x.value(route.ID)
	if route.Name != "" {
		header["Kong-Route-Name"] = x.value(route.Name)
	}
	if route.Service != nil {
		header["Kong-Service-Id"] = x.value(route.Service.ID)
		if route.Service.Name != "" {
			header["Kong-Service-Name"] = x.value(route.Service.Name)
		}
	}
}

// responseVia is Via with this gateway's entry at the end.
func (x *exchange) responseVia(response *http.Response) string {
	via := x.proxy.via
	if response.ProtoMajor == 2 {
		via = "2 " + x.proxy.server
	}
	if before := response.Header["Via"]; len(before) > 0 {
		return strings.Join(before, ", ") + ", " + via
	}
	return via
}

// small is the text of small numbers: most latencies are some.
var small = func() (texts [1000]string) {
	for i := range texts {
		texts[i] = strconv.Itoa(i)
	}
	return texts
}()

func milliseconds(d time.Duration) string {
	n := d.Milliseconds()
	if n >= 0 && n < int64(len(small)) {
		return small[n]
	}
	return strconv.FormatInt(n, 10)
}

// withCharset adds the charset that Kong's nginx is configured to add to the
// types of text that nginx knows.
func withCharset(contentType string) string {
	switch contentType {
	case "text/html", "text/xml", "text/plain", "text/vnd.wap.wml", "application/javascript", "application/rss+xml":
		return contentType + "; charset=UTF-8"
	}
	return contentType
}
