// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

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
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	return fmt.Appendf(nil, "<html>\r\n<head><title>%[1]s</title></head>\r\n<body>\r\n<center><h1>%[1]s</h1></center>\r\n</body>\r\n</html>\r\n", title)
}
