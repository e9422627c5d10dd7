// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package toxic

import (
	"net/http"
	"sync"
)

// MomentsPath is the path below which [Moments] is served.
const MomentsPath = "/moments/"

// moments are those of this process that have come. It is a package variable
// because Toxiproxy makes toxics by reflection, so a toxic cannot be given
// anything.
//
// Updating a toxic's attributes would say the same, but Toxiproxy writes those
// while connections read them.
var moments set

// set is a set of names. The empty name is never in it.
type set struct {
	mu    sync.Mutex
	names map[string]bool
}

func (s *set) add(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.names == nil {
		s.names = make(map[string]bool)
	}
	s.names[name] = name != ""
}

func (s *set) has(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names[name]
}

// Come makes a moment come, for good. See [Silence].
func Come(moment string) { moments.add(moment) }

// Moments answers PUT /moments/<name> when the moment has come.
func Moments() http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("PUT "+MomentsPath+"{name}", func(w http.ResponseWriter, r *http.Request) {
		Come(r.PathValue("name"))
		w.WriteHeader(http.StatusNoContent)
	})
	return routes
}
