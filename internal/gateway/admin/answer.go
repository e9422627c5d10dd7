// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"

	"blackout/internal/gateway/entity"
)

// page answers with the web server's page for a status; the Admin API has no
// JSON for it (Kong 3.9).
func (c *call) page(status int, title string) {
	c.write(status, "text/html; charset=UTF-8", fmt.Appendf(nil, "<html>\r\n<head><title>%[1]s</title></head>\r\n<body>\r\n"+
		"<center><h1>%[1]s</h1></center>\r\n</body>\r\n</html>\r\n", fmt.Sprintf("%d %s", status, title)))
}

// noContent answers 204.
func (c *call) noContent() {
	c.latency()
	c.response.WriteHeader(http.StatusNoContent)
}

// send answers with JSON.
func (c *call) send(status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		c.handler.options.Log.Error("admin.answer", "path", c.shownPath(), "error", err)
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
		c.handler.options.Log.Debug("admin.answer", "path", c.shownPath(), "error", err)
	}
}

// shownPath is the path as it may be logged: some credentials are named by
// their secret (/key-auths/{key}).
func (c *call) shownPath() string {
	parts := segments(c.request.URL)
	for _, schema := range append(entity.All(), entity.Credentials()...) {
		if schema.Key == "" || !schema.Field(schema.Key).Secret {
			continue
		}
		for i := 1; i < len(parts); i++ {
			if parts[i-1] == schema.Path || parts[i-1] == schema.ChildPath() {
				parts[i] = "******"
			}
		}
	}
	return "/" + strings.Join(parts, "/")
}

func (c *call) message(status int, message string) {
	c.send(status, map[string]any{"message": message})
}

var statuses = map[entity.Code]int{
	entity.CodeUnique:   http.StatusConflict,
	entity.CodeNotFound: http.StatusNotFound,
}

// fail answers with an error: refusals in full, anything else without a detail.
// A database that cannot be asked is such an error (Kong 3.9).
func (c *call) fail(err error) {
	var refusal *entity.Error
	var unreadable *bodyError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &refusal):
		c.refuse(refusal)
	case errors.Is(err, errNoName):
		c.message(http.StatusNotFound, errNoName.Error())
	case errors.Is(err, errMediaType):
		c.page(http.StatusUnsupportedMediaType, "Unsupported Media Type")
	case errors.As(err, &tooLarge):
		c.page(http.StatusRequestEntityTooLarge, "Request Entity Too Large")
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.page(http.StatusRequestTimeout, "Request Time-out")
	case errors.As(err, &unreadable):
		c.message(http.StatusBadRequest, unreadable.message)
	default:
		c.handler.options.Log.Error("admin.failed", "method", c.request.Method, "path", c.shownPath(), "error", err)
		c.message(http.StatusInternalServerError, "An unexpected error occurred")
	}
}

// missing is fail for an entity on the way to what was asked for: if it is not
// there, nor is that, whatever the method.
func (c *call) missing(err error) {
	var refusal *entity.Error
	if errors.As(err, &refusal) && refusal.Code == entity.CodeNotFound {
		c.message(http.StatusNotFound, "Not found")
		return
	}
	c.fail(err)
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
