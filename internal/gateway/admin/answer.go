// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"blackout/internal/gateway/entity"
)

// mediaTypeBody is the page that goes with 415; the Admin API has no JSON for it.
const mediaTypeBody = "<html>\r\n<head><title>415 Unsupported Media Type</title></head>\r\n<body>\r\n" +
	"<center><h1>415 Unsupported Media Type</h1></center>\r\n</body>\r\n</html>\r\n"

// send answers with JSON.
func (c *call) send(status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		c.handler.options.Log.Error("admin.answer", "path", c.request.URL.Path, "error", err)
		status, text = http.StatusInternalServerError, []byte(`{"message":"An unexpected error occurred"}`)
	}
	c.write(status, "application/json; charset=utf-8", text)
}

func (c *call) write(status int, contentType string, text []byte) {
	header := c.response.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(text)))
	c.latency()
	c.response.WriteHeader(status)
	if _, err := c.response.Write(text); err != nil {
		c.handler.options.Log.Debug("admin.answer", "path", c.request.URL.Path, "error", err)
	}
}

func (c *call) message(status int, message string) {
	c.send(status, map[string]any{"message": message})
}

// result answers with an entity, or with why there is none.
func (c *call) result(status int, record entity.Record, err error) {
	if err != nil {
		c.fail(err)
		return
	}
	c.send(status, record)
}

var statuses = map[entity.Code]int{
	entity.CodeUnique:   http.StatusConflict,
	entity.CodeNotFound: http.StatusNotFound,
}

// fail answers with an error: refusals in full, anything else without a detail.
func (c *call) fail(err error) {
	var refusal *entity.Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &refusal):
		c.refuse(refusal)
	case errors.Is(err, errMediaType):
		c.write(http.StatusUnsupportedMediaType, "text/html; charset=UTF-8", []byte(mediaTypeBody))
	case errors.Is(err, errNotJSON):
		c.message(http.StatusBadRequest, errNotJSON.Error())
	case errors.As(err, &tooLarge):
		c.message(http.StatusRequestEntityTooLarge, "Payload too large")
	case errors.Is(err, io.ErrUnexpectedEOF):
		c.message(http.StatusBadRequest, "the body ended too early")
	default:
		c.handler.options.Log.Error("admin.failed", "method", c.request.Method, "path", c.request.URL.Path, "error", err)
		c.message(http.StatusInternalServerError, "An unexpected error occurred")
	}
}

func (c *call) refuse(refusal *entity.Error) {
	if refusal.Code == entity.CodeNotFound && c.request.Method != http.MethodPatch {
		c.message(http.StatusNotFound, "Not found")
		return
	}
	status := statuses[refusal.Code]
	if status == 0 {
		status = http.StatusBadRequest
	}
	body := map[string]any{"code": refusal.Code, "name": refusal.Name(), "message": refusal.Message}
	if refusal.Fields != nil {
		key := "fields"
		if refusal.Code == entity.CodeOptions {
			key = "options"
		}
		body[key] = refusal.Fields
	}
	c.send(status, body)
}
