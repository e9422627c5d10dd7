// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// headerLine is the most that nginx takes as one line of a request's head, in
// bytes (large_client_header_buffers).
const headerLine = 8 << 10

// refuseRequest answers what nginx does not let through to Kong, and reports
// whether it did.
func (x *exchange) refuseRequest() bool {
	r := x.request
	switch {
	case len(r.Method)+len(r.RequestURI)+len(" HTTP/1.1\r\n")+1 > headerLine:
		x.answerPlain(http.StatusRequestURITooLong, "URI too long")
	case !strings.HasPrefix(x.path, "/"), unservable(x.path), strings.Contains(r.Host, ".."), !isMethod(r.Method):
		x.answerPlain(http.StatusBadRequest, "Bad request")
	case r.Method == http.MethodTrace, r.Method == http.MethodConnect:
		x.answerPage(http.StatusMethodNotAllowed)
	case hasLongLine(r.Header):
		x.answerPlain(http.StatusBadRequest, "Request header or cookie too large")
	default:
		return false
	}
	return true
}

// isMethod reports whether nginx takes a word for a method.
func isMethod(word string) bool {
	for i := range len(word) {
		if c := word[i]; (c < 'A' || c > 'Z') && c != '_' && c != '-' {
			return false
		}
	}
	return word != ""
}

func hasLongLine(header http.Header) bool {
	for name, values := range header {
		for _, value := range values {
			if len(name)+len(": \r\n")+len(value) > headerLine {
				return true
			}
		}
	}
	return false
}

// refuseProtocol answers a request that comes over another protocol than its
// route is for, and reports whether it did (Kong 3.9).
func (x *exchange) refuseProtocol() bool {
	protocols := x.match.Route.Protocols
	has := func(name string) bool { return slices.Contains(protocols, name) }
	switch {
	case has("grpc") || has("grpcs"):
		return x.refuseGRPC(has("grpc"))
	case has("https") && !has("http") && x.forwarded != "https":
		x.wantHTTPS(x.match.Route.RedirectStatus)
		return true
	}
	return false
}

func (x *exchange) refuseGRPC(plain bool) bool {
	switch {
	case !strings.HasPrefix(x.request.Header.Get("Content-Type"), "application/grpc"):
		x.answer(http.StatusUnsupportedMediaType, "Non-gRPC request matched gRPC route")
	case x.request.ProtoMajor != 2:
		x.wantUpgrade("HTTP/2", "Please use HTTP2 protocol")
	case !plain && x.forwarded != "https":
		x.wantUpgrade("TLS/1.2, HTTP/2", "Please use HTTPS protocol")
	default:
		return false
	}
	return true
}

func (x *exchange) wantHTTPS(status int) {
	if status == http.StatusUpgradeRequired || status == 0 {
		x.wantUpgrade("TLS/1.2, HTTP/1.1", "Please use HTTPS protocol")
		return
	}
	target := x.request.RequestURI // as it came
	if !strings.HasPrefix(target, "/") {
		target = x.request.URL.RequestURI()
	}
	x.writer.Header()["Location"] = x.value("https://" + bareHost(x.request.Host) + target)
	x.answerPage(status)
}

func (x *exchange) wantUpgrade(to, message string) {
	header := x.writer.Header()
	header["Upgrade"] = x.value(to)
	header["Connection"] = []string{"Upgrade"}
	if x.request.Close {
		header["Connection"] = []string{"close", "Upgrade"}
	}
	x.answer(http.StatusUpgradeRequired, message)
}

// answerPage sends one of the pages that nginx has for statuses. Those of 301
// and 302 name no charset (observed on Kong 3.9.1).
func (x *exchange) answerPage(status int) {
	contentType := "text/html; charset=UTF-8"
	if status == http.StatusMovedPermanently || status == http.StatusFound {
		contentType = "text/html"
	}
	x.respond(status, contentType, page(status))
}

func page(status int) []byte {
	phrase := http.StatusText(status)
	if status == http.StatusMethodNotAllowed {
		phrase = reasonPhrase(status)
	}
	title := fmt.Sprintf("%d %s", status, phrase)
	return fmt.Appendf(nil, "<html>\r\n<head><title>%[1]s</title></head>\r\n<body>\r\n<center><h1>%[1]s</h1></center>\r\n</body>\r\n</html>\r\n", title)
}
