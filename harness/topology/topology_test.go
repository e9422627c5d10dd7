// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestWithLeavesTheOriginal(t *testing.T) {
	t.Parallel()
	base := Topology{Nodes: make([]Node, 0, 8)}.With(Node{Name: "cp", Role: ControlPlane})
	a, b := base.With(Node{Name: "a", Role: DataPlane}), base.With(Node{Name: "b", Role: DataPlane})
	if len(base.Nodes) != 1 || a.Nodes[1].Name != "a" || b.Nodes[1].Name != "b" {
		t.Errorf("copies share nodes: %v %v %v", base, a, b)
	}
}

func TestEdges(t *testing.T) {
	t.Parallel()
	top := Topology{Nodes: []Node{{Name: "cp", Role: ControlPlane}}}
	for _, c := range []struct {
		node Node
		want []Edge
	}{
		{top.Nodes[0], nil},
		{Node{Name: "d", Role: DataPlane}, []Edge{{"d", "cp"}}},
		{Node{Name: "d", Role: DataPlane, Import: true}, []Edge{{"d", "cp"}, {"d", Store}}},
		{Node{Name: "d", Role: DataPlane, Export: true}, []Edge{{"d", "cp"}, {"d", Store}}},
		{Node{Name: "d", Role: DataPlane, Account: true}, []Edge{{"d", "cp"}, {"d", Store}}},
	} {
		if got := top.Edges(c.node); !reflect.DeepEqual(got, c.want) {
			t.Errorf("edges of %+v: %v, want %v", c.node, got, c.want)
		}
	}
}

// TestDatabaseEdges: a control plane's database is at the end of an edge where it is
// in PostgreSQL, and nowhere else.
func TestDatabaseEdges(t *testing.T) {
	t.Parallel()
	cp, dp := Node{Name: "cp", Role: ControlPlane}, Node{Name: "d", Role: DataPlane}
	file := Topology{}.With(cp, dp)
	server := file.WithPostgres()
	if file.Postgres || len(file.Edges(cp)) != 0 {
		t.Errorf("edges to a file: %v of %+v", file.Edges(cp), file)
	}
	want := []Edge{{"cp", Database}}
	if got := server.Edges(cp); !reflect.DeepEqual(got, want) || !got[0].ToDatabase() {
		t.Errorf("edges of the control plane: %v, want %v", got, want)
	}
	if got := server.Edges(dp); !reflect.DeepEqual(got, []Edge{{"d", "cp"}}) {
		t.Errorf("edges of the data plane: %v", got)
	}
	if _, err := file.To(server); err == nil || !strings.Contains(err.Error(), "cannot change") {
		t.Errorf("a file becomes a server while it runs: error %v", err)
	}
}

// TestOldTopologyIsWrittenAsBefore: what has no PostgreSQL does not speak of it.
func TestOldTopologyIsWrittenAsBefore(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(Topology{}.With(Node{Name: "cp", Role: ControlPlane}))
	if want := `{"nodes":[{"name":"cp","role":"control_plane"}]}`; err != nil || string(text) != want {
		t.Errorf("written as %s, %v, want %s", text, err, want)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	cp := Node{Name: "cp", Role: ControlPlane}
	for _, c := range []struct {
		name  string
		nodes []Node
		want  string
	}{
		{"good", []Node{cp, {Name: "d", Role: DataPlane}}, ""},
		{"two control planes", []Node{cp, {Name: "cp-2", Role: ControlPlane}, {Name: "d", Role: DataPlane, ControlPlane: "cp-2"}}, ""},
		{"no control plane", []Node{{Name: "d", Role: DataPlane}}, "no control plane"},
		{"dials nobody", []Node{cp, {Name: "d", Role: DataPlane, ControlPlane: "cp-2"}}, `no control plane "cp-2"`},
		{"dials a data plane", []Node{cp, {Name: "e", Role: DataPlane}, {Name: "d", Role: DataPlane, ControlPlane: "e"}}, `no control plane "e"`},
		{"no such store", []Node{cp, {Name: "d", Role: DataPlane, Import: true, Store: "other"}}, `no store "other"`},
		{"a front's name", []Node{cp, {Name: StoreFront, Role: DataPlane}}, "reserved"},
		{"name twice", []Node{cp, {Name: "cp", Role: DataPlane}}, "used twice"},
		{"reserved name", []Node{cp, {Name: Store, Role: DataPlane}}, "reserved"},
		{"the database's name", []Node{cp, {Name: Database, Role: DataPlane}}, "reserved"},
		{"unknown role", []Node{cp, {Name: "d", Role: "spare"}}, "unknown role"},
		{"importing control plane", []Node{{Name: "cp", Role: ControlPlane, Import: true}}, "cannot import"},
		{"proxying control plane", []Node{{Name: "cp", Role: ControlPlane, ProxyTLS: true}}, "does not proxy"},
		{"filled", []Node{{Name: "cp", Role: ControlPlane, Routes: 1}}, ""},
		{"filled data plane", []Node{cp, {Name: "d", Role: DataPlane, Routes: 1}}, "d: 1 routes at the start"},
		{"filled with less than nothing", []Node{{Name: "cp", Role: ControlPlane, Routes: -1}}, "cp: -1 routes at the start"},
	} {
		err := Topology{Nodes: c.nodes}.Validate()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

// TestDifference: a changed copy of a topology says what has to be done.
func TestDifference(t *testing.T) {
	t.Parallel()
	base := Topology{}.With(Node{Name: "cp", Role: ControlPlane}, Node{Name: "a", Role: DataPlane}, Node{Name: "b", Role: DataPlane})
	added := Node{Name: "c", Role: DataPlane, Import: true}
	next := base.With(added).Without("a").WithParameter("b", "log_level", "info")
	if len(base.Nodes) != 3 || base.Nodes[2].Parameters != nil {
		t.Fatalf("the original was changed: %+v", base)
	}
	d, err := base.To(next)
	changed := Node{Name: "b", Role: DataPlane, Parameters: map[string]string{"log_level": "info"}}
	if want := (Difference{Start: []Node{added}, Stop: []string{"a"}, Change: []Node{changed}}); err != nil || !reflect.DeepEqual(d, want) {
		t.Errorf("difference %+v, %v, want %+v", d, err, want)
	}
	if d, err := next.To(next); err != nil || !reflect.DeepEqual(d, Difference{}) {
		t.Errorf("difference to itself: %+v, %v", d, err)
	}
	for name, bad := range map[string]Topology{
		"a second store":             base.WithStores(Store, "second"),
		"a second upstream":          base.WithUpstreams(Upstream, "second"),
		"another role":               base.Without("a").With(Node{Name: "a", Role: ControlPlane}),
		"another disk":               base.Without("a").With(Node{Name: "a", Role: DataPlane, Disk: 1 << 20}),
		"another control plane":      base.With(Node{Name: "cp-2", Role: ControlPlane}).Without("a").With(Node{Name: "a", Role: DataPlane, ControlPlane: "cp-2"}),
		"routes that it had not":     base.Without("cp").With(Node{Name: "cp", Role: ControlPlane, Routes: 9}),
		"an account that it had not": base.Without("a").With(Node{Name: "a", Role: DataPlane, Import: true}),
	} {
		if _, err := base.To(bad); err == nil || !strings.Contains(err.Error(), "cannot change") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestWithParameter(t *testing.T) {
	t.Parallel()
	first := Topology{}.With(Node{Name: "a", Role: DataPlane}).WithParameter("a", "x", "1")
	second := first.WithParameter("a", "y", "2").WithParameter("a", "x", "3")
	if !reflect.DeepEqual(first.Nodes[0].Parameters, map[string]string{"x": "1"}) {
		t.Errorf("the original was changed: %v", first.Nodes[0].Parameters)
	}
	if !reflect.DeepEqual(second.Nodes[0].Parameters, map[string]string{"x": "3", "y": "2"}) {
		t.Errorf("parameters %v", second.Nodes[0].Parameters)
	}
}
