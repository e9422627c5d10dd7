// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"blackout/internal/gateway/entity"
)

// maxBody is the largest body taken unless told otherwise, in bytes (Kong 3.9
// nginx_admin_client_max_body_size, 10 MiB).
const maxBody = 10 << 20

// bodyTimeout is how long a client may take over a body unless told otherwise.
const bodyTimeout = 60 * time.Second

// errMediaType refuses a body of a type that is not read.
var errMediaType = errors.New("unsupported media type")

// bodyError is why a body of the right type cannot be read; the caller may
// know.
type bodyError struct{ message string }

func (e *bodyError) Error() string { return e.message }

// body reads the request's body as a record of the schema. No body is an empty
// record.
func (c *call) body(schema *entity.Schema) (entity.Record, error) {
	data, err := io.ReadAll(http.MaxBytesReader(c.response, c.request.Body, c.handler.options.MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge), errors.Is(err, os.ErrDeadlineExceeded):
		return nil, err
	case err != nil:
		return nil, &bodyError{"the body ended too early"}
	}
	return parseBody(schema, c.request.Header.Get("Content-Type"), data)
}

// parseBody reads a body. Kong looks for the type anywhere in the header, and
// minds its case.
func parseBody(schema *entity.Schema, contentType string, data []byte) (entity.Record, error) {
	switch {
	case contentType == "" && len(data) == 0:
		return entity.Record{}, nil
	case strings.Contains(contentType, "application/json"):
		return parseJSON(data)
	case strings.Contains(contentType, "application/x-www-form-urlencoded"):
		form, err := url.ParseQuery(string(data))
		if err != nil {
			return nil, &bodyError{"Cannot parse the form: there are too many fields, or one is not URL-encoded"}
		}
		return fromForm(schema, form)
	case strings.Contains(contentType, "multipart/form-data"):
		return parseMultipart(schema, contentType, data)
	}
	return nil, errMediaType
}

// parseJSON refuses text that is not UTF-8: package json would put other
// characters in place of what it cannot read.
func parseJSON(data []byte) (entity.Record, error) {
	var record entity.Record
	if !utf8.Valid(data) {
		return nil, &bodyError{"Cannot parse JSON body: it is not UTF-8"}
	}
	if err := json.Unmarshal(data, &record); err != nil || record == nil {
		return nil, &bodyError{"Cannot parse JSON body"}
	}
	return record, nil
}

func parseMultipart(schema *entity.Schema, contentType string, data []byte) (entity.Record, error) {
	_, parameters, err := mime.ParseMediaType(contentType)
	if err != nil || parameters["boundary"] == "" {
		return nil, &bodyError{"Cannot parse the form: its Content-Type names no boundary"}
	}
	form := url.Values{}
	reader := multipart.NewReader(bytes.NewReader(data), parameters["boundary"])
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			return fromForm(schema, form)
		}
		if err != nil {
			return nil, &bodyError{"Cannot parse the form: a part is not complete"}
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return nil, &bodyError{"Cannot parse the form: a part is not complete"}
		}
		form.Add(part.FormName(), string(value))
	}
}
