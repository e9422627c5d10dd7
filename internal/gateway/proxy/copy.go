// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
)

// copyResponse sends a response on. Without response_buffering, or if its length
// is not known, each piece goes out as it comes; otherwise the server's buffer of
// 4 KiB may hold what is less.
func (x *exchange) copyResponse(response *http.Response) {
	header := x.writer.Header()
	announced := len(response.Trailer)
	if announced > 0 {
		names := make([]string, 0, announced)
		for name := range response.Trailer {
			names = append(names, name)
		}
		header["Trailer"] = x.value(strings.Join(names, ", "))
	}
	x.writer.WriteHeader(response.StatusCode)
	flush := response.ContentLength < 0 || !x.match.Route.ResponseBuffering
	if err := x.copyBody(response.Body, flush); err != nil {
		_ = response.Body.Close()
		x.log("proxy.copy", slog.LevelDebug, err)
		// What was promised cannot be kept: only the connection's end says so.
		panic(http.ErrAbortHandler)
	}
	_ = response.Body.Close() // now, because it fills in the trailers
	if len(response.Trailer) == 0 {
		return
	}
	// Without a flush the server might know the length and send no trailers.
	_ = http.NewResponseController(x.writer).Flush()
	for name, values := range response.Trailer {
		if len(response.Trailer) != announced {
			name = http.TrailerPrefix + name
		}
		header[name] = values
	}
}

func (x *exchange) copyBody(body io.Reader, flush bool) error {
	buffer := buffers.Get()
	defer buffers.Put(buffer)
	var flusher http.Flusher
	if flush {
		flusher, _ = x.writer.(http.Flusher)
		if flusher != nil {
			flusher.Flush() // the header
		}
	}
	for {
		n, err := body.Read(buffer)
		if n > 0 {
			if _, err := x.writer.Write(buffer[:n]); err != nil {
				return err
			}
			if flusher != nil {
				flusher.Flush()
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
