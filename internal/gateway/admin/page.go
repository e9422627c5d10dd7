// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/store"
)

// Sizes of a page (Kong 3.9).
const (
	defaultPage = 100
	maxPage     = 1000
)

// query reads the parameters of a listing.
func (c *call) query() (store.Query, error) {
	values := c.request.URL.Query()
	query := store.Query{Size: defaultPage}
	if values.Has("size") {
		size, err := pageSize(values.Get("size"))
		if err != nil {
			return query, err
		}
		query.Size = size
	}
	if values.Has("offset") {
		after, err := decodeOffset(values.Get("offset"), 1)
		if err != nil {
			return query, err
		}
		query.After = after[0]
	}
	if values.Has("tags") {
		return query, readTags(&query, values.Get("tags"))
	}
	return query, nil
}

func pageSize(text string) (int, error) {
	size, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, &entity.Error{Code: entity.CodeSize, Message: "size must be a number"}
	}
	if whole := int(size); float64(whole) == size && whole >= 1 && whole <= maxPage {
		return whole, nil
	}
	return 0, &entity.Error{Code: entity.CodeSize, Message: fmt.Sprintf("size must be an integer between 1 and %d", maxPage)}
}

// encodeOffset makes the token that stands for "after the row with this key".
func encodeOffset(key []string) string {
	text, _ := json.Marshal(key) // texts can always be encoded
	return base64.RawURLEncoding.EncodeToString(text)
}

// decodeOffset returns a token's key, which has so many parts and begins with
// an id.
func decodeOffset(token string, parts int) ([]string, error) {
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(token, "="))
	if err != nil {
		return nil, badOffset(token, "bad base64 encoding")
	}
	var key []string
	if json.Unmarshal(data, &key) != nil {
		return nil, badOffset(token, "bad json encoding")
	}
	if len(key) != parts || uuid.Validate(key[0]) != nil {
		return nil, badOffset(token, "it was not made by this endpoint")
	}
	return key, nil
}

func badOffset(token, reason string) *entity.Error {
	return &entity.Error{Code: entity.CodeOffset, Message: fmt.Sprintf("'%s' is not a valid offset: %s", token, reason)}
}

// readTags takes "a,b" for all of the tags and "a/b" for any of them.
func readTags(query *store.Query, text string) error {
	separator := ","
	if strings.Contains(text, "/") {
		separator, query.AnyTag = "/", true
	}
	problem := ""
	switch {
	case text == "":
		problem = "cannot be null"
	case query.AnyTag && strings.Contains(text, ","):
		problem = "invalid filter syntax"
	}
	query.Tags = strings.Split(text, separator)
	if problem != "" {
		return &entity.Error{Code: entity.CodeOptions, Message: fmt.Sprintf("invalid option (tags: %s)", problem),
			Fields: map[string]any{"tags": problem}}
	}
	return nil
}

// link says how the next page is found.
type link struct {
	path      string
	after     []string // key of this page's last row; nil on the last page
	keepQuery bool     // a nested collection's link keeps neither size nor tags
}

// sendPage answers with a page of a collection.
func sendPage[T any](c *call, page []T, next link) {
	if page == nil {
		page = []T{} // an empty list, never null
	}
	body := map[string]any{"data": page, "next": nil}
	if next.after != nil {
		offset := encodeOffset(next.after)
		address := next.path + "?offset=" + offset
		for _, key := range []string{"tags", "size"} {
			if values := c.request.URL.Query(); next.keepQuery && values.Has(key) {
				address += "&" + key + "=" + url.QueryEscape(values.Get(key))
			}
		}
		body["next"], body["offset"] = address, offset
	}
	c.send(200, body)
}
