// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
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

func TestValidate(t *testing.T) {
	t.Parallel()
	cp := Node{Name: "cp", Role: ControlPlane}
	for _, c := range []struct {
		name  string
		nodes []Node
		want  string
	}{
		{"good", []Node{cp, {Name: "d", Role: DataPlane}}, ""},
		{"no control plane", []Node{{Name: "d", Role: DataPlane}}, "0 control planes"},
		{"name twice", []Node{cp, {Name: "cp", Role: DataPlane}}, "used twice"},
		{"reserved name", []Node{cp, {Name: Store, Role: DataPlane}}, "reserved"},
		{"unknown role", []Node{cp, {Name: "d", Role: "spare"}}, "unknown role"},
		{"importing control plane", []Node{{Name: "cp", Role: ControlPlane, Import: true}}, "cannot import"},
	} {
		err := Topology{Nodes: c.nodes}.Validate()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}
