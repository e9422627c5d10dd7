// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package netfault

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// littleEndian says how this machine's kernel writes addresses.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

func TestListeners(t *testing.T) {
	t.Parallel()
	if !littleEndian {
		t.Skip("NOT MEASURED: the tables below are those of a little-endian machine")
	}
	const header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	const rest = " 00000000:00000000 00:00000000 00000000     0        0 "
	table := header + strings.Join([]string{
		"   0: 0100007F:1F40 00000000:0000 0A" + rest + "11 1 0000000000000000 100 0 0 10 0",
		"   1: 00000000:0050 00000000:0000 0A" + rest + "12 1",
		"   2: 0100007F:1F40 0100007F:D431 01" + rest + "13 1",
		"   3: 00000000000000000000000001000000:1F41 00000000000000000000000000000000:0000 0A" + rest + "14 1",
		"   4: B80D01200000000000000000EFBE0000:01BB 00000000000000000000000000000000:0000 0A" + rest + "15 1",
		"   5: xyz:1F41 0:0 0A" + rest + "16 1",
		"   6: 0100007F:1F40 00000000:0000 0A cut short",
		"",
	}, "\n")
	want := []Listener{
		{netip.MustParseAddrPort("127.0.0.1:8000"), 11},
		{netip.MustParseAddrPort("0.0.0.0:80"), 12},
		{netip.MustParseAddrPort("[::1]:8001"), 14},
		{netip.MustParseAddrPort("[2001:db8::beef]:443"), 15},
	}
	if got := ParseListeners(table); !slices.Equal(got, want) {
		t.Errorf("ParseListeners() = %v, want %v", got, want)
	}
}

// TestListenersAgree opens listeners, beside connections, which the kernel and its
// tables must show alike.
func TestListenersAgree(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Logf("not tried: %v", err) // a machine without IPv6
			continue
		}
		t.Cleanup(func() { l.Close() })
		want := l.Addr().(*net.TCPAddr).AddrPort()
		want = netip.AddrPortFrom(want.Addr().Unmap(), want.Port())
		for name, list := range map[string]func() ([]Listener, error){
			"kernel": askKernel, "tables": func() ([]Listener, error) { return readTables("/proc/self/net") },
		} {
			found, err := list()
			if errors.Is(err, ErrUnsupported) {
				t.Logf("NOT MEASURED: the %s: %v", name, err)
				continue
			}
			i := slices.IndexFunc(found, func(l Listener) bool { return l.Address == want })
			if err != nil || i < 0 || found[i].Inode == 0 {
				t.Errorf("the %s shows %v, %v; want %v among them, with an inode", name, found, err, want)
			}
		}
	}
}

func FuzzListeners(f *testing.F) {
	f.Add("0: 0100007F:1F40 00000000:0000 0A 0 0 0 0 0 11")
	f.Add("0: 00000000000000000000000001000000:1F41 0 0A 0 0 0 0 0 14 1\n")
	f.Fuzz(func(t *testing.T, table string) {
		for _, l := range ParseListeners(table) {
			if !l.Address.IsValid() {
				t.Errorf("%q gives %v", table, l)
			}
		}
	})
}
