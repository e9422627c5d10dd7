// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"blackout/internal/gateway/entity"
)

// TokenVariable is the environment variable with the token that a control plane's Admin
// API asks for, if it does; it is sent as the header Kong-Admin-Token.
const TokenVariable = "BLACKOUT_ADMIN_TOKEN" // #nosec G101 -- the name of a variable

// ControlPlane is one whose Admin API is read. Make it with [NewControlPlane].
type ControlPlane struct {
	base   *url.URL
	token  string
	client *http.Client
	now    func() time.Time
}

// NewControlPlane names a control plane by its Admin API's URL. A URL that is none, or
// that holds credentials, is [ErrInput].
func NewControlPlane(address, token string) (*ControlPlane, error) {
	base, err := url.Parse(address)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" || base.RawQuery != "" || base.Fragment != "" {
		// A URL that cannot be read may hold a secret: it is not quoted.
		return nil, fmt.Errorf("the control plane %w: it is no URL of an Admin API; write http(s)://<host>:<port>", ErrInput)
	}
	if base.User != nil {
		return nil, fmt.Errorf("the control plane %w: its URL holds credentials; give a token in %s", ErrInput, TokenVariable)
	}
	return &ControlPlane{base: base, token: token, now: time.Now, client: &http.Client{
		Timeout: requestTimeout,
		// A token must not follow a redirect to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// String is the Admin API's URL.
func (c *ControlPlane) String() string { return c.base.String() }

// mostReads is how often a configuration is read that changes meanwhile.
const mostReads = 5

// Read reads the configuration that the control plane hands out. The Admin API has no
// transactions, so that everything is read until two readings in a row are the same.
// [ErrEnvironment] means that the control plane does not answer, denies access, changes
// all the time, or holds something that cannot be read so.
func (c *ControlPlane) Read(ctx context.Context) (*Configuration, error) {
	if err := c.checkReadable(ctx); err != nil {
		return nil, err
	}
	before := ""
	for range mostReads {
		rows, err := c.rows(ctx)
		if err != nil {
			return nil, err
		}
		// A reading in the midst of a change may be invalid: that one does not count.
		read, err := made(c.String(), rows)
		var invalid *Invalid
		if err != nil && !errors.As(err, &invalid) {
			return nil, err
		}
		state := fingerprint(read, err)
		if state == before {
			return read, err
		}
		before = state
	}
	return nil, fmt.Errorf("%w: the configuration of %s changed in each of %d readings; try again when nobody changes it", ErrEnvironment, c, mostReads)
}

// fingerprint tells readings apart. What remains of a ttl changes with each second.
func fingerprint(read *Configuration, err error) string {
	if err != nil {
		return err.Error()
	}
	sections, err := decodeTable(read.Table.Raw)
	if err != nil {
		return err.Error()
	}
	for _, rows := range rowsOf(sections) {
		for _, row := range rows {
			if row["ttl"] != nil {
				row["ttl"] = true
			}
		}
	}
	return hashOf(sections)
}

// unreadable are collections of control planes that the Admin API of this gateway does
// not have. Without them, what is written would not be the control plane's
// configuration, and might let through what that refuses.
var unreadable = []string{"consumer_groups", "filter-chains"}

// checkReadable refuses control planes that hold what is not read.
func (c *ControlPlane) checkReadable(ctx context.Context) error {
	for _, path := range unreadable {
		// Kong answers 400 for filter chains where it runs none.
		rows, _, err := c.page(ctx, "/"+path+"?size=1", http.StatusNotFound, http.StatusBadRequest)
		if err != nil {
			return err
		}
		if len(rows) > 0 {
			return fmt.Errorf("%w: %s has %s, which cannot be read through its Admin API here; let a backup node export it", ErrEnvironment, c, path)
		}
	}
	workspaces, _, err := c.page(ctx, "/workspaces?size=2", http.StatusNotFound)
	if err == nil && len(workspaces) > 1 {
		err = fmt.Errorf("%w: %s has more than one workspace, of which only the default one would be read; let a backup node export it", ErrEnvironment, c)
	}
	return err
}

// rows reads every collection.
func (c *ControlPlane) rows(ctx context.Context) (map[string][]entity.Record, error) {
	rows := map[string][]entity.Record{}
	for _, schema := range append(entity.All(), entity.Credentials()...) {
		if schema.Below {
			continue
		}
		found, err := c.collection(ctx, "/"+schema.Path)
		if err != nil {
			return nil, err
		}
		if found == nil && schema == entity.Services {
			return nil, fmt.Errorf("%w: %s has no /services: it is no Admin API", ErrEnvironment, c)
		}
		rows[schema.Name] = found
	}
	for _, upstream := range rows[entity.Upstreams.Name] {
		targets, err := c.collection(ctx, "/"+entity.Upstreams.Path+"/"+url.PathEscape(upstream.ID())+"/"+entity.Targets.Path)
		if err != nil {
			return nil, err
		}
		rows[entity.Targets.Name] = append(rows[entity.Targets.Name], targets...)
	}
	workspaces, err := c.collection(ctx, "/workspaces")
	if err != nil {
		return nil, err
	}
	rows["workspaces"] = workspaces
	c.asExported(rows)
	return rows, nil
}

// asExported makes of what the Admin API shows what a control plane hands out.
func (c *ControlPlane) asExported(rows map[string][]entity.Record) {
	for _, row := range rows[entity.Certificates.Name] {
		row["snis"] = nil // entities of their own
	}
	for _, records := range rows {
		for _, row := range records {
			if left, limited := row["ttl"].(float64); limited {
				row["ttl"] = float64(c.now().Unix()) + left
			}
		}
	}
}

// collection reads the pages of a collection; nil if the control plane does not have
// it.
func (c *ControlPlane) collection(ctx context.Context, path string) ([]entity.Record, error) {
	var all []entity.Record
	next := path + "?size=1000"
	for seen := map[string]bool{}; next != ""; {
		if seen[next] {
			return nil, fmt.Errorf("%w: GET %s%s: its pages lead in a circle", ErrEnvironment, c, path)
		}
		seen[next] = true
		rows, following, err := c.page(ctx, next, http.StatusNotFound)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
		if next = following; next != "" && !strings.Contains(next, "size=") {
			next += "&size=1000" // a nested collection's link does not keep it
		}
	}
	return all, nil
}

// maxPage is the largest page that is read, in bytes.
const maxPage = 64 << 20

// page reads one page and the path of the next one. The statuses say that there is no
// such collection.
func (c *ControlPlane) page(ctx context.Context, path string, absent ...int) ([]entity.Record, string, error) {
	address := strings.TrimSuffix(c.base.String(), "/") + path
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, "", fmt.Errorf("%w: GET %s: %w", ErrEnvironment, address, err)
	}
	if c.token != "" {
		request.Header.Set("Kong-Admin-Token", c.token)
	}
	response, err := c.client.Do(request)
	if err != nil {
		return nil, "", fmt.Errorf("%w: the control plane does not answer: %w", ErrEnvironment, err)
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusOK:
	case slices.Contains(absent, response.StatusCode):
		return nil, "", nil
	case response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden:
		return nil, "", fmt.Errorf("%w: GET %s: status %d: the control plane denies access; give a token in %s", ErrEnvironment, address, response.StatusCode, TokenVariable)
	default:
		return nil, "", fmt.Errorf("%w: GET %s: status %d", ErrEnvironment, address, response.StatusCode)
	}
	var page struct {
		Data []entity.Record `json:"data"`
		Next string          `json:"next"`
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxPage+1))
	switch {
	case err != nil:
		return nil, "", fmt.Errorf("%w: GET %s: the answer broke off: %w", ErrEnvironment, address, err)
	case len(text) > maxPage:
		return nil, "", fmt.Errorf("%w: GET %s: the answer is larger than %d bytes", ErrEnvironment, address, maxPage)
	}
	if json.Unmarshal(text, &page) != nil || page.Data == nil {
		return nil, "", fmt.Errorf("%w: GET %s: the answer is no page of an Admin API", ErrEnvironment, address)
	}
	return page.Data, page.Next, nil
}
