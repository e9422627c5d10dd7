// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// minSecret is the shortest secret taken, in characters.
const minSecret = 8

// Rights are what an account may do.
type Rights string

// The rights of an account.
const (
	Read  Rights = "read"  // GetObject, HeadObject, ListBucket, HeadBucket
	Write Rights = "write" // Read and PutObject
	Root  Rights = "root"  // everything; the one account that the server was started with
)

// Account is who may do what. Its JSON form, without the access key, is the
// body of PUT /.accounts/<access key>.
type Account struct {
	AccessKey string `json:"-"`
	Secret    string `json:"secret"`
	Bucket    string `json:"bucket"`
	Prefix    string `json:"prefix"` // objects whose keys begin with it and a slash; empty: the whole bucket
	Rights    Rights `json:"rights"` // Read or Write
}

var accessKeyPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{3,128}$`)

func (a Account) validate() error {
	switch {
	case !accessKeyPattern.MatchString(a.AccessKey):
		return errors.New("the access key takes 3 to 128 letters, digits, dots, underscores and hyphens")
	case len(a.Secret) < minSecret:
		return fmt.Errorf("the secret has fewer than %d characters", minSecret)
	case a.Bucket == "":
		return errors.New("the bucket is missing")
	case a.Rights != Read && a.Rights != Write:
		return fmt.Errorf("the rights are neither %q nor %q", Read, Write)
	}
	return nil
}

// The query parameters that do not change which operation a request is. Any
// other makes it one that only the root account may ask for.
var (
	objectQuery = map[string]bool{"x-id": true}
	bucketQuery = map[string]bool{
		"x-id": true, "location": true, "list-type": true, "prefix": true, "delimiter": true, "max-keys": true,
		"marker": true, "continuation-token": true, "start-after": true, "fetch-owner": true, "encoding-type": true,
	}
)

// may tells whether the account has the right to a request.
func (a Account) may(r *http.Request) bool {
	if a.Rights == Root {
		return true
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if bucket == "" || bucket != a.Bucket {
		return false
	}
	if key == "" {
		return a.mayBucket(r)
	}
	if !onlyQuery(r, objectQuery) || !a.inPrefix(key) {
		return false
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return true
	case http.MethodPut:
		return a.Rights == Write && r.Header.Get("X-Amz-Copy-Source") == ""
	}
	return false
}

func (a Account) mayBucket(r *http.Request) bool {
	switch {
	case !onlyQuery(r, bucketQuery):
		return false
	case r.Method == http.MethodHead, r.Method == http.MethodGet && r.URL.Query().Has("location"):
		return true
	case r.Method != http.MethodGet:
		return false
	}
	prefix := r.URL.Query().Get("prefix")
	return prefix == a.Prefix || a.inPrefix(prefix)
}

func (a Account) inPrefix(key string) bool {
	return a.Prefix == "" || strings.HasPrefix(key, a.Prefix+"/")
}

func onlyQuery(r *http.Request, allowed map[string]bool) bool {
	for name := range r.URL.Query() {
		if !allowed[name] {
			return false
		}
	}
	return true
}

// accounts are those of a server. They are kept in a file, so that a store that
// is killed and started again still knows its clients.
type accounts struct {
	file string
	root Account

	mu    sync.RWMutex
	byKey map[string]Account
}

func openAccounts(file string, root Account) (*accounts, error) {
	a := &accounts{file: file, root: root, byKey: map[string]Account{}}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	if err := json.Unmarshal(data, &a.byKey); err != nil {
		return nil, fmt.Errorf("read accounts from %s: %w", file, err)
	}
	return a, nil
}

func (a *accounts) find(key string) (Account, bool) {
	if key == a.root.AccessKey {
		return a.root, true
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	account, ok := a.byKey[key]
	account.AccessKey = key
	return account, ok
}

func (a *accounts) set(account Account) error {
	if err := account.validate(); err != nil {
		return badRequest("InvalidArgument", err.Error())
	}
	if account.AccessKey == a.root.AccessKey {
		return badRequest("InvalidArgument", "the root account cannot be changed")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byKey[account.AccessKey] = account
	return a.save()
}

func (a *accounts) remove(key string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.byKey, key)
	return a.save()
}

// save writes the file. The caller holds the lock.
func (a *accounts) save() error {
	data, err := json.Marshal(a.byKey)
	if err != nil {
		return fmt.Errorf("save accounts: %w", err)
	}
	if err := replaceFile(filepath.Dir(a.file), a.file, data); err != nil {
		return fmt.Errorf("save accounts: %w", err)
	}
	return nil
}
