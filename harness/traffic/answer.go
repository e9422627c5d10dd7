// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"

	"blackout/harness/history"
)

// maxBody bounds what is read of an answer, in bytes.
const maxBody = 1 << 16

// Answer is what came back from the probed route.
type Answer struct {
	Status     uint16
	Class      history.Class
	Generation uint32
}

// Ask sends req to the probed route and reads the answer whole.
func Ask(client *http.Client, req *http.Request) Answer {
	res, err := client.Do(req)
	if err != nil {
		return Answer{Class: Classify(err)}
	}
	return read(res, false)
}

func roundTrip(transport *http.Transport, req *http.Request, guarded bool) Answer {
	res, err := transport.RoundTrip(req)
	if err != nil {
		return Answer{Class: Classify(err)}
	}
	return read(res, guarded)
}

// bodies are buffers for the bodies of answers.
var bodies = sync.Pool{New: func() any { return new([maxBody]byte) }}

// read reads an answer whole and closes it. Of a guarded route only a refusal is
// good; of others only an echo that shows its generation.
func read(res *http.Response, guarded bool) Answer {
	defer res.Body.Close()
	a := Answer{Status: uint16(res.StatusCode)}
	want := http.StatusOK
	if guarded {
		want = http.StatusUnauthorized
	}
	buf := bodies.Get().(*[maxBody]byte)
	defer bodies.Put(buf)
	body, err := readBody(res.Body, buf[:])
	switch {
	case err != nil:
		a.Class = Classify(err)
	case res.StatusCode != want:
		a.Class = history.WrongStatus
	case !guarded:
		generation, ok := ReadGeneration(body)
		a.Generation = generation
		if !ok {
			a.Class = history.WrongBody
		}
	}
	return a
}

// readBody reads up to the end of body or of buf. What does not fit is cut off
// without an error: no echo is that long.
func readBody(body io.Reader, buf []byte) ([]byte, error) {
	n := 0
	for n < len(buf) {
		read, err := body.Read(buf[n:])
		n += read
		if errors.Is(err, io.EOF) {
			return buf[:n], nil
		}
		if err != nil {
			return buf[:n], err
		}
	}
	return buf[:n], nil
}

// Classify says how a request without a whole answer ended.
func Classify(err error) history.Class {
	var netErr net.Error
	switch {
	case err == nil:
		return history.Good
	case errors.As(err, &netErr) && netErr.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return history.Timeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return history.Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return history.Reset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return history.EOF
	}
	return history.OtherError
}
