// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"net/url"
	"strconv"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/store"
)

// tags is GET /tags, or /tags/{tag} if one is given.
func (c *call) tags(tag string) {
	size, after, err := c.tagsAfter()
	if err != nil {
		c.fail(err)
		return
	}
	page, more, err := c.store().Tags(c.request.Context(), store.TagQuery{Tag: tag, After: after, Size: size})
	if err != nil {
		c.fail(err)
		return
	}
	next := link{path: "/tags", keepQuery: tag == ""}
	if tag != "" {
		next.path += "/" + url.PathEscape(tag)
	}
	if more {
		last := page[len(page)-1]
		next.after = []string{last.EntityID, last.EntityName, strconv.Itoa(last.Position)}
	}
	sendPage(c, page, next)
}

// tagsAfter reads the size and the beginning of a page of tags.
func (c *call) tagsAfter() (size int, after store.Tagged, err error) {
	values := c.request.URL.Query()
	size = defaultPage
	if values.Has("size") {
		if size, err = pageSize(values.Get("size")); err != nil {
			return 0, after, err
		}
	}
	if !values.Has("offset") {
		return size, after, nil
	}
	key, err := decodeOffset(values.Get("offset"), 3)
	if err != nil {
		return 0, after, err
	}
	position, err := strconv.Atoi(key[2])
	if err != nil || entity.Lookup(key[1]) == nil {
		return 0, after, badOffset(values.Get("offset"), "it was not made by this endpoint")
	}
	return size, store.Tagged{EntityID: key[0], EntityName: key[1], Position: position}, nil
}

// noTags is POST /tags: tags are written with the entities that have them.
func (c *call) noTags() {
	c.fail(violation("tags", "does not support insert/upsert/update/delete operations"))
}
