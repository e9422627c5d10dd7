// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3front

import (
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// instead does what a rule says in the store's place. It returns false if the
// store is to be asked.
func (p *placed) instead(w http.ResponseWriter, r *http.Request) bool {
	switch p.Effect {
	case Refuse:
		reset(w)
		panic(http.ErrAbortHandler)
	case Hang:
		// Only once its body is read is a client that gives up noticed.
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
		case <-p.deleted:
		}
		panic(http.ErrAbortHandler)
	case Fail:
		_, _ = io.Copy(io.Discard, r.Body) // a client that cannot get rid of its body may never read the answer
		p.fail(w, r)
		return true
	}
	return false
}

// reset ends the connection with RST. Where that cannot be had it ends anyhow,
// by the panic that follows.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if inner, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS
		conn = inner.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // then Close sends RST; one that is gone needs none
	}
	_ = conn.Close()
}

func (p *placed) fail(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	if p.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int((p.RetryAfter+time.Second-1)/time.Second)))
	}
	if p.Ahead > 0 {
		header.Set("Date", time.Now().Add(p.Ahead).UTC().Format(http.TimeFormat))
	}
	document := errorDocument(p.code(r), r)
	header.Set("Content-Type", "application/xml")
	header.Set("Content-Length", strconv.Itoa(len(document)))
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(document) // a client that is gone needs no answer
	}
}

// codes are S3's error codes by status, the general one of each (Amazon S3 API
// Reference, "Error responses"). Amazon itself does not answer 429; stores that
// do call it so.
var codes = map[int]string{
	http.StatusBadRequest:          "InvalidRequest",
	http.StatusForbidden:           "AccessDenied",
	http.StatusNotFound:            "NoSuchKey",
	http.StatusMethodNotAllowed:    "MethodNotAllowed",
	http.StatusConflict:            "OperationAborted",
	http.StatusPreconditionFailed:  "PreconditionFailed",
	http.StatusTooManyRequests:     "TooManyRequests",
	http.StatusInternalServerError: "InternalError",
	http.StatusNotImplemented:      "NotImplemented",
	http.StatusServiceUnavailable:  "ServiceUnavailable",
}

// Code is the error code of a Fail rule with a status and no code, for a request
// that names a key.
func Code(status int) string {
	if code, ok := codes[status]; ok {
		return code
	}
	return fmt.Sprintf("Status%d", status)
}

func (p *placed) code(r *http.Request) string {
	if p.Code != "" {
		return p.Code
	}
	if _, key := location(r); p.Status == http.StatusNotFound && key == "" {
		return "NoSuchBucket"
	}
	return Code(p.Status)
}

// errorDocument is S3's error document.
func errorDocument(code string, r *http.Request) []byte {
	bucket, key := location(r)
	document, err := xml.Marshal(struct {
		XMLName    xml.Name `xml:"Error"`
		Code       string
		Message    string
		Key        string `xml:",omitempty"`
		BucketName string
		Resource   string
		RequestID  string `xml:"RequestId"`
	}{Code: code, Message: "Scripted by the store front.", Key: key, BucketName: bucket, Resource: r.URL.Path, RequestID: "storefront"})
	if err != nil {
		return []byte("<Error><Code>" + code + "</Code></Error>") // strings cannot fail to marshal
	}
	return append([]byte(xml.Header), document...)
}
