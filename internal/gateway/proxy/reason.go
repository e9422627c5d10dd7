// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/http"
	"strings"
	"time"
)

// reasonPhrase is nginx's for a status: some are its own, and of those that it
// does not know it says nothing.
func reasonPhrase(status int) string {
	switch status {
	case http.StatusFound:
		return "Moved Temporarily"
	case http.StatusMethodNotAllowed:
		return "Not Allowed"
	case http.StatusRequestTimeout:
		return "Request Time-out"
	case http.StatusRequestURITooLong:
		return "Request-URI Too Large"
	case http.StatusServiceUnavailable:
		return "Service Temporarily Unavailable"
	case http.StatusGatewayTimeout:
		return "Gateway Time-out"
	case http.StatusExpectationFailed, http.StatusTeapot, http.StatusUnprocessableEntity, http.StatusLocked, http.StatusFailedDependency,
		http.StatusTooEarly, http.StatusUpgradeRequired, http.StatusPreconditionRequired, http.StatusRequestHeaderFieldsTooLarge,
		http.StatusUnavailableForLegalReasons, http.StatusVariantAlsoNegotiates, http.StatusLoopDetected, http.StatusNotExtended,
		http.StatusNetworkAuthenticationRequired, http.StatusProxyAuthRequired, http.StatusMultiStatus, http.StatusAlreadyReported, http.StatusIMUsed:
		return ""
	}
	return http.StatusText(status)
}

// reasonOf is the reason phrase of a status as a client of HTTP has it, "200 OK".
func reasonOf(status string) string {
	_, reason, _ := strings.Cut(status, " ")
	return reason
}

func httpDate() string { return time.Now().UTC().Format(http.TimeFormat) }
