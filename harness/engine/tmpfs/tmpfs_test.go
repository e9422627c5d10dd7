// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package tmpfs

import (
	"slices"
	"strings"
	"testing"
)

func TestMounts(t *testing.T) {
	t.Parallel()
	table := strings.Join([]string{
		`27 1 254:0 / / rw,relatime - ext4 /dev/vda rw`,
		`40 27 0:50 / /var/data/a rw,nosuid shared:7 master:1 - tmpfs blackout/r42/host/boot/ns/7/99 rw,size=1024k`,
		`41 27 0:51 / /with\040blank\134 rw - tmpfs blackout/r43/o ro`,
		`42 27 0:52 / /other rw - tmpfs tmpfs rw`,
		`43 27 0:53 / /no-owner rw - tmpfs blackout/r44 rw`,
		`44 27 0:54 / /not-in-memory rw - ext4 blackout/r45/o rw`,
		`cut short`,
		``,
	}, "\n")
	want := []disk{
		{"/var/data/a", Mark{"r42", "host/boot/ns/7/99"}},
		{`/with blank\`, Mark{"r43", "o"}},
	}
	if got := parseMounts(table); !slices.Equal(got, want) {
		t.Errorf("parseMounts() = %v, want %v", got, want)
	}
}

func FuzzMounts(f *testing.F) {
	f.Add("40 27 0:50 / /a rw - tmpfs blackout/r/o rw\n")
	f.Add(`1 2 3 4 \1 - tmpfs blackout/\057/\7`)
	f.Fuzz(func(t *testing.T, table string) {
		for _, d := range parseMounts(table) {
			if again, ok := parseMark(d.mark.String()); !ok || again != d.mark || d.dir == "" {
				t.Errorf("%q gives %+v", table, d)
			}
		}
	})
}
