// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package hybrid

import (
	"fmt"
	"net"
	"testing"
	"time"

	"blackout/internal/gateway/entity"
)

func TestCompatible(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ours, theirs string
		want         bool
	}{
		{"3.9.1", "3.9.1", true}, {"3.9.1", "3.9.3", true}, {"3.9.1", "3.4.0", true}, {"3.9.1", "3.10.0", false},
		{"3.9.1", "4.0.0", false}, {"3.9.1", "2.9.1", false}, {"3.9.1", "3.9", false}, {"3.9.1", "x.9.1", false},
		{"3.9.1", "3.9.1.0-enterprise", true}, {"3.9.1", "3.9.1rc1", true}, {"3.9.1", "", false},
	} {
		if err := compatible(c.ours, c.theirs); (err == nil) != c.want {
			t.Errorf("control plane %s, data plane %s: %v", c.ours, c.theirs, err)
		}
	}
}

func TestPluginsFit(t *testing.T) {
	t.Parallel()
	ours := versionsOf([]Plugin{{"key-auth", "3.9.1"}, {"acl", "3.9.1"}, {"old", "0.4.0"}, {"opentelemetry", "3.9.1"}, {"unversioned", ""}})
	for name, c := range map[string]struct {
		theirs     []Plugin
		configured []string
		want       string
	}{
		"nothing configured":           {nil, nil, SyncNormal},
		"the same":                     {[]Plugin{{"key-auth", "3.9.1"}}, []string{"key-auth"}, SyncNormal},
		"another patch":                {[]Plugin{{"key-auth", "3.9.7"}}, []string{"key-auth"}, SyncNormal},
		"an older minor":               {[]Plugin{{"key-auth", "3.4.0"}}, []string{"key-auth"}, SyncNormal},
		"a newer minor":                {[]Plugin{{"key-auth", "3.10.0"}}, []string{"key-auth"}, SyncPluginVersionIncompatible},
		"another major":                {[]Plugin{{"key-auth", "2.9.0"}}, []string{"key-auth"}, SyncPluginVersionIncompatible},
		"a newer one that is not used": {[]Plugin{{"key-auth", "4.0.0"}, {"acl", "3.9.1"}}, []string{"acl"}, SyncNormal},
		"missing":                      {[]Plugin{{"acl", "3.9.1"}}, []string{"acl", "key-auth"}, SyncPluginSetIncompatible},
		"missing, and unknown here":    {nil, []string{"custom"}, SyncPluginSetIncompatible},
		"unknown here alone":           {[]Plugin{{"custom", "1.0.0"}}, []string{"custom"}, SyncNormal},
		"no version there":             {[]Plugin{{"key-auth", ""}}, []string{"key-auth"}, SyncNormal},
		"no version here":              {[]Plugin{{"unversioned", "1.0.0"}}, []string{"unversioned"}, SyncNormal},
		"first opentelemetry":          {[]Plugin{{"opentelemetry", "0.1.3"}}, []string{"opentelemetry"}, SyncNormal},
		"second opentelemetry":         {[]Plugin{{"opentelemetry", "0.2.0"}}, []string{"opentelemetry"}, SyncPluginVersionIncompatible},
	} {
		if got, err := ours.fits(versionsOf(c.theirs), c.configured); got != c.want || (err == nil) != (got == SyncNormal) {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, c.want)
		}
	}
}

// A data plane that lacks a configured plugin is told nothing, stays connected,
// and gets the next configuration that it can do with.
func TestServerSkipsADataPlaneThatLacksAPlugin(t *testing.T) {
	t.Parallel()
	identity := newIdentity(t)
	server, address, recorded := startServer(t, ServerOptions{Identity: identity, Plugins: []Plugin{{"acl", "3.8.0"}}})
	await := func(status string) {
		t.Helper()
		select {
		case dp := <-recorded:
			if dp.SyncStatus != status {
				t.Fatalf("recorded %s, want %s", dp.SyncStatus, status)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("nothing recorded, want %s", status)
		}
	}
	server.Publish(Publication{Frame: []byte("first"), Plugins: []string{"key-auth"}})
	conn, reader, _ := rawDial(t, identity, address, rawQuery)
	writeFrame(t, conn, 2, []byte(rawBasicInfo)) // it has acl 3.9.1
	ping := func(status string) {
		t.Helper()
		writeFrame(t, conn, 9, []byte(entity.EmptyHash))
		if got, err := readFrame(reader); err != nil || got.opcode != 10 {
			t.Fatalf("got opcode %d %q, %v, want a pong", got.opcode, got.payload, err)
		}
		await(status)
	}
	ping(SyncPluginSetIncompatible)
	server.Publish(Publication{Frame: []byte("second"), Plugins: []string{"acl"}})
	await(SyncPluginVersionIncompatible) // told at once, without a ping
	ping(SyncPluginVersionIncompatible)
	server.Publish(Publication{Frame: []byte("third")})
	await(SyncNormal)
	if got, err := readFrame(reader); err != nil || string(got.payload) != "third" {
		t.Fatalf("got opcode %d %q, %v, want the third configuration", got.opcode, got.payload, err)
	}
	ping(SyncNormal)
}

// What goes out is compressed by whoever publishes it, once: every data plane is
// sent those bytes.
func TestEveryDataPlaneGetsTheSameBytes(t *testing.T) {
	t.Parallel()
	identity := newIdentity(t)
	server, address, _ := startServer(t, ServerOptions{Identity: identity})
	frame := numbered(t, 1)
	var conns []net.Conn
	for n := range 5 {
		conn, reader, _ := rawDial(t, identity, address, fmt.Sprintf("?node_id=%d&node_hostname=h&node_version=3.9.1", n))
		writeFrame(t, conn, 2, []byte(rawBasicInfo))
		writeFrame(t, conn, 9, []byte(entity.EmptyHash))
		if got, err := readFrame(reader); err != nil || got.opcode != 10 {
			t.Fatalf("got %+v, %v, want a pong", got, err)
		}
		conns = append(conns, conn)
		defer func() {
			if got, err := readFrame(reader); err != nil || string(got.payload) != string(frame) {
				t.Errorf("data plane %d got %d bytes, %v", n, len(got.payload), err)
			}
		}()
	}
	server.Publish(Publication{Frame: frame})
	if len(conns) != server.Clients() {
		t.Errorf("%d of %d are connected", server.Clients(), len(conns))
	}
}
