// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"blackout/internal/gateway/entity"
)

// periods are the windows of rate-limiting, in UTC and by the calendar.
var periods = [...]struct {
	field, header string
}{
	{"second", "Second"}, {"minute", "Minute"}, {"hour", "Hour"}, {"day", "Day"}, {"month", "Month"}, {"year", "Year"},
}

// limit is how many requests may come in a window.
type limit struct {
	period   int
	requests int
}

// bounds returns the window that holds now.
func (l limit) bounds(now time.Time) (start, end time.Time) {
	now = now.UTC()
	switch periods[l.period].field {
	case "second":
		start = now.Truncate(time.Second)
		return start, start.Add(time.Second)
	case "minute":
		start = now.Truncate(time.Minute)
		return start, start.Add(time.Minute)
	case "hour":
		start = now.Truncate(time.Hour)
		return start, start.Add(time.Hour)
	case "day":
		start = time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
		return start, start.AddDate(0, 0, 1)
	case "month":
		start = time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
		return start, start.AddDate(0, 1, 0)
	}
	start = time.Date(now.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	return start, start.AddDate(1, 0, 0)
}

// rateLimiting limits requests (Kong 3.9 rate-limiting, priority 910, policy
// local).
type rateLimiting struct {
	limits       []limit
	by, byHeader string
	byPath       string
	hide         bool
	status       int
	message      string
	scope        string // what the limit is shared by
	counters     *Counters
}

func newRateLimiting(config entity.Record, build *builder) (Plugin, error) {
	if policy := textOr(config, "policy", "local"); policy != "local" {
		return nil, fmt.Errorf("config.policy: '%s' is not supported by this gateway; use 'local'", policy)
	}
	r := &rateLimiting{
		by: textOr(config, "limit_by", "consumer"), byHeader: config.Text("header_name"), byPath: config.Text("path"),
		hide:   flagOr(config, "hide_client_headers", false),
		status: integerOr(config, "error_code", http.StatusTooManyRequests), message: textOr(config, "error_message", "API rate limit exceeded"),
		scope: build.scope.workspace + ":" + build.scope.route + ":" + build.scope.service + ":", counters: build.options.Counters,
	}
	switch r.by {
	case "consumer", "credential", "ip", "service", "header", "path":
	default:
		return nil, fmt.Errorf("config.limit_by: '%s' is not supported by this gateway", r.by)
	}
	for i, period := range periods {
		if requests := config.Integer(period.field); requests > 0 {
			r.limits = append(r.limits, limit{i, requests})
		}
	}
	if len(r.limits) == 0 {
		return nil, fmt.Errorf("config: no limit is set; set one of second, minute, hour, day, month, year")
	}
	return r, nil
}

// whose is the one the request counts for. Where the request lacks what is
// asked for, it is the client's address.
func (r *rateLimiting) whose(x *Exchange) string {
	switch {
	case r.by == "service" && x.Service != "":
		return x.Service
	case r.by == "consumer" && x.Consumer != nil:
		return x.Consumer.ID
	case r.by == "credential" && x.Credential != "":
		return x.Credential
	case r.by == "path" && x.Path == r.byPath:
		return x.Path
	case r.by == "header":
		if value, ok := getHeader(x.Header(), r.byHeader); ok {
			return value
		}
	}
	return x.Client.String()
}

// Access counts the request, or refuses it.
func (r *rateLimiting) Access(x *Exchange) *Answer {
	used, full := r.counters.take(r.scope+r.whose(x), r.limits, x.Now)
	headers, reset := r.describe(x.Now, used, full)
	if full {
		headers = append(headers, Added{"Retry-After", strconv.Itoa(reset)})
	}
	if !r.hide {
		x.Added = append(x.Added, headers...)
	}
	if !full {
		return nil
	}
	return &Answer{Status: r.status, Message: r.message}
}

// describe returns the headers for the client, and the seconds until the
// tightest window ends. The tightest is the one with the fewest requests left,
// among equals the longest.
func (r *rateLimiting) describe(now time.Time, used []int, full bool) ([]Added, int) {
	headers := make([]Added, 0, 2*len(r.limits)+4)
	tightest, fewest, stop := 0, -1, r.stop(used)
	for i, l := range r.limits {
		left := l.requests - used[i]
		if !full || i == stop {
			left--
		}
		left = max(left, 0)
		if fewest < 0 || left <= fewest {
			tightest, fewest = i, left
		}
		header := periods[l.period].header
		headers = append(headers,
			Added{"X-RateLimit-Limit-" + header, strconv.Itoa(l.requests)},
			Added{"X-RateLimit-Remaining-" + header, strconv.Itoa(left)})
	}
	_, end := r.limits[tightest].bounds(now)
	reset := max(1, int((end.Sub(now)+time.Second-1)/time.Second))
	return append(headers,
		Added{"RateLimit-Limit", strconv.Itoa(r.limits[tightest].requests)},
		Added{"RateLimit-Remaining", strconv.Itoa(fewest)},
		Added{"RateLimit-Reset", strconv.Itoa(reset)}), reset
}

// stop is the index of the last limit that is used up, -1 if none is.
func (r *rateLimiting) stop(used []int) int {
	stop := -1
	for i, l := range r.limits {
		if used[i] >= l.requests {
			stop = i
		}
	}
	return stop
}
