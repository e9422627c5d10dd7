// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Time in these tests is a synctest bubble's: a sleep moves its clock, and nobody waits.

package fallback

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/election"
)

// ofCluster is a config_table of a database of that id.
func ofCluster(id, name string) []byte {
	return fmt.Appendf(nil, `{"parameters":[{"key":"other","value":"x"},{"created_at":null,"key":"cluster_id","value":%q}],"services":[{"name":%q}]}`, id, name)
}

// openOf opens an exporter of the cluster, whose control plane has that configuration.
func (s *shop) openOf(cluster, name string) *desk {
	var d *desk
	give := func() { d.exporter.Offer(ofCluster(cluster, name), cluster+name, d.exporter.Mark()) }
	d = s.open(cluster, func(o *ExporterOptions) { o.Refresh = give })
	give()
	return d
}

func TestAnotherClustersCopyIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		first := s.openOf("old", "all")
		time.Sleep(time.Minute)
		first.close(t)

		// The database is lost, and somebody makes a first entity in the new one.
		second := s.openOf("new", "few")
		time.Sleep(time.Hour)
		if got := nameOf(s.snapshot(t).Body); got != "all" {
			t.Fatalf("the store holds %q", got)
		}
		status := second.exporter.Status()
		if status.PendingHash != "newfew" || status.Failures == 0 || !strings.Contains(status.LastError, "of another cluster, old, and this one is new") {
			t.Errorf("status %+v", status)
		}
		if lines := second.log.lines("of another cluster"); len(lines) != 1 || !strings.Contains(lines[0], "level=ERROR") {
			t.Errorf("log %s", second.log.String())
		}

		// Somebody says that the new one counts.
		found := s.snapshot(t)
		once := Once{Bucket: s, Key: testKey, By: "person", Life: "hand", Hash: "h", Epoch: election.Epoch{Term: 100}, If: bucket.IfVersion(found.Version), Time: time.Now()}
		if _, err := once.Write(t.Context(), []byte(`{"services":[{"name":"by hand"}]}`)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if got := nameOf(s.snapshot(t).Body); got != "few" {
			t.Errorf("the store holds %q; log %s", got, second.log.String())
		}
		second.close(t)
	})
}

// TestWhichCopiesAreAnotherClusters: a copy is kept from others if it tells whose it is,
// whether its metadata do or, as a real node's, only its body.
func TestWhichCopiesAreAnotherClusters(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body     string
		metadata map[string]string
		kept     bool
	}{
		"by its body":          {string(ofCluster("old", "all")), nil, true},
		"by its metadata":      {`{"services":[{"name":"all"}]}`, map[string]string{metaHash: "h", metaCluster: "old"}, true},
		"of this one":          {string(ofCluster("new", "all")), nil, false},
		"of nobody":            {`{"services":[{"name":"all"}]}`, nil, false},
		"damaged, of the body": {string(ofCluster("old", "all"))[1:], nil, false},
		"parameters of Lua":    {`{"parameters":{},"services":[{"name":"all"}]}`, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop()
				s.put(t, testKey, test.body, test.metadata)
				d := s.openOf("new", "few")
				time.Sleep(10 * time.Minute)
				if got, kept := nameOf(s.snapshot(t).Body), nameOf(s.snapshot(t).Body) == "all"; kept != test.kept {
					t.Errorf("the store holds %q; log %s", got, d.log.String())
				}
				d.stop()
				if err := <-d.ended; (err != nil) != test.kept {
					t.Errorf("it ended with %v", err)
				}
			})
		})
	}
}
