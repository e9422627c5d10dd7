// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"blackout/internal/gateway/entity"
)

// maxBody is the largest body taken, in bytes (Kong 3.9
// nginx_admin_client_max_body_size, 10 MiB).
const maxBody = 10 << 20

// The ways in which a body cannot be read; each has an answer of its own.
var (
	errMediaType = errors.New("unsupported media type")
	errNotJSON   = errors.New("Cannot parse JSON body") //nolint:staticcheck // the Admin API's words
)

// body reads the request's body as a record of the schema. No body is an empty
// record.
func (c *call) body(schema *entity.Schema) (entity.Record, error) {
	contentType := c.request.Header.Get("Content-Type")
	body := http.MaxBytesReader(c.response, c.request.Body, maxBody)
	if contentType == "" {
		// Nothing to read is no body; anything else would need a type.
		if _, err := io.ReadFull(body, make([]byte, 1)); errors.Is(err, io.EOF) {
			return entity.Record{}, nil
		}
		return nil, errMediaType
	}
	// Kong compares the type as it is written, case included.
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil || !strings.HasPrefix(contentType, kind) {
		return nil, errMediaType
	}
	c.request.Body = body
	switch kind {
	case "application/json":
		return decodeJSON(body)
	case "application/x-www-form-urlencoded":
		if err := c.request.ParseForm(); err != nil {
			return nil, fmt.Errorf("read the form: %w", err)
		}
		return fromForm(schema, c.request.PostForm), nil
	case "multipart/form-data":
		if err := c.request.ParseMultipartForm(maxBody); err != nil {
			return nil, fmt.Errorf("read the form: %w", err)
		}
		return fromForm(schema, c.request.MultipartForm.Value), nil
	}
	return nil, errMediaType
}

func decodeJSON(body io.Reader) (entity.Record, error) {
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, fmt.Errorf("read the body: %w", err)
	}
	var record entity.Record
	if err := json.Unmarshal(data, &record); err != nil || record == nil {
		return nil, errNotJSON
	}
	return record, nil
}

// fromForm makes a record of a form's fields: "tags[]", "tags[1]" and repeated
// "tags" are lists, "service.id" is a member, and the text takes the type that
// the schema asks for.
func fromForm(schema *entity.Schema, form url.Values) entity.Record {
	record := entity.Record{}
	for _, key := range slices.SortedFunc(maps.Keys(form), byIndex) {
		values := form[key]
		path := strings.Split(key, ".")
		leaf := &path[len(path)-1]
		indexed := false
		if name, _, ok := strings.Cut(*leaf, "["); ok && strings.HasSuffix(*leaf, "]") {
			*leaf, indexed = name, true
		}
		place(record, path, formValue(schema.Field(path[0]), values, indexed || len(values) > 1))
	}
	return record
}

// byIndex orders a form's fields so that "tags[2]" comes before "tags[10]".
func byIndex(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// place puts a value where a path of member names points to; lists that come in
// pieces are put together.
func place(record map[string]any, path []string, value any) {
	for _, name := range path[:len(path)-1] {
		member, ok := record[name].(map[string]any)
		if !ok {
			member = map[string]any{}
			record[name] = member
		}
		record = member
	}
	last := path[len(path)-1]
	if old, ok := record[last].([]any); ok {
		if more, ok := value.([]any); ok {
			value = append(old, more...)
		}
	}
	record[last] = value
}

func formValue(field *entity.Field, values []string, isList bool) any {
	if field != nil && (field.Kind == entity.Array || field.Kind == entity.Set) {
		isList = len(values) != 1 || values[0] != ""
	}
	if isList {
		elements := make([]any, len(values))
		for i, value := range values {
			elements[i] = value
		}
		return elements
	}
	value := values[0]
	if value == "" {
		return nil
	}
	if field == nil {
		return value
	}
	switch field.Kind {
	case entity.Integer:
		if number, err := strconv.ParseFloat(value, 64); err == nil {
			return number
		}
	case entity.Boolean:
		if value == "true" || value == "false" {
			return value == "true"
		}
	}
	return value
}

// expandURL replaces a service's shorthand "url" by what it stands for.
func expandURL(record entity.Record) error {
	value, given := record["url"]
	if !given {
		return nil
	}
	delete(record, "url")
	text, _ := value.(string)
	parsed, err := url.Parse(text)
	if err != nil || parsed.Hostname() == "" || parsed.Scheme == "" {
		return violation("url", "missing host in url")
	}
	record["protocol"], record["host"] = parsed.Scheme, parsed.Hostname()
	record["path"] = nil
	if path := parsed.EscapedPath(); path != "" {
		record["path"] = path
	}
	switch port := parsed.Port(); {
	case port != "":
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return violation("url", "invalid port in url")
		}
		record["port"] = float64(number)
	case parsed.Scheme == "https":
		record["port"] = 443.0
	default:
		record["port"] = 80.0
	}
	return nil
}

func violation(field, message string) *entity.Error {
	return &entity.Error{Code: entity.CodeSchema, Fields: map[string]any{field: message},
		Message: fmt.Sprintf("schema violation (%s: %s)", field, message)}
}

// unresolved is the refusal of a reference by name; other errors go through.
func unresolved(field string, err error) error {
	var refusal *entity.Error
	if !errors.As(err, &refusal) {
		return err
	}
	return &entity.Error{Code: entity.CodeUnresolved, Message: refusal.Message, Fields: map[string]any{field: refusal.Fields}}
}
