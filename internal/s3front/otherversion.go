// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3front

import (
	"compress/gzip"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// showOther changes an answer to what a store would say that has the rule's
// object and not the one of the suffix.
func (p *placed) showOther(res *http.Response, found bool) (bool, error) {
	_, key := location(res.Request)
	switch {
	case key == "":
		if !found || !isList(res.Request) {
			return false, nil
		}
		return p.rewriteList(res)
	case key == p.Object.Key:
		if res.StatusCode != http.StatusNotFound && !found {
			return false, nil
		}
		res.Header.Set("Content-Type", "application/json")
		return true, p.Object.replace(res)
	case !found:
		return false, nil
	}
	res.StatusCode, res.Status = http.StatusNotFound, http.StatusText(http.StatusNotFound)
	res.Header = http.Header{"Content-Type": {"application/xml"}}
	if res.Request.Method == http.MethodHead {
		return true, nil
	}
	return true, replaceBody(res, errorDocument("NoSuchKey", res.Request))
}

// isList says whether a request about a bucket is for its objects: any other has
// a parameter of its own.
func isList(r *http.Request) bool {
	query := r.URL.Query()
	for _, other := range []string{"location", "versioning", "policy", "acl", "uploads", "versions"} {
		if query.Has(other) {
			return false
		}
	}
	return r.Method == http.MethodGet
}

// The parts of a list of objects that are rewritten.
var (
	listed   = regexp.MustCompile(`(?s)<Contents>.*?</Contents>`)
	keyCount = regexp.MustCompile(`<KeyCount>\d+</KeyCount>`)
)

const (
	// encodedKeys says that the keys of a list are URL-encoded. Not every store
	// does what it is asked for.
	encodedKeys = "<EncodingType>url</EncodingType>"
	// listEnd ends a list of objects, in both versions of the operation.
	listEnd = "</ListBucketResult>"
)

// rewriteList takes the hidden object out of a list of objects and puts the other
// in at its place, if the list is one that it belongs in.
func (p *placed) rewriteList(res *http.Response) (bool, error) {
	body, err := readList(res)
	if err != nil {
		return false, fmt.Errorf("read the store's list: %w", err)
	}
	escaped := strings.Contains(string(body), encodedKeys)
	waiting := ""
	if strings.HasPrefix(p.Object.Key, res.Request.URL.Query().Get("prefix")) {
		waiting = p.Object.contents(escaped)
	}
	count := 0
	list := listed.ReplaceAllStringFunc(string(body), func(entry string) string {
		before := ""
		key := keyOf(entry, escaped)
		if waiting != "" && key >= p.Object.Key {
			before, waiting = waiting, ""
			count++
		}
		if key == p.Object.Key || strings.HasSuffix(key, p.KeySuffix) {
			return before
		}
		count++
		return before + entry
	})
	if waiting != "" {
		list = strings.Replace(list, listEnd, waiting+listEnd, 1)
		count++
	}
	list = keyCount.ReplaceAllString(list, "<KeyCount>"+strconv.Itoa(count)+"</KeyCount>")
	return list != string(body), replaceBody(res, []byte(list))
}

// readList reads a list of objects, which a store may compress where it is long
// (MinIO does, from 1000 bytes on). The answer goes on uncompressed.
func readList(res *http.Response) ([]byte, error) {
	if res.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(res.Body)
	}
	expanded, err := gzip.NewReader(res.Body)
	if err != nil {
		return nil, err
	}
	res.Header.Del("Content-Encoding")
	return io.ReadAll(expanded)
}

// keyOf is the key of an entry of a list.
func keyOf(entry string, escaped bool) string {
	var object struct{ Key string }
	if xml.Unmarshal([]byte(entry), &object) != nil {
		return ""
	}
	if !escaped {
		return object.Key
	}
	key, err := url.QueryUnescape(object.Key)
	if err != nil {
		return ""
	}
	return key
}

// contents is the object's entry in a list.
func (o *Object) contents(escaped bool) string {
	key := o.Key
	if escaped {
		key = url.QueryEscape(key)
	}
	entry, err := xml.Marshal(struct {
		XMLName      xml.Name `xml:"Contents"`
		Key          string
		LastModified string
		ETag         string
		Size         int
		StorageClass string
	}{Key: key, LastModified: o.Modified.UTC().Format(time.RFC3339), ETag: `"` + o.ETag + `"`, Size: len(o.Body), StorageClass: "STANDARD"})
	if err != nil {
		return "" // strings cannot fail to marshal
	}
	return string(entry)
}
