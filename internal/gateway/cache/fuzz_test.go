// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"blackout/internal/gateway/entity"
)

// FuzzDecode reads files of any content: what is taken for whole is the same
// after being written and read again.
func FuzzDecode(f *testing.F) {
	c := Cache{Version: "3.9.1"}
	seed, err := c.encode(Entry{Hash: "h", Hashes: &entity.Hashes{Config: "h"}, Table: []byte("{}")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	for _, text := range []string{"", "{}\n{}", `{"format":1,"version":"3.9","sha256":"` + strings.Repeat("0", 64) + `"}` + "\n{}", strings.Repeat("x", 1<<20)} {
		var data bytes.Buffer
		writer := gzip.NewWriter(&data)
		_, _ = writer.Write([]byte(text)) // to memory: never fails
		_ = writer.Close()
		f.Add(data.Bytes())
	}
	f.Add([]byte{0x1f, 0x8b, 8})
	f.Fuzz(func(t *testing.T, data []byte) {
		head, table, err := decode(data)
		if err != nil {
			return
		}
		again, err := c.encode(Entry{Hash: head.Hash, Hashes: head.Hashes, Table: table})
		if err != nil {
			t.Fatal(err)
		}
		if _, same, err := decode(again); err != nil || !bytes.Equal(same, table) {
			t.Fatalf("what was read does not survive: %v", err)
		}
	})
}
