// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"encoding/xml"
	"net/http"
)

// fault is an error with the answer that S3 gives for it.
type fault struct {
	status  int
	code    string
	message string
}

// Error implements error.
func (f fault) Error() string { return f.code + ": " + f.message }

func accessDenied(message string) fault {
	return fault{http.StatusForbidden, "AccessDenied", message}
}

func signatureMismatch(message string) fault {
	return fault{http.StatusForbidden, "SignatureDoesNotMatch", message}
}

func badRequest(code, message string) fault {
	return fault{http.StatusBadRequest, code, message}
}

// write answers with S3's error document.
func (f fault) write(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(f.status)
	if r.Method == http.MethodHead {
		return
	}
	document := struct {
		XMLName  xml.Name `xml:"Error"`
		Code     string
		Message  string
		Resource string
	}{Code: f.code, Message: f.message, Resource: r.URL.Path}
	// The client may be gone; there is nobody left to tell.
	_ = xml.NewEncoder(w).Encode(document)
}
